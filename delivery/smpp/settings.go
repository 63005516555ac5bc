package smpp

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
)

// settings are what an operator writes; docs/operations/smpp.md describes each.
type settings struct {
	Address       string `json:"address"`
	SystemID      string `json:"system_id"`
	Password      string `json:"password"`
	SystemType    string `json:"system_type"`
	Version       any    `json:"version"` // 3.4 is a number in YAML
	Bind          string `json:"bind"`
	Binds         int    `json:"binds"`
	TLS           string `json:"tls"`
	TLSServerName string `json:"tls_server_name"`
	TLSCAFile     string `json:"tls_ca_file"`

	Window          int           `json:"window"`
	Rate            int           `json:"rate"`
	EnquireLink     time.Duration `json:"enquire_link"`
	ConnectTimeout  time.Duration `json:"connect_timeout"`
	ResponseTimeout time.Duration `json:"response_timeout"`

	Source    string `json:"source"`
	SourceTON *int   `json:"source_ton"`
	SourceNPI *int   `json:"source_npi"`
	DestTON   int    `json:"dest_ton"`
	DestNPI   int    `json:"dest_npi"`
	Service   string `json:"service_type"`

	Encoding        string         `json:"encoding"`
	DefaultAlphabet string         `json:"default_alphabet"`
	Transliterate   bool           `json:"transliterate"`
	Long            string         `json:"long"`
	Validity        string         `json:"validity"`
	TLVs            map[string]int `json:"tlvs"`
	TLVNul          bool           `json:"tlv_nul"`

	Receipts  any               `json:"receipts"` // true, false or failures
	ReceiptID string            `json:"receipt_id"`
	TimeZone  string            `json:"time_zone"`
	Statuses  map[string]string `json:"statuses"`

	version    byte
	registered byte
	tls        *tls.Config // nil for none
	readable   bool        // without TLS, and not on this machine
	zone       *time.Location
	statuses   map[uint32]status
}

// The values of registered_delivery that are used (SMPP 3.4, section 5.2.17).
const (
	noReceipt        = 0x00
	everyReceipt     = 0x01
	receiptOfFailure = 0x02
)

func defaults() settings {
	return settings{
		Version: "3.4", Bind: "transceiver", Binds: 1, Window: 10,
		EnquireLink: 30 * time.Second, ConnectTimeout: 10 * time.Second, ResponseTimeout: 8 * time.Second,
		DestTON: tonInternational, DestNPI: npiISDN,
		Encoding: "auto", DefaultAlphabet: "gsm7", Long: "udh", Validity: "relative",
		TLVs:     map[string]int{"dlt_entity_id": 0x1400, "dlt_template_id": 0x1401},
		Receipts: true, ReceiptID: "auto",
	}
}

// read reads and checks settings.
func read(values map[string]any) (settings, error) {
	s := defaults()
	f := delivery.Decode(values, &s)
	s.checkConnection(&f)
	s.checkTLS(&f)
	s.checkPace(&f)
	s.checkAddresses(&f)
	s.checkTexts(&f)
	s.checkReceipts(&f)
	s.checkStatuses(&f)
	return s, f.Err()
}

// oneOf notes a fault when a word is not among the known ones.
func oneOf(f *delivery.Faults, path, word string, known ...string) {
	if !slices.Contains(known, word) {
		f.Add(path, "must be one of: %s", strings.Join(known, ", "))
	}
}

// cString notes a fault when a text does not fit into a field of limit octets.
func cString(f *delivery.Faults, path, text string, limit int) {
	if len(text) >= limit || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		f.Add(path, "must have at most %d characters, all of ASCII", limit-1)
	}
}

func within(f *delivery.Faults, path string, n, least, most int) {
	if n < least || n > most {
		f.Add(path, "must be from %d to %d", least, most)
	}
}

func (s *settings) checkConnection(f *delivery.Faults) {
	if host, port, err := net.SplitHostPort(s.Address); err != nil || host == "" || port == "" {
		f.Add("address", "must be HOST:PORT; carriers often use port 2775")
	}
	if s.SystemID == "" {
		f.Add("system_id", "must be given; the carrier assigns it")
	}
	cString(f, "system_id", s.SystemID, systemIDs)
	cString(f, "password", s.Password, passwords)
	cString(f, "system_type", s.SystemType, systemType)
	oneOf(f, "bind", s.Bind, "transceiver", "pair")
	within(f, "binds", s.Binds, 1, 64)
	switch fmt.Sprint(s.Version) {
	case "3.4":
		s.version = 0x34
	case "5.0", "5":
		s.version = 0x50
	default:
		f.Add("version", "must be 3.4 or 5.0")
	}
}

func (s *settings) checkTLS(f *delivery.Faults) {
	host, _, _ := net.SplitHostPort(s.Address)
	near := host == "localhost" || net.ParseIP(host).IsLoopback()
	if s.TLS == "" {
		s.TLS = "required"
		if near {
			s.TLS = "none"
		}
	}
	oneOf(f, "tls", s.TLS, "required", "none")
	if s.TLS == "none" {
		s.readable = !near
		for path, value := range map[string]string{"tls_server_name": s.TLSServerName, "tls_ca_file": s.TLSCAFile} {
			if value != "" {
				f.Add(path, "is of no use without tls: required")
			}
		}
		return
	}
	s.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if s.TLSServerName != "" {
		s.tls.ServerName = s.TLSServerName
	}
	if s.TLSCAFile == "" {
		return
	}
	pem, err := os.ReadFile(s.TLSCAFile)
	s.tls.RootCAs = x509.NewCertPool()
	if err != nil || !s.tls.RootCAs.AppendCertsFromPEM(pem) {
		f.Add("tls_ca_file", "must name a readable file of certificates in PEM form")
	}
}

func (s *settings) checkPace(f *delivery.Faults) {
	within(f, "window", s.Window, 1, 1000)
	within(f, "rate", s.Rate, 0, 100_000)
	for path, d := range map[string]time.Duration{
		"enquire_link": s.EnquireLink, "connect_timeout": s.ConnectTimeout, "response_timeout": s.ResponseTimeout,
	} {
		if d < time.Second || d > time.Hour {
			f.Add(path, "must be from 1s to 1h")
		}
	}
}

func (s *settings) checkAddresses(f *delivery.Faults) {
	if _, err := sender(s.Source); err != nil {
		f.Add("source", "must be %v", err)
	}
	if (s.SourceTON == nil) != (s.SourceNPI == nil) {
		f.Add("source_ton", "must be given together with source_npi, or neither")
	}
	if s.SourceTON != nil && s.SourceNPI != nil {
		within(f, "source_ton", *s.SourceTON, 0, 255)
		within(f, "source_npi", *s.SourceNPI, 0, 255)
	}
	within(f, "dest_ton", s.DestTON, 0, 255)
	within(f, "dest_npi", s.DestNPI, 0, 255)
	cString(f, "service_type", s.Service, services)
}

func (s *settings) checkTexts(f *delivery.Faults) {
	oneOf(f, "encoding", s.Encoding, "auto", "gsm7", "ucs2", "latin1")
	oneOf(f, "default_alphabet", s.DefaultAlphabet, "gsm7", "latin1")
	oneOf(f, "long", s.Long, "udh", "payload", "sar")
	oneOf(f, "validity", s.Validity, "relative", "absolute", "none")
	for name, tag := range s.TLVs {
		if tag < 1 || tag > 0xffff {
			f.Add("tlvs."+name, "must be a tag from 0x0001 to 0xffff")
		}
	}
}

func (s *settings) checkReceipts(f *delivery.Faults) {
	switch s.Receipts {
	case true, "true":
		s.registered = everyReceipt
	case false, "false":
		s.registered = noReceipt
	case "failures":
		s.registered = receiptOfFailure
	default:
		f.Add("receipts", "must be true, false or failures")
	}
	oneOf(f, "receipt_id", s.ReceiptID, "auto", "same", "hex", "decimal")
	if s.TimeZone == "" {
		return
	}
	t, err := time.Parse("Z07:00", s.TimeZone)
	if err != nil {
		f.Add("time_zone", "must be Z or an offset such as -04:00")
		return
	}
	_, offset := t.Zone()
	s.zone = time.FixedZone("", offset)
}

func (s *settings) checkStatuses(f *delivery.Faults) {
	s.statuses = statuses()
	for key, word := range s.Statuses {
		path := "statuses." + key
		code, err := strconv.ParseUint(key, 0, 32)
		if err != nil || code == statusOK {
			f.Add(path, `must be a command_status such as "0x0412"`)
			continue
		}
		class, ok := classOf(word)
		if !ok {
			f.Add(path, "must be one of: rejected, throttled, unavailable")
			continue
		}
		one := judged(s.statuses, uint32(code))
		one.class = class
		s.statuses[uint32(code)] = one
	}
}

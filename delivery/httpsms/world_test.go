package httpsms_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/delivery/httpsms"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

// transcript is one file of testdata: settings, a message, the request that it
// must become, what the vendor answers and what it calls back with.
type transcript struct {
	name     string
	archive  *txtar.Archive
	settings map[string]any
	message  delivery.Message
}

// noon is when transcripts play.
func noon() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// stopped is a clock that stands at noon.
func stopped() *clock.Clock { return clock.Over(noon, 0) }

// privateKey is made once a run: transcripts hold none.
var privateKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func privatePEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(privateKey())}))
}

func load(t testing.TB, name string) transcript {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/" + name + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	tr := transcript{name: name, archive: archive}
	if err := yaml.Unmarshal(tr.part("settings.yaml"), &tr.settings); err != nil {
		t.Fatal(err)
	}
	if secrets, _ := tr.settings["secrets"].(map[string]any); secrets["private_key"] != nil {
		secrets["private_key"] = privatePEM()
	}
	var m struct {
		Channel, Locale, Text string
		From                  *string
	}
	if err := yaml.Unmarshal(tr.part("message.yaml"), &m); err != nil {
		t.Fatal(err)
	}
	tr.message = message()
	if m.Channel != "" {
		tr.message.Channel = m.Channel
	}
	if m.Locale != "" {
		tr.message.Locale = m.Locale
	}
	if m.Text != "" {
		tr.message.Body = m.Text
	}
	return tr
}

// message is one with fixed times, whose sender is the provider's.
func message() delivery.Message {
	return delivery.Message{
		ID: "0198c0de-0000-7000-8000-000000000001", Tenant: "acme", Verification: "0198c0de-0000-7000-8000-000000000002", Channel: "sms",
		To: "+18091234567", Country: "DO", Brand: "Acme", Body: "Your code is 482913", Locale: "en", Code: "482913",
		Created: noon(), Expires: noon().Add(5 * time.Minute),
	}
}

func (tr *transcript) part(name string) []byte {
	for _, f := range tr.archive.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// parts are the names of the answers and of the calls.
func (tr *transcript) parts(t testing.TB) (answers, calls []string) {
	t.Helper()
	for _, f := range tr.archive.Files {
		name, ok := strings.CutSuffix(f.Name, ".http")
		if !ok || name == "request" {
			continue
		}
		if f.Data[0] >= '0' && f.Data[0] <= '9' {
			answers = append(answers, name)
		} else {
			calls = append(calls, name)
		}
	}
	return answers, calls
}

// split reads a part: its first line, its headers and its body.
func split(t testing.TB, part []byte) (first string, header http.Header, body []byte) {
	t.Helper()
	head, body, _ := bytes.Cut(part, []byte("\n\n"))
	lines := strings.Split(strings.TrimSpace(string(head)), "\n")
	header = http.Header{}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("no header: %q", line)
		}
		header.Add(name, value)
	}
	return lines[0], header, bytes.TrimSuffix(body, []byte("\n"))
}

// callbackURL is the public URL of a provider.
func callbackURL(name string) string { return "https://otp.example.com/receipts/" + name }

// open makes the transcript's provider, with its requests going to base when
// that is given.
func (tr *transcript) open(t testing.TB, base string, c *clock.Clock) delivery.Provider {
	t.Helper()
	configured := maps.Clone(tr.settings)
	if base != "" {
		configured["base_url"] = base
	}
	return must(t, configured, callbackURL(tr.name), c)
}

// must opens a provider.
func must(t testing.TB, configured map[string]any, callback string, c *clock.Clock) delivery.Provider {
	t.Helper()
	p, err := httpsms.Type().Open(delivery.Settings{
		Name: "gateway", Values: configured, CallbackURL: callback, Clock: c, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// secrets are the values of the settings that no error may hold.
func secretsOf(configured map[string]any) (all []string) {
	secrets, _ := configured["secrets"].(map[string]any)
	for _, v := range secrets {
		if text, ok := v.(string); ok {
			all = append(all, text)
		}
	}
	return all
}

// server is a gateway that answers what it is told.
type server struct {
	*httptest.Server
	t *testing.T

	mu      sync.Mutex
	answer  http.HandlerFunc
	request *http.Request
	body    []byte
	seen    int
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.request, s.body = r, body
	s.seen++
	answer := s.answer
	s.mu.Unlock()
	answer(w, r)
}

// say makes it answer so from now on.
func (s *server) say(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// replay makes an answer of a transcript's part.
func replay(t *testing.T, part []byte) http.HandlerFunc {
	t.Helper()
	first, header, body := split(t, part)
	status, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		for name, all := range header {
			w.Header()[name] = all
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}
}

// text answers with a status and a text.
func text(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// written is a request as transcripts write it.
func written(r *http.Request, body []byte) []byte {
	var b bytes.Buffer
	b.WriteString(r.Method + " " + r.RequestURI + "\n")
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if slices.Contains([]string{"Content-Length", "Accept-Encoding", "Connection"}, name) {
			continue // net/http's matter
		}
		for _, value := range r.Header[name] {
			b.WriteString(name + ": " + value + "\n")
		}
	}
	b.WriteByte('\n')
	if len(body) > 0 {
		b.Write(body)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

package smpp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/gsm7"
)

// Types of number and numbering plans (SMPP 3.4, sections 5.2.5 and 5.2.6).
const (
	tonUnknown       = 0
	tonInternational = 1
	tonNetwork       = 3
	tonAlphanumeric  = 5
	npiUnknown       = 0
	npiISDN          = 1
)

// data_coding (section 5.2.19).
const (
	codingDefault = 0x00
	codingLatin1  = 0x03
	codingUCS2    = 0x08
)

const (
	maxSender    = 11 // characters of an alphanumeric one: TS 23.040, section 9.1.2.5
	maxNumber    = 15 // digits: E.164
	maxShort     = 8  // digits of a short code
	maxParameter = 254
	longestLife  = 30 * 24 * time.Hour
)

var (
	errSender    = errors.New("a number of at most 15 digits, or a name of at most 11 characters of ASCII")
	errNumber    = errors.New("the destination is no number in E.164 form")
	errAlphabet  = errors.New("the text has characters that the configured encoding lacks; use encoding: auto or transliterate: true")
	errLong      = errors.New("the text is too long for short messages")
	errParameter = errors.New("a parameter of the template has more than 254 characters")
	errExpired   = errors.New("the code expires within a second")
)

// sender reads the sender of a message. An international number is told by its
// plus, or by being too long for a short code; a short code is "network
// specific", which is what carriers' guides ask for.
func sender(from string) (address, error) {
	digits, plus := strings.CutPrefix(from, "+")
	isDigits := digits != "" && !strings.ContainsFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	switch {
	case from == "": // the carrier puts in its own
		return address{tonUnknown, npiUnknown, ""}, nil
	case isDigits && len(digits) <= maxShort && !plus:
		return address{tonNetwork, npiUnknown, digits}, nil
	case isDigits && len(digits) <= maxNumber:
		return address{tonInternational, npiISDN, digits}, nil
	case isDigits || len(from) > maxSender || strings.ContainsFunc(from, func(r rune) bool { return r < ' ' || r > '~' }):
		return address{}, errSender
	}
	return address{tonAlphanumeric, npiUnknown, from}, nil
}

// source is the sender of a message with the TON and NPI that are configured.
func (s *settings) source(m delivery.Message) (address, error) {
	from := m.From
	if from == "" {
		from = s.Source
	}
	a, err := sender(from)
	if err != nil {
		return address{}, fmt.Errorf("the sender must be %w", err)
	}
	if s.SourceTON != nil {
		a.ton, a.npi = byte(*s.SourceTON), byte(*s.SourceNPI)
	}
	return a, nil
}

// destination is the number of the person.
func (s *settings) destination(m delivery.Message) (address, error) {
	digits, plus := strings.CutPrefix(m.To, "+")
	if !plus || len(digits) < 3 || len(digits) > maxNumber || strings.ContainsFunc(digits, func(r rune) bool { return r < '0' || r > '9' }) {
		return address{}, errNumber
	}
	return address{byte(s.DestTON), byte(s.DestNPI), digits}, nil
}

// parts makes the submit_sm bodies of a message.
func (s *settings) parts(m delivery.Message, now time.Time) ([]short, error) {
	one := short{service: s.Service, registered: s.registered}
	var err error
	if one.parameters, err = s.parameters(m); err != nil {
		return nil, err
	}
	if one.from, err = s.source(m); err != nil {
		return nil, err
	}
	if one.to, err = s.destination(m); err != nil {
		return nil, err
	}
	if one.validity, err = s.validity(m, now); err != nil {
		return nil, err
	}
	texts, coding, err := s.texts(m.Body)
	if err != nil {
		return nil, err
	}
	one.coding = coding
	if len(texts) == 1 {
		one.text = texts[0]
		return []short{one}, nil
	}
	return s.long(one, texts, reference(m.ID))
}

// texts encodes a text and cuts it to what one message holds. Where the
// carrier's default alphabet is Latin-1, the carrier turns it to GSM-7: so such
// texts are measured and cut as GSM-7, and hold nothing else.
func (s *settings) texts(body string) ([][]byte, byte, error) {
	if s.Transliterate {
		body, _ = gsm7.Transliterate(body)
	}
	septets, ok := gsm7.Encode(body)
	if s.DefaultAlphabet == "latin1" && ok {
		_, ok = gsm7.EncodeLatin1(body)
	}
	switch {
	case ok && (s.Encoding == "auto" || s.Encoding == "gsm7"):
		parts := gsm7.Split(septets, gsm7.GSM7)
		if s.DefaultAlphabet == "latin1" {
			for i, part := range parts {
				parts[i], _ = gsm7.EncodeLatin1(gsm7.Decode(part))
			}
		}
		return parts, codingDefault, nil
	case s.Encoding == "auto" || s.Encoding == "ucs2":
		return gsm7.Split(gsm7.EncodeUCS2(body), gsm7.UCS2), codingUCS2, nil
	case s.Encoding == "latin1":
		if octets, ok := gsm7.EncodeLatin1(body); ok {
			return gsm7.Split(octets, gsm7.Latin1), codingLatin1, nil
		}
	}
	return nil, 0, errAlphabet
}

// long makes the parts of a long message: with user data headers (TS 23.040,
// section 9.2.3.24.1), with the sar parameters, or in one payload that the
// carrier cuts.
func (s *settings) long(one short, texts [][]byte, ref byte) ([]short, error) {
	if s.Long == "payload" {
		one.text, one.withPayload = slices.Concat(texts...), true
		if len(one.text) > maxPayload {
			return nil, errLong
		}
		return []short{one}, nil
	}
	if len(texts) > 255 {
		return nil, errLong
	}
	all := make([]short, len(texts))
	for i, text := range texts {
		part := one
		if s.Long == "sar" {
			part.text = text
			part.parameters = append(slices.Clip(one.parameters),
				tlv{tagReference, []byte{0, ref}}, tlv{tagSegments, []byte{byte(len(texts))}}, tlv{tagSegment, []byte{byte(i + 1)}})
		} else {
			part.class |= classHeader
			part.text = append([]byte{5, 0, 3, ref, byte(len(texts)), byte(i + 1)}, text...)
		}
		all[i] = part
	}
	return all, nil
}

// reference numbers a long message by its id: so a later try completes on the
// phone what an earlier one began.
func reference(id string) byte {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	sum := binary.BigEndian.AppendUint32(nil, h.Sum32())
	return sum[0] ^ sum[1] ^ sum[2] ^ sum[3]
}

// parameters are the optional ones that the tenant's template asks for, by tag.
func (s *settings) parameters(m delivery.Message) ([]tlv, error) {
	var all []tlv
	for name, tag := range s.TLVs {
		value := m.Params[name]
		if value == "" {
			continue
		}
		if len(value) > maxParameter {
			return nil, errParameter
		}
		octets := []byte(value)
		if s.TLVNul {
			octets = append(octets, 0)
		}
		all = append(all, tlv{uint16(tag), octets})
	}
	slices.SortFunc(all, func(a, b tlv) int { return int(a.tag) - int(b.tag) })
	return all, nil
}

// validity is the remaining life of the code, in the form of SMPP 3.4, section
// 7.1.1: a carrier that is late should not deliver it any more.
func (s *settings) validity(m delivery.Message, now time.Time) (string, error) {
	if m.Expires.IsZero() {
		return "", nil
	}
	left := m.Expires.Sub(now).Truncate(time.Second)
	if left <= 0 {
		return "", errExpired
	}
	switch s.Validity {
	case "absolute":
		return m.Expires.UTC().Format("060102150405") + "000+", nil
	case "none":
		return "", nil
	}
	seconds := int(min(left, longestLife) / time.Second)
	return fmt.Sprintf("0000%02d%02d%02d%02d000R", seconds/86400, seconds/3600%24, seconds/60%60, seconds%60), nil
}

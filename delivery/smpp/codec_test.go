package smpp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func decodeBind(body []byte) (bind, error) {
	r := reader{left: body}
	b := bind{
		systemID: r.text(), password: r.text(), systemType: r.text(),
		version: r.octet(), ton: r.octet(), npi: r.octet(), addressRange: r.text(),
	}
	if r.broken {
		return bind{}, errBody
	}
	return b, nil
}

// unhex reads octets as the standards print them.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBindOfTheStandard is the example of SMPP 3.4, section 3.2.3.
func TestBindOfTheStandard(t *testing.T) {
	t.Parallel()
	want := unhex(t, "0000002F 00000002 00000000 00000001 53 4D 50 50 33 54 45 53 54 00 73 65 63 72 65 74 30 38 00 53 55 42 4D 49 54 31 00 00 01 01 00")
	b := bind{systemID: "SMPP3TEST", password: "secret08", systemType: "SUBMIT1", ton: 1, npi: 1}
	if got := (pdu{command: bindTransmitter, sequence: 1, body: b.encode()}).encode(); !bytes.Equal(got, want) {
		t.Errorf("% x\nwant % x", got, want)
	}
	p, err := readPDU(bytes.NewReader(want))
	if err != nil || p.command != bindTransmitter || p.sequence != 1 {
		t.Fatalf("%+v %v", p, err)
	}
	if got, err := decodeBind(p.body); err != nil || got != b {
		t.Errorf("%+v %v", got, err)
	}
}

func TestPacketsThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"shorter than its header": "0000000F 00000005 00000000 00000001",
		"no length at all":        "00000000 00000005 00000000 00000001",
		"far too long":            "7FFFFFFF 00000005 00000000 00000001",
		"one octet too long":      "00010001 00000005 00000000 00000001",
	} {
		if p, err := readPDU(bytes.NewReader(unhex(t, text))); !errors.Is(err, errLength) || p.sequence != 1 {
			t.Errorf("%s: %+v %v", name, p, err)
		}
	}
	for name, text := range map[string]string{
		"cut in its header": "00000010 00000005 0000",
		"cut in its body":   "00000012 00000005 00000000 00000001 00",
	} {
		if p, err := readPDU(bytes.NewReader(unhex(t, text))); err == nil || errors.Is(err, errLength) {
			t.Errorf("%s: %+v %v", name, p, err)
		}
	}
}

func TestMalformedBodies(t *testing.T) {
	t.Parallel()
	good := short{to: address{1, 1, "18091234567"}, text: []byte("hello")}.encode()
	for n := range good {
		if m, err := decodeShort(good[:n]); err == nil {
			t.Errorf("cut to %d octets: %+v", n, m)
		}
	}
	if _, err := decodeShort(append(bytes.Clone(good), 0, 1, 0, 2, 0)); err == nil {
		t.Error("a parameter longer than the body")
	}
	if _, err := decodeShort([]byte(strings.Repeat("a", 300))); err == nil {
		t.Error("a text without an end")
	}
	if _, err := decodeID([]byte("no end")); err == nil {
		t.Error("an id without an end")
	}
	if id, err := decodeID(nil); id != "" || err != nil {
		t.Errorf("no body: %q %v", id, err)
	}
}

func TestTextInPayload(t *testing.T) {
	t.Parallel()
	m := short{to: address{1, 1, "1"}, text: bytes.Repeat([]byte("a"), 1000), withPayload: true, parameters: []tlv{{0x1400, []byte("1")}}}
	got, err := decodeShort(m.encode())
	if err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("%+v %v", got, err)
	}
}

func FuzzReadPDU(f *testing.F) {
	f.Add(unhex(f, "0000002F 00000002 00000000 00000001 53 4D 50 50 33 54 45 53 54 00 73 65 63 72 65 74 30 38 00 53 55 42 4D 49 54 31 00 00 01 01 00"))
	f.Add(pdu{command: deliverSM, body: short{to: address{1, 1, "1"}, text: []byte("id:1 stat:DELIVRD")}.encode()}.encode())
	f.Add(pdu{command: submitSM | answerBit, body: []byte("1\x00")}.encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := readPDU(bytes.NewReader(data))
		if err != nil {
			return
		}
		if again := p.encode(); !bytes.Equal(again, data[:len(again)]) {
			t.Errorf("% x is written as % x", data, again)
		}
		for _, decode := range []func([]byte) (short, error){decodeShort, decodeData} {
			if m, err := decode(p.body); err == nil {
				again, err := decodeShort(m.encode())
				if len(m.text) <= 255 && (err != nil || !reflect.DeepEqual(again.text, m.text) && len(m.text) > 0) {
					t.Errorf("%+v comes back as %+v, %v", m, again, err)
				}
				_, _ = readReceipt(m, nil)
			}
		}
		_, _ = decodeID(p.body)
		_, _ = decodeBind(p.body)
	})
}

func FuzzShort(f *testing.F) {
	f.Add("cmt", "Acme", "18091234567", "000000000500000R", []byte("hello"), uint16(0x1400), []byte("12"), byte(0x40), false)
	f.Add("", "", "1", "", []byte{0, 0x1b, 0x65}, uint16(0x1e), []byte{}, byte(4), true)
	f.Fuzz(func(t *testing.T, service, from, to, validity string, text []byte, tag uint16, value []byte, class byte, payload bool) {
		for _, s := range []string{service, from, to, validity} {
			if strings.ContainsRune(s, 0) || len(s) >= readLimit {
				return // settings and numbers that hold such are refused before
			}
		}
		if len(text) > 254 && !payload || len(text) > maxPayload || len(value) > 0xffff || tag == tagPayload {
			return
		}
		m := short{
			service: service, from: address{5, 0, from}, to: address{1, 1, to}, class: class, validity: validity, registered: 1,
			coding: 8, text: append([]byte{}, text...), withPayload: payload, parameters: []tlv{{tag, append([]byte{}, value...)}},
		}
		got, err := decodeShort(m.encode())
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%+v comes back as %+v, %v", m, got, err)
		}
	})
}

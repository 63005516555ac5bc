package smpp

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/gsm7"
)

func TestReceipts(t *testing.T) {
	t.Parallel()
	const usual = "id:1234567890 sub:001 dlvrd:001 submit date:2611221030 done date:2611221031 stat:DELIVRD err:000 text:Your code"
	for name, c := range map[string]struct {
		text       string
		parameters []tlv
		id, code   string
		state      delivery.State
		at         string
	}{
		"appendix B":          {usual, nil, "1234567890", "DELIVRD", delivery.Delivered, "2026-11-22T14:31:00Z"},
		"with seconds":        {"id:a1 stat:DELIVRD done date:261122103159", nil, "a1", "DELIVRD", delivery.Delivered, "2026-11-22T14:31:59Z"},
		"with the century":    {"id:a1 stat:DELIVRD done date:20261122103159", nil, "a1", "DELIVRD", delivery.Delivered, "2026-11-22T14:31:59Z"},
		"an impossible date":  {"id:a1 stat:DELIVRD done date:2699991031", nil, "a1", "DELIVRD", delivery.Delivered, ""},
		"undelivered":         {"id:7 sub:001 dlvrd:000 stat:UNDELIV err:001 text:", nil, "7", "UNDELIV-001", delivery.Failed, ""},
		"other case, order":   {"STAT:undeliv ERR:1b ID:7", nil, "7", "UNDELIV-1b", delivery.Failed, ""},
		"spaces after colons": {"id: 7 stat: EXPIRED err: 0", nil, "7", "EXPIRED", delivery.Failed, ""},
		"empty fields":        {"id:7 sub: dlvrd: stat: err:", nil, "7", "", delivery.EnRoute, ""},
		"line breaks":         {"id:7\nstat:REJECTD\nerr:12", nil, "7", "REJECTD-12", delivery.Failed, ""},
		"on its way":          {"id:7 stat:ACCEPTD", nil, "7", "ACCEPTD", delivery.EnRoute, ""},
		"unknown":             {"id:7 stat:UNKNOWN", nil, "7", "UNKNOWN", delivery.EnRoute, ""},
		"of the carrier's":    {"id:7 stat:BUFFRED", nil, "7", "BUFFRED", delivery.EnRoute, ""},
		"not in the text":     {"id:7 text:stat:DELIVRD err:9", nil, "7", "", delivery.EnRoute, ""},
		"within a word":       {"mid:9 id:7 xstat:DELIVRD stat:DELETED", nil, "7", "DELETED", delivery.Failed, ""},
		"parameters only":     {"", []tlv{{tagReceiptedMessageID, []byte("ab-7\x00")}, {tagState, []byte{5}}, {tagNetworkError, []byte{3, 0, 27}}}, "ab-7", "UNDELIV-027", delivery.Failed, ""},
		"parameters count":    {"id:8 stat:ENROUTE", []tlv{{tagReceiptedMessageID, []byte("7")}, {tagState, []byte{2}}}, "7", "DELIVRD", delivery.Delivered, ""},
		"both":                {usual, []tlv{{tagReceiptedMessageID, []byte("1234567890\x00")}, {tagState, []byte{2}}}, "1234567890", "DELIVRD", delivery.Delivered, "2026-11-22T14:31:00Z"},
		"a state unheard of":  {"id:7 stat:DELIVRD", []tlv{{tagState, []byte{77}}}, "7", "DELIVRD", delivery.Delivered, ""},
		"a code with signs":   {"id:7 stat:DELIVRD err:<script>", nil, "7", "DELIVRD", delivery.Delivered, ""},
		"an id with signs":    {"id:7;\x01\xff stat:DELIVRD", nil, "7;__", "DELIVRD", delivery.Delivered, ""},
	} {
		m := short{class: classReceipt, text: []byte(c.text), parameters: c.parameters}
		r, ok := readReceipt(m, time.FixedZone("", -4*3600))
		at := ""
		if !r.report.At.IsZero() {
			at = r.report.At.Format(time.RFC3339)
		}
		if !ok || r.id != c.id || r.report.Code != c.code || r.report.State != c.state || at != c.at {
			t.Errorf("%s: %+v %v", name, r, ok)
		}
		if r, _ := readReceipt(m, nil); !r.report.At.IsZero() {
			t.Errorf("%s: a time without a zone", name)
		}
	}
	for name, text := range map[string]string{"empty": "", "no id": "stat:DELIVRD", "an empty id": "id: stat:DELIVRD", "in the text": "text:id:7"} {
		if r, ok := readReceipt(short{text: []byte(text)}, nil); ok {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestReceiptsInOtherForms(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]short{
		"UCS-2":              {coding: 8, text: gsm7.EncodeUCS2("id:7 stat:DELIVRD text:İ…")},
		"user data header":   {class: classHeader, text: []byte("\x05\x00\x03\x01\x01\x01id:7 stat:DELIVRD")},
		"impossible header":  {class: classHeader, text: []byte("id:7 stat:DELIVRD")},
		"an empty parameter": {text: []byte("id:7 stat:DELIVRD"), parameters: []tlv{{tagReceiptedMessageID, nil}, {tagState, nil}}},
	} {
		if r, ok := readReceipt(m, nil); !ok || r.id != "7" || r.report.State != delivery.Delivered {
			t.Errorf("%s: %+v %v", name, r, ok)
		}
	}
}

// TestStates is the table of message_state.
func TestStates(t *testing.T) {
	t.Parallel()
	for n, want := range []delivery.State{
		delivery.EnRoute, delivery.EnRoute, delivery.Delivered, delivery.Failed, delivery.Failed, delivery.Failed,
		delivery.EnRoute, delivery.EnRoute, delivery.Failed, delivery.Failed, 0,
	} {
		if _, got := stateOfNumber(byte(n)); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}

// TestWhatIsAReceipt: a text of a telephone that looks like one is none.
func TestWhatIsAReceipt(t *testing.T) {
	t.Parallel()
	text := []byte("id:7 stat:DELIVRD")
	for name, c := range map[string]struct {
		m    short
		want bool
	}{
		"class":        {short{class: 0x04, text: text}, true},
		"progress":     {short{class: 0x20, text: text}, true},
		"with header":  {short{class: 0x44, text: text}, true},
		"parameter":    {short{parameters: []tlv{{tagReceiptedMessageID, []byte("7")}}}, true},
		"a text only":  {short{text: text}, false},
		"the person's": {short{class: 0x08, text: text}, false},
		"manual":       {short{class: 0x10, text: text}, false},
	} {
		if got := c.m.isReceipt(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func FuzzReceipt(f *testing.F) {
	f.Add([]byte("id:1 sub:001 dlvrd:001 submit date:2611221030 done date:2611221031 stat:DELIVRD err:000 text:Your code"), []byte("1"), []byte{2}, byte(4), byte(0))
	f.Add([]byte("\x00i\x00d\x00:\x001"), []byte{}, []byte{}, byte(0x44), byte(8))
	f.Fuzz(func(t *testing.T, text, id, state []byte, class, coding byte) {
		m := short{class: class, coding: coding, text: text, parameters: []tlv{{tagReceiptedMessageID, id}, {tagState, state}}}
		r, ok := readReceipt(m, time.UTC)
		if !ok {
			return
		}
		if r.id == "" || len(r.id) > 64 || clean(r.id) != r.id || r.report.State.String() == "unknown" || r.report.Code != delivery.Word(r.report.Code) {
			t.Errorf("%+v", r)
		}
		s := newIDs("auto", func(string) {})
		s.end(s.begin(), r.id, "18091234567")
		if got := s.resolve(t.Context(), r.id, "18091234567"); got != r.id {
			t.Errorf("%q is resolved to %q", r.id, got)
		}
	})
}

func TestIDsInOtherBases(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ form, answer, id, receipt, want string }{
		{"same", "0A1B", "0A1B", "0A1B", "0A1B"},
		{"same", "255", "255", "ff", "ff"},
		{"decimal", "0A1B", "a1b", "0000002587", "a1b"},
		{"decimal", "a-7", "a-7", "a-7", "a-7"},
		{"hex", "0000002587", "2587", "0A1B", "2587"},
		{"auto", "0A1B", "0A1B", "0A1B", "0A1B"},
		{"auto", "0A1B", "0A1B", "a1b", "0A1B"},
		{"auto", "0A1B", "0A1B", "2587", "0A1B"},
		{"auto", "0000002587", "0000002587", "A1B", "0000002587"},
		{"auto", "2587", "2587", "0000002587", "2587"},
		{"auto", "a-7", "a-7", "unheard", "unheard"},
		{"auto", "7b226d736763656e746572223a22616263227d7b226d736763656e74657222", "7b226d736763656e746572223a22616263227d7b226d736763656e74657222", "9", "9"},
	} {
		s := newIDs(c.form, func(string) {})
		if got := s.end(s.begin(), c.answer, "18091234567"); got != c.id {
			t.Errorf("%+v: the answer gives %q", c, got)
		}
		if got := s.resolve(t.Context(), c.receipt, "+18091234567"); got != c.want {
			t.Errorf("%+v: the receipt gives %q", c, got)
		}
	}
}

// TestSmallNumbersAreToldApart: 100 is an id, and so is 64, which is 100 in
// hexadecimal.
func TestSmallNumbersAreToldApart(t *testing.T) {
	t.Parallel()
	learned := ""
	s := newIDs("auto", func(form string) { learned += form })
	s.end(s.begin(), "100", "18090000001")
	s.end(s.begin(), "64", "18090000002")
	for from, want := range map[string]string{"18090000001": "100", "18090000002": "64"} {
		if got := s.resolve(t.Context(), "100", from); got != want {
			t.Errorf("100 from %s is %s, want %s", from, got, want)
		}
	}
	if learned != "decimal" {
		t.Errorf("learned %q", learned)
	}
}

func TestMemoryOfIDsIsBounded(t *testing.T) {
	t.Parallel()
	s := newIDs("auto", func(string) {})
	for n := range 3 * idsKept {
		s.end(s.begin(), time.Duration(n).String(), "18090000001")
	}
	if len(s.order) != idsKept || len(s.known) > 3*idsKept {
		t.Errorf("%d and %d are kept", len(s.order), len(s.known))
	}
}

func TestReceiptWaitsForTheAnswerThatNamesIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newIDs("auto", func(string) {})
		first, second := s.begin(), s.begin()
		got := make(chan string, 1)
		go func() { got <- s.resolve(t.Context(), "255", "1") }()
		synctest.Wait()
		s.end(first, "11", "1")
		synctest.Wait()
		later := s.begin() // of no concern: it began after the receipt
		s.end(second, "ff", "1")
		if id := <-got; id != "ff" {
			t.Errorf("%q", id)
		}
		began := time.Now()
		if id := s.resolve(t.Context(), "unheard", "1"); id != "unheard" || time.Since(began) != idPatience {
			t.Errorf("%q after %s", id, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if id := s.resolve(ctx, "unheard", "1"); id != "unheard" {
			t.Errorf("%q", id)
		}
		s.end(later, "", "")
	})
}

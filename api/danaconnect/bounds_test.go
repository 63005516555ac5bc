package danaconnect_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/api/apitest"
	"github.com/aldaba-otp/aldaba/api/danaconnect"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// stage is one world that is talked to in one version.
type stage struct {
	*world.World

	tb      testing.TB
	handler http.Handler
	speaker speaker
	numbers int
}

func newStage(tb testing.TB, s speaker, o world.Options) *stage {
	w := world.New(tb, o)
	return &stage{World: w, tb: tb, handler: apitest.Handler(tb, w, danaconnect.New), speaker: s}
}

// post asks as acme.
func (s *stage) post(path, body string) (apitest.Heard, *httptest.ResponseRecorder) {
	r := post(path, body)
	s.speaker.authorize(r, apitest.Acme)
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, r)
	return s.speaker.Hear(apitest.Start, rec.Code, rec.Result().Header, rec.Body.Bytes()), rec
}

// newest is the verification that was started last, as it is stored.
func (s *stage) newest() otp.Verification {
	s.tb.Helper()
	all := s.Courier.Dispatches()
	if len(all) == 0 {
		s.tb.Fatal("nothing was started")
	}
	found, err := s.Store.Verifications(s.tb.Context(), all[len(all)-1].Verification.ID)
	if err != nil || len(found) != 1 {
		s.tb.Fatalf("read it back: %d found, %v", len(found), err)
	}
	return found[0]
}

// names of the members in one version and the other.
func names(version string) (conversation, values, life, tries string) {
	if version == "v1" {
		return "idConversation", "values", "secondsExpiration", "maximumTries"
	}
	return "conversationId", "fieldValues", "expiresInSeconds", "maxAttempts"
}

// body is a good generate request for a number of its own, with some members
// set to other JSON; "" leaves one out.
func (s *stage) body(changed map[string]string) string {
	conversation, values, life, tries := names(s.speaker.version)
	s.numbers++
	fields := fmt.Sprintf(`{"COD1_PHONE":"+1809200%04d"}`, s.numbers)
	if s.speaker.version == "v1" {
		fields = fmt.Sprintf(`[{"key":"COD1_PHONE","value":"+1809200%04d"}]`, s.numbers)
	}
	var b strings.Builder
	for _, m := range [][2]string{{conversation, "824541"}, {values, fields}, {"type", "1"}, {"length", "6"}, {life, "300"}, {tries, "5"}} {
		if v, ok := changed[m[0]]; ok {
			m[1] = v
		}
		if m[1] != "" {
			fmt.Fprintf(&b, ",%q:%s", m[0], m[1])
		}
	}
	return "{" + b.String()[1:] + "}"
}

func TestBounds(t *testing.T) {
	t.Parallel()
	for _, speaker := range speakers(t) {
		t.Run(speaker.version, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, speaker, world.Options{})
			conversation, values, life, tries := names(speaker.version)
			const good, bad = "200 01 with id", "400 09"
			wants := map[string]map[string]string{
				conversation: {"0": bad, "1": "200 07", "2147483647": "200 07", "2147483648": bad, "-824541": bad, "": bad, "null": bad},
				"type":       {"0": bad, "1": good, "2": good, "3": bad, "": bad, "null": bad},
				"length":     {"2": bad, "3": good, "12": good, "13": bad, "": bad},
				life:         {"0": bad, "1": good, "3200": good, "3201": bad, "3600": bad, "": bad},
				tries: {
					"0": bad, "-1": bad, "1": good, "10": good, "11": good, "1000000": good, "2147483647": good, "2147483648": bad,
					"99999999999999999999": bad, "": good, "null": good,
				},
				values: {
					"": "200 08", "null": "200 08", "{}": map[bool]string{true: bad, false: "200 08"}[speaker.version == "v1"],
					"[]": map[bool]string{true: "200 08", false: bad}[speaker.version == "v1"],
				},
			}
			integers := []string{conversation, "type", "length", life, tries}
			for _, member := range integers {
				for _, v := range []string{`"6"`, `""`, `[]`, `[6]`, `{}`, `true`, `false`, `1.0`, `3.5`, `1e0`, `3e0`, `1E1`, `-0`} {
					wants[member][v] = bad
				}
			}
			for _, v := range []string{`""`, `"x"`, `1`, `true`, `[1]`, `[[]]`, `["COD1_EMAIL"]`, `{"a":1}`, `{"a":[]}`, `{"a":"1","a":"1"}`} {
				wants[values][v] = bad
			}
			for member, table := range wants {
				for v, want := range table {
					sent := len(s.Courier.Dispatches())
					body := s.body(map[string]string{member: v})
					heard, rec := s.post(speaker.send, body)
					if heard.Word != want {
						t.Errorf("%s %s is answered %s, want %s", member, v, rec.Body, want)
					}
					if want == bad && !strings.Contains(rec.Body.String(), `"`+member+" ") {
						t.Errorf("%s %s: the answer does not name the member: %s", member, v, rec.Body)
					}
					if now := len(s.Courier.Dispatches()); want != good && now != sent {
						t.Errorf("%s %s sent a message", member, v)
					}
				}
			}
		})
	}
}

// TestPairs has what can be wrong with single values of version 1.
func TestPairs(t *testing.T) {
	t.Parallel()
	s := newStage(t, speakers(t)[0], world.Options{})
	const email = `{"key":"COD1_EMAIL","value":"ana@example.com"}`
	for values, want := range map[string]string{
		`[` + email + `]`:                                                        "200 01 with id",
		`[` + email + `,{"key":"A","value":""}]`:                                 "200 01 with id",
		`[{"key":"A","value":"1","x":2},` + email + `]`:                          "200 01 with id",
		`[` + email + `,{"value":"1"}]`:                                          "400 09",
		`[` + email + `,{"key":"A"}]`:                                            "400 09",
		`[` + email + `,{"key":"A","value":null}]`:                               "400 09",
		`[` + email + `,{"key":"A","value":1}]`:                                  "400 09",
		`[` + email + `,{"key":1,"value":"1"}]`:                                  "400 09",
		`[` + email + `,{"key":"","value":"1"}]`:                                 "400 09",
		`[` + email + `,null]`:                                                   "400 09",
		`[` + email + `,"A"]`:                                                    "400 09",
		`[` + email + `,` + email + `]`:                                          "400 09",
		`[{"key":"A","key":"COD1_EMAIL","value":"ana@example.com"}]`:             "400 09",
		`[{"key":"COD1_EMAIL","value":"ana@example.com,luis@example.com"}]`:      "200 08",
		`[{"key":"COD1_PHONE","value":"+18091234567,+18097654321"}]`:             "200 08",
		`[{"key":"COD1_PHONE","value":"+1809123456789012"}]`:                     "200 08",
		`[{"key":"COD1_PHONE","value":"ana@example.com"}]`:                       "200 08",
		`[{"key":"COD1_EMAIL","value":"+18091234567"}]`:                          "200 08",
		`[{"key":"COD1_EMAIL","value":"ana@example.com\r\nBcc: x@example.com"}]`: "200 08",
	} {
		sent := len(s.Courier.Dispatches())
		if heard, rec := s.post("/otp/1.0/send", s.body(map[string]string{"values": values})); heard.Word != want {
			t.Errorf("%s is answered %s, want %s", values, rec.Body, want)
		}
		if now := len(s.Courier.Dispatches()); want != "200 01 with id" && now != sent {
			t.Errorf("%s sent a message", values)
		}
		if err := s.Forgive(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWhole has bodies of generate that are wrong as a whole.
func TestWhole(t *testing.T) {
	t.Parallel()
	for _, speaker := range speakers(t) {
		t.Run(speaker.version, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, speaker, world.Options{})
			good := s.body(nil)
			open := good[:len(good)-1]
			for body, want := range map[string]string{
				"":                            "400 09",
				"[" + good + "]":              "400 09",
				good + good:                   "400 09",
				open:                          "400 09",
				"\ufeff" + good:               "400 09",
				open + `,"length":6}`:         "400 09",
				open + ",\"x\":\"\xc3\x28\"}": "400 09",
				open + `,"x":` + strings.Repeat("[", 8000) + strings.Repeat("]", 8000) + `}`:       "400 09",
				open + `,"x":` + strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20001): "413 09",
				open + `,"x":"` + strings.Repeat("a", 1<<20) + `"}`:                                "413 09",
				strings.Replace(good, "length", "Length", 1):                                       "400 09",
				open + `,"attempts":0,"code":"000000","tenant":"globex","test_mode":true}`:         "200 01 with id",
			} {
				if heard, rec := s.post(speaker.send, body); heard.Word != want {
					t.Errorf("%.80q is answered %d %s, want %s", body, rec.Code, rec.Body, want)
				}
			}
			if n := len(s.Courier.Dispatches()); n != 1 {
				t.Errorf("%d messages were sent", n)
			}
			if s.Courier.Last(t).Code == "000000" || s.newest().Tenant != "acme" {
				t.Error("unknown members were heeded")
			}
		})
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, speaker := range speakers(t) {
		t.Run(speaker.version, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, speaker, world.Options{})
			_, _, life, tries := names(speaker.version)
			for _, c := range []struct {
				changed  map[string]string
				alphabet otp.Alphabet
				length   int
				life     time.Duration
				tries    int
			}{
				{map[string]string{"type": "2", "length": "12", life: "3200", tries: "1"}, otp.Alnum, 12, 3200 * time.Second, 1},
				{map[string]string{"type": "1", "length": "3", life: "1", tries: ""}, otp.Digits, 3, time.Second, 5},
				{map[string]string{"type": "1", "length": "12", tries: "2147483647"}, otp.Digits, 12, 300 * time.Second, 10},
			} {
				if heard, rec := s.post(speaker.send, s.body(c.changed)); heard.ID == "" {
					t.Fatalf("%v is answered %s", c.changed, rec.Body)
				}
				v, code := s.newest(), s.Courier.Last(t).Code
				if v.Spec.Alphabet != c.alphabet || v.Spec.Length != c.length || v.Expires.Sub(v.Spec.Created) != c.life || v.Spec.MaxAttempts != c.tries {
					t.Errorf("%v: %s %d %s %d", c.changed, v.Spec.Alphabet, v.Spec.Length, v.Expires.Sub(v.Spec.Created), v.Spec.MaxAttempts)
				}
				if len(code) != c.length || strings.Trim(code, c.alphabet.Characters()) != "" {
					t.Errorf("%v: the code has %d characters", c.changed, len(code))
				}
			}
		})
	}
}

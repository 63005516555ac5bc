package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// lifecycle are T21 to T27.
func lifecycle() []attack {
	return []attack{
		{"T21", "3 wrong codes, a resend, 2 wrong codes, the right one", resendKeepsCount},
		{"T22", "the code of one verification at another of the same address; two with the same code", codeOfAnother},
		{"T23", "say that it is verified: status, bypass_otp, verified in start and check", sayVerified},
		{"T24", "start anew while a code is live", startAnew},
		{"T25", "a code for confirm_address where authenticate is wanted", anotherPurpose},
		{"T26", "another amount, payee, currency, spelling of a payment", anotherPayment},
		{"T27", "TOTP", func(*siege) figures {
			return figures{over: "none", verdict: "not offered", counted: "there is no TOTP"}
		}},
	}
}

func resendKeepsCount(s *siege) figures {
	to := fresh()
	id, m := s.begin(nativeTongue, to)
	ends := s.look(id).Expires
	for i := range 3 {
		s.guess(nativeTongue, i, id, wrongCode(m.code()))
	}
	s.advance(61 * time.Second)
	if r := withKey(s.c[0], "POST", "/v1/verifications/"+id+"/resend", "{}"); r.status != http.StatusOK {
		s.Errorf("a resend is answered %d %s", r.status, r.body)
	}
	if list := s.c[0].inbox(to); len(list) != 2 || list[0].code() != m.code() || !s.look(id).Expires.Equal(ends) {
		s.Errorf("the resend sent %+v; it ends at %v, before at %v", list, s.look(id).Expires, ends)
	}
	for i := range 2 {
		s.guess(nativeTongue, i, id, wrongCode(m.code()))
	}
	if v := s.guess(nativeTongue, 0, id, m.code()); v != over {
		s.Errorf("the right code is answered %s", v)
	}
	got := s.toll(to)
	if got.evaluated != tries || got.approved != 0 {
		s.Errorf("%s", got)
	}
	again := s.sameSession()
	return figures{over: "native; additiv sends a new key in the same session; the others have no resend", counted: "same code, same end, " + got.String() + again}
}

// sameSession sends in one session of additiv again and again: each key has its
// own tries, but the ledger counts all.
func (s *siege) sameSession() string {
	to := fresh()
	id, m := s.begin(additivTongue, to)
	contact := id[:len(to[len(to)-7:])]
	session := id[len(contact)+len("/sessions/"):]
	for range 8 {
		for i := range tries {
			s.guess(additivTongue, i, id, wrongCode(m.code()))
		}
		s.c[0].send("POST", "/v1.0/contacts/"+contact+"/verification-key/send", fmt.Sprintf(`{"channel":"Sms","sessionId":%q}`, session),
			"Authorization", additivHand.auth(s.c[0]))
		m = s.c[0].newest(to)
	}
	got := s.toll(to)
	if got.evaluated > guessesADay || got.messages > 5 {
		s.Errorf("additiv: in one session %s", got)
	}
	return "; additiv in one session: " + got.String()
}

func codeOfAnother(s *siege) figures {
	var sum sums
	over := s.over(func(l tongue, to string) {
		var ids, codes []string
		for len(ids) < 2 { // until two codes differ; the first live one may be superseded, its code is wrong all the same
			id, m := s.begin(l, to)
			if id == "" {
				return
			}
			if len(codes) == 0 || codes[0] != m.code() {
				ids, codes = append(ids, id), append(codes, m.code())
			}
		}
		if v := s.guess(l, 0, ids[1], codes[0]); v != wrong {
			s.Errorf("%s: the code of the first at the second is answered %s", l.name, v)
		}
		if v := s.guess(l, 0, ids[0], codes[1]); v == approved || v == silence {
			s.Errorf("%s: the code of the second at the first is answered %s", l.name, v)
		}
		if v := s.guess(l, 0, ids[1], codes[1]); v != approved {
			s.Errorf("%s: the second's own code is answered %s", l.name, v)
		}
		sum.add(s.toll(to))
	})
	var ids [2]string
	for i := range ids { // the application's own code, the same for both
		ids[i] = withKey(s.c[0], "POST", "/v1/verifications", fmt.Sprintf(`{"to":%q,"code":"48151623"}`, fresh())).member("id")
	}
	if v := s.guess(nativeTongue, 0, ids[0], "48151623"); v != approved {
		s.Errorf("the shared code is answered %s", v)
	}
	if status := s.look(ids[1]).Status; status != "pending" {
		s.Errorf("the approval of one made the other with the same code %s", status)
	}
	return figures{over: over, counted: sum.all.String() + "; of two with the same code one approval left the other pending"}
}

// claims are members that would verify, if anybody listened.
const claims = `,"status":"approved","verified":true,"bypass_otp":1,"bypass_otp":"1","outcome":"approved","keyStatus":"Valid","test_mode":true,"test":true`

func sayVerified(s *siege) figures {
	// Each claim alone, since a member given twice is refused anyway.
	alone := []string{`"status":"approved"`, `"verified":true`, `"bypass_otp":1`, `"outcome":"approved"`, `"keyStatus":"Valid"`, `"test_mode":true`, `"test":true`, `"approved":true`}
	refused, passed := 0, 0
	for _, h := range hands {
		to := fresh()
		id, m := s.begin(h.tongue, to)
		bodies := []string{h.body(id, `""`, claims)}
		for _, one := range alone {
			bodies = append(bodies, h.open(id)+h.fixed+map[bool]string{true: "", false: ","}[h.idName == ""]+one+"}")
			if begun, r := h.begin(s.c[0], fresh(), ","+one); begun != "" {
				passed++
				if list := s.c[0].inbox("", "&limit=1"); len(list) != 1 || s.look(list[0].Verification).Status != "pending" {
					s.Errorf("%s: a start with %s is %s", h.name, one, r.body)
				}
			} else {
				refused++
			}
		}
		for _, body := range bodies {
			for _, query := range []string{"", "?status=approved&verified=true&bypass_otp=1"} {
				if r := h.post(s.c[0], id, query, body); h.approves(r) || r.status >= 500 {
					s.Errorf("%s: %s is answered %d %s", h.name, body, r.status, r.body)
				}
			}
		}
		if got := s.toll(to); got.approved != 0 || got.evaluated != 0 || got.live != 1 {
			s.Errorf("%s: %s", h.name, got)
		}
		if v := s.guess(h.tongue, 0, id, m.code()); v != approved {
			s.Errorf("%s: the right code afterwards is answered %s", h.name, v)
		}
	}
	return figures{over: "all 6", counted: fmt.Sprintf("%d claims in starts: %d refused, %d passed over and pending; in checks no effect", refused+passed, refused, passed)}
}

func startAnew(s *siege) figures {
	var kept atomic.Int64
	over := s.over(func(l tongue, to string) {
		first, m := s.begin(l, to)
		s.begin(l, to)
		v := s.guess(l, 0, first, m.code())
		switch got := s.toll(to); {
		case l.name == nativeTongue.name && (v != "over" || got.live != 1 || got.approved != 0):
			s.Errorf("%s: the older code is answered %s; %d live", l.name, v, got.live)
		case l.name != nativeTongue.name && v == approved:
			kept.Add(1)
		}
	})
	if kept.Load() != int64(len(tongues)-1) {
		s.Errorf("%d of the vendors' dialects keep the older code, which they document", kept.Load())
	}
	return figures{over: over, counted: "native: the older is superseded, one live; the 5 vendors' dialects document that each lives until it ends (one ledger for all, T04)"}
}

func anotherPurpose(s *siege) figures {
	to := fresh()
	r := withKey(s.c[0], "POST", "/v1/verifications", fmt.Sprintf(`{"to":%q,"purpose":"confirm_address"}`, to))
	code := s.c[0].newest(to).code()
	for range 2 {
		if v := withKey(s.c[0], "POST", "/v1/verifications/"+r.member("id")+"/check", fmt.Sprintf(`{"code":%q,"purpose":"authenticate"}`, code)); v.member("outcome") != "wrong" {
			s.Errorf("for another purpose it is answered %d %s", v.status, v.body)
		}
	}
	if v := withKey(s.c[0], "POST", "/v1/verifications/"+r.member("id")+"/check", fmt.Sprintf(`{"code":%q,"purpose":"confirm_address"}`, code)); v.member("outcome") != "approved" {
		s.Errorf("for its purpose it is answered %d %s", v.status, v.body)
	}
	return figures{over: "native; the others have no purposes to give", counted: s.toll(to).String()}
}

func anotherPayment(s *siege) figures {
	const payment = `{"amount":"1999.90","currency":"USD","payee":"Green Garden Ltd"}`
	others := []string{
		`{"amount":"1999.91","currency":"USD","payee":"Green Garden Ltd"}`, `{"amount":"1999.9","currency":"USD","payee":"Green Garden Ltd"}`,
		`{"amount":"19999.0","currency":"USD","payee":"Green Garden Ltd"}`, `{"amount":"1999.90","currency":"EUR","payee":"Green Garden Ltd"}`,
		`{"amount":"1999.90","currency":"USD","payee":"Green Garden Ltd."}`, `{"amount":"1999.90","currency":"USD","payee":"green garden ltd"}`,
		`{"amount":"1999.90","currency":"USD","payee":"Green  Garden Ltd"}`, `{"amount":"1999.90 ","currency":"USD","payee":"Green Garden Ltd"}`,
		`{"amount":"1999,90","currency":"USD","payee":"Green Garden Ltd"}`, `{"amount":1999.90,"currency":"USD","payee":"Green Garden Ltd"}`,
		`{"amount":"1999.90","currency":"usd","payee":"Green Garden Ltd"}`, `{"amount":"1999.90","payee":"Green Garden Ltd"}`,
	}
	wrongs, refused := 0, 0
	for _, other := range others {
		to := fresh()
		r := withKey(s.c[0], "POST", "/v1/verifications", fmt.Sprintf(`{"to":%q,"purpose":"authorize_payment","payment":%s}`, to, payment))
		m := s.c[0].newest(to)
		code := m.code()
		check := func(p string) reply {
			return withKey(s.c[0], "POST", "/v1/verifications/"+r.member("id")+"/check", fmt.Sprintf(`{"code":%q,"payment":%s}`, code, p))
		}
		switch got := check(other); {
		case got.member("outcome") == "wrong":
			wrongs++
		case got.status == http.StatusUnprocessableEntity:
			refused++
		default:
			s.Errorf("%s is answered %d %s", other, got.status, got.body)
		}
		if got := check(`{"payee":"Green Garden Ltd","amount":"1999.90","currency":"USD"}`); got.member("outcome") != "approved" {
			s.Errorf("its own payment, written in another order, is answered %d %s; the text was %q", got.status, got.body, m.Body)
		}
		if !containsAll(m.Body, "1999.90", "USD", "Green Garden Ltd") {
			s.Errorf("the text does not show the payment: %q", m.Body)
		}
	}
	return figures{over: "native; the others carry no payments", counted: fmt.Sprintf("%d other payments: %d wrong, %d refused; each text shows amount and payee", len(others), wrongs, refused)}
}

func containsAll(text string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}

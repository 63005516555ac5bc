// Package unityvox speaks the SMS OTP API of UnityVox: one call sends a code,
// the other validates it. Parameters come in the query string, in a form or in
// a JSON object, by GET, PUT or POST.
//
// It follows the OTP section of https://unityvox.com/es/api and
// https://unityvox.com/en/api; what those leave open, and what is decided
// here, is in docs/dialects/unityvox.md.
//
// It is NOT the vendor's sms-api (messages, balance, rates), and it holds no
// rule: it reads a request, asks the core, and says what the core answers in
// the vendor's words.
package unityvox

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// name is the dialect's, in profiles' aliases and in the journal.
const name = "unityvox"

// dialect answers the two calls.
type dialect struct {
	service *otp.Service
}

// New returns the dialect over a host.
func New(h api.Host) api.Dialect {
	d := &dialect{service: h.Service}
	methods := []string{http.MethodGet, http.MethodPut, http.MethodPost}
	return api.Dialect{
		Name: name,
		Routes: []httpx.Route{
			{Methods: methods, Pattern: "/api/get-api/v1/OTP-api", AnyCase: true, Handler: serve(d.request), Refuse: refuse},
			{Methods: methods, Pattern: "/api/get-api/v1/OTP-api/verify", AnyCase: true, Handler: serve(d.verify), Refuse: refuse},
		},
		Sample: `curl "$BASE/api/get-api/v1/OTP-api?accountnumber=100200&apikey=4D41E00J6KMXABS&ref_id=tpl1&phone_number=18091234567"`,
	}
}

// serve stands around a call: it gathers the parameters of all places.
func serve(do func(context.Context, parameters, otp.Retry) answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, status := api.ReadBody(w, r)
		if status == http.StatusRequestEntityTooLarge {
			write(w, answer{code: tooLarge, status: status})
			return
		}
		if status != 0 {
			body = nil // a body that cannot be read counts as empty
		}
		write(w, do(r.Context(), gather(r, body), api.Retry(r, body, window(r.Method))))
	}
}

// prefetched is how soon a browser fetches an address again that it has
// fetched ahead, or whose answer was slow.
const prefetched = 2 * time.Second

// window is for the one method that browsers, and what looks into links, use
// without being asked.
func window(method string) time.Duration {
	if method == http.MethodGet {
		return prefetched
	}
	return 0
}

// caller finds the account behind a key.
func (d *dialect) caller(ctx context.Context, p parameters, scope string) (otp.Caller, error) {
	caller, err := d.service.Authenticate(ctx, otp.UnityVox, p.get(accountNumber), p.get(apiKey))
	if err == nil && !caller.May(scope) {
		err = &otp.Error{Kind: otp.Forbidden, Message: "the key may not do this"}
	}
	return caller, err
}

// request sends a code: /OTP-api. The order of its checks is the core's:
// account, template, number, balance.
func (d *dialect) request(ctx context.Context, p parameters, retry otp.Retry) answer {
	caller, err := d.caller(ctx, p, otp.ScopeSend)
	if err != nil {
		return d.notSent(err)
	}
	template := p.get(refID)
	if template == "" {
		return answer{code: noTemplate}
	}
	digits := phoneDigits(p.get(phoneNumber))
	v, err := d.service.Start(ctx, otp.StartRequest{
		Caller: caller, Dialect: name, Profile: template, To: international(digits), Channel: otp.SMS,
		// The page promises these two whatever the template is; it is silent
		// about tries.
		Asked:      otp.Settings{Alphabet: otp.Digits, Length: 6, Lifetime: 600 * time.Second},
		Documented: otp.Settings{MaxAttempts: 5},
		Retry:      retry,
	})
	if err != nil {
		return d.notSent(err)
	}
	return answer{code: sent, phone: digits, session: v.ID.Hex(), hasSession: true, view: v}
}

// notSent says why no code was sent. The two answers that the vendor's clients
// look for a session in get one that no verification will ever have.
func (d *dialect) notSent(err error) answer {
	a := requestAnswer(otp.AsError(err))
	if a.code == noBalance || a.code == notSent {
		a.session, a.hasSession = d.service.UnusedID().Hex(), true
	}
	return a
}

// verify validates a code: /OTP-api/verify. A session belongs to the account
// that asked for it.
func (d *dialect) verify(ctx context.Context, p parameters, _ otp.Retry) answer {
	session := p.get(sessionID)
	a := d.judge(ctx, p, session)
	if a.status == 0 {
		a.session, a.hasSession = echo(session), true
	}
	return a
}

func (d *dialect) judge(ctx context.Context, p parameters, session string) answer {
	caller, err := d.caller(ctx, p, otp.ScopeCheck)
	if err != nil {
		return verifyAnswer(otp.AsError(err))
	}
	id, ok := otp.ParseHex(session)
	if !ok {
		return answer{code: noSession}
	}
	_, outcome, err := d.service.Check(ctx, otp.CheckRequest{
		Caller: caller, Dialect: name, Ref: otp.Ref{ID: id, Owner: caller.Identity}, Code: p.get(otpCode),
	})
	if err != nil && outcome != otp.OutcomeThrottled {
		return verifyAnswer(otp.AsError(err))
	}
	return answer{code: outcomeCode(outcome)}
}

// phoneDigits takes out what people write between digits, "" when anything
// else is among them or their number is not 7 to 15.
func phoneDigits(text string) string {
	text = strings.TrimPrefix(strings.TrimLeft(text, " "), "+")
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -.()", r) {
			return -1
		}
		return r
	}, text)
	if len(digits) < 7 || len(digits) > 15 || strings.Trim(digits, "0123456789") != "" {
		return ""
	}
	return digits
}

// international writes digits as E.164. None stay none, which the core refuses
// in its turn.
func international(digits string) string {
	if digits == "" {
		return ""
	}
	return "+" + digits
}

// echo returns the client's own session when it has a form that can do no harm
// wherever the answer is shown, else "".
func echo(session string) string {
	harmless := len(session) <= 64 && strings.IndexFunc(session, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_')
	}) < 0
	if !harmless {
		return ""
	}
	return session
}

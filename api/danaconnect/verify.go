package danaconnect

import (
	"net/http"

	"github.com/aldaba-otp/aldaba/internal/strictjson"
	"github.com/aldaba-otp/aldaba/otp"
)

// verify judges one guess.
func (s *server) verify(v *version, r *http.Request, caller otp.Caller, body strictjson.Object, _ otp.Retry) answer {
	f := &form{object: body}
	ref, echo, err := v.ref(f, caller)
	if err != nil {
		return v.refusal(err)
	}
	code := f.oneOf(v.otpMembers)
	if f.fault != "" {
		return malformed(f.fault)
	}
	_, outcome, err := s.host.Service.Check(r.Context(), otp.CheckRequest{Caller: caller, Dialect: name, Ref: ref, Code: code})
	var a answer
	switch {
	case outcome == otp.OutcomeThrottled, err == nil: // the full ledger is an answer here (ruling R5)
		a = answer{status: http.StatusOK, code: ofOutcome(outcome)}
	default:
		a = v.refusal(err)
	}
	if a.status == http.StatusOK {
		a.number, a.id = echo.number, echo.id
	}
	return a
}

package danaconnect

import (
	"net/http"
	"strconv"
	"time"

	"github.com/aldaba-otp/aldaba/internal/strictjson"
	"github.com/aldaba-otp/aldaba/otp"
)

// What the vendor prints for a generate request.
const (
	maxSeconds   = 3200
	defaultTries = 5
	// defaultField is the field that receives the code when the request names
	// no other.
	defaultField = "OTP"
)

// generate is a request for a code, in either version.
type generate struct {
	conversation int64
	fields       []field
	asked        otp.Settings
	codeField    string
}

// send starts a verification.
func (s *server) send(v *version, r *http.Request, caller otp.Caller, body strictjson.Object) answer {
	g, fault := v.generate(body)
	if fault != "" {
		return malformed(fault)
	}
	// After the start the message may be on its way and nothing may fail any
	// more (ruling R9), so what could fail comes first.
	permutation, err := s.host.Service.Ring().Permutation(caller.Tenant)
	if err != nil {
		return v.refusal(err)
	}
	alias := strconv.FormatInt(g.conversation, 10)
	where := s.destination(caller.Tenant, alias, g)
	view, err := s.host.Service.Start(r.Context(), otp.StartRequest{
		Caller: caller, Dialect: name, Profile: alias,
		To: where.to, Channel: where.channel, Variables: where.variables,
		Asked: g.asked, Documented: otp.Settings{MaxAttempts: defaultTries},
		Replace: otp.ReplaceNone, Numbered: v.numbered,
	})
	if err != nil {
		return v.refusal(err)
	}
	// The conversation's own request has no counterpart here: its UUID is that
	// of the verification.
	id := view.ID.String()
	a := answer{status: http.StatusOK, code: success, id: id, conversation: id, view: view}
	if v.numbered {
		a.number = permutation.Shuffle(view.Number)
	}
	return a
}

// generate reads the members in the order of the vendor's table.
func (v *version) generate(body strictjson.Object) (generate, string) {
	f := &form{object: body}
	g := generate{conversation: f.integer(v.conversation, 1, maxInt32), fields: v.fields(f, v.values)}
	g.asked.Alphabet = otp.Digits
	if f.integer("type", 1, 2) == 2 {
		g.asked.Alphabet = otp.Alnum
	}
	g.asked.Length = int(f.integer("length", otp.MinLength, otp.MaxLength))
	g.asked.Lifetime = time.Duration(f.integer(v.life, 1, maxSeconds)) * time.Second
	g.asked.MaxAttempts = int(f.option(v.tries, 1, maxInt32))
	g.codeField = defaultField
	if v.codeField != "" && f.object.Get(v.codeField).Kind() != strictjson.Absent {
		g.codeField = f.text(v.codeField)
	}
	return g, f.fault
}

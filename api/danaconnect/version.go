package danaconnect

import (
	"net/http"
	"strconv"

	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/internal/strictjson"
	"github.com/aldaba-otp/aldaba/otp"
)

// accessScope must have been asked for by the token of a version 2 call
// (ruling R13).
const accessScope = "conversation:access2api"

// version is what sets the two versions apart: the names of members, who may
// call, and how requests are named and answers written.
type version struct {
	conversation, values, life, tries string // members of a generate request
	codeField                         string // the member that names the field for the code, or ""
	numbered                          bool   // names a request by a number
	challenge                         string // of a 401

	// identify finds the caller, who must have the scope.
	identify func(r *http.Request, scope string) (otp.Caller, error)
	// fields reads the member values.
	fields func(f *form, name string) []field
	// otpMembers are the names under which a code is given.
	otpMembers []string
	// ref reads which request is verified and echoes its name in the answer.
	ref func(f *form, caller otp.Caller) (otp.Ref, answer, error)
	// encode writes the envelope.
	encode func(a answer) any
}

func (s *server) version1() *version {
	return &version{
		conversation: "idConversation", values: "values", life: "secondsExpiration", tries: "maximumTries",
		numbered: true, challenge: `Basic realm="DANAConnect"`,
		identify: s.basic, fields: pairs, otpMembers: []string{"otp"}, ref: s.number, encode: envelope1,
	}
}

func (s *server) version2() *version {
	return &version{
		conversation: "conversationId", values: "fieldValues", life: "expiresInSeconds", tries: "maxAttempts", codeField: "otpFieldCode",
		challenge: `Bearer error="invalid_token"`,
		identify:  s.token, fields: members, otpMembers: []string{"otp", "otpCode", "code"}, ref: uuid, encode: envelope2,
	}
}

// basic identifies by HTTP Basic. A login without the permission is a 401
// like a wrong one, the only status that the vendor's page has for it.
func (s *server) basic(r *http.Request, scope string) (otp.Caller, error) {
	login, password, ok := httpx.BasicAuth(r)
	if !ok {
		return otp.Caller{}, &otp.Error{Kind: otp.Unauthenticated, Message: "no login"}
	}
	caller, err := s.host.Service.Authenticate(r.Context(), otp.DanaConnect, login, password)
	if err == nil && !caller.May(scope) {
		err = &otp.Error{Kind: otp.Forbidden, Message: "the login lacks the permission"}
	}
	return caller, err
}

// token identifies by an access token that was asked for with the API's scope,
// as long as the client still has it (ruling R13). A client whose configuration
// also names scopes of this server's needs the operation's own.
func (s *server) token(r *http.Request, scope string) (otp.Caller, error) {
	caller, claims, err := s.host.TokenCaller(r)
	switch {
	case err != nil:
	case !claims.AskedFor(accessScope) || !caller.May(accessScope):
		err = &otp.Error{Kind: otp.Forbidden, Message: "the token was not asked for with the scope of the API"}
	case caller.NamesScopes() && !caller.May(scope):
		err = &otp.Error{Kind: otp.Forbidden, Message: "the client lacks the permission"}
	}
	return caller, err
}

// number reads version 1's idRequest, which is the tenant's counter permuted
// so that neighbours cannot be guessed (ruling R8).
func (s *server) number(f *form, caller otp.Caller) (otp.Ref, answer, error) {
	id := f.integer("idRequest", 1, maxInt32)
	if f.fault != "" {
		return otp.Ref{}, answer{}, nil
	}
	permutation, err := s.host.Service.Ring().Permutation(caller.Tenant)
	if err != nil {
		return otp.Ref{}, answer{}, err
	}
	return otp.Ref{Session: strconv.FormatInt(permutation.Restore(id), 10)}, answer{number: id}, nil
}

// uuid reads version 2's requestId, which is the verification's own id.
func uuid(f *form, _ otp.Caller) (otp.Ref, answer, error) {
	text := f.text("requestId")
	id, ok := otp.ParseID(text)
	if !ok {
		f.fail("requestId must be a UUID")
	}
	return otp.Ref{ID: id}, answer{id: text}, nil
}

// pairs reads version 1's array of keys and values.
func pairs(f *form, name string) []field {
	v := f.object.Get(name)
	if v.Kind() == strictjson.Absent {
		return nil
	}
	entries, err := v.Array()
	if err != nil {
		f.fail(name + " must be an array")
		return nil
	}
	all := make([]field, 0, len(entries))
	seen := make(map[string]bool, len(entries))
	for _, e := range entries {
		o, err := e.Object()
		key, isKey := o.Get("key").Text()
		value, isValue := o.Get("value").Text()
		if err != nil || !isKey || !isValue || key == "" {
			f.fail(name + " must hold objects with the strings key and value")
			return nil
		}
		if seen[key] {
			f.fail(name + " must hold each key once")
			return nil
		}
		seen[key] = true
		all = append(all, field{key, value})
	}
	return all
}

// members reads version 2's object of codes and values.
func members(f *form, name string) []field {
	v := f.object.Get(name)
	if v.Kind() == strictjson.Absent {
		return nil
	}
	o, err := v.Object()
	if err != nil {
		f.fail(name + " must be an object without repeated members")
		return nil
	}
	var all []field
	for code, member := range o.All() {
		value, ok := member.Text()
		switch {
		case ok:
			all = append(all, field{code, value})
		case member.Kind() != strictjson.Absent:
			f.fail(name + " must hold strings")
			return nil
		}
	}
	return all
}

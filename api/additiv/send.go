package additiv

import (
	"net/http"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/internal/strictjson"
	"github.com/aldaba-otp/aldaba/otp"
)

// sending is what the bodies of both send operations have in common.
type sending struct {
	contact string
	session string // "" was not given
	channel otp.Channel
	pending bool   // to the address that is about to become the contact's
	profile string // "" is the tenant's default
	purpose string // "" is the profile's
	retry   otp.Retry
}

// send issues a code for an address of the contact. Only a session id that was
// generated here is told.
func (d *dialect) send(w http.ResponseWriter, r *http.Request) error {
	caller, err := d.caller(r, otp.ScopeSend)
	if err != nil {
		return err
	}
	s, o, err := readSending(w, r)
	if err != nil {
		return err
	}
	key, given, err := text(o, "templateMetadataKey")
	if err != nil {
		return err
	}
	if given && key == "" { // the core would take it for the default
		return &otp.Error{Kind: otp.Inactive, Message: "the template key is empty"}
	}
	s.profile = key
	var answer struct {
		GeneratedSessionID *string `json:"generatedSessionId"`
	}
	id, err := d.start(w, r, caller, s)
	if err != nil {
		return err
	}
	if s.session == "" {
		generated := generatedSession(id)
		answer.GeneratedSessionID = &generated
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// sendPending issues a code for an address that the contact is about to get.
// Its answer has no body that could tell a generated session, so the caller
// must name one (ruling R12).
func (d *dialect) sendPending(w http.ResponseWriter, r *http.Request) error {
	caller, err := d.caller(r, otp.ScopeSend)
	if err != nil {
		return err
	}
	s, _, err := readSending(w, r)
	if err != nil {
		return err
	}
	if s.session == "" {
		return badRequest()
	}
	s.pending, s.purpose = true, otp.ConfirmAddress
	if _, err := d.start(w, r, caller, s); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// readSending reads path and body, and returns the body for the members that
// only one of the operations has.
func readSending(w http.ResponseWriter, r *http.Request) (sending, strictjson.Object, error) {
	var s sending
	o, raw, err := body(w, r)
	if err != nil {
		return s, o, err
	}
	s.retry = api.Retry(r, raw, 0)
	if s.contact, err = contactID(r); err != nil {
		return s, o, err
	}
	session, given, err := text(o, "sessionId")
	if err != nil || given && !soundSession(session) {
		return s, o, badRequest()
	}
	s.session = session
	channel, _, err := text(o, "channel")
	if err != nil {
		return s, o, err
	}
	s.channel, err = channelOf(channel)
	return s, o, err
}

// generatedSession is the session of a client that has none of its own. It comes
// from the verification, so that a repeated send is told the first one's.
func generatedSession(id otp.ID) string { return id.Hex() }

// start looks the address up and asks the core for a verification, which takes
// the place of the session's older one (ruling R4). It returns its id.
func (d *dialect) start(w http.ResponseWriter, r *http.Request, caller otp.Caller, s sending) (otp.ID, error) {
	contact, err := d.host.Service.Contact(r.Context(), caller.Tenant, s.contact)
	if err != nil {
		return otp.ID{}, err
	}
	to := contact.Of(s.channel, s.pending)
	if to == "" {
		return otp.ID{}, &otp.Error{Kind: otp.Undeliverable, Message: "the contact has no address for this channel"}
	}
	req := otp.StartRequest{
		Caller: caller, Dialect: name, Profile: s.profile, To: to, Channel: s.channel, Purpose: s.purpose,
		Locales: languages(r), Documented: documented(), Replace: otp.ReplaceSession, Retry: s.retry,
	}
	if s.session == "" {
		req.SessionOf = func(id otp.ID) string { return handle(s.contact, generatedSession(id)) }
	} else {
		req.Session = handle(s.contact, s.session)
	}
	view, err := d.host.Service.Start(r.Context(), req)
	api.TellClamped(w.Header(), view)
	return view.ID, err
}

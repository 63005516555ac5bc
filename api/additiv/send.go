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
	if s.session == "" {
		if s.session, err = d.newSession(); err != nil {
			return err
		}
		answer.GeneratedSessionID = &s.session
	}
	if err := d.start(w, r, caller, s); err != nil {
		return err
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
	if err := d.start(w, r, caller, s); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// readSending reads path and body, and returns the body for the members that
// only one of the operations has.
func readSending(w http.ResponseWriter, r *http.Request) (sending, strictjson.Object, error) {
	var s sending
	o, err := body(w, r)
	if err != nil {
		return s, o, err
	}
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

// start looks the address up and asks the core for a verification, which takes
// the place of the session's older one (ruling R4).
func (d *dialect) start(w http.ResponseWriter, r *http.Request, caller otp.Caller, s sending) error {
	contact, err := d.host.Service.Contact(r.Context(), caller.Tenant, s.contact)
	if err != nil {
		return err
	}
	to := contact.Of(s.channel, s.pending)
	if to == "" {
		return &otp.Error{Kind: otp.Undeliverable, Message: "the contact has no address for this channel"}
	}
	session, err := handle(s.contact, s.session)
	if err != nil {
		return err
	}
	view, err := d.host.Service.Start(r.Context(), otp.StartRequest{
		Caller: caller, Dialect: name, Profile: s.profile, To: to, Channel: s.channel, Purpose: s.purpose,
		Locales: languages(r), Documented: documented(), Replace: otp.ReplaceSession, Session: session,
	})
	api.TellClamped(w.Header(), view)
	return err
}

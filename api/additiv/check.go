package additiv

import (
	"net/http"

	"github.com/aldaba-otp/aldaba/otp"
)

// guess is one key to be judged.
type guess struct{ contact, session, key string }

// check judges a key without using it up.
func (d *dialect) check(w http.ResponseWriter, r *http.Request) error { return d.judgePath(w, r, true) }

// verify judges a key and uses up the right one. A body is not looked at.
func (d *dialect) verify(w http.ResponseWriter, r *http.Request) error {
	return d.judgePath(w, r, false)
}

// judgePath judges the key of the path and answers with its status.
func (d *dialect) judgePath(w http.ResponseWriter, r *http.Request, peek bool) error {
	caller, err := d.caller(r, otp.ScopeCheck)
	if err != nil {
		return err
	}
	contact, err := contactID(r)
	if err != nil {
		return err
	}
	view, outcome, err := d.judge(r, caller, guess{contact, r.PathValue("session"), r.PathValue("key")}, peek)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, verdictOf(outcome, view))
	return nil
}

// verifyOld is the older generation's verify: the key is in the body, and the
// answer has no words but the status.
func (d *dialect) verifyOld(w http.ResponseWriter, r *http.Request) error {
	caller, err := d.caller(r, otp.ScopeCheck)
	if err != nil {
		return err
	}
	g, err := readGuess(w, r)
	if err != nil {
		return err
	}
	_, outcome, err := d.judge(r, caller, g, false)
	if err != nil {
		return err
	}
	if outcome != otp.OutcomeApproved {
		writeFault(w, r, faultOfOutcome(outcome), noSubCode)
		return nil
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// readGuess reads the older verify. Both members may be null by its page, but
// without them there is nothing to judge.
func readGuess(w http.ResponseWriter, r *http.Request) (guess, error) {
	var g guess
	o, _, err := body(w, r)
	if err != nil {
		return g, err
	}
	if g.contact, err = contactID(r); err != nil {
		return g, err
	}
	if g.session, _, err = text(o, "sessionId"); err != nil {
		return g, err
	}
	if g.key, _, err = text(o, "key"); err != nil {
		return g, err
	}
	if g.key == "" {
		return g, badRequest()
	}
	return g, nil
}

// judge asks the core. A full guess ledger is an outcome here and no error:
// the language has a word for it (ruling R5).
func (d *dialect) judge(r *http.Request, caller otp.Caller, g guess, peek bool) (otp.View, otp.Outcome, error) {
	if !soundSession(g.session) {
		return otp.View{}, 0, badRequest()
	}
	view, outcome, err := d.host.Service.Check(r.Context(), otp.CheckRequest{
		Caller: caller, Dialect: name, Ref: otp.Ref{Session: handle(g.contact, g.session)}, Code: g.key, Peek: peek,
	})
	if outcome == otp.OutcomeThrottled {
		err = nil
	}
	return view, outcome, err
}

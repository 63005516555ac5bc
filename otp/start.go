package otp

import (
	"context"
	"net/netip"
	"time"
)

// StartRequest asks for one verification.
type StartRequest struct {
	Caller  Caller
	Dialect string
	// Profile is the name that the dialect knows the profile by; "" is the
	// tenant's default.
	Profile string
	To      string
	Channel Channel // "" follows from the address
	// Pinned says that the caller chose the channel itself, so that a plan
	// begins there; otherwise the profile's plan decides.
	Pinned  bool
	Purpose string // "" is the profile's, else authenticate
	Subject string
	Locales []string // preferences, strongest first; tags or Accept-Language values

	// Asked are the request's own settings, Documented those of the dialect's
	// page where request and profile are silent (ruling R14).
	Asked, Documented Settings
	// Shorten cuts a longer life to the ceiling: for dialects whose answer
	// tells the expiry.
	Shorten bool

	Code      string // the caller's own code, or ""
	Variables map[string]string
	Text      string // own text with %(code)s, or ""
	// DefaultText is what the dialect's page says, with %(code)s; it serves in
	// every language when neither request nor tenant has a text.
	DefaultText string
	Sender      string
	Payment     *Payment // what a code for AuthorizePayment authorises, else nil
	Metadata    []byte   // JSON object, kept as it is

	// Client is the end user's network address, if the application tells it.
	Client netip.Addr
	// Limits are the values of the tenant's own keys that the start belongs to.
	Limits map[string]string
	// Challenge is the token of a challenge that the end user has passed.
	Challenge string
	// Decoy is the application's word that the address belongs to no account:
	// the start answers like any other, nothing is sent and no code is right.
	Decoy bool

	// Replace tells which older verification this one takes the place of.
	Replace Replace
	// Session is the dialect's own handle for [Ref]; with ReplaceSession the
	// verification that it pointed to is superseded.
	Session string
	// SessionOf makes Session of the verification's own id, for a dialect whose
	// clients need not name one; nil when Session is given.
	SessionOf func(ID) string
	// Numbered asks for a number of the tenant's counter as the handle.
	Numbered bool

	Repeat *Repeat
	Retry  Retry
}

// Replace is a policy about older verifications (ruling R7).
type Replace uint8

// The policies about older verifications.
const (
	ReplaceNone    Replace = iota // each lives until it ends
	ReplacePurpose                // the one of the same purpose and address is superseded
	ReplaceSession                // the one of the same session is superseded
)

// View is what a caller may know of a verification.
type View struct {
	ID           ID
	Number       int64
	Status       Status
	Dialect      string
	Channel      Channel
	Purpose      string
	Subject      string
	Locale       string
	To           string // masked
	Created      time.Time
	Expires      time.Time
	AttemptsLeft int
	// Unspent is how many of its tries were never used up by a wrong guess. It
	// stays when the verification ends, while AttemptsLeft falls to 0.
	Unspent     int
	Sends       int
	LastSent    time.Time
	ResendAfter time.Time // when the cool-down after the last send ends
	Metadata    []byte
	// Weak names the settings that were asked for beyond the bounds and cut, or
	// that the strict policy would have refused. A start alone tells it.
	Weak []string
	// Receipt is the signed proof of an approval that was asked for with its
	// check, else "".
	Receipt string
	Test    bool // of a test address
}

// Start issues a code: it checks the request, then in one atomic step charges
// the limits, supersedes, inserts the verification and its message, and after
// the commit hands the message to the courier.
//
// Errors: Invalid, Inactive, Undeliverable, Throttled (with Rule and
// RetryAfter), InProgress, KeyReused, Unavailable. A repeat of an idempotency
// key returns a [*Repeated] error with the first answer.
func (s *Service) Start(ctx context.Context, req StartRequest) (View, error) {
	d, err := s.draft(ctx, req)
	if err != nil {
		return View{}, s.orReplayed(ctx, req.Repeat, req.Caller.Tenant, err)
	}
	done, err := s.begin(d.replay)
	if err != nil {
		s.settle(d, nil, false) // nothing was tried
		return View{}, err
	}
	defer done()
	load := Keys{Destinations: []Key{d.key}, Replays: append(d.replay.keys(), d.tokens()...), Counters: d.gate.keys(d.purse.keys())}
	if d.handle != (Key{}) {
		load.Handles = []Key{d.handle}
	}
	err = s.carryOut(ctx, Step{Load: load, Decide: func(now time.Time, st *State) error {
		d.refusal = d.decide(now, st)
		d.said.hear(s, now, st)
		return nil
	}}, &d.said)
	s.settle(d, err, err == nil && d.refusal == nil && d.again.first.IsZero())
	if err != nil {
		return View{}, err
	}
	if d.refusal != nil {
		return View{}, d.refusal
	}
	if !d.again.first.IsZero() {
		return s.firstView(ctx, d)
	}
	if !d.record.Spec.Test {
		s.o.Courier.Accept(Dispatch{Message: d.message, Verification: d.record, Origin: ctx, letter: &d.letter})
	}
	return d.view(), nil
}

// settle puts in order what a start was lent and has counted outside of the
// store, once it is known whether it took place.
func (s *Service) settle(d *draft, err error, passed bool) {
	if d.gate == nil {
		return
	}
	s.settleRate(d.gate, err, passed)
	if err == nil {
		s.pulse.more(d.gate.cold.key, s.colds.settle(d.gate, passed))
	} else {
		s.colds.giveBack(d.gate)
	}
	s.pulse.settle(d.gate.watch, err == nil, &d.tenant.fraud)
}

// Review tells what [Service.Start] would find wrong with a request before it
// touches the store. A dialect that has found faults of its own asks it, so
// that it can tell all faults at once.
//
// Errors: Unauthenticated, Invalid, Inactive, NoCredit, Undeliverable.
func (s *Service) Review(req StartRequest) error {
	_, err := s.review(req)
	return err
}

// view tells the caller about the started verification.
func (d *draft) view() View {
	v := view(&d.record, d.address.Send)
	v.Weak = d.doubtful.names()
	return v
}

func view(v *Verification, to string) View {
	cooldown := resendCooldown
	if v.Spec.Test {
		cooldown = 0
	}
	return View{
		ID: v.ID, Number: v.Spec.Number, Status: v.Status, Dialect: v.Spec.Dialect, Channel: v.channel(), Purpose: v.Spec.Purpose,
		Subject: v.Spec.Subject, Locale: v.Spec.Locale, To: v.masked(to), Created: v.Spec.Created, Expires: v.Expires,
		AttemptsLeft: v.attemptsLeft(), Unspent: v.unspent(), Sends: v.Sends, LastSent: v.LastSent,
		ResendAfter: v.LastSent.Add(cooldown), Metadata: v.Spec.Metadata, Test: v.Spec.Test,
	}
}

func (t *Tenant) allowsAll() bool { return t.allows("*") }

package otp

import (
	"crypto/sha256"
	"time"
)

// decide is the atomic step of a start.
func (d *draft) decide(now time.Time, st *State) error {
	if err := d.replay.seen(now, st); err != nil {
		return err
	}
	dest, ok := st.Destinations.Get(d.key)
	if !ok {
		dest = Destination{Key: d.key, Tenant: d.tenant.Name}
	}
	if d.again.known(now, st, d, &dest) {
		return nil
	}
	v, veil := d.record, d.decoy
	if !d.record.Spec.Test {
		if err := veil.over(d, d.limited(now, st, &dest)); err != nil {
			return err
		}
		if d.gate.chargeStart(now, st, d.familiar(now, &dest), veil.is) {
			v.Spec.Prefix = d.gate.cold.key
		}
		d.useToken(now, st)
	}
	v.Spec.Decoy = veil.is
	dest, yields := d.supersede(now, st, dest, veil.is)
	v.Events = 0 // the record is kept from a run before when the batch is run again
	v.Status, v.Spec.Created, v.Expires = Pending, now, now.Add(d.settings.Lifetime)
	v.Spec.Prev, dest.Newest = dest.Newest, v.ID
	v.Sends, v.LastSent = 1, now
	dest = veil.counting(&v, dest, now)
	dest.LastStart = d.again.mark(now, v.ID)
	if d.req.Replace == ReplacePurpose && !yields {
		dest = dest.serving(d.purpose, v.ID)
	}
	doubts := d.doubtful
	if v.Spec.Test { // its mark says more
		doubts = doubtful{}
	}
	started := v.event(EventStarted, now, d.req.Caller.Identity, doubts.detail())
	started.veiled(&veil)
	started.Facts.Weak = doubts.names()
	st.Journal(started)
	d.message.Charges = Charges{}
	var err error
	if d.message, err = v.post(now, st, d.purse, d.message); err != nil {
		return err
	}
	st.Verifications.Put(v.ID, v)
	st.Destinations.Put(d.key, dest)
	if d.handle != (Key{}) {
		st.Handles.Put(d.handle, Handle{Key: d.handle, Verification: v.ID})
	}
	d.record = v
	d.replay.remember(now, st, func() []byte { return d.req.Repeat.Answer(d.view(), 0) })
	return nil
}

// limited refuses a start over any limit, names the one that lasts longest, and
// notes it once a minute. Nothing is charged before all of them let it pass.
func (d *draft) limited(now time.Time, st *State, dest *Destination) error {
	if dest.verdict(now) == Blocked {
		d.note(now, st, EventRefused, denial{rule: RuleBlockList})
		return blocked("it is on the block-list")
	}
	d.gate.passed = d.unused(now, st)
	worst := d.gate.judge(now, st, d.familiar(now, dest))
	worst.worse(d.purse.short(now, st, d.price, 1))
	rule, wait := dest.MaySend(now)
	by := guesser{
		subject: d.ring.subjectTag(d.tenant.Name, d.req.Subject), channel: d.req.Channel, fresh: true, forever: d.tenant.Guessing.NoTrials,
		decoy: d.decoy.is,
	}
	if r, w := dest.mayJudge(now, by); w > wait {
		rule, wait = r, w
	}
	worst.worse(denial{rule: rule, wait: wait})
	if s := d.gate.shadowed; s.wait > 0 {
		d.note(now, st, EventShadowed, s)
	}
	if w := d.gate.watch; w != nil && w.blocks {
		st.Journal(noted(now, now.Truncate(time.Minute), EventAlert, d.tenant.Name, RuleConversion+" "+w.name+" "+w.verdict(d.tenant), RuleConversion+" "+w.name))
	}
	if worst.wait == 0 {
		return nil
	}
	d.note(now, st, EventRefused, worst)
	e := worst.refusal()
	if worst.soft {
		e.Challenge = d.tenant.Challenge.hint()
	}
	return e
}

// familiar reports whether the fraud watch and the limits of prefix, country and
// client have nothing to say about an address.
func (d *draft) familiar(now time.Time, dest *Destination) bool {
	return dest.verdict(now) == Allowed || dest.known(now, &d.tenant.fraud)
}

// note writes down what a rule said.
func (d *draft) note(now time.Time, st *State, kind EventKind, what denial) {
	e := refusal(now, d.tenant.Name, d.req.Dialect, d.req.Caller.Identity, what.rule, d.key)
	e.Kind, e.Detail = kind, what.String()+" "+d.key.tag()
	if kind != EventRefused { // its name is its own
		e.Verification = noted(now, now.Truncate(time.Minute), kind, e.Tenant, "", what.rule+d.key.tag()).Verification
	}
	e.Facts.Country = d.record.Spec.Country
	st.Journal(e)
}

func throttled(rule string, wait time.Duration) *Error {
	e := &Error{Kind: Throttled, Message: "too many requests for this address", Rule: rule, RetryAfter: wait}
	switch rule {
	case RuleLedger, RuleDelay, RuleLock:
		e.Message = "too many wrong guesses for this address"
	case RuleCooldown:
		e.Message = "the last message of this verification was just sent"
	case RuleSends:
		e.Message = "this verification has had all its messages"
	}
	return e
}

// refusal is the journal line of a limit that said no. Its name is made of
// rule, key and minute, so that repeats within a minute are one line.
func refusal(now time.Time, tenant, dialect, actor, rule string, key Key) Event {
	minute := now.Truncate(time.Minute)
	sum := sha256.Sum256(append([]byte(rule+" "+minute.UTC().String()+" "), key[:]...))
	name := ID(sum[:16])
	name.stamp(minute)
	return Event{Verification: name, Tenant: tenant, At: now, Kind: EventRefused, Dialect: dialect, Actor: actor, Detail: rule}
}

// supersede ends the verification whose place this one takes. A decoy takes the
// place of decoys alone: it yields to a code that somebody has.
func (d *draft) supersede(now time.Time, st *State, dest Destination, decoy bool) (after Destination, yields bool) {
	var old ID
	switch d.req.Replace {
	case ReplacePurpose:
		old, _ = dest.live(d.purpose)
	case ReplaceSession:
		if h, ok := st.Handles.Get(d.handle); ok {
			old = h.Verification
		}
	}
	if old.IsZero() {
		return dest, false
	}
	v, ok := st.Verifications.Get(old)
	if !ok || v.Status != Pending {
		return dest.without(old), false
	}
	if decoy && !v.Spec.Decoy && now.Before(v.Expires) {
		return dest, true
	}
	status, kind := Superseded, EventSuperseded
	if !now.Before(v.Expires) {
		status, kind = Expired, EventExpired
	}
	v.end(status, now)
	st.Journal(v.event(kind, now, d.req.Caller.Identity, ""))
	st.Verifications.Put(v.ID, v)
	if v.Destination == dest.Key {
		return dest.without(old), false
	}
	if other, ok := st.Destinations.Get(v.Destination); ok {
		st.Destinations.Put(v.Destination, other.without(old))
	}
	return dest, false
}

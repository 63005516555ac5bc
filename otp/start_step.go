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
	if err := d.limited(now, st, &dest); err != nil {
		return err
	}
	dest = d.supersede(now, st, dest)
	v := d.record
	v.Events = 0 // the record is kept from a run before when the batch is run again
	v.Status, v.Spec.Created, v.Expires = Pending, now, now.Add(d.settings.Lifetime)
	v.Spec.Prev, dest.Newest = dest.Newest, v.ID
	v.Sends, v.LastSent = 1, now
	dest = dest.sent(now)
	if d.req.Replace == ReplacePurpose {
		dest = dest.serving(d.purpose, v.ID)
	}
	started := v.event(EventStarted, now, d.req.Caller.Identity, d.doubtful.detail())
	started.Facts.Weak = d.doubtful.names()
	st.Journal(started)
	d.message = d.message.born(&v, now)
	d.message.Charges = Charges{}
	if err := d.purse.reserve(st, &d.message, &v); err != nil {
		return err
	}
	st.Messages.Put(d.message.ID, d.message)
	st.Verifications.Put(v.ID, v)
	st.Destinations.Put(d.key, dest)
	if d.handle != (Key{}) {
		st.Handles.Put(d.handle, Handle{Key: d.handle, Verification: v.ID})
	}
	d.record = v
	d.replay.remember(now, st, func() []byte { return d.req.Repeat.Answer(d.view(), 0) })
	return nil
}

// limited refuses a start over the destination's limits, names the one that
// lasts longest, and notes it once a minute.
func (d *draft) limited(now time.Time, st *State, dest *Destination) error {
	rule, wait := dest.MaySend(now)
	by := guesser{
		subject: d.ring.subjectTag(d.tenant.Name, d.req.Subject), channel: d.req.Channel, fresh: true, forever: d.tenant.Guessing.NoTrials,
	}
	if r, w := dest.mayJudge(now, by); w > wait {
		rule, wait = r, w
	}
	if wait == 0 {
		return nil
	}
	st.Journal(refusal(now, d.tenant.Name, d.req.Dialect, d.req.Caller.Identity, rule, d.key))
	return throttled(rule, wait)
}

func throttled(rule string, wait time.Duration) *Error {
	return &Error{Kind: Throttled, Message: "too many requests for this address", Rule: rule, RetryAfter: wait}
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

// supersede ends the verification whose place this one takes.
func (d *draft) supersede(now time.Time, st *State, dest Destination) Destination {
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
		return dest
	}
	v, ok := st.Verifications.Get(old)
	if !ok || v.Status != Pending {
		return dest.without(old)
	}
	status, kind := Superseded, EventSuperseded
	if !now.Before(v.Expires) {
		status, kind = Expired, EventExpired
	}
	v.end(status, now)
	st.Journal(v.event(kind, now, d.req.Caller.Identity, ""))
	st.Verifications.Put(v.ID, v)
	if v.Destination == dest.Key {
		return dest.without(old)
	}
	if other, ok := st.Destinations.Get(v.Destination); ok {
		st.Destinations.Put(v.Destination, other.without(old))
	}
	return dest
}

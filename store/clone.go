package store

import (
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// The clones cut every tie between what a caller holds and what an engine keeps in
// memory, and give times the precision that every engine has.

func utc(t time.Time) time.Time { return FromMicros(Micros(t)) }

// bare copies a value; an empty one is nil, as engines do not tell them apart.
func bare(b []byte) []byte { return append([]byte(nil), b...) }

// bareAll makes each of the values a copy, all of them in one piece of memory.
func bareAll(values ...*[]byte) {
	size := 0
	for _, b := range values {
		size += len(*b)
	}
	all := make([]byte, 0, size)
	for _, b := range values {
		from := len(all)
		all = append(all, *b...)
		if *b = all[from:len(all):len(all)]; len(*b) == 0 {
			*b = nil
		}
	}
}

// CloneReplay copies one.
func CloneReplay(r otp.Replay) otp.Replay {
	r.Answer, r.Expires = bare(r.Answer), utc(r.Expires)
	return r
}

// CloneContact copies one.
func CloneContact(c otp.Contact) otp.Contact {
	c.Sealed = bare(c.Sealed)
	return c
}

// CloneMessage copies one.
func CloneMessage(m otp.Message) otp.Message {
	m.Created, m.Expires, m.NextAt = utc(m.Created), utc(m.Expires), utc(m.NextAt)
	p := &m.Progress
	p.HedgeAt, p.LookAt, p.LegAt = utc(p.HedgeAt), utc(p.LookAt), utc(p.LegAt)
	return m
}

// CloneVerification copies one.
func CloneVerification(v otp.Verification) otp.Verification {
	v.LastSent, v.Expires, v.Ended = utc(v.LastSent), utc(v.Expires), utc(v.Ended)
	s := &v.Spec
	s.Created, s.Erased = utc(s.Created), utc(s.Erased)
	bareAll(&v.Secret, &s.Context, &s.Letter, &s.Metadata)
	s.Plan = append([]otp.Leg(nil), s.Plan...)
	return v
}

// CloneCounter copies one.
func CloneCounter(c otp.Counter) otp.Counter {
	t := &c.Tally
	t.Until, t.Next, t.Block.Since, t.Block.Until = utc(t.Until), utc(t.Next), utc(t.Block.Since), utc(t.Block.Until)
	t.Times = append([]time.Time(nil), t.Times...)
	for i, at := range t.Times {
		t.Times[i] = utc(at)
	}
	t.Slots = append([]otp.Slot(nil), t.Slots...)
	for i, slot := range t.Slots {
		t.Slots[i].At = utc(slot.At)
	}
	return c
}

// CloneDestination copies one.
func CloneDestination(d otp.Destination) otp.Destination {
	d.ApprovedAt, d.Touched = utc(d.ApprovedAt), utc(d.Touched)
	d.Live = append([]otp.Live(nil), d.Live...)
	d.Sends = append([]time.Time(nil), d.Sends...)
	for i, t := range d.Sends {
		d.Sends[i] = utc(t)
	}
	d.Wrongs, d.Decoys.Wrongs = cloneWrongs(d.Wrongs), cloneWrongs(d.Decoys.Wrongs)
	return d
}

func cloneWrongs(all []otp.Wrong) []otp.Wrong {
	all = append([]otp.Wrong(nil), all...)
	for i := range all {
		all[i].At = utc(all[i].At)
	}
	return all
}

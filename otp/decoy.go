package otp

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// A decoy is a verification that answers like any other while nothing is sent
// and no code is right, so that who asks for an address learns nothing about it
// (why it does what it does stands in docs/adr/0014-decoys.md).

// DecoyMark ends the detail of every event of a decoy. That of its start may be
// followed by the rule of the refusal that the decoy stands for. It is for the
// operator: a timeline and a webhook do not show it.
const DecoyMark = "(decoy)"

// unmarked returns the detail of an event without what tells a decoy.
func unmarked(detail string) string {
	before, _, _ := strings.Cut(detail, DecoyMark)
	return strings.TrimSpace(before)
}

// decoy tells whether a start is one.
type decoy struct {
	is     bool
	hides  string // the rule of the refusal that it stands for; "" when the application asked for it
	beyond bool   // that refusal was a limit of the address
}

// over returns the refusal of a start, or nil when a decoy takes its place: when
// the profile wants uniform answers, and the refusal tells something about the
// address.
func (o *decoy) over(d *draft, refusal error) error {
	e := AsError(refusal)
	if e == nil || !d.profile.Uniform || d.req.Dialect != NativeDialect {
		return refusal
	}
	if e.Kind != Undeliverable && (e.Kind != Throttled || !ofAddress(e.Rule)) {
		return refusal
	}
	*o = decoy{is: true, hides: cmp.Or(e.Rule, e.Kind.String()), beyond: e.Kind == Throttled}
	return nil
}

// ofAddress tells whether a limit is one of a single address.
func ofAddress(rule string) bool {
	return strings.Contains(rule, "_per_destination") || rule == RuleDelay || rule == RuleLock || rule == RuleEverywhere
}

// orDecoy is [decoy.over] for what is known before the step. What the refused
// check has left undone is made good.
func (d *draft) orDecoy(s *Service, dir *Directory, refusal *Error) *Error {
	if refusal == nil {
		return nil
	}
	if d.decoy.over(d, refusal) != nil {
		return refusal
	}
	d.plan(s, dir)
	return d.tenant.checkSender(d.req.Channel, cmp.Or(d.req.Sender, d.profile.Sender), d.record.Spec.Country)
}

// counting counts the send of a start. A decoy counts like any other, so that
// its limits are met at the same request; beyond them it does not, lest who
// goes on asking keep the address closed.
func (o *decoy) counting(v *Verification, dest Destination, now time.Time) Destination {
	if o.beyond {
		dest.Touched = now
		return dest
	}
	return dest.counting(v, now)
}

// veiled adds what a decoy hides to the event of its start.
func (e *Event) veiled(o *decoy) {
	if o.hides != "" {
		e.Detail, e.Facts.Hides = e.Detail+" "+o.hides, o.hides
	}
}

// withDecoys returns the destination as a guess at a decoy sees it: its wrong
// guesses are those at codes that were sent and those at decoys.
func (d *Destination) withDecoys() *Destination {
	all := *d
	all.Wrongs = slices.Concat(d.Wrongs, d.Decoys.Wrongs)
	slices.SortStableFunc(all.Wrongs, func(a, b Wrong) int { return a.At.Compare(b.At) })
	all.Wrongs = last(all.Wrongs, keptWrongs)
	for _, r := range []*Run{&all.Run, &all.Own} {
		r.Failures += d.Decoys.Run.Failures
		r.Channels |= d.Decoys.Run.Channels
		if d.Decoys.Run.At.After(r.At) {
			r.At = d.Decoys.Run.At
		}
	}
	return &all
}

// chargedDecoy returns the destination with one more wrong guess at a decoy.
// The ledger and the runs of the address itself stay as they are: there was
// nothing to guess, and its person must not be barred by it.
func (d Destination) chargedDecoy(now time.Time, space float64, channel Channel) Destination {
	own := Destination{Wrongs: d.Decoys.Wrongs, Run: d.Decoys.Run}
	own, _ = own.charged(now, space).failed(now, SubjectTag{}, channel)
	d.Decoys, d.Touched = DecoyGuesses{own.Wrongs, own.Run}, now
	return d
}

// Feign tells what the journal is to say of a decoy's message: that the first
// provider of its route took it. It does the work of a message that is sent, and
// throws the text away. Errors: none; without a provider it says that there is
// none.
func (s *Service) Feign(d *Dispatch) Attempt {
	text, err := s.render(d)
	if err != nil { // what cannot be made leads to no route of its own
		text = Text{Channel: d.Message.Channel}
	}
	way := s.Way(d, &text, func() float64 { return 0.5 })
	if len(way.Carriers) == 0 {
		if t, ok := s.Directory().Tenant(d.Message.Tenant); ok && len(t.Routes) > 0 {
			way.Carriers = t.Routes[0].Providers
		}
	}
	if len(way.Carriers) == 0 {
		return Attempt{Result: EventUnsent, Detail: "no provider"}
	}
	return Attempt{Result: EventSent, Provider: way.Carriers[0].Provider}
}

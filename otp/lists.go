package otp

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Configuration changes what is configured of tenants. It is filled by package
// app, which keeps the configuration.
type Configuration interface {
	// ChangeLists replaces the list of a tenant by what change makes of it and
	// puts it in force; change may be called more than once. actor is who asked.
	ChangeLists(ctx context.Context, tenant, actor string, change func([]ListEntry) []ListEntry) error
}

// Lists returns what is decided about many addresses of a tenant, in the order
// of its configuration. Errors: NotFound.
func (s *Service) Lists(tenant string) ([]ListEntry, error) {
	t, ok := s.Directory().Tenant(tenant)
	if !ok {
		return nil, &Error{Kind: NotFound, Message: "there is no such tenant"}
	}
	return t.Lists, nil
}

// Decided tells what is decided about one address, or about what one match
// stands for: see [Service.DecideAbout]. Errors: as [Service.Listing].
func (s *Service) Decided(ctx context.Context, tenant, about string) (Listed, error) {
	t, ok := s.Directory().Tenant(tenant)
	if !ok {
		return Listed{}, &Error{Kind: NotFound, Message: "there is no such tenant"}
	}
	match, err := s.matchOf(t, about)
	switch {
	case err != nil:
		return Listed{}, err
	case match == "":
		return s.Listing(ctx, tenant, about)
	}
	all := Listed{Match: match}
	if i := indexOf(t.Lists, match); i >= 0 {
		e := &t.Lists[i]
		all.Listing = Listing{Verdict: e.Verdict, Until: e.Until, Reason: e.Reason}
	}
	return all, nil
}

// DecideAbout decides about one address of a tenant, as [Service.Decide], or
// about all that a match stands for, which changes the tenant's configuration:
// the beginning of numbers ("+58414*"; the star may be left out as long as the
// digits are too few for a number), a country ("VE"), a mail domain
// ("@example.com") or a network ("203.0.113.0/24"). An Unlisted verdict takes
// the decision back. Errors: as [Service.Decide], InProgress and KeyReused; a
// repeat of an idempotency key returns a [*Repeated].
func (s *Service) DecideAbout(ctx context.Context, tenant, about string, l Listing, repeat *Repeat) (Listed, error) {
	t, ok := s.Directory().Tenant(tenant)
	if !ok {
		return Listed{}, &Error{Kind: NotFound, Message: "there is no such tenant"}
	}
	replay := repeat.check(s.Ring(), tenant)
	done, err := s.begin(replay)
	if err != nil {
		return Listed{}, err
	}
	defer done()
	// Before anything is judged: an end that was to come may have passed since,
	// and a repeat must not undo what was decided after it.
	if err := s.answered(ctx, replay); err != nil {
		return Listed{}, err
	}
	match, err := s.matchOf(t, about)
	switch {
	case err != nil:
		return Listed{}, err
	case match == "":
		return s.decide(ctx, tenant, about, l, replay)
	}
	return s.decideMany(ctx, tenant, match, l, replay)
}

// decideMany changes the configuration and then writes down that it did. A
// server that dies in between leaves the idempotency key free: who repeats the
// call decides the same once more.
func (s *Service) decideMany(ctx context.Context, tenant, match string, l Listing, replay *replayCheck) (Listed, error) {
	if err := l.fault(s.Now()); err != nil {
		return Listed{}, err
	}
	if s.o.Configuration == nil {
		return Listed{}, &Error{Kind: Invalid, Field: "to", Message: "is a match, and the configuration cannot be changed here; apply a tenants file"}
	}
	err := s.o.Configuration.ChangeLists(ctx, tenant, l.By, func(old []ListEntry) []ListEntry {
		return changedList(old, s.Now(), ListEntry{Match: match, Verdict: l.Verdict, Until: l.Until, Reason: l.Reason})
	})
	if err != nil {
		return Listed{}, err
	}
	found := Listed{Match: match, Listing: l}
	if l.Verdict == Unlisted {
		found.Listing = Listing{}
	}
	err = s.do(ctx, Step{Load: Keys{Replays: replay.keys()}, Decide: func(now time.Time, st *State) error {
		if err := replay.seen(now, st); err != nil {
			return err // another server was asked at the same time
		}
		e := noted(now, now, EventListed, tenant, l.Verdict.told()+" "+match, match)
		e.Actor = l.By
		st.Journal(e)
		replay.decided(now, st, found)
		return nil
	}})
	return found, err
}

// changedList is a list with one more or another decision, or without it, and
// without those whose time is over.
func changedList(old []ListEntry, now time.Time, e ListEntry) []ListEntry {
	all := slices.DeleteFunc(slices.Clone(old), func(o ListEntry) bool { return !o.Until.IsZero() && !now.Before(o.Until) })
	i := indexOf(all, e.Match)
	switch {
	case e.Verdict == Unlisted && i >= 0:
		return slices.Delete(all, i, i+1)
	case e.Verdict == Unlisted:
		return all
	case i >= 0:
		all[i] = e
		return all
	}
	return append(all, e)
}

func indexOf(all []ListEntry, match string) int {
	return slices.IndexFunc(all, func(e ListEntry) bool { return strings.EqualFold(e.Match, match) })
}

// matchOf returns the match that a text is, or "" when it must be one address.
// A number of seven digits or more is one, so that nobody closes ten thousand
// numbers by a slip: the star says that it is the beginning of others.
func (s *Service) matchOf(t *Tenant, about string) (string, error) {
	wrong := invalid("to", `must be one address, the beginning of numbers ("+58414*", 12 digits at most), a country ("VE"), a mail domain ("@example.com") or a network ("203.0.113.0/24")`)
	begin, star := strings.CutSuffix(about, "*")
	if star {
		if !strings.HasPrefix(begin, "+") || matchFault(begin) != "" {
			return "", wrong
		}
		return begin, nil
	}
	if _, err := netip.ParseAddr(about); err == nil {
		return "", invalid("to", `must tell a network by its length, such as "203.0.113.7/32"`)
	}
	if !strings.HasPrefix(about, "+") && matchFault(about) == "" {
		return about, nil
	}
	if _, err := s.o.Addresses.Parse(about, t.Home); err == nil {
		return "", nil
	}
	if matchFault(about) != "" || len(about) > shortest {
		return "", wrong
	}
	return about, nil
}

// shortest is the length of the longest text that is too short for a number: a
// plus and six digits.
const shortest = 7

// fault tells what is wrong with a decision.
func (l *Listing) fault(now time.Time) error {
	switch {
	case len(l.Reason) > 200 || hasBreaks(l.Reason):
		return invalid("reason", "must be one line of at most 200 bytes")
	case !l.Until.IsZero() && !now.Before(l.Until):
		return invalid("until", "must be in the future")
	}
	return nil
}

// told is the verdict as the journal says it.
func (v Verdict) told() string {
	if v == Unlisted {
		return takenBack
	}
	return v.String()
}

const takenBack = "taken back"

// noteListed writes down a start that the tenant's list refused before its step.
// It is no part of the refusal: what fails here leaves a line out.
func (s *Service) noteListed(ctx context.Context, d *draft) {
	if d == nil || !d.listed(Blocked) {
		return
	}
	d.key = d.ring.destinationKey(d.tenant.Name, d.address)
	_ = s.do(ctx, Step{Decide: func(now time.Time, st *State) error {
		d.note(now, st, EventRefused, denial{rule: RuleBlockList, detail: fmt.Sprintf("has %s; take it off the list", d.entry.Match)})
		return nil
	}})
}

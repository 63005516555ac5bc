package otp

import (
	"context"
	"slices"
	"strings"
	"time"
)

// timelineLength bounds a timeline.
const timelineLength = 200

// The actors of a timeline. Which credential it was is the operator's to know.
const (
	ActorApplication = "application"
	ActorServer      = "server"
)

// TimelineEntry is one event of a verification, as its tenant may see it.
type TimelineEntry struct {
	At       time.Time
	Event    EventKind
	Actor    string  // ActorApplication or ActorServer
	Channel  Channel // of a message's event and of a next leg, else ""
	Provider string  // of a message's event, "" when there was none
	Detail   string  // what the provider said, or the weak settings of a start; at the end "test" for a test address
}

// Timeline tells what happened to one verification of the caller's tenant,
// oldest first; of more than 200 events the last 200. It holds no code and no
// full address.
//
// Errors: NotFound, Unavailable, Internal.
func (s *Service) Timeline(ctx context.Context, caller Caller, id ID) ([]TimelineEntry, error) {
	found, err := s.o.Store.Verifications(ctx, id)
	if err != nil {
		return nil, unread(err)
	}
	if len(found) == 0 || found[0].Tenant != caller.Tenant {
		return nil, errUnknown
	}
	events, err := s.o.Store.Events(ctx, id)
	if err != nil {
		return nil, unread(err)
	}
	letter, err := found[0].letter(s.Ring())
	if err != nil {
		return nil, AsError(err)
	}
	// Numbers are reserved for the tries of a message when it is born, so their
	// order is not that of time.
	slices.SortStableFunc(events, func(a, b Event) int { return a.At.Compare(b.At) })
	events = events[max(len(events)-timelineLength, 0):]
	all := make([]TimelineEntry, len(events))
	for i := range events {
		all[i] = events[i].entry(letter.To)
	}
	return all, nil
}

// entry shows an event to the tenant. An address in what a carrier said is
// covered: journals written before that was done at once may hold it.
func (e *Event) entry(to string) TimelineEntry {
	shown := TimelineEntry{At: e.At, Event: e.Kind, Actor: ActorApplication, Detail: e.Detail}
	if e.Actor == ActorServer || e.Actor == ActorOperator {
		shown.Actor = ActorServer
	}
	if channel, provider, detail, ok := e.Carried(); ok {
		shown.Channel, shown.Provider, shown.Detail = channel, provider, detail
	}
	if e.Kind == EventNextLeg {
		channel, mark, _ := strings.Cut(e.Detail, " ")
		shown.Channel, shown.Detail = Channel(channel), mark
	}
	shown.Detail = covered(unmarked(shown.Detail), to)
	return shown
}

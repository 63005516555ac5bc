package otp

import (
	"cmp"
	"context"
	"strings"
	"time"
)

// Facts are what is known of an event where it happens and is not kept with it:
// for metrics.
type Facts struct {
	Channel  Channel
	Country  string        // ISO 3166, or ""
	Provider string        // of a message's event
	Since    time.Duration // since the verification began, or the message for a message's event
	Weak     []string      // of a start: settings that are weak or were cut
	Test     bool          // of a test address
	Decoy    bool          // of a decoy
	Hides    string        // of a decoy's start: the rule of the refusal that it stands for
}

// carried is the detail of a message's event.
func carried(channel Channel, provider, detail string) string {
	return strings.TrimSpace(string(channel) + " " + cmp.Or(provider, "-") + " " + detail)
}

// Carried reads the detail of a message's event: the channel, the provider ("-"
// and "" when there was none), and what it said. ok is false for an event of
// another kind.
func (e *Event) Carried() (channel Channel, provider, detail string, ok bool) {
	switch e.Kind {
	case EventSent, EventRetry, EventUnsent, EventDelivered, EventFailed, EventSilent:
	default:
		return "", "", "", false
	}
	first, rest, _ := strings.Cut(e.Detail, " ")
	provider, detail, _ = strings.Cut(rest, " ")
	return Channel(first), strings.Trim(provider, "-"), detail, true
}

// Rule is the first word of an event's detail: of a refusal and an alert, the
// name of the rule.
func (e *Event) Rule() string {
	rule, _, _ := strings.Cut(e.Detail, " ")
	return rule
}

// said is what a decision journaled, and who is to hear of it.
type said struct {
	events  []Event
	notices []Message
	once    []ID
}

// hear ends a decision that is made for [Service.carryOut].
func (x *said) hear(s *Service, now time.Time, st *State) {
	x.events = st.events
	x.notices, x.once = s.notices(now, st)
}

// do carries out a step as carryOut does.
func (s *Service) do(ctx context.Context, step Step) error {
	var said said
	decide := step.Decide
	step.Decide = func(now time.Time, st *State) error {
		if err := decide(now, st); err != nil {
			return err
		}
		said.hear(s, now, st)
		return nil
	}
	return s.carryOut(ctx, step, &said)
}

// carryOut carries out a step and gives an unknown error its kind. What the step
// journaled, which its decision lets said hear, is observed after the commit, and
// handed to the courier where a tenant's webhook is to hear of it.
func (s *Service) carryOut(ctx context.Context, step Step, said *said) error {
	if err := s.o.Store.Do(ctx, step); err != nil {
		return AsError(err)
	}
	for i := range said.events {
		s.pulse.note(&said.events[i])
		if s.o.Observe != nil {
			s.o.Observe(&said.events[i])
		}
	}
	for _, id := range said.once {
		s.once.note(id)
	}
	for _, m := range said.notices {
		s.o.Courier.Accept(Dispatch{Message: m})
	}
	return nil
}

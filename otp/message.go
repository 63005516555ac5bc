package otp

import (
	"context"
	"time"
)

// maxTries bounds the tries of one message. A journal number is reserved for
// each of them when the message is born, and one for giving it up after the
// last, so that telling of a try does not touch the verification.
const (
	maxTries      = 8
	messageEvents = maxTries + 1
)

// MaxCopies bounds the tries of one message that may have reached a carrier.
const MaxCopies = 3

// receiptDue is when a carrier that promises receipts should have sent one: if
// it has not, that speaks against the carrier.
const receiptDue = 90 * time.Second

// born gives a new message its times and journal numbers.
func (m Message) born(v *Verification, now time.Time) Message {
	m.Created, m.Expires, m.NextAt, m.FirstEvent = now, v.Expires, now, v.Events
	v.Events += messageEvents
	return m
}

// post puts a new message into the outbox and reserves its price. Nothing is
// sent to a test address: its message is never kept, and nobody pays.
func (v *Verification) post(now time.Time, st *State, paid purse, m Message) (Message, error) {
	if v.Spec.Test {
		return m, nil
	}
	m = m.born(v, now)
	if err := paid.reserve(now, st, &m, v); err != nil {
		return m, err
	}
	paid.count(now, st, v, 1)
	st.Messages.Put(m.ID, m)
	return m, nil
}

// event is the journal number of the message's present try.
func (m *Message) event() int { return m.FirstEvent + min(m.Attempt, messageEvents-1) }

// LastRetry is when retries end: min(30 s, half the life) before the code
// expires. The first try is made as long as the code lives.
func (m *Message) LastRetry() time.Time {
	return m.Expires.Add(-min(30*time.Second, m.Expires.Sub(m.Created)/2))
}

// MayRetry reports whether a try at t is allowed.
func (m *Message) MayRetry(t time.Time) bool {
	return m.Attempt < maxTries && !t.After(m.LastRetry())
}

// Taken reports whether a carrier took the message.
func (m *Message) Taken() bool { return m.Progress.Provider != "" }

// wait sets when the message must be looked at next: at the earliest of its
// timers, and at the end of the code's life.
func (m *Message) wait() {
	m.NextAt = m.Expires
	timers := []time.Time{m.Progress.LookAt, m.Progress.LegAt}
	if !m.Progress.Hedged {
		timers = append(timers, m.Progress.HedgeAt)
	}
	for _, t := range timers {
		if !t.IsZero() && t.Before(m.NextAt) {
			m.NextAt = t
		}
	}
}

// Render makes the text of a message, from the template in force, the sealed
// letter and the derived code. Errors: Internal.
func (s *Service) Render(d *Dispatch) (Text, error) {
	if d.Verification.Spec.Decoy {
		return Text{}, &Error{Kind: Internal, Message: "a decoy is never sent"}
	}
	return s.render(d)
}

func (s *Service) render(d *Dispatch) (Text, error) {
	ring, v := s.Ring(), &d.Verification
	if !v.Spec.Erased.IsZero() {
		return Text{}, &Error{Kind: Internal, Message: "the verification was erased"}
	}
	tenant, ok := s.Directory().Tenant(v.Tenant)
	if !ok {
		return Text{}, &Error{Kind: Internal, Message: "the tenant is gone"}
	}
	letter := d.letter
	if letter == nil {
		opened, err := v.letter(ring)
		if err != nil {
			return Text{}, AsError(err)
		}
		letter = &opened
	}
	code, err := ring.Code(v)
	if err != nil {
		return Text{}, AsError(err)
	}
	linked := *letter // the courier may keep the other
	if linked.link, err = tenant.linkFor(ring, v, d.Message.Channel); err != nil {
		return Text{}, AsError(err)
	}
	w, err := tenant.wordingFor(v.Spec.Profile, d.Message.Channel, v.Spec.Locale, &linked)
	if err != nil {
		return Text{}, AsError(err)
	}
	return w.render(d.Message.Channel, &linked, code, tenant.brand(), v.Spec.Locale, v.Expires.Sub(s.Now())), nil
}

// Attempt is what became of one try of a message.
type Attempt struct {
	Provider string
	// Result is EventSent, EventDelivered (both in one), EventRetry (NextAt
	// tells when) or EventUnsent. A second copy is not tried again: it is
	// EventUnsent when nobody took it, and the first is still waited for.
	Result EventKind
	NextAt time.Time
	Detail string        // provider's message id, or error class and word; nothing secret
	Copies int           // tries so far that may have reached a carrier
	IDs    []string      // by which the carrier's receipts will name it; none when none will come
	Cost   Money         // of the providers that took it or may have
	Hedge  time.Duration // after which a second provider is asked for want of a receipt; 0 never
}

// Follow is what remains to be done after a try was told.
type Follow struct {
	Next    *Dispatch // another message that took the place of this one
	Again   *Dispatch // the message is to be carried anew: every copy was lost
	Waiting *Message  // the message waits for a receipt or a timer until its NextAt
}

// Report writes what became of a try. A message of which nothing is to be
// expected any more leaves the outbox. Errors: NotFound when the message is not
// this server's any more, Unavailable, Internal.
func (s *Service) Report(ctx context.Context, d *Dispatch, a Attempt) (Follow, error) {
	r := &report{service: s, d: d, try: a, paid: s.purse(d.Message.Tenant, d.Message.ID)}
	load, err := r.load(ctx)
	if err != nil {
		return Follow{}, err
	}
	err = s.carryOut(ctx, Step{Load: load, Decide: func(now time.Time, st *State) error {
		if err := r.decide(now, st); err != nil {
			return err
		}
		r.said.hear(s, now, st)
		return nil
	}}, &r.said)
	s.settled(r.next, err, r.follow.Next != nil)
	if err != nil {
		return Follow{}, err
	}
	return r.follow, r.refusal
}

// report is what became of a try, on its way into the store.
type report struct {
	service *Service
	d       *Dispatch
	try     Attempt
	paid    purse
	handles []Key   // by which receipts will name the message
	next    *onward // to the next leg, if there is one and the message may be given up

	follow  Follow // of the step, in its present run
	refusal error
	said    said
}

// load names what the step reads, and covers what nobody may read.
func (r *report) load(ctx context.Context) (load Keys, err error) {
	s, m, ring := r.service, &r.d.Message, r.service.Ring()
	r.try.Detail = r.d.cover(ring, r.try.Detail)
	for _, id := range r.try.IDs {
		r.handles = append(r.handles, ring.carrierKey(r.try.Provider, id))
	}
	load = Keys{Messages: []ID{m.ID}, Handles: r.handles, Counters: r.paid.keys()}
	if r.d.Verification.goesOn() && r.try.Result == EventUnsent {
		if r.next, err = s.onward(ctx, m.Tenant, m.Verification); err != nil {
			return Keys{}, err
		}
		load.Verifications = []ID{m.Verification}
		load.Counters = r.next.keys(load.Counters)
	}
	return load, nil
}

// decide is the atomic step of a report.
func (r *report) decide(now time.Time, st *State) (failure error) {
	r.follow, r.refusal = Follow{}, nil
	d, a, m := r.d, &r.try, &r.d.Message
	stored, ok := st.Messages.Get(m.ID)
	if !ok && m.Progress.hedging() {
		return nil // the first copy has settled it meanwhile
	}
	if !ok || stored.Owner != r.service.o.Server {
		r.refusal = &Error{Kind: NotFound, Message: "the message is another server's"}
		return nil
	}
	if stored.Attempt > m.Attempt { // told already; the answer was lost
		return nil
	}
	if stored.Taken() && a.Result == EventUnsent {
		return r.alone(now, st, stored)
	}
	if a.Result == EventRetry && r.paid.short(now, st, a.Cost, 0).wait > 0 {
		a.Result, a.Detail = EventUnsent, a.Detail+" "+RuleDayMoney // a further try would cost more than the day has
	}
	d.tell(now, st, &stored, a)
	if a.Result == EventUnsent && a.Copies == 0 {
		r.paid.count(now, st, &d.Verification, -1) // no carrier can have taken it
	}
	if a.Result == EventRetry {
		r.paid.spend(now, st, &stored, a.Cost)
	} else {
		r.paid.settle(now, st, &stored, a.Cost)
	}
	switch a.Result {
	case EventRetry:
		stored.Attempt++
		stored.NextAt, stored.Copies = a.NextAt, a.Copies
		st.Messages.Put(m.ID, stored)
	case EventSent:
		r.follow = d.taken(now, st, stored, a, r.handles)
	case EventUnsent:
		r.follow, failure = r.giveUp(now, st, stored)
	default:
		st.Messages.Delete(m.ID)
	}
	return failure
}

// alone notes that nobody took the second copy. The first is waited for, or if
// it was lost meanwhile, the message is to be carried anew.
func (r *report) alone(now time.Time, st *State, m Message) (err error) {
	r.paid.settle(now, st, &m, r.try.Cost)
	m.Progress.HedgeAt = time.Time{}
	if m.Progress.Await > 0 {
		m.wait()
		st.Messages.Put(m.ID, m)
		r.follow.Waiting = &m
		return nil
	}
	r.follow.Again, err = m.anew(now, st, r.paid, &r.d.Verification, r.service.o.Server)
	return err
}

// tell journals a try. What a carrier took and delivered in one breath was sent
// too; the number after that of the try is reserved and free.
func (d *Dispatch) tell(now time.Time, st *State, m *Message, a *Attempt) {
	if a.Result != EventDelivered {
		st.Journal(d.told(now, m.event(), a.Result, a.Provider, a.Detail))
		return
	}
	st.Journal(d.told(now, m.event(), EventSent, a.Provider, a.Detail))
	then := *m
	then.Attempt++
	st.Journal(d.told(now, then.event(), EventDelivered, a.Provider, ""))
}

// told is the journal line about a message: channel, provider, and what the
// provider said.
func (d *Dispatch) told(now time.Time, n int, kind EventKind, provider, detail string) Event {
	e := Event{
		Verification: d.Message.Verification, N: n, Tenant: d.Message.Tenant, At: now, Kind: kind, Dialect: d.Verification.Spec.Dialect,
		Actor: "server", Detail: carried(d.Message.Channel, provider, detail),
	}
	if d.Verification.Spec.Decoy {
		e.Detail += " " + DecoyMark
	}
	e.Facts = Facts{Decoy: d.Verification.Spec.Decoy, Channel: d.Message.Channel, Country: d.Verification.Spec.Country, Provider: provider, Since: now.Sub(d.Message.Created)}
	return e
}

// taken keeps what a carrier took for as long as something is to be expected:
// its receipt, or the next leg of a plan.
func (d *Dispatch) taken(now time.Time, st *State, m Message, a *Attempt, handles []Key) Follow {
	for _, key := range handles {
		st.Handles.Put(key, Handle{Key: key, Verification: m.Verification, Message: m.ID})
	}
	hedged, before := m.Progress.Hedged, m.Progress.Await
	m.Copies = a.Copies
	m.Progress = Progress{Provider: a.Provider, Await: len(handles), Hedged: hedged, LegAt: d.Verification.legAt(now)}
	if hedged {
		m.Progress.Await += before // the first copy is still on its way
	}
	if len(handles) > 0 {
		m.Progress.LookAt = now.Add(receiptDue)
		if a.Hedge > 0 && !hedged {
			m.Progress.HedgeAt = now.Add(a.Hedge)
		}
	}
	if len(handles) == 0 && m.Progress.LegAt.IsZero() {
		st.Messages.Delete(m.ID)
		return Follow{}
	}
	m.wait()
	st.Messages.Put(m.ID, m)
	waiting := m // the parameter itself would be on the heap in any case
	return Follow{Waiting: &waiting}
}

// giveUp drops a message that nobody will carry, and begins the next leg of its
// plan if there is one.
func (r *report) giveUp(now time.Time, st *State, m Message) (Follow, error) {
	st.Messages.Delete(m.ID)
	if r.next == nil {
		return Follow{}, nil
	}
	v, ok := st.Verifications.Get(m.Verification)
	if !ok || !v.goesOn() || v.Status != Pending || !now.Before(v.Expires) || v.Course.Message != m.ID {
		return Follow{}, nil
	}
	next, begun, err := r.next.begin(now, st, v)
	if err != nil || !begun {
		return Follow{}, err
	}
	return Follow{Next: &next}, nil
}

func (r *Ring) carrierKey(provider, id string) Key { return r.lookup("carrier", provider, id) }

// Orphans returns messages that dead servers left, at most limit.
func (s *Service) Orphans(ctx context.Context, limit int) ([]Message, error) {
	all, err := s.o.Store.Orphans(ctx, s.o.Server, limit)
	if err != nil {
		return nil, unread(err)
	}
	return all, nil
}

package delivery

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// carry brings one try of a message to its end: through the providers of its
// route, in order, until one takes it.
func (c *Courier) carry(j *job) {
	defer c.tried(j.n)
	if c.expired(j) && !j.claim {
		c.report(j, otp.Attempt{Result: otp.EventUnsent, Detail: "the code has expired"})
		return
	}
	if c.park(j) {
		return
	}
	wanted, err := c.wanted(j)
	if err != nil {
		c.complain("claim a message", err)
		j.claim = true
		c.later(c.o.Clock.Now().Add(reportPace), j)
		return
	}
	if !wanted {
		return
	}
	d := &j.dispatch
	if d.Verification.Spec.Decoy {
		c.feign(j)
		return
	}
	if d.Message.Copies >= otp.MaxCopies {
		verdict := maybeSent(otp.Attempt{Copies: d.Message.Copies})
		if j.lost {
			verdict.Result, verdict.Detail = otp.EventUnsent, "every copy was lost on its way"
		}
		c.report(j, verdict)
		return
	}
	text, err := c.service.Render(d)
	if err != nil {
		c.o.Log.Error("a message cannot be rendered", "verification_id", d.Verification.ID.String(), "error", err)
		c.report(j, otp.Attempt{Result: otp.EventUnsent, Detail: "cannot be rendered"})
		return
	}
	before := d.Message.Copies - j.partly
	verdict, known := c.round(j, text)
	c.tried(j.n)
	switch {
	case !known:
	case j.hedge:
		c.report(j, ofHedge(verdict, before+j.partly))
	default:
		c.report(j, verdict)
	}
}

// ofHedge is what became of a second copy, with so many before it: one that
// nobody can have taken is not tried again, since the first is on its way.
func ofHedge(v otp.Attempt, before int) otp.Attempt {
	switch {
	case v.Result == otp.EventSent || v.Result == otp.EventDelivered:
	case v.Copies > before:
		return maybeSent(v)
	default:
		v.Result = otp.EventUnsent
	}
	return v
}

func (c *Courier) expired(j *job) bool { return !c.o.Clock.Now().Before(j.dispatch.Message.Expires) }

// park keeps a message that waits for another try in memory while the breakers
// of all providers that it may ask are open: it costs the store nothing, is
// journaled once it is tried, and goes within seconds once a provider is back.
func (c *Courier) park(j *job) bool {
	m, now := &j.dispatch.Message, c.o.Clock.Now()
	if !j.retry || !m.MayRetry(now) || len(j.ways) == 0 {
		return false
	}
	shut := false
	for _, provider := range j.ways {
		if !j.mayAsk(provider, now) {
			continue
		}
		if shut = true; c.breakers.ready(c.place(provider, j), now) {
			return false
		}
	}
	if !shut {
		return false
	}
	c.later(now.Add(parkPace+time.Duration(c.o.Jitter()*float64(parkPace))), j)
	return true
}

// wanted tells whether a message is still to be sent. A fresh one is; for one
// that has waited the core is asked again: meanwhile its verification may have
// been approved or canceled, or another server may have taken it over.
func (c *Courier) wanted(j *job) (bool, error) {
	now := c.o.Clock.Now()
	if !j.claim && now.Sub(j.seen) <= stale {
		return true, nil
	}
	waited := j.dispatch.Message.Progress
	claim, err := c.service.Claim(c.ctx, j.dispatch.Message)
	if err != nil {
		return false, err
	}
	country := claim.Dispatch.Verification.Spec.Country
	switch {
	case claim.Overdue != "":
		c.turned(place{claim.Overdue, country}, c.breakers.heard(place{claim.Overdue, country}, now, false))
	case claim.Task == otp.TaskNothing && waited.Await > 0 && j.country != "":
		c.breakers.heard(place{waited.Provider, j.country}, now, true) // its receipt, or its code, came back
	}
	switch claim.Task {
	case otp.TaskWait:
		c.await(claim.Dispatch.Message, country)
		return false, nil
	case otp.TaskHedge:
		j.hedge, j.refused = true, append(j.refused, claim.Dispatch.Message.Progress.Provider)
	case otp.TaskSend:
		if claim.Dispatch.Message.ID != j.dispatch.Message.ID { // the next leg of a plan
			j.refused, j.rests, j.ways, j.partly = nil, nil, nil, 0
		}
	default:
		return false, nil
	}
	claim.Dispatch.Origin = j.dispatch.Origin
	j.dispatch, j.claim, j.seen = claim.Dispatch, false, now
	return true, nil
}

// round offers the message to each provider of the route and says what became
// of it. It returns false when there is nothing to tell: the message is not
// wanted any more, or the courier was stopped and leaves it in the outbox.
func (c *Courier) round(j *job, text otp.Text) (otp.Attempt, bool) {
	way := c.service.Way(&j.dispatch, &text, c.o.Jitter)
	r := roundOf{c: c, j: j, text: text, verdict: otp.Attempt{
		Result: otp.EventUnsent, Detail: "no provider", Copies: j.dispatch.Message.Copies, Hedge: way.Hedge,
	}}
	for _, carrier := range c.admitted(j, way.Carriers, &r) {
		if slices.Contains(j.refused, carrier.Provider) {
			r.verdict.Provider, r.verdict.Detail = carrier.Provider, Rejected.String()
			continue
		}
		if !j.mayAsk(carrier.Provider, c.o.Clock.Now()) {
			r.later(j.rests[carrier.Provider])
			continue
		}
		if over, known := r.offer(carrier); over {
			return r.verdict, known
		}
	}
	j.ways = j.ways[:0:0]
	for _, carrier := range way.Carriers {
		j.ways = append(j.ways, carrier.Provider)
	}
	return j.closed(c.afterRound(&j.dispatch.Message, r.verdict, r.next)), true
}

// closed is the verdict of a message that nobody took for certain: somebody may
// have taken it, unless all copies are lost or were taken in part alone.
func (j *job) closed(v otp.Attempt) otp.Attempt {
	if v.Result == otp.EventUnsent && v.Copies > j.partly && !j.lost && !j.hedge {
		return maybeSent(v)
	}
	return v
}

// admitted leaves out the providers whose breaker is open. The first try of a
// message is always made: when all are open, all are asked.
func (c *Courier) admitted(j *job, carriers []otp.Carrier, r *roundOf) []otp.Carrier {
	now := c.o.Clock.Now()
	shut := func(carrier otp.Carrier) bool { return !c.breakers.ready(c.place(carrier.Provider, j), now) }
	if len(carriers) > 0 && !slices.ContainsFunc(carriers, shut) {
		return carriers
	}
	open := slices.DeleteFunc(slices.Clone(carriers), shut)
	if len(open) == 0 && !j.retry {
		return carriers
	}
	if len(open) < len(carriers) {
		r.later(now)
	}
	if len(open) == 0 {
		r.verdict.Detail = "no provider is in order"
	}
	return open
}

func (c *Courier) place(provider string, j *job) place {
	return place{provider, j.dispatch.Verification.Spec.Country}
}

// roundOf is one message on its way through its providers.
type roundOf struct {
	c       *Courier
	j       *job
	text    otp.Text
	verdict otp.Attempt
	next    time.Time // when the first of those that may be asked again can be; zero for none
	tries   int
	doubts  int // providers that may have taken it
}

// later notes that a provider may be asked again from then on, unless that is
// too late for this message.
func (r *roundOf) later(at time.Time) {
	if !at.After(r.j.dispatch.Message.LastRetry()) && (r.next.IsZero() || at.Before(r.next)) {
		r.next = at
	}
}

// offer asks one provider. over says that the round has come to its end, known
// whether there is anything to tell.
func (r *roundOf) offer(carrier otp.Carrier) (over, known bool) {
	c, j := r.c, r.j
	if r.tries++; r.tries > 1 {
		if c.expired(j) {
			r.verdict.Detail = "the code has expired"
			return true, true
		}
		// A store that is down does not keep the code from its person.
		m := j.dispatch.Message.ID
		if wanted, err := c.wanted(j); err == nil && !wanted {
			return true, false
		}
		if j.dispatch.Message.ID != m { // the plan went on meanwhile, to another route and text
			c.Accept(j.dispatch)
			return true, false
		}
	}
	where, now := c.place(carrier.Provider, j), c.o.Clock.Now()
	_, probe := c.breakers.admit(where, now)
	receipt, err := c.offer(carrier, &j.dispatch, &r.text)
	r.verdict.Provider = carrier.Provider
	if err != nil && c.ctx.Err() != nil {
		return true, false
	}
	class := ClassOf(err)
	// A refusal of the message says nothing against the provider.
	c.turned(where, c.breakers.tried(where, c.o.Clock.Now(), err == nil || class == Rejected, probe))
	c.watch(j, carrier.Provider, now, err)
	if err == nil {
		r.taken(receipt, carrier.Price)
		return true, true
	}
	return r.refused(err, class, carrier)
}

// taken notes a hand-over.
func (r *roundOf) taken(receipt Receipt, price otp.Money) {
	v := &r.verdict
	v.Result, v.Detail, v.Copies, v.Cost = otp.EventSent, strings.Join(receipt.IDs, " "), v.Copies+1, v.Cost+price
	if receipt.Delivered {
		v.Result = otp.EventDelivered
	}
	if receipt.Expect && !receipt.Delivered {
		v.IDs = receipt.IDs
	}
}

// refused notes a refusal and says whether the round is over.
func (r *roundOf) refused(err error, class Class, carrier otp.Carrier) (over, known bool) {
	provider := carrier.Provider
	c, j, d := r.c, r.j, &r.j.dispatch
	r.verdict.Detail = strings.TrimSpace(class.String() + " " + codeOf(err))
	c.o.Log.Warn("a provider did not take a message", "provider", provider, "class", class.String(), "code", codeOf(err),
		"verification_id", d.Verification.ID.String(), "attempt", d.Message.Attempt+1, "error", veiled(err, &r.text))
	switch class {
	case Rejected:
		j.refused = append(j.refused, provider)
	case Throttled, Unavailable:
		at := c.o.Clock.Now().Add(afterOf(err))
		j.rest(provider, at)
		r.later(at)
	case Unknown:
		j.refused = append(j.refused, provider) // it may have it already
		r.verdict.Copies++
		r.verdict.Cost += carrier.Price // it may have taken it
		if r.doubts++; r.doubts > 1 || r.verdict.Copies >= otp.MaxCopies {
			r.verdict = maybeSent(r.verdict)
			return true, true
		}
	}
	if class != Unknown && partlyOf(err) {
		j.partly++
		r.verdict.Copies++
		r.verdict.Cost += carrier.Price // what it took is charged
		if r.verdict.Copies >= otp.MaxCopies {
			r.verdict = j.closed(r.verdict)
			return true, true
		}
	}
	return false, false
}

// codeOf is the carrier's own word for a refusal.
func codeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return Word(e.Code)
	}
	return ""
}

func partlyOf(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Partly
}

func afterOf(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.After
	}
	return 0
}

// veiled is the text of a provider's error without what must not be logged,
// should a provider have put it there: libraries like to quote whole URLs.
func veiled(err error, t *otp.Text) string {
	var pairs []string
	for _, secret := range []string{t.Body, t.Link, t.Link[strings.LastIndexByte(t.Link, '=')+1:], t.To, strings.TrimPrefix(t.To, "+"), t.Code} {
		if secret != "" {
			pairs = append(pairs, secret, "***", url.QueryEscape(secret), "***", url.PathEscape(secret), "***")
		}
	}
	return strings.NewReplacer(pairs...).Replace(err.Error())
}

// maybeSent closes a message whose answer was lost and that nobody else took.
func maybeSent(v otp.Attempt) otp.Attempt {
	v.Result, v.Detail = otp.EventSent, "maybe: the answer was lost"
	return v
}

// afterRound decides whether another round follows: full jitter between half a
// second and eight, and not before the first that may be asked can be.
func (c *Courier) afterRound(of *otp.Message, v otp.Attempt, next time.Time) otp.Attempt {
	if next.IsZero() {
		return v
	}
	ceiling := min(backoffMin<<min(of.Attempt+1, 8), backoffMax)
	at := c.o.Clock.Now().Add(backoffMin + time.Duration(c.o.Jitter()*float64(ceiling-backoffMin)))
	if next.After(at) {
		at = next
	}
	m := *of
	m.Attempt++
	if m.MayRetry(at) {
		v.Result, v.NextAt = otp.EventRetry, at
	}
	return v
}

// offer is one try of one provider.
func (c *Courier) offer(carrier otp.Carrier, d *otp.Dispatch, text *otp.Text) (receipt Receipt, err error) {
	p, ok := (*c.providers.Load())[carrier.Provider]
	if !ok { // the configuration is on its way to this server
		return Receipt{}, &Error{Class: Unavailable, Cause: errors.New("there is no such provider here")}
	}
	ctx := c.ctx
	if d.Origin != nil {
		ctx = origin{c.ctx, d.Origin}
	}
	if c.o.Around != nil {
		var done func(error)
		ctx, done = c.around(ctx, carrier.Provider, d)
		defer func() { done(err) }()
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			err = &Error{Class: Unknown, Cause: errors.New("the provider panicked")}
		}
	}()
	return p.Send(ctx, Message{
		ID: d.Message.ID.String(), Tenant: d.Message.Tenant, Verification: d.Verification.ID.String(), Channel: string(text.Channel),
		To: text.To, Country: d.Verification.Spec.Country, From: carrier.Sender, Subject: text.Subject, Body: text.Body, Brand: text.Brand,
		Locale: text.Locale, Code: text.Code, Link: text.Link, Params: text.Params, Created: d.Message.Created, Expires: d.Message.Expires,
	})
}

// origin is the courier's own context with the values of the request that a
// message comes from: its trace, and not its end.
type origin struct {
	context.Context //nolint:containedctx // it is a context
	request         context.Context
}

// Value implements [context.Context].
func (o origin) Value(key any) any {
	if v := o.Context.Value(key); v != nil {
		return v
	}
	return o.request.Value(key)
}

// report tells the core, again and again while its store is down: a message
// that was sent must not be sent anew for want of a note.
func (c *Courier) report(j *job, a otp.Attempt) {
	m := &j.dispatch.Message
	var follow otp.Follow
	for {
		var err error
		if follow, err = c.service.Report(c.lasting, &j.dispatch, a); err == nil {
			break
		}
		if kind := otp.KindOf(err); kind != otp.Unavailable {
			c.o.Log.Error("what became of a message was not noted", "verification_id", j.dispatch.Verification.ID.String(), "error", err)
			if kind == otp.NotFound {
				return
			}
			break
		}
		select {
		case <-time.After(reportPace):
		case <-c.ctx.Done():
			return
		}
	}
	c.noted.broadcast()
	if follow.Next != nil {
		c.Accept(*follow.Next)
	}
	if follow.Again != nil {
		c.again(*follow.Again, j.refused)
	}
	if follow.Waiting != nil {
		c.await(*follow.Waiting, j.dispatch.Verification.Spec.Country)
	}
	if a.Result == otp.EventRetry {
		m.Attempt++
		m.NextAt, m.Copies, j.claim, j.retry = a.NextAt, a.Copies, true, true
		c.later(a.NextAt, j)
	}
}

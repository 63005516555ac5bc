package delivery

import (
	"context"
	"errors"
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

package delivery

import (
	"context"
	"errors"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// carry brings one try of a message to its end: through the providers of its
// route, in order, until one takes it.
func (c *Courier) carry(j job) {
	defer c.tried(j.n)
	d := j.dispatch
	if j.claim {
		claimed, ok, err := c.service.Claim(c.ctx, d.Message)
		if err != nil {
			c.later(c.o.Clock.Now().Add(reportPace), d)
			return
		}
		if !ok {
			return
		}
		d = claimed
	}
	if !c.o.Clock.Now().Before(d.Message.Expires) {
		c.report(d, otp.Attempt{Result: otp.EventUnsent, Detail: "the code has expired"})
		return
	}
	text, err := c.service.Render(&d)
	if err != nil {
		c.o.Log.Error("a message cannot be rendered", "verification_id", d.Verification.ID.String(), "error", err)
		c.report(d, otp.Attempt{Result: otp.EventUnsent, Detail: "cannot be rendered"})
		return
	}
	verdict := c.round(d, text)
	c.tried(j.n)
	c.report(d, verdict)
}

// round offers the message to each provider of the route and says what became
// of it.
func (c *Courier) round(d otp.Dispatch, text otp.Text) otp.Attempt {
	verdict := otp.Attempt{Result: otp.EventUnsent, Detail: "no provider", Copies: d.Message.Copies}
	again := false
	doubts := 0
	for _, name := range c.service.Carriers(&d, text.To) {
		p, ok := (*c.providers.Load())[name]
		if !ok {
			continue
		}
		receipt, err := c.offer(p, d, text)
		verdict.Provider = name
		if err == nil {
			verdict.Result, verdict.Detail, verdict.Copies = otp.EventSent, receipt.ID, verdict.Copies+1
			return verdict
		}
		class := ClassOf(err)
		verdict.Detail = class.String()
		c.o.Log.Warn("a provider did not take a message", "provider", name, "class", class.String(),
			"verification_id", d.Verification.ID.String(), "attempt", d.Message.Attempt+1, "error", err)
		switch class {
		case Throttled, Unavailable:
			again = true
		case Unknown:
			verdict.Copies++
			if doubts++; doubts > 1 || verdict.Copies >= maxCopies {
				return maybeSent(verdict)
			}
		}
	}
	if doubts > 0 {
		return maybeSent(verdict)
	}
	return c.afterRound(d, verdict, again)
}

// maybeSent closes a message whose answer was lost and that nobody else took.
func maybeSent(v otp.Attempt) otp.Attempt {
	v.Result, v.Detail = otp.EventSent, "maybe: the answer was lost"
	return v
}

// afterRound decides whether another round follows: full jitter between half a
// second and eight.
func (c *Courier) afterRound(d otp.Dispatch, v otp.Attempt, again bool) otp.Attempt {
	if !again {
		return v
	}
	ceiling := min(backoffMin<<min(d.Message.Attempt+1, 8), backoffMax)
	wait := backoffMin + time.Duration(c.o.Jitter()*float64(ceiling-backoffMin))
	m := d.Message
	m.Attempt++
	if at := c.o.Clock.Now().Add(wait); m.MayRetry(at) {
		v.Result, v.NextAt = otp.EventRetry, at
	}
	return v
}

// offer is one try of one provider.
func (c *Courier) offer(p Provider, d otp.Dispatch, text otp.Text) (receipt Receipt, err error) {
	ctx, cancel := context.WithTimeout(c.ctx, callTimeout)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			err = &Error{Class: Unknown, Cause: errors.New("the provider panicked")}
		}
	}()
	return p.Send(ctx, Message{
		ID: d.Message.ID.String(), Tenant: d.Message.Tenant, Verification: d.Verification.ID.String(), Channel: string(text.Channel),
		To: text.To, From: text.From, Subject: text.Subject, Body: text.Body, Locale: text.Locale, Code: text.Code,
		Created: d.Message.Created, Expires: d.Message.Expires,
	})
}

// report tells the core, again and again while its store is down: a message
// that was sent must not be sent anew for want of a note.
func (c *Courier) report(d otp.Dispatch, a otp.Attempt) {
	for {
		err := c.service.Report(context.WithoutCancel(c.ctx), d.Message, a)
		if err == nil {
			break
		}
		if otp.KindOf(err) != otp.Unavailable {
			c.o.Log.Error("what became of a message was not noted", "verification_id", d.Verification.ID.String(), "error", err)
			return
		}
		select {
		case <-time.After(reportPace):
		case <-c.ctx.Done():
			return
		}
	}
	if a.Result == otp.EventRetry {
		d.Message.Attempt++
		d.Message.NextAt, d.Message.Copies = a.NextAt, a.Copies
		c.later(a.NextAt, d)
	}
}

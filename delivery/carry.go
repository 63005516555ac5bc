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
func (c *Courier) carry(j job) {
	defer c.tried(j.n)
	if c.expired(&j) {
		c.report(j, otp.Attempt{Result: otp.EventUnsent, Detail: "the code has expired"})
		return
	}
	wanted, err := c.wanted(&j)
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
	if d.Message.Copies >= maxCopies {
		c.report(j, maybeSent(otp.Attempt{Copies: d.Message.Copies}))
		return
	}
	text, err := c.service.Render(d)
	if err != nil {
		c.o.Log.Error("a message cannot be rendered", "verification_id", d.Verification.ID.String(), "error", err)
		c.report(j, otp.Attempt{Result: otp.EventUnsent, Detail: "cannot be rendered"})
		return
	}
	verdict, known := c.round(&j, text)
	c.tried(j.n)
	if known {
		c.report(j, verdict)
	}
}

func (c *Courier) expired(j *job) bool { return !c.o.Clock.Now().Before(j.dispatch.Message.Expires) }

// wanted tells whether a message is still to be sent. A fresh one is; for one
// that has waited the core is asked again: meanwhile its verification may have
// been approved or canceled, or another server may have taken it over.
func (c *Courier) wanted(j *job) (bool, error) {
	now := c.o.Clock.Now()
	if !j.claim && now.Sub(j.seen) <= stale {
		return true, nil
	}
	claimed, ok, err := c.service.Claim(c.ctx, j.dispatch.Message)
	if err != nil || !ok {
		return false, err
	}
	j.dispatch, j.claim, j.seen = claimed, false, now
	return true, nil
}

// round offers the message to each provider of the route and says what became
// of it. It returns false when there is nothing to tell: the message is not
// wanted any more, or the courier was stopped and leaves it in the outbox.
func (c *Courier) round(j *job, text otp.Text) (otp.Attempt, bool) {
	verdict := otp.Attempt{Result: otp.EventUnsent, Detail: "no provider", Copies: j.dispatch.Message.Copies}
	again, tries, doubts := false, 0, 0
	for _, name := range c.service.Carriers(&j.dispatch, text.To) {
		if slices.Contains(j.refused, name) {
			verdict.Provider, verdict.Detail = name, Rejected.String()
			continue
		}
		if tries++; tries > 1 {
			if c.expired(j) {
				verdict.Detail = "the code has expired"
				break
			}
			// A store that is down does not keep the code from its person.
			if wanted, err := c.wanted(j); err == nil && !wanted {
				return verdict, false
			}
		}
		receipt, err := c.offer(name, j.dispatch, text)
		verdict.Provider = name
		if err == nil {
			verdict.Result, verdict.Detail, verdict.Copies = otp.EventSent, strings.Join(receipt.IDs, " "), verdict.Copies+1
			return verdict, true
		}
		if c.ctx.Err() != nil {
			return verdict, false
		}
		class := ClassOf(err)
		verdict.Detail = class.String()
		c.o.Log.Warn("a provider did not take a message", "provider", name, "class", class.String(),
			"verification_id", j.dispatch.Verification.ID.String(), "attempt", j.dispatch.Message.Attempt+1, "error", veiled(err, &text))
		switch class {
		case Rejected:
			j.refused = append(j.refused, name)
		case Throttled, Unavailable:
			again = true
		case Unknown:
			verdict.Copies++
			if doubts++; doubts > 1 || verdict.Copies >= maxCopies {
				return maybeSent(verdict), true
			}
		}
	}
	if doubts > 0 {
		return maybeSent(verdict), true
	}
	return c.afterRound(j.dispatch, verdict, again), true
}

// veiled is the text of a provider's error without what must not be logged,
// should a provider have put it there: libraries like to quote whole URLs.
func veiled(err error, t *otp.Text) string {
	var pairs []string
	for _, secret := range []string{t.Body, t.To, strings.TrimPrefix(t.To, "+"), t.Code} {
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
func (c *Courier) offer(name string, d otp.Dispatch, text otp.Text) (receipt Receipt, err error) {
	p, ok := (*c.providers.Load())[name]
	if !ok { // the configuration is on its way to this server
		return Receipt{}, &Error{Class: Unavailable, Cause: errors.New("there is no such provider here")}
	}
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
func (c *Courier) report(j job, a otp.Attempt) {
	m := &j.dispatch.Message
	for {
		err := c.service.Report(context.WithoutCancel(c.ctx), *m, a)
		if err == nil {
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
	if a.Result == otp.EventRetry {
		m.Attempt++
		m.NextAt, m.Copies, j.claim = a.NextAt, a.Copies, true
		c.later(a.NextAt, j)
	}
}

package delivery

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

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

package otp

import (
	"cmp"
	"context"
	"strings"
	"time"
)

const (
	// retryWindow is how long a library's own retry is expected: the waits
	// between the tries of those that are known end well before.
	retryWindow = 10 * time.Second
	// maxRepeatWindow bounds what a profile may say: beyond it a person who
	// asks again means it.
	maxRepeatWindow = time.Minute
)

// Retry tells how a start is known when it comes a second time without an
// idempotency key: browsers fetch an address ahead or again, and some client
// libraries repeat a call by themselves. Within the window the same request of
// the same caller for the same address gets the first one's answer, and
// nothing is sent.
type Retry struct {
	// Method, Target and Body are what makes two starts the same, as they were
	// sent. Without a method no start is known again.
	Method, Target string
	Body           []byte
	// Window is the dialect's own, for profiles that say nothing; 0 for none.
	Window time.Duration
	// Attempt is the number of the try, from 1, when the caller's library
	// tells it, else 0.
	Attempt int
}

// again is what a start's step needs to know it again. The zero value neither
// looks nor leaves a mark.
type again struct {
	print  Key
	window time.Duration // in which an equal start is this one; 0 to look for none
	keep   bool          // a later one may be equal
	first  ID            // the verification of the first one, set by the step
}

// recognised reads how this start is to be known. An idempotency key says it
// better than any window, and a profile may forbid it.
func (d *draft) recognised() again {
	retry, window := &d.req.Retry, cmp.Or(d.profile.RepeatWindow, d.req.Retry.Window)
	if d.req.Repeat != nil || retry.Method == "" || window < 0 {
		return again{}
	}
	if retry.Attempt > 1 {
		window = max(window, retryWindow)
	}
	if window == 0 && retry.Attempt == 0 {
		return again{}
	}
	// The print is keyed: a request may hold a code of the caller's own, which
	// is soon guessed from a bare digest.
	print := d.ring.lookup("start", d.tenant.Name, d.req.Dialect, d.req.Caller.Identity, d.profile.Name, string(d.key[:]),
		strings.Join(d.req.Locales, ","), retry.Method, retry.Target, string(retry.Body))
	return again{print: print, window: min(window, d.settings.Lifetime), keep: true}
}

// known tells whether this start is the destination's last one once more, and
// notes it once a minute.
func (a *again) known(now time.Time, st *State, d *draft, dest *Destination) bool {
	a.first = ID{}
	last := &dest.LastStart
	if a.window == 0 || last.ID.IsZero() || last.Print != a.print || now.Sub(last.At) >= a.window {
		return false
	}
	a.first = last.ID
	e := refusal(now, d.tenant.Name, d.req.Dialect, d.req.Caller.Identity, string(EventRepeated), d.key)
	e.Kind, e.Detail = EventRepeated, ""
	st.Journal(e)
	return true
}

// mark is what the destination keeps of this start.
func (a *again) mark(now time.Time, id ID) LastStart {
	if !a.keep {
		return LastStart{}
	}
	return LastStart{Print: a.print, At: now, ID: id}
}

// firstView is what the first of two equal starts was told. The mark of a
// verification goes when it ends, so it was pending in the step.
func (s *Service) firstView(ctx context.Context, d *draft) (View, error) {
	found, err := s.o.Store.Verifications(ctx, d.again.first)
	if err != nil {
		return View{}, unread(err)
	}
	if len(found) == 0 {
		return View{}, errUnknown
	}
	v := &found[0]
	v.Status, v.Attempts, v.Sends, v.LastSent, v.Course = Pending, 0, 1, v.Spec.Created, Course{}
	d.record = *v
	return d.view(), nil
}

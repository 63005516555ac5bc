package memory

import (
	"context"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// Trouble is what a test wants to go wrong.
type Trouble struct {
	// Begin is what Begin returns, nil for no failure. While its class is
	// [store.Down] the reads, the documents and Ping fail with it too.
	Begin *store.Failure
	// Commit is asked about what is to be saved, nil for no failure.
	Commit func(*otp.Records) *store.Failure
	// Lost lets a commit that fails take place all the same, as when only its
	// answer is lost.
	Lost bool
	// Times is how many calls fail before all is well again, 0 for all of
	// them until FailWith is called again.
	Times int
	// After is how many calls that Begin would fail go well before.
	After int
}

// FailWith makes the engine fail from now on; the zero Trouble heals it.
func (e *Engine) FailWith(t Trouble) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.trouble = t
}

// spent counts one failure. The caller holds the lock.
func (e *Engine) spent() {
	if e.trouble.Times > 0 {
		if e.trouble.Times--; e.trouble.Times == 0 {
			e.trouble = Trouble{}
		}
	}
}

func (e *Engine) beginFails() *store.Failure {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.trouble.Begin
	if f == nil || e.later() {
		return nil
	}
	e.spent()
	return f
}

// later counts one call that goes well before the trouble begins, and reports
// whether it was one. The caller holds the lock.
func (e *Engine) later() bool {
	if e.trouble.After == 0 {
		return false
	}
	e.trouble.After--
	return true
}

// commitFails returns the failure and whether the commit takes place
// nevertheless. The caller holds the lock.
func (e *Engine) commitFails(r *otp.Records) (f *store.Failure, lost bool) {
	if e.trouble.Commit == nil {
		return nil, false
	}
	f, lost = e.trouble.Commit(r), e.trouble.Lost
	if f != nil {
		e.spent()
	}
	return f, lost
}

// readable returns why nothing can be read, or nil.
func (e *Engine) readable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.trouble.Begin
	if f == nil || f.Class != store.Down || e.later() {
		return nil
	}
	e.spent()
	return f
}

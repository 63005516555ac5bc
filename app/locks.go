package app

import (
	"context"
	"net/http"
	"time"

	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// Locks are what wrong guesses at one address of a tenant have led to, and what
// ends it. It holds no full address.
type Locks struct {
	Tenant string     `json:"tenant"`
	To     string     `json:"to"` // masked
	Ledger LockLedger `json:"ledger"`
	Runs   []LockRun  `json:"runs"`
}

// LockLedger are the wrong guesses of the last 24 hours.
type LockLedger struct {
	Wrong int        `json:"wrong_guesses"`
	Until *time.Time `json:"full_until"` // null while guesses are judged
}

// LockRun is one count of wrong guesses in a row.
type LockRun struct {
	Of       string        `json:"of"` // whose guesses: subject or others
	Failures int           `json:"consecutive_failures"`
	Channels []otp.Channel `json:"channels"`
	Last     *time.Time    `json:"last_failure"`
	State    string        `json:"state"` // open, delayed or locked
	// Until is when a delay ends, or when a lock lets one guess at a fresh code
	// be judged; null when there is none.
	Until    *time.Time `json:"until"`
	Released []string   `json:"released_by"`
}

// The states of a [LockRun].
const (
	lockOpen    = "open"
	lockDelayed = "delayed"
	lockLocked  = "locked"
)

// Locks tells what bars guesses at an address.
// Errors: NotFound, Invalid, Unavailable.
func (a *App) Locks(ctx context.Context, tenant, to string) (Locks, error) {
	found, err := a.Service.GuessLocks(ctx, tenant, to)
	if err != nil {
		return Locks{}, err
	}
	l := Locks{Tenant: tenant, To: found.To, Ledger: LockLedger{found.Ledger, moment(found.LedgerUntil)}}
	for i, of := range []string{"others", "subject"} {
		r := &found.Runs[i]
		told := LockRun{Of: of, Failures: r.Failures, Channels: r.Channels, Last: moment(r.Last), State: lockOpen, Until: moment(r.Until), Released: []string{}}
		if told.Channels == nil {
			told.Channels = []otp.Channel{}
		}
		switch {
		case r.Locked:
			told.State = lockLocked
			told.Released = lockReleases(r, of)
		case told.Until != nil:
			told.State = lockDelayed
			told.Released = []string{"the right code", "the first guess at a fresh code, which does not wait", "time"}
		}
		l.Runs = append(l.Runs, told)
	}
	return l, nil
}

// lockReleases tells what ends a lock.
func lockReleases(r *otp.GuessRun, of string) []string {
	ways := []string{"an operator: aldaba lock release", "the right code, at its first guess, on a channel that has not failed"}
	if of == "subject" {
		ways = append(ways, "a proof of another address with the same subject")
	}
	if !r.Until.IsZero() {
		ways = append(ways, "the right code, at its first guess, of a verification that is started after `until`")
	}
	return ways
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Released is the answer to a release.
type Released struct {
	Was bool `json:"was_counted"` // there were wrong guesses to forget
}

// ReleaseLocks forgets the wrong guesses at an address. Errors: as [App.Locks].
func (a *App) ReleaseLocks(ctx context.Context, tenant, to string) (Released, error) {
	was, err := a.Service.ReleaseLocks(ctx, tenant, to, otp.ActorOperator)
	return Released{was}, err
}

// adminLocks answers GET /admin/locks?tenant=NAME&to=ADDRESS.
func (a *App) adminLocks(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("tenant") == "" || q.Get("to") == "" {
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusBadRequest, Detail: "name tenant and address: /admin/locks?tenant=NAME&to=%2B584121234567"})
		return
	}
	tell(r.Context(), q.Get("tenant"), "") // the operators' journal learns no address
	locks, err := a.Locks(r.Context(), q.Get("tenant"), q.Get("to"))
	if err != nil {
		a.adminRefuse(w, err)
		return
	}
	adminAnswer(w, locks)
}

// adminReleaseLocks answers POST /admin/locks/release.
func (a *App) adminReleaseLocks() http.HandlerFunc {
	return a.ofAddress(func(ctx context.Context, tenant, to string) (any, error) { return a.ReleaseLocks(ctx, tenant, to) })
}

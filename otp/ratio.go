package otp

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

// Guessing are a tenant's own bounds of wrong guesses over all its addresses.
// A zero field is the default.
type Guessing struct {
	// NoDelay lets guesses be judged at once that would wait: from the sixth wrong
	// one in a row at an address on, and from the first one while the tenant is
	// slowed. The ledger and the lock alone bound them then.
	NoDelay bool `json:"no_delay,omitempty"`
	// MinChecks is how many guesses of ten minutes are judged as a whole; fewer
	// tell nothing. 200 when zero.
	MinChecks int `json:"min_checks,omitempty"`
	// AlertAbove is the percentage of wrong ones above which the operator is
	// told; 60 when zero.
	AlertAbove int `json:"alert_above,omitempty"`
	// SlowAbove is the percentage above which the delay begins with the first
	// wrong guess at an address; 80 when zero.
	SlowAbove int `json:"slow_above,omitempty"`
	// NoTrials keeps a locked address locked until it is released.
	NoTrials bool `json:"no_trials,omitempty"`
}

const (
	defaultMinChecks  = 200
	defaultAlertAbove = 60
	defaultSlowAbove  = 80
	ratioMinutes      = 10
)

// ratios are what this server has judged of each tenant in the last ten
// minutes. They are memory of one server and no rows: a row that every check of
// a tenant changes would let all of them wait for one another, and each server
// sees a fair sample.
type ratios struct {
	mu      sync.Mutex
	tenants map[string]*ratio
}

// ratio counts in ten buckets of a minute each.
type ratio struct {
	checks, wrong [ratioMinutes]int32
	newest        int64 // minute of the newest bucket
	told          int64 // minute in which the last alert was told
}

// sums forgets what is too old and adds up the rest.
func (r *ratio) sums(now time.Time) (checks, wrong int) {
	minute := now.Unix() / 60
	for ; r.newest < minute; r.newest++ {
		if minute-r.newest > ratioMinutes {
			r.newest = minute - ratioMinutes
		}
		at := (r.newest + 1) % ratioMinutes
		r.checks[at], r.wrong[at] = 0, 0
	}
	for i := range ratioMinutes {
		checks, wrong = checks+int(r.checks[i]), wrong+int(r.wrong[i])
	}
	return checks, wrong
}

// note counts one judged guess. When an alert is due, which is once a minute at
// most, it returns what the alert says.
func (all *ratios) note(now time.Time, t *Tenant, wrong bool) (alert string) {
	all.mu.Lock()
	defer all.mu.Unlock()
	r := all.tenants[t.Name]
	if r == nil {
		r = &ratio{newest: now.Unix()/60 - ratioMinutes}
		all.tenants[t.Name] = r
	}
	checks, failed := r.sums(now)
	at := r.newest % ratioMinutes
	checks, r.checks[at] = checks+1, r.checks[at]+1
	if wrong {
		failed, r.wrong[at] = failed+1, r.wrong[at]+1
	}
	g := &t.Guessing
	if !wrong || r.told == r.newest || !g.above(checks, failed, cmp.Or(g.AlertAbove, defaultAlertAbove)) {
		return ""
	}
	r.told = r.newest
	return fmt.Sprintf("%s %d of %d", RuleRatio, failed, checks)
}

// slow reports whether so many guesses of a tenant are wrong that they are
// slowed.
func (all *ratios) slow(now time.Time, t *Tenant) bool {
	all.mu.Lock()
	defer all.mu.Unlock()
	r := all.tenants[t.Name]
	if r == nil {
		return false
	}
	checks, wrong := r.sums(now)
	return t.Guessing.above(checks, wrong, cmp.Or(t.Guessing.SlowAbove, defaultSlowAbove))
}

func (g *Guessing) above(checks, wrong, percent int) bool {
	return checks >= cmp.Or(g.MinChecks, defaultMinChecks) && wrong*100 > checks*percent
}

func (g *Guessing) check(f *faultList) {
	percent := func(p int, key string) { f.check(p >= 0 && p <= 100, key, "must be 1 to 100 per cent") }
	f.check(g.MinChecks >= 0 && g.MinChecks <= 1_000_000, ".guessing.min_checks", "must be 1 to 1000000")
	percent(g.AlertAbove, ".guessing.alert_above")
	percent(g.SlowAbove, ".guessing.slow_above")
	f.check(cmp.Or(g.SlowAbove, defaultSlowAbove) >= cmp.Or(g.AlertAbove, defaultAlertAbove), ".guessing.slow_above", "must not be below alert_above: who is slowed must be told of it")
}

// judged counts a guess that was judged, and writes an alert when one is due.
// The alert is no part of the guess: when it cannot be written, the next minute
// has another.
func (s *Service) judged(ctx context.Context, t *Tenant, o Outcome) {
	now := s.Now()
	alert := s.ratios.note(now, t, o == OutcomeWrong)
	if alert == "" {
		return
	}
	_ = s.do(ctx, Step{Decide: func(now time.Time, st *State) error {
		e := noted(now, now.Truncate(time.Minute), EventAlert, t.Name, alert, RuleRatio+" "+t.Name)
		st.Journal(e)
		return nil
	}})
}

// noted is a journal line that belongs to no verification. Its name is made of
// its kind, its tenant, of what it is about and of a time: lines of one name are
// one line.
func noted(now, at time.Time, kind EventKind, tenant, detail, about string) Event {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %q %s", kind, at.UTC(), tenant, about))
	name := ID(sum[:16])
	name.stamp(at)
	return Event{Verification: name, Tenant: tenant, At: now, Kind: kind, Actor: ActorServer, Detail: detail}
}

package app

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os/user"
	"sync"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// Audited is one entry of the operators' journal. It never holds a secret, a
// code or an address of a person.
type Audited struct {
	N         int64     `json:"n"` // without gaps, over all servers
	At        time.Time `json:"at"`
	Actor     string    `json:"actor"`            // the token's name, or "offline: USER"
	Role      string    `json:"role,omitempty"`   // of the token
	From      string    `json:"from,omitempty"`   // address of the caller
	Act       string    `json:"act"`              // "apply", "credential rotate"
	Tenant    string    `json:"tenant,omitempty"` // that it is about, when it is one
	Result    string    `json:"result"`           // see below
	Detail    string    `json:"detail,omitempty"`
	RequestID string    `json:"request_id,omitempty"` // the same in both entries of an act
}

// The results of acts. Each act that is let in has two entries: one before it
// begins, so that nothing is done unseen, and one with what became of it.
const (
	resultBegun   = "begun"
	resultDone    = "done"
	resultRefused = "refused"
	resultFailed  = "failed"
)

// detailKept bounds the detail of an entry.
const detailKept = 2000

// note writes an entry.
func (a *App) note(ctx context.Context, e Audited) error {
	e.At = a.Clock.Now().UTC()
	if len(e.Detail) > detailKept {
		e.Detail = e.Detail[:detailKept] + "..."
	}
	body, err := json.Marshal(e)
	if err == nil {
		_, err = a.Store.AddAudit(ctx, body)
	}
	if err != nil {
		return &otp.Error{Kind: otp.Unavailable, Message: "the operators' journal cannot be written, so nothing is done", RetryAfter: time.Second, Cause: err}
	}
	return nil
}

// conclude writes what became of an act. The act has happened: a journal that
// cannot be written now is told of in the log.
func (a *App) conclude(ctx context.Context, e Audited) {
	if err := a.note(context.WithoutCancel(ctx), e); err != nil {
		a.log.Error("the operators' journal lacks the result of an act", "actor", e.Actor, "act", e.Act, "tenant", e.Tenant,
			"result", e.Result, "request_id", e.RequestID, "error", err)
	}
}

// Offline carries out an act of somebody who works on the database itself, and
// writes it to the operators' journal.
func (a *App) Offline(ctx context.Context, act, tenant string, do func(context.Context) error) error {
	return a.perform(ctx, Audited{Actor: "offline: " + systemUser(), Act: act, Tenant: tenant}, do)
}

// perform carries out an act between its two entries.
func (a *App) perform(ctx context.Context, e Audited, do func(context.Context) error) error {
	e.Result = resultBegun
	if err := a.note(ctx, e); err != nil {
		return err
	}
	about := &about{tenant: e.Tenant}
	err := do(context.WithValue(ctx, aboutKey{}, about))
	e.Result, e.Detail = resultDone, about.detail
	if err != nil {
		e.Result = resultRefused
		if kind := otp.KindOf(err); kind == otp.Unavailable {
			e.Result = resultFailed
		}
	}
	a.conclude(ctx, e)
	return err
}

// systemUser is who runs the program, by the system's word.
func systemUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}

// about is what an act tells of itself on its way.
type about struct {
	mu             sync.Mutex
	tenant, detail string
}

type aboutKey struct{}

// tell notes what an act is about, for the operators' journal; "" keeps what is
// known. Outside of an act it does nothing.
func tell(ctx context.Context, tenant, format string, args ...any) {
	b, ok := ctx.Value(aboutKey{}).(*about)
	if !ok {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if tenant != "" {
		b.tenant = tenant
	}
	if format != "" {
		b.detail = fmt.Sprintf(format, args...)
	}
}

func (b *about) told() (tenant, detail string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tenant, b.detail
}

// The bounds of one page of the operators' journal.
const (
	auditPage    = 100
	maxAuditPage = 1000
)

// AuditAsked is a question about the operators' journal.
type AuditAsked struct {
	After  int64 // only entries with numbers above it
	Newest bool  // the newest of them rather than the oldest
	Limit  int   // at most so many; 100 when 0, and never more than 1000
}

// AuditPage is a part of the operators' journal, in order.
type AuditPage struct {
	Entries []Audited `json:"entries"`
	Last    int64     `json:"last"` // number of the newest entry that there is
}

// Audit returns a page of the operators' journal.
func (a *App) Audit(ctx context.Context, asked AuditAsked) (AuditPage, error) {
	limit := min(cmp.Or(max(asked.Limit, 0), auditPage), maxAuditPage)
	last, err := a.Store.LastAudit(ctx)
	if err != nil {
		return AuditPage{}, fmt.Errorf("read the operators' journal: %w", err)
	}
	if asked.Newest { // the numbers have no gaps
		asked.After = max(asked.After, last-int64(limit))
	}
	rows, err := a.Store.ReadAudit(ctx, asked.After, limit)
	if err != nil {
		return AuditPage{}, fmt.Errorf("read the operators' journal: %w", err)
	}
	page := AuditPage{Entries: make([]Audited, len(rows)), Last: last}
	for i, row := range rows {
		e := &page.Entries[i]
		if err := json.Unmarshal(row.Body, e); err != nil {
			return AuditPage{}, fmt.Errorf("entry %d of the operators' journal: %w", row.N, err)
		}
		e.N, page.Last = row.N, max(page.Last, row.N)
	}
	return page, nil
}

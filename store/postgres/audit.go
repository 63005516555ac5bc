package postgres

import (
	"context"

	"github.com/aldaba-otp/aldaba/store"
)

// AddAudit implements [store.Audit]. The table's lock keeps the numbers without
// gaps; nobody but operators waits for it, and readers do not.
func (e *Engine) AddAudit(ctx context.Context, body []byte) (n int64, err error) {
	conn, wire, err := acquire(ctx, e.read)
	if err != nil {
		return 0, unavailable(err)
	}
	defer conn.Release() // a transaction left open ends with the connection
	var p pipeline
	p.add(sqlBegin, nil)
	p.add(sqlLockAudit, nil)
	p.add(sqlAddAudit, func(r *row) error {
		n = r.number()
		return nil
	}, body)
	p.add(sqlCommit, nil)
	if _, err := p.run(ctx, wire); err != nil {
		return 0, unavailable(err)
	}
	return n, nil
}

// ReadAudit implements [store.Audit].
func (e *Engine) ReadAudit(ctx context.Context, after int64, limit int) (found []store.AuditEntry, err error) {
	err = e.look(ctx, sqlAudit, func(r *row) error {
		found = append(found, store.AuditEntry{N: r.number(), Body: r.blob()})
		return nil
	}, int8Of(after), int8Of(int64(limit)))
	return found, err
}

// LastAudit implements [store.Audit].
func (e *Engine) LastAudit(ctx context.Context) (n int64, err error) {
	err = e.look(ctx, sqlLastAudit, func(r *row) error {
		n = r.number()
		return nil
	})
	return n, err
}

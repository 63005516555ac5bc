package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"

	"github.com/aldaba-otp/aldaba/store"
)

// AddAudit implements [store.Audit].
func (e *Engine) AddAudit(ctx context.Context, body []byte) (n int64, err error) {
	const insert = `INSERT INTO audit (n, body) SELECT coalesce(max(n), 0) + 1, ? FROM audit RETURNING n`
	err = e.alone(ctx, func(c *conn) error {
		return c.rows(insert, func(s *sqlite.Stmt) { s.BindBytes(1, body) }, func(s *sqlite.Stmt) error {
			n = s.ColumnInt64(0)
			return nil
		})
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// ReadAudit implements [store.Audit].
func (e *Engine) ReadAudit(ctx context.Context, after int64, limit int) (found []store.AuditEntry, err error) {
	const query = `SELECT n, body FROM audit WHERE n > ? ORDER BY n LIMIT ?`
	err = e.lend(ctx, func(c *conn) error {
		bind := func(s *sqlite.Stmt) {
			s.BindInt64(1, after)
			s.BindInt64(2, int64(limit))
		}
		return c.rows(query, bind, func(s *sqlite.Stmt) error {
			found = append(found, store.AuditEntry{N: s.ColumnInt64(0), Body: c.bytes(s, 1)})
			return nil
		})
	})
	return found, err
}

// LastAudit implements [store.Audit].
func (e *Engine) LastAudit(ctx context.Context) (n int64, err error) {
	err = e.lend(ctx, func(c *conn) error {
		return c.rows("SELECT coalesce(max(n), 0) FROM audit", nil, func(s *sqlite.Stmt) error {
			n = s.ColumnInt64(0)
			return nil
		})
	})
	return n, err
}

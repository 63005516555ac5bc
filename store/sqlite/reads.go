package sqlite

import (
	"context"
	"errors"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// Verifications implements [otp.Reads].
func (e *Engine) Verifications(ctx context.Context, ids ...otp.ID) (found []otp.Verification, err error) {
	for _, id := range ids {
		v, ok, err := record(ctx, e, verificationsOf, store.CloneVerification, selectVerification, (*conn).verification, id)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, v)
		}
	}
	return found, nil
}

// Destination implements [otp.Reads].
func (e *Engine) Destination(ctx context.Context, key otp.Key) (otp.Destination, bool, error) {
	return record(ctx, e, destinationsOf, store.CloneDestination, selectDestination, (*conn).destination, key)
}

// Contact implements [otp.Reads].
func (e *Engine) Contact(ctx context.Context, key otp.Key) (otp.Contact, bool, error) {
	return record(ctx, e, contactsOf, store.CloneContact, selectContact, (*conn).contact, key)
}

// Handle implements [otp.Reads].
func (e *Engine) Handle(ctx context.Context, key otp.Key) (otp.Handle, bool, error) {
	return record(ctx, e, handlesOf, handleItself, selectHandle, (*conn).handle, key)
}

// record reads one record, from the layers or else from the file.
func record[K otp.Key | otp.ID, V any](ctx context.Context, e *Engine, kind func(*layer) rows[K, V], clone func(V) V, sql string, row func(*conn, *sqlite.Stmt) (V, error), key K) (v V, there bool, err error) {
	e.mu.RLock()
	v, there, known := find(layers(e, kind), key, clone)
	e.mu.RUnlock()
	if known {
		return v, there, ctx.Err()
	}
	err = e.lend(ctx, func(c *conn) error {
		stmt, err := c.Prepare(sql)
		if err == nil {
			v, there, err = one(stmt, key, func(s *sqlite.Stmt) (V, error) { return row(c, s) })
		}
		return err
	})
	return v, there, err
}

// Events implements [otp.Reads].
func (e *Engine) Events(ctx context.Context, id otp.ID) (all []otp.Event, err error) {
	e.mu.RLock()
	filed, fresh := e.fresh(id)
	e.mu.RUnlock()
	if filed {
		err = e.lend(ctx, func(c *conn) error {
			const query = "SELECT " + eventColumns + " FROM event WHERE verification = ? ORDER BY n"
			return c.rows(query, func(s *sqlite.Stmt) { s.BindBytes(1, id[:]) }, func(s *sqlite.Stmt) error {
				event, err := c.event(s)
				all = append(all, event)
				return err
			})
		})
	}
	for _, event := range fresh { // some may have been written to the file meanwhile
		all = insert(all, event)
	}
	return all, err
}

// fresh returns the events of a journal that stand in the layers, and whether
// those in the file count too. The caller holds the lock.
func (e *Engine) fresh(id otp.ID) (filed bool, events []otp.Event) {
	filed = !e.upper.dropped[id]
	if e.lower != nil && filed {
		filed = !e.lower.dropped[id]
		events = append(events, e.lower.events[id]...)
	}
	return filed, append(events, e.upper.events[id]...)
}

// ScanVerifications implements [otp.Scans].
func (e *Engine) ScanVerifications(ctx context.Context, after, before otp.ID, limit int) ([]otp.Verification, error) {
	const query = "SELECT " + verificationColumns + " FROM verification WHERE id > ? AND id < ? ORDER BY id LIMIT ?"
	return list(ctx, e, query, func(s *sqlite.Stmt) {
		s.BindBytes(1, after[:])
		s.BindBytes(2, before[:])
		bindLimit(s, 3, limit)
	}, (*conn).verification)
}

// ScanDestinations implements [otp.Scans].
func (e *Engine) ScanDestinations(ctx context.Context, after otp.Key, limit int) ([]otp.Destination, error) {
	const query = "SELECT " + destinationColumns + " FROM destination WHERE key > ? ORDER BY key LIMIT ?"
	return list(ctx, e, query, func(s *sqlite.Stmt) {
		s.BindBytes(1, after[:])
		bindLimit(s, 2, limit)
	}, (*conn).destination)
}

// ScanContacts implements [otp.Scans].
func (e *Engine) ScanContacts(ctx context.Context, tenant string, after otp.Key, limit int) ([]otp.Contact, error) {
	const query = "SELECT " + contactColumns + " FROM contact WHERE tenant = ? AND key > ? ORDER BY key LIMIT ?"
	return list(ctx, e, query, func(s *sqlite.Stmt) {
		bindText(s, 1, tenant)
		s.BindBytes(2, after[:])
		bindLimit(s, 3, limit)
	}, (*conn).contact)
}

// ScanCounters implements [otp.Scans].
func (e *Engine) ScanCounters(ctx context.Context, after otp.Key, limit int) ([]otp.Counter, error) {
	const query = "SELECT " + counterColumns + " FROM counter WHERE key > ? AND tally <> x'' ORDER BY key LIMIT ?"
	return list(ctx, e, query, func(s *sqlite.Stmt) {
		s.BindBytes(1, after[:])
		bindLimit(s, 2, limit)
	}, (*conn).counter)
}

// ScanEvents implements [otp.Journals].
func (e *Engine) ScanEvents(ctx context.Context, tenant string, kinds []otp.EventKind, after, before otp.ID, limit int) ([]otp.Event, error) {
	query := "SELECT " + eventColumns + " FROM event WHERE verification > ? AND verification < ? AND tenant = ? AND kind IN (" +
		strings.TrimSuffix(strings.Repeat("?, ", len(kinds)), ", ") + ") ORDER BY verification, n LIMIT ?"
	return list(ctx, e, query, func(s *sqlite.Stmt) {
		s.BindBytes(1, after[:])
		s.BindBytes(2, before[:])
		bindText(s, 3, tenant)
		for i, kind := range kinds {
			bindText(s, 4+i, string(kind))
		}
		bindLimit(s, 4+len(kinds), limit)
	}, (*conn).event)
}

// ScanReplays implements [otp.Scans].
func (e *Engine) ScanReplays(ctx context.Context, t time.Time, limit int) ([]otp.Key, error) {
	return list(ctx, e, "SELECT key FROM replay WHERE expires < ? ORDER BY expires LIMIT ?", func(s *sqlite.Stmt) {
		bindTime(s, 1, t)
		bindLimit(s, 2, limit)
	}, func(_ *conn, s *sqlite.Stmt) (key otp.Key, err error) {
		err = fixed(s, 0, key[:])
		return key, err
	})
}

// ScanJournals implements [otp.Scans]. The rows of a journal lie together in
// the order of the primary key, so no sorting is needed.
func (e *Engine) ScanJournals(ctx context.Context, after, before otp.ID, limit int) ([]otp.Journal, error) {
	const query = "SELECT verification, min(tenant) FROM event WHERE verification > ? AND verification < ? GROUP BY verification ORDER BY verification LIMIT ?"
	return list(ctx, e, query, func(s *sqlite.Stmt) {
		s.BindBytes(1, after[:])
		s.BindBytes(2, before[:])
		bindLimit(s, 3, limit)
	}, func(c *conn, s *sqlite.Stmt) (j otp.Journal, err error) {
		err = fixed(s, 0, j.Verification[:])
		j.Tenant = c.word(s, 1)
		return j, err
	})
}

// ScanMessages implements [otp.Outbox].
func (e *Engine) ScanMessages(ctx context.Context, after otp.ID, limit int) ([]otp.Message, error) {
	const query = "SELECT " + messageColumns + " FROM message WHERE id > ? ORDER BY id LIMIT ?"
	return list(ctx, e, query, func(s *sqlite.Stmt) {
		s.BindBytes(1, after[:])
		bindLimit(s, 2, limit)
	}, (*conn).message)
}

// Orphans implements [otp.Outbox]. The process lock proves that every other
// server is dead.
func (e *Engine) Orphans(ctx context.Context, self otp.ID, limit int) ([]otp.Message, error) {
	const query = "SELECT " + messageColumns + " FROM message WHERE owner <> ? ORDER BY id LIMIT ?"
	return list(ctx, e, query, func(s *sqlite.Stmt) {
		s.BindBytes(1, self[:])
		bindLimit(s, 2, limit)
	}, (*conn).message)
}

// bindLimit keeps SQLite from reading a negative limit as none.
func bindLimit(s *sqlite.Stmt, param, limit int) { s.BindInt64(param, int64(max(limit, 0))) }

// list reads all rows of a query.
func list[V any](ctx context.Context, e *Engine, query string, bind func(*sqlite.Stmt), row func(*conn, *sqlite.Stmt) (V, error)) (found []V, err error) {
	err = e.read(ctx, func(c *conn) error {
		return c.rows(query, bind, func(s *sqlite.Stmt) error {
			v, err := row(c, s)
			if err != nil {
				return err
			}
			found = append(found, v)
			return ctx.Err()
		})
	})
	return found, err
}

// DocumentsVersion implements [store.Documents].
func (e *Engine) DocumentsVersion(ctx context.Context) (version int64, err error) {
	err = e.lend(ctx, func(c *conn) error {
		version, err = c.meta("documents")
		return err
	})
	return version, err
}

// ReadDocuments implements [store.Documents].
func (e *Engine) ReadDocuments(ctx context.Context) (docs []store.Document, version int64, err error) {
	// One statement, so that documents and version are of one moment.
	const query = `SELECT m.value, d.kind, d.name, d.body FROM meta m LEFT JOIN document d ON true WHERE m.name = 'documents'`
	err = e.lend(ctx, func(c *conn) error {
		return c.rows(query, nil, func(s *sqlite.Stmt) error {
			version = s.ColumnInt64(0)
			if !s.ColumnIsNull(1) {
				docs = append(docs, store.Document{Kind: c.text(s, 1), Name: c.text(s, 2), Body: c.bytes(s, 3)})
			}
			return nil
		})
	})
	return docs, version, err
}

// WriteDocuments implements [store.Documents].
func (e *Engine) WriteDocuments(ctx context.Context, read int64, docs []store.Document) (int64, error) {
	if err := e.alone(ctx, func(c *conn) error { return c.writeDocuments(read, docs) }); err != nil {
		if f := (*store.Failure)(nil); errors.As(err, &f) && f.Class != store.Broken && errors.Is(f.Cause, store.ErrStale) {
			return 0, store.ErrStale
		}
		return 0, err
	}
	return read + 1, nil
}

func (c *conn) writeDocuments(read int64, docs []store.Document) error {
	// What goes may be a carrier's secret or a password's hash; see [wipes].
	if err := c.run("PRAGMA secure_delete = ON"); err != nil {
		return err
	}
	defer func() { _ = c.run("PRAGMA secure_delete = OFF") }() // staying on would cost time and nothing else
	if err := c.run("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	version, err := c.meta("documents")
	if err != nil {
		return err
	}
	if version != read {
		return store.ErrStale
	}
	for _, d := range docs {
		sql := "INSERT OR REPLACE INTO document (kind, name, body) VALUES (?, ?, ?)"
		if d.Body == nil {
			sql = "DELETE FROM document WHERE kind = ? AND name = ?"
		}
		stmt, err := c.Prepare(sql)
		if err != nil {
			return err
		}
		bindText(stmt, 1, d.Kind)
		bindText(stmt, 2, d.Name)
		if d.Body != nil {
			stmt.BindBytes(3, d.Body)
		}
		if err := finish(stmt); err != nil {
			return err
		}
	}
	if err := c.run("UPDATE meta SET value = value + 1 WHERE name = 'documents'"); err != nil {
		return err
	}
	return c.run("COMMIT")
}

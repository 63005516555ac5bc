package store

import "context"

// Audit keeps the operators' journal: what was done over the admin API and by
// commands. It is only ever added to.
type Audit interface {
	// AddAudit adds an entry and returns its number, durable: 1 for the first,
	// and one more for each after it, without gaps over all servers.
	AddAudit(ctx context.Context, body []byte) (n int64, err error)
	// ReadAudit returns at most limit entries with numbers above after, in
	// order.
	ReadAudit(ctx context.Context, after int64, limit int) ([]AuditEntry, error)
	// LastAudit returns the number of the newest entry, 0 when there is none.
	LastAudit(ctx context.Context) (int64, error)
}

// AuditEntry is one line of the operators' journal.
type AuditEntry struct {
	N    int64
	Body []byte // JSON
}

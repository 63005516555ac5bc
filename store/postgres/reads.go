package postgres

import (
	"context"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// look runs one look-up. A connection that died while it was idle is replaced
// once.
func (e *Engine) look(ctx context.Context, sql string, each func(*row) error, args ...[]byte) error {
	err := e.lookOnce(ctx, sql, each, args)
	if err != nil && !answered(err) && ctx.Err() == nil {
		e.read.Reset()
		err = e.lookOnce(ctx, sql, each, args)
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}

func (e *Engine) lookOnce(ctx context.Context, sql string, each func(*row) error, args [][]byte) error {
	conn, wire, err := acquire(ctx, e.read)
	if err != nil {
		return err
	}
	defer conn.Release()
	var p pipeline
	p.add(sql, each, args...)
	_, err = p.run(ctx, wire)
	return err
}

// Verifications implements [otp.Reads].
func (e *Engine) Verifications(ctx context.Context, ids ...otp.ID) ([]otp.Verification, error) {
	found := make(map[otp.ID]otp.Verification, len(ids))
	err := e.look(ctx, sqlVerifications, func(r *row) error {
		v, err := readVerification(r)
		found[v.ID] = v
		return err
	}, uuids(ids))
	if err != nil {
		return nil, err
	}
	var list []otp.Verification
	for _, id := range ids {
		if v, ok := found[id]; ok {
			list = append(list, v)
		}
	}
	return list, nil
}

// Destination implements [otp.Reads].
func (e *Engine) Destination(ctx context.Context, key otp.Key) (d otp.Destination, found bool, err error) {
	err = e.look(ctx, sqlDestination, func(r *row) (err error) {
		d, found, err = readDestination(r)
		return err
	}, key[:])
	return d, found, err
}

// Contact implements [otp.Reads].
func (e *Engine) Contact(ctx context.Context, key otp.Key) (c otp.Contact, found bool, err error) {
	err = e.look(ctx, sqlContact, func(r *row) error {
		c, found = readContact(r)
		return nil
	}, key[:])
	return c, found, err
}

// Handle implements [otp.Reads].
func (e *Engine) Handle(ctx context.Context, key otp.Key) (h otp.Handle, found bool, err error) {
	err = e.look(ctx, sqlHandle, func(r *row) (err error) {
		h, found, err = readHandle(r)
		return err
	}, key[:])
	return h, found, err
}

// Events implements [otp.Reads].
func (e *Engine) Events(ctx context.Context, id otp.ID) (list []otp.Event, err error) {
	err = e.look(ctx, sqlEvents, func(r *row) error {
		list = append(list, readEvent(r))
		return nil
	}, id[:])
	return list, err
}

// ScanVerifications implements [otp.Scans].
func (e *Engine) ScanVerifications(ctx context.Context, after, before otp.ID, limit int) (list []otp.Verification, err error) {
	err = e.look(ctx, sqlScanVerifications, func(r *row) error {
		v, err := readVerification(r)
		list = append(list, v)
		return err
	}, after[:], before[:], int8Of(int64(limit)))
	return list, err
}

// ScanDestinations implements [otp.Scans].
func (e *Engine) ScanDestinations(ctx context.Context, after otp.Key, limit int) (list []otp.Destination, err error) {
	err = e.look(ctx, sqlScanDestinations, func(r *row) error {
		d, _, err := readDestination(r)
		list = append(list, d)
		return err
	}, after[:], int8Of(int64(limit)))
	return list, err
}

// ScanContacts implements [otp.Scans].
func (e *Engine) ScanContacts(ctx context.Context, tenant string, after otp.Key, limit int) (list []otp.Contact, err error) {
	err = e.look(ctx, sqlScanContacts, func(r *row) error {
		c, _ := readContact(r)
		list = append(list, c)
		return nil
	}, []byte(tenant), after[:], int8Of(int64(limit)))
	return list, err
}

// ScanCounters implements [otp.Scans].
func (e *Engine) ScanCounters(ctx context.Context, after otp.Key, limit int) (list []otp.Counter, err error) {
	err = e.look(ctx, sqlScanCounters, func(r *row) error {
		c, _, err := readCounter(r)
		list = append(list, c)
		return err
	}, after[:], int8Of(int64(limit)))
	return list, err
}

// ScanEvents implements [otp.Journals].
func (e *Engine) ScanEvents(ctx context.Context, tenant string, kinds []otp.EventKind, after, before otp.ID, limit int) (list []otp.Event, err error) {
	words := newColumns(oidBytea)
	for _, kind := range kinds {
		words[0].text(string(kind))
	}
	err = e.look(ctx, sqlScanEvents, func(r *row) error {
		list = append(list, readEvent(r))
		return nil
	}, after[:], before[:], []byte(tenant), words.arguments()[0], int8Of(int64(limit)))
	return list, err
}

// ScanReplays implements [otp.Scans].
func (e *Engine) ScanReplays(ctx context.Context, t time.Time, limit int) (keys []otp.Key, err error) {
	err = e.look(ctx, sqlScanReplays, func(r *row) error {
		keys = append(keys, r.key())
		return nil
	}, int8Of(store.Micros(t.Add(time.Microsecond-1))), int8Of(int64(limit))) // kept times have whole microseconds
	return keys, err
}

// ScanJournals implements [otp.Scans].
func (e *Engine) ScanJournals(ctx context.Context, after, before otp.ID, limit int) (list []otp.Journal, err error) {
	err = e.look(ctx, sqlScanJournals, func(r *row) error {
		list = append(list, otp.Journal{Verification: r.id(), Tenant: r.text()})
		return nil
	}, after[:], before[:], int8Of(int64(limit)))
	return list, err
}

// ScanMessages implements [otp.Outbox].
func (e *Engine) ScanMessages(ctx context.Context, after otp.ID, limit int) (list []otp.Message, err error) {
	err = e.look(ctx, sqlScanMessages, func(r *row) error {
		m, err := readMessage(r)
		list = append(list, m)
		return err
	}, after[:], int8Of(int64(limit)))
	return list, err
}

// Orphans implements [otp.Outbox].
func (e *Engine) Orphans(ctx context.Context, self otp.ID, limit int) (list []otp.Message, err error) {
	err = e.look(ctx, sqlOrphans, func(r *row) error {
		m, err := readMessage(r)
		list = append(list, m)
		return err
	}, self[:], int8Of(store.FleetTimeout.Microseconds()), int8Of(int64(limit)))
	return list, err
}

func readVerification(r *row) (otp.Verification, error) {
	v := otp.Verification{
		ID: r.id(), Destination: r.key(),
		LastSent: store.FromMicros(r.number()), Expires: store.FromMicros(r.number()), Ended: store.FromMicros(r.number()),
		Attempts: int(r.number()), Generation: int(r.number()), Sends: int(r.number()), Events: int(r.number()),
		Status: otp.Status(r.number()), Tenant: r.text(), Secret: r.blob(),
	}
	var err error
	if v.Spec, err = store.UnpackSpec(r.raw()); err == nil {
		v.Course, err = store.UnpackCourse(r.raw())
	}
	return v, err
}

// readDestination returns the key alone for a placeholder.
func readDestination(r *row) (d otp.Destination, found bool, err error) {
	d.Key = r.key()
	if r.none() {
		return d, false, nil
	}
	err = store.UnpackDestination(r.raw(), &d)
	d.Tenant, d.Touched = r.text(), store.FromMicros(r.number())
	return d, true, err
}

// readCounter returns the key alone for a placeholder.
func readCounter(r *row) (c otp.Counter, found bool, err error) {
	c.Key = r.key()
	if r.none() {
		return c, false, nil
	}
	c.Value = r.number()
	return c, true, store.UnpackTally(r.raw(), &c.Tally)
}

// readContact returns the key alone for a placeholder.
func readContact(r *row) (c otp.Contact, found bool) {
	c.Key = r.key()
	if r.none() {
		return c, false
	}
	c.Sealed, c.Tenant, c.ID, c.Configured = r.blob(), r.text(), r.text(), r.truth()
	return c, true
}

// readHandle returns the key alone for a placeholder.
func readHandle(r *row) (h otp.Handle, found bool, err error) {
	h.Key = r.key()
	if r.none() {
		return h, false, nil
	}
	h.Verification = r.id()
	return h, true, store.UnpackCarried(r.raw(), &h)
}

func readMessage(r *row) (otp.Message, error) {
	m := otp.Message{
		ID: r.id(), Verification: r.id(), Owner: r.id(),
		Created: store.FromMicros(r.number()), Expires: store.FromMicros(r.number()), NextAt: store.FromMicros(r.number()),
		Attempt: int(r.number()), Copies: int(r.number()), FirstEvent: int(r.number()),
		Kind: otp.MessageKind(r.number()), Tenant: r.text(), Channel: otp.Channel(r.text()),
	}
	err := store.UnpackProgress(r.raw(), &m)
	return m, err
}

func readEvent(r *row) otp.Event {
	return otp.Event{
		Verification: r.id(), N: int(r.number()), At: store.FromMicros(r.number()), Tenant: r.text(),
		Kind: otp.EventKind(r.text()), Dialect: r.text(), Actor: r.text(), Detail: r.text(),
	}
}

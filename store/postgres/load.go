package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// batch is one open transaction on a connection of its own.
type batch struct {
	engine  *Engine
	conn    *pgxpool.Conn // nil when the batch is over
	wire    *pgconn.PgConn
	session *session
	records otp.Records
	mark    mark
	xact    uint64
	holes   holes
	absent  absent
	seen    seen
	merges  bool // events and messages that another server may have written, see refused
}

// holes are the keys whose absence is locked by a placeholder row.
type holes struct{ replays, handles, destinations, counters, contacts []otp.Key }

// absent are the named keys that no row was found for, in their order. Nothing
// guards them while the batch decides: its commit inserts all of them, so that of
// two that found none only one comes through, and the other runs again.
type absent struct{ destinations, counters []otp.Key }

// seen is what has come back while a batch loads.
type seen struct {
	replays, handles, contacts int
	destinations, counters     map[otp.Key]bool
	wanted                     []otp.ID // verifications that handles and destinations point to
	homes                      []otp.Key
}

// errMoved says that a row was deleted or appeared between the statement that
// reserved it and the one that locked it.
var errMoved = errors.New("a record came or went while it was being locked")

// Begin implements [store.Engine]. A connection that died while it was idle is
// replaced once, so that a restart of the database costs no request. A
// verification whose destination was swept is rare, so only a second try locks
// the absence of destinations that were not named themselves.
func (e *Engine) Begin(ctx context.Context, keys otp.Keys) (store.Batch, error) {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	b, err := e.load(ctx, &keys, false)
	if err != nil && !answered(err) && ctx.Err() == nil {
		if !errors.Is(err, errMoved) {
			e.write.Reset()
		}
		b, err = e.load(ctx, &keys, true)
	}
	if err != nil {
		return nil, classify(err)
	}
	return b, nil
}

// load is one try. With all set it reserves every destination, not only the
// named ones.
func (e *Engine) load(ctx context.Context, keys *otp.Keys, all bool) (*batch, error) {
	conn, wire, err := acquire(ctx, e.write)
	if err != nil {
		return nil, err
	}
	b := &batch{engine: e, conn: conn, wire: wire, session: sessionOf(wire), mark: e.takeMark()}
	b.seen.destinations = make(map[otp.Key]bool, len(keys.Destinations))
	b.seen.counters = make(map[otp.Key]bool, len(keys.Counters))
	var p pipeline
	p.add(sqlBegin, nil)
	b.lockNames(&p, keys)
	b.lockDestinations(&p, keys, all)
	b.lockRest(&p, keys)
	p.add(sqlClock, b.readClock)
	if _, err = p.run(ctx, wire); err == nil {
		err = b.settle(keys, all)
	}
	if err != nil {
		b.Discard()
		return nil, err
	}
	return b, nil
}

// lockNames queues replays and handles.
func (b *batch) lockNames(p *pipeline, keys *otp.Keys) {
	if len(keys.Replays) > 0 {
		names := uuids(keys.Replays)
		p.add(sqlReserveReplays, nil, names)
		p.add(sqlLoadReplays, b.loadReplay, names)
	}
	if len(keys.Handles) > 0 {
		names := uuids(keys.Handles)
		p.add(sqlReserveHandles, nil, names)
		p.add(sqlLoadHandles, b.loadHandle, names)
	}
}

// lockDestinations queues the named destinations and those of the named or
// pointed-to verifications.
func (b *batch) lockDestinations(p *pipeline, keys *otp.Keys, all bool) {
	pointed := len(keys.Verifications)+len(keys.Handles) > 0
	d, v, h := uuids(keys.Destinations), uuids(keys.Verifications), uuids(keys.Handles)
	if all {
		p.add(sqlReserveDestinations, nil, d, v, h)
	}
	if pointed {
		p.add(sqlLoadDestinations, b.loadDestination, d, v, h)
	} else if len(keys.Destinations) > 0 {
		p.add(sqlLoadNamed, b.loadDestination, d)
	}
}

// lockRest queues counters, contacts, verifications and messages.
func (b *batch) lockRest(p *pipeline, keys *otp.Keys) {
	if len(keys.Counters) > 0 {
		p.add(sqlLoadCounters, b.loadCounter, uuids(keys.Counters))
	}
	if len(keys.Contacts) > 0 {
		names := uuids(keys.Contacts)
		p.add(sqlReserveContacts, nil, names)
		p.add(sqlLoadContacts, b.loadContact, names)
	}
	if len(keys.Verifications)+len(keys.Handles)+len(keys.Destinations) > 0 {
		p.add(sqlLoadVerifications, b.loadVerification, uuids(keys.Verifications), uuids(keys.Handles), uuids(keys.Destinations))
	}
	if len(keys.Messages) > 0 {
		p.add(sqlLoadMessages, b.loadMessage, uuids(keys.Messages))
	}
}

func (b *batch) loadReplay(r *row) error {
	b.seen.replays++
	key := r.key()
	if r.none() {
		b.records.Replays.Miss(key)
		b.holes.replays = append(b.holes.replays, key)
		return nil
	}
	v := otp.Replay{Key: key}
	copy(v.Fingerprint[:], r.raw())
	v.Answer, v.Expires = r.blob(), store.FromMicros(r.number())
	b.records.Replays.Load(key, v)
	return nil
}

func (b *batch) loadHandle(r *row) error {
	b.seen.handles++
	h, found, err := readHandle(r)
	if err != nil {
		return err
	}
	if !found {
		b.records.Handles.Miss(h.Key)
		b.holes.handles = append(b.holes.handles, h.Key)
		return nil
	}
	b.records.Handles.Load(h.Key, h)
	b.seen.wanted = append(b.seen.wanted, h.Verification)
	return nil
}

func (b *batch) loadDestination(r *row) error {
	d, found, err := readDestination(r)
	if err != nil {
		return err
	}
	b.seen.destinations[d.Key] = true
	if !found {
		b.records.Destinations.Miss(d.Key)
		b.holes.destinations = append(b.holes.destinations, d.Key)
		return nil
	}
	b.records.Destinations.Load(d.Key, d)
	for _, l := range d.Live {
		b.seen.wanted = append(b.seen.wanted, l.ID)
	}
	return nil
}

func (b *batch) loadCounter(r *row) error {
	c, found, err := readCounter(r)
	b.seen.counters[c.Key] = true
	if !found {
		b.records.Counters.Miss(c.Key)
		b.holes.counters = append(b.holes.counters, c.Key)
		return nil
	}
	b.records.Counters.Load(c.Key, c)
	return err
}

func (b *batch) loadContact(r *row) error {
	b.seen.contacts++
	c, found := readContact(r)
	if !found {
		b.records.Contacts.Miss(c.Key)
		b.holes.contacts = append(b.holes.contacts, c.Key)
		return nil
	}
	b.records.Contacts.Load(c.Key, c)
	return nil
}

func (b *batch) loadVerification(r *row) error {
	v, err := readVerification(r)
	if err != nil {
		return err
	}
	b.records.Verifications.Load(v.ID, v)
	b.seen.homes = append(b.seen.homes, v.Destination)
	return nil
}

func (b *batch) loadMessage(r *row) error {
	m, err := readMessage(r)
	if err != nil {
		return err
	}
	b.records.Messages.Load(m.ID, m)
	return nil
}

func (b *batch) readClock(r *row) error {
	b.records.Now = time.UnixMicro(r.number()).UTC()
	b.xact = binary.BigEndian.Uint64(r.raw())
	return nil
}

// settle notes what was not found, and has the batch run again when a row was
// not there to be locked.
func (b *batch) settle(keys *otp.Keys, all bool) error {
	s := &b.seen
	if s.replays != len(keys.Replays) || s.handles != len(keys.Handles) || s.contacts != len(keys.Contacts) {
		return errMoved
	}
	for _, key := range keys.Destinations {
		if s.destinations[key] {
			continue
		}
		if all {
			return errMoved
		}
		b.records.Destinations.Miss(key)
		b.absent.destinations = append(b.absent.destinations, key)
	}
	for _, key := range keys.Counters {
		if !s.counters[key] {
			b.records.Counters.Miss(key)
			b.absent.counters = append(b.absent.counters, key)
		}
	}
	for _, key := range s.homes {
		if !s.destinations[key] {
			return errMoved
		}
	}
	for _, id := range keys.Verifications {
		b.records.Verifications.Miss(id)
	}
	for _, id := range s.wanted {
		b.records.Verifications.Miss(id)
	}
	for _, id := range keys.Messages {
		b.records.Messages.Miss(id)
	}
	return nil
}

package postgres

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/aldaba-otp/aldaba/otp"
)

// The composite types of the migrations that the saves send arrays of.
const (
	typeDestination  = "destination_row"
	typeCounter      = "counter_row"
	typeVerification = "verification_row"
	typeState        = "verification_state"
	typeMessage      = "message_row"
	typeEvent        = "event_row"
)

const oidUUIDs = 2951 // uuid[]

// types are the numbers of the composite types, which each database has its own
// of. An array names the type of its elements.
type types map[string]uint32

// readTypes reads the numbers on a new connection.
func readTypes(ctx context.Context, conn *pgx.Conn) (types, error) {
	all := []string{typeDestination, typeCounter, typeVerification, typeState, typeMessage, typeEvent}
	known := make(types, len(all))
	rows, err := conn.Query(ctx, "SELECT n, n::regtype::oid FROM unnest($1::text[]) AS n", all)
	if err != nil {
		return nil, fmt.Errorf("postgres: read the types: %w", err)
	}
	var name string
	var oid uint32
	if _, err := pgx.ForEachRow(rows, []any{&name, &oid}, func() error {
		known[name] = oid
		return nil
	}); err != nil {
		return nil, fmt.Errorf("postgres: read the types: %w", err)
	}
	return known, nil
}

// tuples is an array of composite values under construction. Each begins with
// row, and its fields follow in the order of the type.
type tuples struct {
	array
	of     *session
	start  int // of the present value, behind its size
	fields uint32
}

// tuples begins an array of one of the composite types.
func (s *session) tuples(name string) *tuples {
	return &tuples{array: array{oid: s.types[name]}, of: s}
}

// The buffers of a batch's arrays serve the next batch again: together they are a
// third of what a batch would leave to the garbage collector.
const (
	firstBuffer = 4 << 10
	mostBuffer  = 256 << 10 // of one that is kept
)

// buffer returns one with room for an array's header.
func (s *session) buffer() []byte {
	if n := len(s.spare); n > 0 {
		b := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return b[:arrayHeader]
	}
	return make([]byte, arrayHeader, firstBuffer)
}

// sent takes back the buffers of what was sent.
func (s *session) sent() {
	for _, b := range s.used {
		if cap(b) <= mostBuffer {
			s.spare = append(s.spare, b)
		}
	}
	s.used = s.used[:0]
}

func (t *tuples) row() {
	if t.buf == nil {
		t.buf = t.of.buffer()
	}
	t.finish()
	t.next(0)
	t.start, t.fields = len(t.buf), 0
	t.buf = append(t.buf, 0, 0, 0, 0) // how many fields
}

// finish writes the size of the present value.
func (t *tuples) finish() {
	if t.n > 0 {
		binary.BigEndian.PutUint32(t.buf[t.start-4:], uint32(len(t.buf)-t.start))
		binary.BigEndian.PutUint32(t.buf[t.start:], t.fields)
	}
}

func (t *tuples) field(oid uint32, size int) {
	t.fields++
	t.buf = binary.BigEndian.AppendUint32(t.buf, oid)
	t.buf = binary.BigEndian.AppendUint32(t.buf, uint32(size))
}

func (t *tuples) uuid(id [16]byte) {
	t.field(oidUUID, len(id))
	t.buf = append(t.buf, id[:]...)
}

func (t *tuples) blob(b []byte) {
	t.field(oidBytea, len(b))
	t.buf = append(t.buf, b...)
}

func (t *tuples) text(s string) {
	t.field(oidBytea, len(s))
	t.buf = append(t.buf, s...)
}

func (t *tuples) number(n int64) {
	t.field(oidInt8, 8)
	t.buf = binary.BigEndian.AppendUint64(t.buf, uint64(n))
}

// live writes an array of ids in its place, without a buffer of its own.
func (t *tuples) live(list []otp.Live) {
	if len(list) == 0 {
		t.field(oidUUIDs, emptyArray)
		t.words(0, 0, oidUUID)
		return
	}
	t.field(oidUUIDs, arrayHeader+len(list)*(4+len(otp.ID{})))
	t.words(1, 0, oidUUID, uint32(len(list)), 1)
	for i := range list {
		t.words(uint32(len(list[i].ID)))
		t.buf = append(t.buf, list[i].ID[:]...)
	}
}

func (t *tuples) words(all ...uint32) {
	for _, w := range all {
		t.buf = binary.BigEndian.AppendUint32(t.buf, w)
	}
}

func (t *tuples) empty() bool { return t.n == 0 }

// arguments are those of a statement that takes nothing else.
func (t *tuples) arguments() [][]byte {
	t.finish()
	t.of.used = append(t.of.used, t.buf)
	return [][]byte{t.bytes()}
}

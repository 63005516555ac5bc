package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/aldaba-otp/aldaba/otp"
)

// Arguments and rows are written and read in PostgreSQL's binary form here and
// not through reflection, since a batch binds dozens of arrays.

// The types that the statements' arrays are made of.
const (
	oidBool  = 16
	oidBytea = 17
	oidInt8  = 20
	oidText  = 25
	oidUUID  = 2950
)

// array is one array argument under construction.
type array struct {
	buf []byte
	oid uint32
	n   uint32
}

const (
	arrayHeader = 20 // dimensions, has-null flag, element type, length, lower bound
	emptyArray  = 12 // no dimension, so neither length nor bound
)

func (a *array) next(size int) {
	if a.buf == nil {
		a.buf = make([]byte, arrayHeader, 512)
	}
	a.buf = binary.BigEndian.AppendUint32(a.buf, uint32(size))
	a.n++
}

func (a *array) blob(b []byte) {
	a.next(len(b))
	a.buf = append(a.buf, b...)
}

func (a *array) text(s string) {
	a.next(len(s))
	a.buf = append(a.buf, s...)
}

func (a *array) number(n int64) {
	a.next(8)
	a.buf = binary.BigEndian.AppendUint64(a.buf, uint64(n))
}

func (a *array) truth(b bool) {
	a.next(1)
	if b {
		a.buf = append(a.buf, 1)
	} else {
		a.buf = append(a.buf, 0)
	}
}

// bytes returns the finished array.
func (a *array) bytes() []byte {
	if a.buf == nil {
		a.buf = make([]byte, emptyArray)
	} else {
		binary.BigEndian.PutUint32(a.buf[0:], 1)
		binary.BigEndian.PutUint32(a.buf[12:], a.n)
		binary.BigEndian.PutUint32(a.buf[16:], 1)
	}
	binary.BigEndian.PutUint32(a.buf[8:], a.oid)
	return a.buf
}

// uuids returns keys as an array argument.
func uuids[K otp.Key | otp.ID](keys []K) []byte {
	a := array{oid: oidUUID, buf: make([]byte, arrayHeader, arrayHeader+20*len(keys))}
	for _, k := range keys {
		b := [16]byte(k)
		a.blob(b[:])
	}
	if len(keys) == 0 {
		a.buf = nil
	}
	return a.bytes()
}

func int8Of(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// columns is a set of arrays of the same length, one for each column.
type columns []array

func newColumns(oids ...uint32) columns {
	c := make(columns, len(oids))
	for i, oid := range oids {
		c[i].oid = oid
	}
	return c
}

func (c columns) empty() bool { return c[0].n == 0 }

func (c columns) arguments() [][]byte {
	args := make([][]byte, len(c))
	for i := range c {
		args[i] = c[i].bytes()
	}
	return args
}

// row reads the columns of one result row from left to right. Its bytes are
// gone when the next row is read.
type row struct {
	cols [][]byte
	at   int
}

func (r *row) raw() []byte {
	b := r.cols[r.at]
	r.at++
	return b
}

func (r *row) key() (k otp.Key) {
	copy(k[:], r.raw())
	return k
}

func (r *row) id() otp.ID { return otp.ID(r.key()) }

func (r *row) text() string { return string(r.raw()) }

// blob returns a copy; no engine tells an empty value from none.
func (r *row) blob() []byte { return append([]byte(nil), r.raw()...) }

func (r *row) number() int64 {
	switch b := r.raw(); len(b) {
	case 2:
		return int64(int16(binary.BigEndian.Uint16(b)))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(b)))
	case 8:
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (r *row) truth() bool {
	b := r.raw()
	return len(b) == 1 && b[0] != 0
}

// none tells whether the next column is NULL.
func (r *row) none() bool { return r.cols[r.at] == nil }

// request is one prepared statement of a pipeline and what is done with its
// rows.
type request struct {
	sql  string
	args [][]byte
	each func(*row) error
}

// pipeline is a list of requests for one round trip.
type pipeline struct {
	list []request
	size int
}

func (p *pipeline) add(sql string, each func(*row) error, args ...[]byte) {
	for _, a := range args {
		p.size += len(a)
	}
	p.list = append(p.list, request{sql, args, each})
}

// run sends all requests, waits once, and reads all answers. After an error of
// the database the rest of the pipeline was not carried out. It returns the
// tag of the last command.
func (p *pipeline) run(ctx context.Context, conn *pgconn.PgConn) (tag pgconn.CommandTag, err error) {
	formats := []int16{1}
	pipe := conn.StartPipeline(ctx)
	known := sessionOf(conn).statements
	for _, r := range p.list {
		pipe.SendQueryStatement(known[nameOf(r.sql)], r.args, formats, formats)
	}
	err = pipe.Sync()
	for i := 0; err == nil && i < len(p.list); i++ {
		if tag, err = receive(pipe, p.list[i].each); err != nil {
			err = fmt.Errorf("%s: %w", nameOf(p.list[i].sql), err)
		}
	}
	if closed := pipe.Close(); err == nil {
		err = closed
	}
	return tag, err
}

// receive reads the answer to one request. Errors of each do not stop the
// reading, so that the connection stays usable.
func receive(pipe *pgconn.Pipeline, each func(*row) error) (pgconn.CommandTag, error) {
	results, err := pipe.GetResults()
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	reader, ok := results.(*pgconn.ResultReader)
	if !ok {
		return pgconn.CommandTag{}, errors.New("postgres: the pipeline is out of step")
	}
	var failed error
	var r row // one for all, since none outlives its call
	for reader.NextRow() {
		if each != nil && failed == nil {
			r = row{cols: reader.Values()}
			failed = each(&r)
		}
	}
	tag, err := reader.Close()
	if err == nil {
		err = failed
	}
	return tag, err
}

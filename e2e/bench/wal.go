package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// walTail follows PostgreSQL's write-ahead log, where a verification stands before
// its start is answered: to read it there takes nothing from the database that is
// measured. What it cannot tell is asked for by SQL.
//
// The format is PostgreSQL 15's on a little-endian machine, and its neighbours' as far as is known:
// src/include/access/xlog_internal.h (pages), xlogrecord.h (records),
// heapam_xlog.h (inserted rows) and varatt.h (bytea), with the sizes of pages and
// segments that initdb gives.
type walTail struct {
	conn     *pgx.Conn
	dir      string
	relation [12]byte // tablespace, database and file of the table
	at       uint64   // where the next record begins
	segment  uint64   // of file
	file     *os.File
	buffer   []byte
	record   []byte
	fresh    map[otp.ID]otp.Verification // those that nobody asked for yet
}

const (
	walPage       = 8192
	walSegment    = 16 << 20
	walPageHead   = 24
	walFileHead   = 40 // of a segment's first page
	walRecordHead = 24
	walChunk      = 8 * walPage // read at once
	walLongest    = 1 << 20     // no record of ours is longer
)

// errWALEnd says that the log ends in the middle of a record.
var errWALEnd = errors.New("the log ends here")

func openWAL(cluster, url string) (_ *walTail, err error) {
	ctx := context.Background()
	t := &walTail{dir: filepath.Join(cluster, "pg_wal"), buffer: make([]byte, walChunk), fresh: map[otp.ID]otp.Verification{}}
	if t.conn, err = pgx.Connect(ctx, url); err != nil {
		return nil, err
	}
	var parts [3]uint32
	err = t.conn.QueryRow(ctx, `SELECT CASE WHEN c.reltablespace = 0 THEN d.dattablespace ELSE c.reltablespace END, d.oid, pg_relation_filenode(c.oid)
		FROM pg_class c, pg_database d WHERE c.oid = 'verification'::regclass AND d.datname = current_database()`).Scan(&parts[0], &parts[1], &parts[2])
	for i, part := range parts {
		binary.LittleEndian.PutUint32(t.relation[4*i:], part)
	}
	return t, err
}

// begin leaves out what was written until now.
func (t *walTail) begin() error {
	clear(t.fresh)
	var at int64
	err := t.conn.QueryRow(context.Background(), "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").Scan(&at)
	t.at = uint64(at)
	return err
}

func (t *walTail) take(id otp.ID) (v otp.Verification, ok bool) {
	if v, ok = t.fresh[id]; ok {
		delete(t.fresh, id)
	}
	return v, ok
}

// follow reads the records that were completed since the last time.
func (t *walTail) follow() error {
	var held walWindow
	for {
		next, err := t.read(&held)
		if errors.Is(err, errWALEnd) || errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := t.keep(); err != nil {
			return err
		}
		t.at = next
	}
}

// walWindow is the part of the log that the buffer holds.
type walWindow struct {
	from uint64
	data []byte
}

// read gathers the record at the present place and returns the place of the next.
func (t *walTail) read(held *walWindow) (next uint64, err error) {
	at := t.at
	take := func(n int) error {
		for n > 0 {
			page, err := t.page(held, at/walPage*walPage)
			if err != nil {
				return err
			}
			if offset, head := at%walPage, pageHead(at); offset < head {
				at += head - offset
			}
			part := page[at%walPage:]
			part = part[:min(len(part), n)]
			t.record, at, n = append(t.record, part...), at+uint64(len(part)), n-len(part)
		}
		return nil
	}
	t.record = t.record[:0]
	if err := take(walRecordHead); err != nil {
		return 0, err
	}
	length := binary.LittleEndian.Uint32(t.record)
	if length < walRecordHead || length > walLongest {
		return 0, errWALEnd
	}
	if err := take(int(length) - walRecordHead); err != nil {
		return 0, err
	}
	sum := crc32.Update(crc32.Checksum(t.record[walRecordHead:], walSums), walSums, t.record[:20])
	if sum != binary.LittleEndian.Uint32(t.record[20:]) {
		return 0, errWALEnd // it is being written
	}
	if t.record[17] == 0 && t.record[16]&0xf0 == 0x40 { // RM_XLOG_ID, XLOG_SWITCH: the rest of the segment is empty
		return (at + walSegment - 1) / walSegment * walSegment, nil
	}
	return (at + 7) &^ 7, nil
}

var walSums = crc32.MakeTable(crc32.Castagnoli)

func pageHead(at uint64) uint64 {
	if at%walSegment < walPage {
		return walFileHead
	}
	return walPageHead
}

// page returns the page of the log at the address, if it was written already: an
// old segment that is used again bears other addresses.
func (t *walTail) page(held *walWindow, at uint64) ([]byte, error) {
	if at < held.from || at+walPage > held.from+uint64(len(held.data)) {
		if err := t.open(at / walSegment); err != nil {
			return nil, err
		}
		n, err := t.file.ReadAt(t.buffer[:min(walChunk, walSegment-at%walSegment)], int64(at%walSegment))
		if n < walPage {
			return nil, errors.Join(errWALEnd, err)
		}
		held.from, held.data = at, t.buffer[:n/walPage*walPage]
	}
	page := held.data[at-held.from:][:walPage]
	if binary.LittleEndian.Uint64(page[8:]) != at {
		return nil, errWALEnd
	}
	return page, nil
}

func (t *walTail) open(segment uint64) error {
	if t.file != nil && t.segment == segment {
		return nil
	}
	const inFile = 1 << 32 / walSegment
	file, err := os.Open(filepath.Join(t.dir, fmt.Sprintf("%08X%08X%08X", 1, segment/inFile, segment%inFile)))
	if err != nil {
		return err
	}
	if t.file != nil {
		_ = t.file.Close() // it was only read
	}
	t.file, t.segment = file, segment
	return nil
}

// keep notes what a code is derived from, if the record is a row inserted into the
// table. One that came with the image of its page is left to SQL.
func (t *walTail) keep() error {
	const (
		heap, insert, operation = 10, 0x00, 0x70 // RM_HEAP_ID, XLOG_HEAP_INSERT, XLOG_HEAP_OPMASK
		hasData, willInit       = 0x20, 0x40     // BKPBLOCK_HAS_DATA, BKPBLOCK_WILL_INIT
		heads, end              = 22, 3          // of the block and of the end, which is xl_heap_insert
	)
	if t.record[17] != heap || t.record[16]&operation != insert || len(t.record) < walRecordHead+heads+end {
		return nil
	}
	r := t.record[walRecordHead:]
	length := int(binary.LittleEndian.Uint16(r[2:]))
	if r[0] != 0 || r[1]&^willInit != hasData || [12]byte(r[4:16]) != t.relation || len(r) != heads+length+end {
		return nil
	}
	v, err := walRow(r[heads : heads+length])
	if err == nil {
		t.fresh[v.ID] = v
	}
	return err
}

var errWALRow = errors.New("a row in PostgreSQL's log is not a verification")

// walRow reads the columns that a code is derived from. They stand in the order in
// which the table was made: those of one length first, and then tenant, secret and spec.
func walRow(row []byte) (v otp.Verification, err error) {
	const head, whole = 5, 23         // xl_heap_header, SizeofHeapTupleHeader
	const generation, tenant = 60, 74 // where these columns begin
	if len(row) < head || row[4] < whole || len(row) < head+int(row[4])-whole+tenant {
		return v, errWALRow
	}
	row = row[head+int(row[4])-whole:]
	copy(v.ID[:], row)
	v.Generation = int(binary.LittleEndian.Uint32(row[generation:]))
	var values [3][]byte
	at := tenant
	for i := range values {
		if values[i], at, err = walBytes(row, at); err != nil {
			return v, err
		}
	}
	v.Secret = bytes.Clone(values[1])
	v.Spec, err = store.UnpackSpec(values[2])
	return v, err
}

// walBytes reads one bytea: a length of one byte, or of four at a multiple of four.
func walBytes(row []byte, at int) (value []byte, next int, err error) {
	if at < len(row) && row[at]&1 == 1 {
		length := int(row[at] >> 1)
		if length < 1 || at+length > len(row) {
			return nil, 0, errWALRow
		}
		return row[at+1 : at+length], at + length, nil
	}
	at = (at + 3) &^ 3
	if at+4 > len(row) {
		return nil, 0, errWALRow
	}
	size := binary.LittleEndian.Uint32(row[at:])
	length := int(size >> 2)
	if size&3 != 0 || length < 4 || at+length > len(row) {
		return nil, 0, errWALRow
	}
	return row[at+4 : at+length], at + length, nil
}

func (t *walTail) close() error {
	err := t.conn.Close(context.Background())
	if t.file != nil {
		err = errors.Join(err, t.file.Close())
	}
	return err
}

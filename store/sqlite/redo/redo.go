// Package redo is the log in front of the SQLite file: each batch of statements
// is appended here and synced before it is acknowledged, so that SQLite itself
// may commit many batches at once, and later. What a crash takes from SQLite's
// open transaction is carried out again from here.
//
// It holds statements with their parameters, not rows: whoever replays needs to
// know no record, and what an older version of the program wrote can still be
// carried out. It is not a journal of events and nothing to audit: a record
// lives only until SQLite has it on disk.
//
// # Format
//
// A file is a row of records from its beginning, integers little-endian:
//
//	epoch  8 bytes  drawn anew each time the file begins again
//	number 4 bytes  1, 2, 3, ... within the epoch
//	length 4 bytes  of the body
//	sum    4 bytes  CRC-32C of all of the above and the body
//	body
//
// A body is a row of statements. Each is the index of its text, as a varint,
// followed by the text (length and bytes) when the index is the next one that
// was not used in the epoch; then its parameters, each a varint of its position
// (from 1), a byte 'i' or 'b', and a signed varint or a length and bytes; then 0.
//
// The end is where no record with the epoch and the next number is whole. What
// stands behind is of an earlier use of the file.
package redo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
)

const (
	headerSize = 20
	// step is how much is written ahead when the file grows: a sync is much
	// cheaper where neither size nor blocks of the file change.
	step = 1 << 20
	// spare is the largest buffer that is kept between records.
	spare = 1 << 20
)

// ErrSync says that a sync failed: what the file holds is unknown, and asking
// again proves nothing, since the kernel tells of a failure once.
var ErrSync = errors.New("redo: the log could not be synced")

// Log is one file that records are appended to. It is used by one goroutine at a time.
type Log struct {
	file   *os.File
	sync   func(*os.File) error
	epoch  uint64
	number uint32 // of the last record that was appended
	end    int64  // of that record
	size   int64  // of the file, all of it written
	dirty  int64  // up to where it was written since it was last wiped

	record  []byte // what is being made, its header included
	open    bool   // a statement has begun
	texts   map[string]uint64
	settled uint64   // texts that stand in the file
	fresh   []string // texts that stand in the record only
}

// Open opens the file, or creates it readable by its owner only. Nothing is read
// yet; see [Log.Replay] and [Log.Begin].
func Open(path string) (*Log, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("redo: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("redo: %w", err), file.Close())
	}
	return &Log{file: file, sync: syncData, size: info.Size(), dirty: info.Size(), texts: map[string]uint64{}}, nil
}

// Begin starts the file again under a new epoch, which must not be one that it had.
// The caller has made sure that nothing in it is needed any more.
func (l *Log) Begin(epoch uint64) {
	l.epoch, l.number, l.end = epoch, 0, 0
	l.settled = 0
	clear(l.texts)
	l.Drop()
}

// Number returns the number of the last record, 0 when there is none.
func (l *Log) Number() uint32 { return l.number }

// Size returns how many bytes the records of this epoch take.
func (l *Log) Size() int64 { return l.end }

// Int adds a number as a parameter of the statement in hand.
func (l *Log) Int(text string, param int, n int64) {
	l.statement(text)
	l.record = binary.AppendUvarint(l.record, uint64(param))
	l.record = append(l.record, 'i')
	l.record = binary.AppendVarint(l.record, n)
}

// Bytes adds bytes as a parameter of the statement in hand.
func (l *Log) Bytes(text string, param int, b []byte) {
	l.statement(text)
	l.record = binary.AppendUvarint(l.record, uint64(param))
	l.record = append(l.record, 'b')
	l.record = binary.AppendUvarint(l.record, uint64(len(b)))
	l.record = append(l.record, b...)
}

// End ends the statement in hand, which may have had no parameter.
func (l *Log) End(text string) {
	l.statement(text)
	l.record = append(l.record, 0)
	l.open = false
}

// statement begins a statement unless it has begun.
func (l *Log) statement(text string) {
	if l.open {
		return
	}
	l.open = true
	if len(l.record) == 0 {
		l.record = append(l.record, make([]byte, headerSize)...)
	}
	index, known := l.texts[text]
	if !known {
		index = l.settled + uint64(len(l.fresh))
		l.texts[text] = index
		l.fresh = append(l.fresh, text)
	}
	l.record = binary.AppendUvarint(l.record, index)
	if !known {
		l.record = binary.AppendUvarint(l.record, uint64(len(text)))
		l.record = append(l.record, text...)
	}
}

// Drop forgets the record in hand.
func (l *Log) Drop() {
	for _, text := range l.fresh {
		delete(l.texts, text)
	}
	l.fresh, l.open = l.fresh[:0], false
	if l.record = l.record[:0]; cap(l.record) > spare {
		l.record = nil
	}
}

// Append writes the record in hand and returns when it is on disk. After an
// error nothing was appended and the record is dropped; [ErrSync] means that
// nobody knows.
func (l *Log) Append() error {
	defer l.Drop()
	if len(l.record) == 0 {
		return nil
	}
	if len(l.record) > math.MaxInt32 {
		return errors.New("redo: the record is too large")
	}
	seal(l.record, l.epoch, l.number+1)
	if err := l.write(l.record); err != nil {
		return err
	}
	if err := l.sync(l.file); err != nil {
		return fmt.Errorf("%w: %w", ErrSync, err)
	}
	l.number, l.end = l.number+1, l.end+int64(len(l.record))
	l.settled += uint64(len(l.fresh))
	l.fresh = l.fresh[:0]
	return nil
}

// seal fills in the header.
func seal(record []byte, epoch uint64, number uint32) {
	binary.LittleEndian.PutUint64(record, epoch)
	binary.LittleEndian.PutUint32(record[8:], number)
	binary.LittleEndian.PutUint32(record[12:], uint32(len(record)-headerSize))
	binary.LittleEndian.PutUint32(record[16:], sum(record))
}

func sum(record []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // made once, by the library
	return crc32.Update(crc32.Checksum(record[:16], table), table, record[headerSize:])
}

// write puts a record at the end, and zeros ahead of it when the file must grow.
func (l *Log) write(record []byte) error {
	next := l.end + int64(len(record))
	if next > l.size {
		grown := (next + step - 1) / step * step
		if err := l.zero(l.size, grown); err != nil {
			return err
		}
		l.size = grown
	}
	l.dirty = max(l.dirty, next)
	if _, err := l.file.WriteAt(record, l.end); err != nil {
		return fmt.Errorf("redo: %w", err)
	}
	return nil
}

func (l *Log) zero(from, to int64) error {
	zeros := make([]byte, min(step, to-from))
	for ; from < to; from += int64(len(zeros)) {
		zeros = zeros[:min(int64(len(zeros)), to-from)]
		if _, err := l.file.WriteAt(zeros, from); err != nil {
			return fmt.Errorf("redo: %w", err)
		}
	}
	return nil
}

// Wipe overwrites with zeros what was written before this epoch. It does nothing
// while the epoch has records.
func (l *Log) Wipe() error {
	if l.end > 0 || l.dirty == 0 {
		return nil
	}
	if err := l.zero(0, l.dirty); err != nil {
		return err
	}
	l.dirty = 0
	return nil
}

// Close closes the file.
func (l *Log) Close() error { return l.file.Close() }

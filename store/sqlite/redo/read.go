package redo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// ErrMalformed says that a record whose sum is right cannot be read: another
// program wrote it, or a newer version of this one.
var ErrMalformed = errors.New("redo: a record is not in this program's form")

// Statement is one statement with its parameters.
type Statement struct {
	Text   string
	Params []Param
}

// Param is one parameter of a statement: bytes, or a number when Bytes is nil.
type Param struct {
	Position int // from 1
	Int      int64
	Bytes    []byte // not nil for bytes, even when there are none; good until the next record is read
}

// Replay reads the records of the epoch and calls do for each statement of those
// whose number is above after. Then the log stands at their end and can be appended
// to. After an error, which may be that of do, it stands where it was.
func (l *Log) Replay(epoch uint64, after uint32, do func(Statement) error) error {
	r := NewReader(l.file, epoch)
	for {
		statements, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if r.number <= after {
			continue
		}
		for _, s := range statements {
			if err := do(s); err != nil {
				return err
			}
		}
	}
	l.Begin(epoch)
	l.number, l.end = r.number, r.end
	for i, text := range r.texts {
		l.texts[text] = uint64(i)
	}
	l.settled = uint64(len(r.texts))
	return nil
}

// Epoch returns that of the record at the beginning of a log, 0 when there is none.
func Epoch(log io.ReaderAt) (uint64, error) {
	var first [8]byte
	if _, err := log.ReadAt(first[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("redo: %w", err)
	}
	return binary.LittleEndian.Uint64(first[:]), nil
}

// Reader reads records of one epoch. It can follow a log that is being written.
type Reader struct {
	log    io.ReaderAt
	epoch  uint64
	number uint32
	end    int64  // of the last record that was read
	buffer []byte // what was read from there on
	texts  []string

	body       []byte
	statements []Statement
	params     []Param
}

// NewReader reads from the beginning of a log.
func NewReader(log io.ReaderAt, epoch uint64) *Reader { return &Reader{log: log, epoch: epoch} }

// Next returns the statements of the next record, and [io.EOF] where there is none
// that is whole; one may be there at a later call. They are good until the next call.
func (r *Reader) Next() ([]Statement, error) {
	header, err := r.peek(headerSize)
	if err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint64(header) != r.epoch || binary.LittleEndian.Uint32(header[8:]) != r.number+1 {
		return nil, r.eof()
	}
	want := binary.LittleEndian.Uint32(header[16:])
	record, err := r.peek(headerSize + int(binary.LittleEndian.Uint32(header[12:])))
	if err != nil {
		return nil, err
	}
	if sum(record) != want {
		return nil, r.eof() // the tail was torn
	}
	r.body = append(r.body[:0], record[headerSize:]...)
	r.number, r.end = r.number+1, r.end+int64(len(record))
	r.buffer = r.buffer[:copy(r.buffer, r.buffer[len(record):])]
	return r.parse()
}

// eof forgets what was read ahead, since it may be overwritten.
func (r *Reader) eof() error {
	r.buffer = r.buffer[:0]
	return io.EOF
}

// peek returns the next bytes. A length that is damage costs no more memory than
// there are bytes to read.
func (r *Reader) peek(n int) ([]byte, error) {
	for len(r.buffer) < n {
		had := len(r.buffer)
		r.buffer = slices.Grow(r.buffer, chunk)
		got, err := r.log.ReadAt(r.buffer[had:had+chunk], r.end+int64(had))
		r.buffer = r.buffer[:had+got]
		switch {
		case got > 0:
		case err == nil || errors.Is(err, io.EOF):
			return nil, r.eof()
		default:
			return nil, fmt.Errorf("redo: %w", err)
		}
	}
	return r.buffer[:n], nil
}

// chunk is how much is read at once.
const chunk = 32 << 10

// parse reads the statements of a body.
func (r *Reader) parse() ([]Statement, error) {
	p := parser{rest: r.body}
	r.statements, r.params = r.statements[:0], r.params[:0]
	for len(p.rest) > 0 && p.err == nil {
		index := p.number()
		if index == uint64(len(r.texts)) {
			r.texts = append(r.texts, string(p.bytes()))
		}
		if index >= uint64(len(r.texts)) {
			return nil, fmt.Errorf("%w: there is no statement %d", ErrMalformed, index)
		}
		first := len(r.params)
		r.params = p.params(r.params)
		r.statements = append(r.statements, Statement{Text: r.texts[index], Params: r.params[first:]})
	}
	return r.statements, p.err
}

// parser takes values from the front of a body, and keeps the first error.
type parser struct {
	rest []byte
	err  error
}

func (p *parser) fail() {
	if p.err == nil {
		p.err = fmt.Errorf("%w: it ends too early", ErrMalformed)
	}
	p.rest = nil
}

func (p *parser) number() uint64 {
	n, size := binary.Uvarint(p.rest)
	if size <= 0 {
		p.fail()
		return 0
	}
	p.rest = p.rest[size:]
	return n
}

func (p *parser) signed() int64 {
	n, size := binary.Varint(p.rest)
	if size <= 0 {
		p.fail()
		return 0
	}
	p.rest = p.rest[size:]
	return n
}

func (p *parser) bytes() []byte {
	n := p.number()
	if n > uint64(len(p.rest)) {
		p.fail()
		return []byte{}
	}
	b := p.rest[:n:n]
	p.rest = p.rest[n:]
	return b
}

// params adds the parameters of one statement.
func (p *parser) params(all []Param) []Param {
	for {
		position := p.number()
		if position == 0 || p.err != nil {
			return all
		}
		if position > maxParams || len(p.rest) == 0 {
			p.fail()
			return all
		}
		kind := p.rest[0]
		p.rest = p.rest[1:]
		switch kind {
		case 'i':
			all = append(all, Param{Position: int(position), Int: p.signed()})
		case 'b':
			all = append(all, Param{Position: int(position), Bytes: p.bytes()})
		default:
			p.fail()
		}
	}
}

// maxParams is what SQLite takes at most (https://www.sqlite.org/limits.html).
const maxParams = 32766

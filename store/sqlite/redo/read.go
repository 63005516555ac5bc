package redo

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
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
	from   *bufio.Reader // at end; nil when that must be looked up again
	number uint32
	end    int64
	texts  []string
	body   []byte
}

// NewReader reads from the beginning of a log.
func NewReader(log io.ReaderAt, epoch uint64) *Reader { return &Reader{log: log, epoch: epoch} }

// Next returns the statements of the next record, and [io.EOF] where there is none
// that is whole; one may be there at a later call. Its bytes are good until the next call.
func (r *Reader) Next() (statements []Statement, err error) {
	if r.from == nil {
		r.from = bufio.NewReaderSize(io.NewSectionReader(r.log, r.end, math.MaxInt64-r.end), 64<<10)
	}
	defer func() {
		if err != nil {
			r.from = nil
		}
	}()
	var header [headerSize]byte
	if _, err := io.ReadFull(r.from, header[:]); err != nil {
		return nil, ended(err)
	}
	length := int(binary.LittleEndian.Uint32(header[12:]))
	if binary.LittleEndian.Uint64(header[:]) != r.epoch || binary.LittleEndian.Uint32(header[8:]) != r.number+1 {
		return nil, io.EOF
	}
	if err := r.fill(header[:], length); err != nil {
		return nil, ended(err)
	}
	if sum(r.body) != binary.LittleEndian.Uint32(header[16:]) {
		return nil, io.EOF // the tail was torn
	}
	if statements, err = r.parse(r.body[headerSize:]); err != nil {
		return nil, err
	}
	r.number, r.end = r.number+1, r.end+int64(len(r.body))
	return statements, nil
}

// fill reads a body behind its header. A length that is damage costs no more
// memory than there are bytes to read.
func (r *Reader) fill(header []byte, length int) error {
	r.body = append(r.body[:0], header...)
	for length > 0 {
		n := min(length, step)
		at := len(r.body)
		r.body = append(r.body, make([]byte, n)...)
		if _, err := io.ReadFull(r.from, r.body[at:]); err != nil {
			return err
		}
		length -= n
	}
	return nil
}

// ended turns the end of the file into io.EOF, wherever it comes.
func ended(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return io.EOF
	}
	return fmt.Errorf("redo: %w", err)
}

// parse reads the statements of a body.
func (r *Reader) parse(body []byte) (all []Statement, err error) {
	p := parser{rest: body}
	for len(p.rest) > 0 && p.err == nil {
		index := p.number()
		if index == uint64(len(r.texts)) {
			r.texts = append(r.texts, string(p.bytes()))
		}
		if index >= uint64(len(r.texts)) {
			return nil, fmt.Errorf("%w: there is no statement %d", ErrMalformed, index)
		}
		all = append(all, Statement{Text: r.texts[index], Params: p.params()})
	}
	return all, p.err
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

func (p *parser) params() (all []Param) {
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

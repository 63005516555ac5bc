package smpp

import (
	"context"
	"math/big"
	"sync"
	"time"
)

const (
	idsKept    = 1 << 15         // ids of submitted parts that are remembered
	idPatience = 2 * time.Second // a receipt waits so long for the answer that names its id
)

// ids turns the ids of receipts into those that the carrier's answers gave. It
// remembers the latest in memory: to see in which base a carrier's receipts
// number (see settings.ReceiptID), and because a receipt may overtake the
// answer that tells its id.
type ids struct {
	form  string // of the settings: auto, same, hex or decimal
	learn func(form string)

	mu       sync.Mutex
	known    map[string]submitted // by each way of reading the id
	order    []string             // ids, a ring
	next     int
	tickets  uint64
	open     map[uint64]struct{} // submits without an answer, by ticket
	answered chan struct{}       // closed and replaced at each answer
	learned  bool
}

// submitted is one part that the carrier took.
type submitted struct{ id, to string }

func newIDs(form string, learn func(string)) *ids {
	return &ids{form: form, learn: learn, known: map[string]submitted{}, open: map[uint64]struct{}{}, answered: make(chan struct{})}
}

// begin notes that a submit is about to be written.
func (s *ids) begin() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tickets++
	s.open[s.tickets] = struct{}{}
	return s.tickets
}

// end notes the answer to a submit; raw is its id, or "" when there is none.
// It returns the id as reports will name it.
func (s *ids) end(ticket uint64, raw, to string) string {
	raw = clean(raw)
	id := raw
	switch s.form {
	case "decimal": // receipts in decimal numbers, answers in hexadecimal
		id = rebase(raw, 16, 16)
	case "hex":
		id = rebase(raw, 10, 10)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, ticket)
	if id != "" {
		s.keep(submitted{id, tail(to)})
	}
	close(s.answered)
	s.answered = make(chan struct{})
	return id
}

// keep remembers a part in the place of the oldest. The caller holds the lock.
func (s *ids) keep(p submitted) {
	if len(s.order) < idsKept {
		s.order = append(s.order, p.id)
	} else {
		for _, key := range readings(s.order[s.next]) {
			delete(s.known, key)
		}
		s.order[s.next] = p.id
		s.next = (s.next + 1) % idsKept
	}
	for _, key := range readings(p.id) {
		s.known[key] = p
	}
}

// readings are the keys under which an id is remembered: as it is, and as the
// number that it is in either base.
func readings(id string) []string {
	keys := []string{"=" + id}
	if n := rebase(id, 10, 10); isNumber(id, 10) {
		keys = append(keys, "d"+n)
	}
	if n := rebase(id, 16, 10); isNumber(id, 16) {
		keys = append(keys, "x"+n)
	}
	return keys
}

// resolve returns the id that an answer gave for the id of a receipt. When
// none is known, it waits until the submits that are under way are answered.
func (s *ids) resolve(ctx context.Context, raw, from string) string {
	id := raw
	switch s.form {
	case "decimal":
		id = rebase(raw, 10, 16)
	case "hex":
		id = rebase(raw, 16, 10)
	}
	patience := time.NewTimer(idPatience)
	defer patience.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for border := s.tickets; ; {
		if found, ok := s.look(id, tail(from)); ok {
			return found
		}
		if !s.isOpen(border) {
			return id
		}
		answered := s.answered
		s.mu.Unlock()
		select {
		case <-answered:
		case <-patience.C:
			border = 0
		case <-ctx.Done():
			border = 0
		}
		s.mu.Lock()
	}
}

func (s *ids) isOpen(border uint64) bool {
	for ticket := range s.open {
		if ticket <= border {
			return true
		}
	}
	return false
}

// look finds a part by the id of a receipt and the number that the receipt
// comes from. Only with the same number at its side is an id read in another
// base: small numbers mean something in both. The caller holds the lock.
func (s *ids) look(id, from string) (string, bool) {
	exact, isExact := s.known["="+id]
	if s.form != "auto" {
		return exact.id, isExact
	}
	if isExact && exact.to == from {
		return exact.id, true
	}
	for _, way := range []struct {
		base   int
		answer string
		form   string
	}{{10, "x", "decimal"}, {16, "d", "hex"}, {10, "d", ""}, {16, "x", ""}} {
		if !isNumber(id, way.base) {
			continue
		}
		if p, ok := s.known[way.answer+rebase(id, way.base, 10)]; ok && p.to == from {
			if !s.learned && way.form != "" {
				s.learned = true
				s.learn(way.form)
			}
			return p.id, true
		}
	}
	return exact.id, isExact // the number may be written in another way
}

// rebase writes a number in another base, without zeros in front; what is no
// number stays as it is.
func rebase(id string, from, to int) string {
	if !isNumber(id, from) {
		return id
	}
	n, _ := new(big.Int).SetString(id, from)
	return n.Text(to)
}

func isNumber(id string, base int) bool {
	for _, c := range []byte(id) {
		digit := c >= '0' && c <= '9'
		letter := c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		if !digit && (base == 10 || !letter) {
			return false
		}
	}
	return id != ""
}

// tail is the end of a number, which is the same however it is written.
func tail(number string) string { return number[max(len(number)-7, 0):] }

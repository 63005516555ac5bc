package store

import (
	"errors"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// The parts of a record that no engine searches are kept as one packed value:
// a version byte, then each field in a fixed order, numbers as varints and
// texts behind their length. It is smaller and quicker to bind than thirty
// columns, and the same in every engine. A new field is appended and read as
// its zero value from older rows; nothing is ever removed or reordered.
//
// What most rows do not have, a course, a progress or what a carrier said, is
// a packed value of its own, and an empty one while there is none.

// ErrCorrupt says that a packed value cannot be read.
var ErrCorrupt = errors.New("store: a packed value is damaged")

const packVersion = 1

// Micros returns t as microseconds since 1970, 0 for the zero time.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// FromMicros is the inverse of [Micros].
func FromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// PackSpec packs what a verification was started with.
func PackSpec(s *otp.Spec) []byte {
	return AppendSpec(make([]byte, 0, 192+len(s.Letter)+len(s.Metadata)+16*len(s.Plan)), s)
}

// AppendSpec appends to b what [PackSpec] returns.
func AppendSpec(b []byte, s *otp.Spec) []byte {
	p := append(packer(b), packVersion)
	p.text(s.Dialect)
	p.text(s.Owner)
	p.text(s.Profile)
	p.text(s.Purpose)
	p.text(string(s.Channel))
	p.text(s.Locale)
	p.text(s.Subject)
	p.time(s.Created)
	p.number(int64(s.MaxAttempts))
	p.text(string(s.Alphabet))
	p.number(int64(s.Length))
	p.number(int64(s.KeyID))
	p.truth(s.OwnCode)
	p.truth(s.FreshCode)
	p.bytes(s.Context)
	p.bytes(s.Letter)
	p.bytes(s.Metadata)
	p.number(s.Number)
	p.bytes(s.Handle[:])
	p.bytes(s.Prev[:])
	p.text(s.Country)
	p.number(int64(len(s.Plan)))
	for _, l := range s.Plan {
		p.text(string(l.Channel))
		p.number(int64(l.Wait))
	}
	p.time(s.Erased)
	p.truth(s.Receipt)
	p.truth(s.Test)
	p.keyOrNone(s.Prefix)
	p.truth(s.Decoy)
	p.truth(s.Link)
	return p
}

// UnpackSpec is the inverse of [PackSpec].
func UnpackSpec(b []byte) (otp.Spec, error) {
	u := unpacker{rest: b}
	u.version()
	s := otp.Spec{
		Dialect: u.text(), Owner: u.text(), Profile: u.text(), Purpose: u.text(), Channel: otp.Channel(u.text()),
		Locale: u.text(), Subject: u.text(), Created: u.time(), MaxAttempts: int(u.number()),
		Alphabet: otp.Alphabet(u.text()), Length: int(u.number()), KeyID: uint32(u.number()),
		OwnCode: u.truth(), FreshCode: u.truth(), Context: u.bytes(), Letter: u.bytes(), Metadata: u.bytes(),
		Number: u.number(), Handle: u.key(),
	}
	s.Prev = otp.ID(u.key())
	if !u.more() { // the first version of the tables ended here
		return s, u.err
	}
	s.Country = u.text()
	for range u.count() {
		s.Plan = append(s.Plan, otp.Leg{Channel: otp.Channel(u.text()), Wait: time.Duration(u.number())})
	}
	if u.more() {
		s.Erased = u.time()
	}
	if u.more() { // appended after the erasure
		s.Receipt = u.truth()
	}
	if u.more() {
		s.Test = u.truth()
	}
	if u.more() { // appended with the tallies
		s.Prefix = u.keyOrNone()
		s.Decoy, s.Link = u.truth(), u.truth()
	}
	return s, u.err
}

// PackCourse packs how far a plan has come; the zero Course is empty.
func PackCourse(c *otp.Course) []byte {
	if *c == (otp.Course{}) {
		return nil
	}
	p := make(packer, 0, 24)
	p = append(p, packVersion)
	p.bytes(c.Message[:])
	p.number(int64(c.Leg))
	return p
}

// UnpackCourse is the inverse of [PackCourse].
func UnpackCourse(b []byte) (c otp.Course, err error) {
	if len(b) == 0 {
		return c, nil
	}
	u := unpacker{rest: b}
	u.version()
	c.Message = otp.ID(u.key())
	c.Leg = int(u.number())
	return c, u.err
}

// PackProgress packs what is known of a message that a carrier has taken and
// what it costs; for most messages that is nothing, and the result empty.
func PackProgress(m *otp.Message) []byte {
	x := &m.Progress
	if *x == (otp.Progress{}) && m.Charges == (otp.Charges{}) {
		return nil
	}
	p := make(packer, 0, 48+len(x.Provider))
	p = append(p, packVersion)
	p.text(x.Provider)
	p.number(int64(x.Await))
	p.truth(x.Hedged)
	p.time(x.HedgeAt)
	p.time(x.LookAt)
	p.time(x.LegAt)
	if m.Charges != (otp.Charges{}) {
		p.number(int64(m.Charges.Charged))
		p.number(int64(m.Charges.Spent))
	}
	return p
}

// UnpackProgress is the inverse of [PackProgress].
func UnpackProgress(b []byte, m *otp.Message) error {
	if len(b) == 0 {
		return nil
	}
	u := unpacker{rest: b}
	u.version()
	m.Progress = otp.Progress{
		Provider: u.text(), Await: int(u.number()), Hedged: u.truth(), HedgeAt: u.time(), LookAt: u.time(), LegAt: u.time(),
	}
	if len(u.rest) > 0 {
		m.Charges = otp.Charges{Charged: otp.Money(u.number()), Spent: otp.Money(u.number())}
	}
	return u.err
}

// PackCarried packs the message that a handle names and its fate; a handle of
// a dialect has neither and is empty.
func PackCarried(h *otp.Handle) []byte {
	if h.Message == (otp.ID{}) && h.Fate == otp.FateUnknown {
		return nil
	}
	p := make(packer, 0, 24)
	p = append(p, packVersion)
	p.bytes(h.Message[:])
	p = append(p, byte(h.Fate))
	return p
}

// UnpackCarried is the inverse of [PackCarried].
func UnpackCarried(b []byte, h *otp.Handle) error {
	if len(b) == 0 {
		return nil
	}
	u := unpacker{rest: b}
	u.version()
	h.Message = otp.ID(u.key())
	h.Fate = otp.Fate(u.octet())
	return u.err
}

// PackDestination packs everything of a destination but its key, tenant and
// time of the last change.
func PackDestination(d *otp.Destination) []byte {
	return AppendDestination(make([]byte, 0, 64+8*len(d.Sends)+16*len(d.Wrongs)+32*len(d.Live)), d)
}

// AppendDestination appends to b what [PackDestination] returns.
func AppendDestination(b []byte, d *otp.Destination) []byte {
	p := append(packer(b), packVersion)
	p.bytes(d.Newest[:])
	p.time(d.ApprovedAt)
	p.number(int64(len(d.Live)))
	for _, l := range d.Live {
		p.text(l.Purpose)
		p.bytes(l.ID[:])
	}
	p.number(int64(len(d.Sends)))
	for _, t := range d.Sends {
		p.time(t)
	}
	p.wrongs(d.Wrongs)
	run := d.Run != (otp.Run{}) || d.Own != (otp.Run{}) || d.Subject != (otp.SubjectTag{})
	again := d.LastStart != (otp.LastStart{})
	decoys := len(d.Decoys.Wrongs) > 0 || d.Decoys.Run != (otp.Run{})
	listed := d.Listing != (otp.Listing{}) || decoys
	if !run && !again && !listed {
		return p
	}
	p.run(&d.Run)
	p.run(&d.Own)
	p.bytes(d.Subject[:])
	if again || listed {
		p.bytes(d.LastStart.Print[:])
		p.time(d.LastStart.At)
		p.bytes(d.LastStart.ID[:])
	}
	if listed {
		p.listing(&d.Listing)
	}
	if decoys {
		p.wrongs(d.Decoys.Wrongs)
		p.run(&d.Decoys.Run)
	}
	return p
}

func (p *packer) wrongs(all []otp.Wrong) {
	p.number(int64(len(all)))
	for _, w := range all {
		p.time(w.At)
		p.number(int64(w.Chance))
	}
}

func (u *unpacker) wrongs() (all []otp.Wrong) {
	for range u.count() {
		all = append(all, otp.Wrong{At: u.time(), Chance: uint64(u.number())})
	}
	return all
}

func (p *packer) run(r *otp.Run) {
	p.number(int64(r.Failures))
	p.time(r.At)
	*p = append(*p, r.Channels)
}

func (u *unpacker) run() otp.Run {
	return otp.Run{Failures: int(u.number()), At: u.time(), Channels: u.octet()}
}

// UnpackDestination is the inverse of [PackDestination].
func UnpackDestination(b []byte, d *otp.Destination) error {
	u := unpacker{rest: b}
	u.version()
	d.Newest = otp.ID(u.key())
	d.ApprovedAt = u.time()
	for range u.count() {
		d.Live = append(d.Live, otp.Live{Purpose: u.text(), ID: otp.ID(u.key())})
	}
	for range u.count() {
		d.Sends = append(d.Sends, u.time())
	}
	d.Wrongs = u.wrongs()
	if u.more() {
		d.Run, d.Own = u.run(), u.run()
		if tag := u.raw(); len(tag) != len(d.Subject) {
			u.fail()
		} else {
			copy(d.Subject[:], tag)
		}
	}
	if u.more() {
		d.LastStart = otp.LastStart{Print: u.key(), At: u.time(), ID: otp.ID(u.key())}
	}
	if u.more() {
		d.Listing = u.listing()
	}
	if u.more() {
		d.Decoys = otp.DecoyGuesses{Wrongs: u.wrongs(), Run: u.run()}
	}
	return u.err
}

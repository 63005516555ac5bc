package storetest

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// odd is a text that no character set allows: bad UTF-8, a NUL, quotes.
const odd = "\xff\x00ñ\x80'\"\\\r\n😀\xed\xa0\x80"

// moment is a time with more precision than is kept, in a zone of its own.
func moment(seconds int) time.Time {
	return time.Date(2026, 7, 1, 12, 0, seconds, 123456789, time.FixedZone("odd", -3*3600-1800))
}

// kept is what an engine makes of a time.
func kept(t time.Time) time.Time { return store.FromMicros(store.Micros(t)) }

func fullVerification() otp.Verification {
	return otp.Verification{
		ID: newID(), Tenant: "acme", Destination: newKey(),
		Spec: otp.Spec{
			Dialect: "native", Owner: odd, Profile: "p" + odd, Purpose: odd + "p", Channel: otp.SMS, Locale: "es-419",
			Subject: odd + odd, Created: kept(moment(1)), MaxAttempts: 5, Alphabet: "ab" + odd, Length: 8, KeyID: math.MaxUint32,
			OwnCode: true, FreshCode: true, Context: []byte(odd), Letter: []byte(odd + "letter"), Metadata: []byte(`{"a":1}`),
			Number: math.MinInt64, Handle: newKey(), Prev: newID(), Country: "PE" + odd,
			Plan: []otp.Leg{{Channel: otp.WhatsApp, Wait: 30*time.Second + 1}, {Channel: odd}}, Erased: kept(moment(7)), Receipt: true,
			Test: true, Prefix: newKey(), Decoy: true, Link: true,
		},
		Status: otp.Void, Attempts: 3, Generation: 4, Sends: 5, LastSent: kept(moment(2)), Expires: kept(moment(3)),
		Ended: kept(moment(4)), Events: 6, Course: otp.Course{Message: newID(), Leg: 1}, Secret: []byte(odd),
	}
}

func fullDestination() otp.Destination {
	return otp.Destination{
		Key: newKey(), Tenant: "acme",
		Live:   []otp.Live{{Purpose: odd, ID: newID()}, {Purpose: "login", ID: newID()}},
		Newest: newID(), Sends: []time.Time{kept(moment(1)), kept(moment(2))},
		Wrongs:     []otp.Wrong{{At: kept(moment(3)), Chance: math.MaxUint64}, {At: kept(moment(4)), Chance: 1}},
		Run:        otp.Run{Failures: 7, At: kept(moment(7)), Channels: 255},
		Own:        otp.Run{Failures: 100, At: kept(moment(8)), Channels: 1},
		Subject:    otp.SubjectTag{0, 255, 7: 1},
		ApprovedAt: kept(moment(5)), Touched: kept(moment(6)),
		LastStart: otp.LastStart{Print: newKey(), At: kept(moment(7)), ID: newID()},
		Listing:   otp.Listing{Verdict: otp.Blocked, Until: kept(moment(8)), Reason: odd, By: odd},
		Decoys:    otp.DecoyGuesses{Wrongs: []otp.Wrong{{At: kept(moment(9)), Chance: 2}}, Run: otp.Run{Failures: 2, At: kept(moment(9)), Channels: 1}},
	}
}

func fullMessage() otp.Message {
	return otp.Message{
		ID: newID(), Tenant: "acme", Verification: newID(), Kind: otp.CodeMessage, Channel: otp.Email,
		Created: kept(moment(1)), Expires: kept(moment(2)), NextAt: kept(moment(3)), Owner: newID(),
		Attempt: 2, Copies: 3, FirstEvent: 4,
		Progress: otp.Progress{
			Provider: odd, Await: 3, Hedged: true, HedgeAt: kept(moment(4)), LookAt: kept(moment(5)), LegAt: kept(moment(6)),
		},
		Charges: otp.Charges{Charged: 1 << 40, Spent: 1},
	}
}

func fullHandle() otp.Handle {
	return otp.Handle{Key: newKey(), Verification: newID(), Message: newID(), Fate: otp.FateFailed}
}

func fullReplay() otp.Replay {
	return otp.Replay{Key: newKey(), Fingerprint: [32]byte{1, 0, 255, 31: 7}, Answer: []byte(odd), Expires: kept(moment(1))}
}

func fullCounter() otp.Counter {
	return otp.Counter{Key: newKey(), Value: math.MaxInt64, Tally: otp.Tally{
		Tenant: "acme", Name: odd, Until: kept(moment(7)), Next: kept(moment(8)), Times: []time.Time{kept(moment(1)), kept(moment(2))},
		Slots: []otp.Slot{{At: kept(moment(3)), Sends: 4, Approved: 2}}, Block: otp.Block{Since: kept(moment(4)), Until: kept(moment(5)), Level: 2},
	}}
}

func fullContact() otp.Contact {
	return otp.Contact{Key: newKey(), Tenant: "acme", ID: odd, Sealed: []byte(odd), Configured: true}
}

func fullEvent(id otp.ID, n int) otp.Event {
	return otp.Event{
		Verification: id, N: n, Tenant: "acme", At: kept(moment(n)), Kind: otp.EventSent, Dialect: "native",
		Actor: odd, Detail: odd + "detail",
	}
}

// recordFacts are about one record at a time.
func (s *suite) recordFacts() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"samples leave no field empty":                 s.samplesAreFull,
		"what was put comes back equal":                s.equal,
		"empty records come back equal":                s.empty,
		"times come back in UTC with microseconds":     s.precision,
		"what most records lack comes, grows and goes": s.rare,
		"a change overwrites":                          s.overwrite,
		"a delete deletes":                             s.remove,
		"a record that came and went leaves no trace":  s.comeAndGo,
		"large values come back":                       s.large,
	}
}

func (s *suite) samplesAreFull(t *testing.T) {
	for _, sample := range []any{fullVerification(), fullDestination(), fullMessage(), fullReplay(), fullHandle(), fullContact(), fullCounter(), fullEvent(newID(), 1)} {
		full(t, reflect.ValueOf(sample), reflect.TypeOf(sample).Name())
	}
}

// full fails for every exported field that a sample leaves at its zero value,
// so that a field added to a record is not forgotten here.
func full(t *testing.T, v reflect.Value, path string) {
	for i := range v.NumField() {
		field, name := v.Field(i), path+"."+v.Type().Field(i).Name
		if field.Type() == reflect.TypeFor[otp.Facts]() {
			continue // these are not kept
		}
		if field.IsZero() {
			t.Errorf("%s is not filled", name)
		}
		if field.Kind() == reflect.Struct && field.Type() != reflect.TypeFor[time.Time]() {
			full(t, field, name)
		}
	}
}

// set is one record of each kind.
type set struct {
	Verification otp.Verification
	Destination  otp.Destination
	Message      otp.Message
	Replay       otp.Replay
	Handle       otp.Handle
	Counter      otp.Counter
	Contact      otp.Contact
}

func fullSet() set {
	x := set{Verification: fullVerification(), Destination: fullDestination(), Message: fullMessage(), Replay: fullReplay(), Contact: fullContact()}
	x.Handle = fullHandle()
	x.Counter = fullCounter()
	return x
}

func (x *set) keys() otp.Keys {
	return otp.Keys{
		Verifications: []otp.ID{x.Verification.ID}, Destinations: []otp.Key{x.Destination.Key}, Messages: []otp.ID{x.Message.ID},
		Replays: []otp.Key{x.Replay.Key}, Handles: []otp.Key{x.Handle.Key}, Counters: []otp.Key{x.Counter.Key}, Contacts: []otp.Key{x.Contact.Key},
	}
}

func (x *set) put(s *otp.State) {
	s.Verifications.Put(x.Verification.ID, x.Verification)
	s.Destinations.Put(x.Destination.Key, x.Destination)
	s.Messages.Put(x.Message.ID, x.Message)
	s.Replays.Put(x.Replay.Key, x.Replay)
	s.Handles.Put(x.Handle.Key, x.Handle)
	s.Counters.Put(x.Counter.Key, x.Counter)
	s.Contacts.Put(x.Contact.Key, x.Contact)
}

func (x *set) remove(s *otp.State) {
	s.Verifications.Delete(x.Verification.ID)
	s.Destinations.Delete(x.Destination.Key)
	s.Messages.Delete(x.Message.ID)
	s.Replays.Delete(x.Replay.Key)
	s.Handles.Delete(x.Handle.Key)
	s.Counters.Delete(x.Counter.Key)
	s.Contacts.Delete(x.Contact.Key)
}

// fetch loads the records that x names; those that are absent stay empty.
func (x *set) fetch(t *testing.T, w otp.Store) (got set) {
	t.Helper()
	do(t, w, x.keys(), func(s *otp.State) {
		got = set{}
		got.Verification, _ = s.Verifications.Get(x.Verification.ID)
		got.Destination, _ = s.Destinations.Get(x.Destination.Key)
		got.Message, _ = s.Messages.Get(x.Message.ID)
		got.Replay, _ = s.Replays.Get(x.Replay.Key)
		got.Handle, _ = s.Handles.Get(x.Handle.Key)
		got.Counter, _ = s.Counters.Get(x.Counter.Key)
		got.Contact, _ = s.Contacts.Get(x.Contact.Key)
	})
	return got
}

func same(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

func (s *suite) equal(t *testing.T) {
	w, x := s.writer(t), fullSet()
	do(t, w, otp.Keys{}, x.put)
	same(t, x.fetch(t, w), x)
}

func (s *suite) empty(t *testing.T) {
	w := s.writer(t)
	var x set
	x.Verification.ID, x.Destination.Key, x.Message.ID, x.Replay.Key = newID(), newKey(), newID(), newKey()
	x.Handle.Key, x.Counter.Key, x.Contact.Key = newKey(), newKey(), newKey()
	do(t, w, otp.Keys{}, x.put)
	same(t, x.fetch(t, w), x)
}

func (s *suite) precision(t *testing.T) {
	w, x := s.writer(t), fullSet()
	want := x
	x.Verification.Expires, want.Verification.Expires = moment(9), kept(moment(9))
	x.Verification.Spec.Created, want.Verification.Spec.Created = moment(10), kept(moment(10))
	x.Destination.Touched, want.Destination.Touched = moment(11), kept(moment(11))
	x.Destination.Sends, want.Destination.Sends = []time.Time{moment(12)}, []time.Time{kept(moment(12))}
	x.Message.NextAt, want.Message.NextAt = moment(13), kept(moment(13))
	x.Message.Progress.HedgeAt, want.Message.Progress.HedgeAt = moment(15), kept(moment(15))
	x.Message.Progress.LookAt, want.Message.Progress.LookAt = moment(16), kept(moment(16))
	x.Message.Progress.LegAt, want.Message.Progress.LegAt = moment(17), kept(moment(17))
	x.Replay.Expires, want.Replay.Expires = moment(14), kept(moment(14))
	do(t, w, otp.Keys{}, x.put)
	same(t, x.fetch(t, w), want)
	if got := want.Message.NextAt; got.Location() != time.UTC || got.Nanosecond() != 123456000 {
		t.Fatalf("the suite expects %v", got)
	}
}

func (s *suite) overwrite(t *testing.T) {
	w, x := s.writer(t), fullSet()
	do(t, w, otp.Keys{}, x.put)
	y := fullSet()
	v := x.Verification // what it was started with never changes
	v.Status, v.Attempts, v.Generation, v.Sends, v.Events, v.Secret = otp.Approved, 30, 40, 50, 60, nil
	v.LastSent, v.Expires, v.Ended = kept(moment(20)), kept(moment(21)), time.Time{}
	v.Course = otp.Course{Message: newID(), Leg: 2}
	y.Verification = v
	y.Destination.Key, y.Message.ID, y.Replay.Key = x.Destination.Key, x.Message.ID, x.Replay.Key
	y.Destination.Wrongs, y.Message.Channel, y.Replay.Answer = nil, otp.Voice, nil
	y.Handle.Key, y.Counter.Key, y.Contact.Key = x.Handle.Key, x.Counter.Key, x.Contact.Key
	y.Counter.Value, y.Contact.Configured = -1, false
	do(t, w, x.keys(), y.put)
	same(t, x.fetch(t, w), y)
}

// rare walks each field that rests as an empty value in most rows through its
// life. The fields change one at a time, so that none can hide another's place.
func (s *suite) rare(t *testing.T) {
	w, x := s.writer(t), fullSet()
	x.Verification.Course, x.Message.Progress, x.Message.Charges = otp.Course{}, otp.Progress{}, otp.Charges{}
	x.Handle.Message, x.Handle.Fate = otp.ID{}, otp.FateUnknown
	x.Destination.Run, x.Destination.Own, x.Destination.Subject = otp.Run{}, otp.Run{}, otp.SubjectTag{}
	do(t, w, otp.Keys{}, x.put)
	same(t, x.fetch(t, w), x)
	for _, change := range []func(){
		func() { x.Verification.Course.Message = newID() },
		func() { x.Verification.Course.Leg = 7 },
		func() { x.Verification.Course = otp.Course{} },
		func() { x.Message.Progress.Provider = odd },
		func() { x.Message.Progress.Await = 255 },
		func() { x.Message.Progress.Hedged = true },
		func() { x.Message.Progress.LegAt = kept(moment(8)) },
		func() { x.Message.Progress = otp.Progress{LookAt: kept(moment(9))} },
		func() { x.Message.Progress = otp.Progress{} },
		func() { x.Message.Charges.Charged = 45_000 },
		func() { x.Message.Charges.Spent = 31_000 },
		func() { x.Message.Charges = otp.Charges{} },
		func() { x.Destination.Run.Failures = 1 },
		func() { x.Destination.Run = otp.Run{Channels: 1} },
		func() { x.Destination.Run, x.Destination.Own.At = otp.Run{}, kept(moment(10)) },
		func() { x.Destination.Own, x.Destination.Subject = otp.Run{}, otp.SubjectTag{1} },
		func() { x.Destination.Subject = otp.SubjectTag{} },
		func() { x.Handle.Message = newID() },
		func() { x.Handle.Fate = otp.FateDelivered },
		func() { x.Handle.Message, x.Handle.Fate = otp.ID{}, otp.FateUnknown },
	} {
		change()
		do(t, w, x.keys(), x.put)
		same(t, x.fetch(t, w), x)
	}
}

func (s *suite) remove(t *testing.T) {
	w, x, other := s.writer(t), fullSet(), fullSet()
	do(t, w, otp.Keys{}, func(st *otp.State) { x.put(st); other.put(st) })
	do(t, w, x.keys(), x.remove)
	same(t, x.fetch(t, w), set{})
	same(t, other.fetch(t, w), other)
	do(t, w, x.keys(), x.put) // the keys are free again
	same(t, x.fetch(t, w), x)
}

func (s *suite) comeAndGo(t *testing.T) {
	w, x := s.writer(t), fullSet()
	do(t, w, x.keys(), func(st *otp.State) { x.put(st); x.remove(st) })
	same(t, x.fetch(t, w), set{})
}

func (s *suite) large(t *testing.T) {
	w, x := s.writer(t), fullSet()
	x.Contact.Sealed = []byte(strings.Repeat(odd, 20_000))
	x.Verification.Spec.Letter = []byte(strings.Repeat(odd, 5_000))
	x.Verification.Spec.Metadata = []byte(strings.Repeat("x", 70_000))
	do(t, w, otp.Keys{}, x.put)
	same(t, x.fetch(t, w), x)
}

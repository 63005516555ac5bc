package store_test

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/storetest"
)

func fullSpec() otp.Spec {
	return otp.Spec{
		Dialect: "native", Owner: "key \xff\x00", Profile: "login", Purpose: "p", Channel: otp.SMS, Locale: "es", Subject: "s",
		Created: time.Date(2026, 7, 1, 2, 3, 4, 567000, time.UTC), MaxAttempts: 5, Alphabet: otp.Alnum, Length: 8,
		KeyID: math.MaxUint32, OwnCode: true, FreshCode: true, Context: []byte{0}, Letter: []byte("l"), Metadata: []byte("{}"),
		Number: math.MinInt64, Handle: otp.Key{1}, Prev: otp.ID{2}, Country: "PE",
		Plan:    []otp.Leg{{Channel: otp.WhatsApp, Wait: 30*time.Second + 1}, {Channel: otp.SMS}, {Wait: math.MinInt64}},
		Erased:  time.Date(2026, 7, 2, 2, 3, 4, 567000, time.UTC),
		Receipt: true,
		Test:    true,
		Prefix:  otp.Key{3}, Decoy: true, Link: true,
	}
}

func fullProgress() otp.Progress {
	at := time.Date(2026, 7, 1, 2, 3, 4, 567000, time.UTC)
	return otp.Progress{Provider: "p\xff\x00", Await: 3, Hedged: true, HedgeAt: at, LookAt: at.AddDate(-99, 0, 0), LegAt: at.AddDate(9, 0, 0)}
}

func fullDestination() otp.Destination {
	at := time.Date(1969, 7, 1, 2, 3, 4, 567000, time.UTC)
	return otp.Destination{
		Live: []otp.Live{{Purpose: "\xff", ID: otp.ID{1}}, {ID: otp.ID{2}}}, Newest: otp.ID{3}, Sends: []time.Time{at, at.AddDate(9, 0, 0)},
		Wrongs: []otp.Wrong{{At: at, Chance: math.MaxUint64}, {Chance: 1}}, ApprovedAt: at,
		Run: otp.Run{Failures: 1 << 40, At: at, Channels: 255}, Own: otp.Run{Failures: 1}, Subject: otp.SubjectTag{0, 255},
		LastStart: otp.LastStart{Print: otp.Key{4}, At: at, ID: otp.ID{5}},
		Listing:   otp.Listing{Verdict: otp.Blocked, Until: at, Reason: "\xff", By: "ana"},
		Decoys:    otp.DecoyGuesses{Wrongs: []otp.Wrong{{At: at, Chance: 7}}, Run: otp.Run{Failures: 3, At: at, Channels: 1}},
	}
}

func fullTally() *otp.Tally {
	at := time.Date(2026, 7, 1, 2, 3, 4, 567000, time.UTC)
	return &otp.Tally{
		Tenant: "acme", Name: "prefix +58414", Until: at, Next: at.Add(1000), Times: []time.Time{at, at.AddDate(9, 0, 0)},
		Slots: []otp.Slot{{At: at, Sends: 1, Approved: 1 << 40}, {Sends: 2}}, Block: otp.Block{Since: at, Until: at.Add(2000), Level: 3},
	}
}

func TestTalliesKeepEveryField(t *testing.T) {
	t.Parallel()
	for _, want := range []otp.Tally{{}, {Name: "n"}, *fullTally()} {
		var got otp.Tally
		if err := store.UnpackTally(store.PackTally(&want), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v, error %v\nwant %+v", got, err, want)
		}
	}
}

// FuzzTally is FuzzSpec for what a rule counts.
func FuzzTally(f *testing.F) {
	f.Add(store.PackTally(fullTally()))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got, again otp.Tally
		if store.UnpackTally(b, &got) != nil || got.Name == "" {
			return
		}
		if err := store.UnpackTally(store.PackTally(&got), &again); err != nil || !reflect.DeepEqual(got, again) {
			t.Errorf("got %+v, error %v, want %+v", again, err, got)
		}
	})
}

// TestSpecKeepsEveryField sets one field at a time, so that no two can hide
// each other's place.
func TestSpecKeepsEveryField(t *testing.T) {
	t.Parallel()
	full := reflect.ValueOf(fullSpec())
	for i := range full.NumField() {
		name := full.Type().Field(i).Name
		if full.Field(i).IsZero() {
			t.Errorf("the sample leaves %s empty", name)
		}
		var want otp.Spec
		reflect.ValueOf(&want).Elem().Field(i).Set(full.Field(i))
		if got, err := store.UnpackSpec(store.PackSpec(&want)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, error %v", name, got, err)
		}
	}
	want := fullSpec()
	if got, err := store.UnpackSpec(store.PackSpec(&want)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, error %v", got, err)
	}
}

func TestDestinationKeepsEveryField(t *testing.T) {
	t.Parallel()
	for _, want := range []otp.Destination{{}, fullDestination(), {Run: otp.Run{Channels: 1}}, {Own: otp.Run{Failures: 1}}, {Subject: otp.SubjectTag{7: 1}}, {Listing: otp.Listing{By: "x"}}, {Decoys: otp.DecoyGuesses{Run: otp.Run{Failures: 1}}}} {
		var got otp.Destination
		if err := store.UnpackDestination(store.PackDestination(&want), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v, error %v\nwant %+v", got, err, want)
		}
	}
}

func TestPackingAppends(t *testing.T) {
	t.Parallel()
	spec := otp.Spec{Dialect: "native", Letter: []byte("sealed"), Plan: []otp.Leg{{Channel: otp.SMS}}, Decoy: true}
	place := otp.Destination{Newest: otp.ID{1}, Sends: []time.Time{time.UnixMicro(1)}}
	b := append(make([]byte, 0, 512), "before"...)
	for range 2 { // the second time over what the first left
		if got, want := store.AppendSpec(b, &spec), append([]byte("before"), store.PackSpec(&spec)...); !bytes.Equal(got, want) {
			t.Errorf("got %q, not %q", got, want)
		}
		if got, want := store.AppendDestination(b, &place), append([]byte("before"), store.PackDestination(&place)...); !bytes.Equal(got, want) {
			t.Errorf("got %q, not %q", got, want)
		}
	}
}

func TestCutValuesAreCorrupt(t *testing.T) {
	t.Parallel()
	spec, place := fullSpec(), fullDestination()
	packed := store.PackSpec(&spec)
	older := spec
	older.Prefix = otp.Key{}
	tested := len(store.PackSpec(&older)) - 3 // a key of none and two noes
	received := tested - 1
	erased := received - 1
	older.Erased = time.Time{}
	second := len(store.PackSpec(&older)) - 6 // a zero time, a receipt's, a test's, and these
	older.Country, older.Plan = "", nil
	first := len(store.PackSpec(&older)) - 8 // an empty text, a list of none, and these
	for n := range packed {
		if slices.Contains([]int{first, second, erased, received, tested}, n) {
			continue // a whole value of an older version
		}
		if _, err := store.UnpackSpec(packed[:n]); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("spec cut at %d: %v", n, err)
		}
	}
	packed = store.PackDestination(&place)
	place.Decoys = otp.DecoyGuesses{}
	listed := len(store.PackDestination(&place))
	place.Listing = otp.Listing{}
	again := len(store.PackDestination(&place))
	place.LastStart = otp.LastStart{}
	locked := len(store.PackDestination(&place))
	place.Run, place.Own, place.Subject = otp.Run{}, otp.Run{}, otp.SubjectTag{}
	end := len(store.PackDestination(&place)) // nothing is appended for most rows
	for n := range packed {
		if n == end || n == locked || n == again || n == listed {
			continue
		}
		if err := store.UnpackDestination(packed[:n], new(otp.Destination)); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("destination cut at %d: %v", n, err)
		}
	}
}

// TestSpecOfTheFirstVersion reads a value that was packed before a country and
// a plan were appended.
func TestSpecOfTheFirstVersion(t *testing.T) {
	t.Parallel()
	first := storetest.First(t)
	if got, err := store.UnpackSpec(first.Spec); err != nil || !reflect.DeepEqual(got, first.Verification.Spec) {
		t.Errorf("got  %+v, error %v\nwant %+v", got, err, first.Verification.Spec)
	}
	if now := store.PackSpec(&first.Verification.Spec); !bytes.HasPrefix(now, first.Spec) {
		t.Errorf("%x is no longer the beginning of %x", first.Spec, now)
	}
}

// each calls try with the value that has only the i-th field of the sample, for
// every field, and with the whole sample.
func each[V any](t *testing.T, sample V, try func(want V)) {
	t.Helper()
	full := reflect.ValueOf(sample)
	for i := range full.NumField() {
		if full.Field(i).IsZero() {
			t.Errorf("the sample leaves %s empty", full.Type().Field(i).Name)
		}
		var want V
		reflect.ValueOf(&want).Elem().Field(i).Set(full.Field(i))
		try(want)
	}
	try(sample)
}

func TestWhatMostRowsLackIsEmptyAndElseKept(t *testing.T) {
	t.Parallel()
	each(t, otp.Course{Message: otp.ID{1}, Leg: math.MinInt64}, func(want otp.Course) {
		if got, err := store.UnpackCourse(store.PackCourse(&want)); err != nil || got != want {
			t.Errorf("got %+v, want %+v, error %v", got, want, err)
		}
	})
	kept := func(p otp.Progress, c otp.Charges) {
		want := otp.Message{Progress: p, Charges: c}
		if got, err := unpackProgress(store.PackProgress(&want)); err != nil || got != want {
			t.Errorf("got %+v, want %+v, error %v", got, want, err)
		}
	}
	each(t, fullProgress(), func(p otp.Progress) { kept(p, otp.Charges{}) })
	each(t, otp.Charges{Charged: math.MinInt64, Spent: 7}, func(c otp.Charges) {
		kept(otp.Progress{}, c)
		kept(fullProgress(), c)
	})
	each(t, otp.Handle{Key: otp.Key{1}, Verification: otp.ID{2}, Message: otp.ID{3}, Fate: math.MaxUint8}, func(want otp.Handle) {
		got := otp.Handle{Key: want.Key, Verification: want.Verification}
		if err := store.UnpackCarried(store.PackCarried(&want), &got); err != nil || got != want {
			t.Errorf("got %+v, want %+v, error %v", got, want, err)
		}
	})
	for name, packed := range map[string][]byte{
		"course":   store.PackCourse(&otp.Course{}),
		"progress": store.PackProgress(&otp.Message{ID: otp.ID{1}}),
		"carried":  store.PackCarried(&otp.Handle{Key: otp.Key{1}, Verification: otp.ID{2}}),
	} {
		if len(packed) != 0 {
			t.Errorf("an empty %s has %d bytes", name, len(packed))
		}
	}
}

func TestCutValuesOfWhatMostRowsLackAreCorrupt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		packed []byte
		unpack func([]byte) error
	}{
		"course":   {store.PackCourse(&otp.Course{Message: otp.ID{1}, Leg: 1}), func(b []byte) error { _, err := store.UnpackCourse(b); return err }},
		"progress": {store.PackProgress(&otp.Message{Progress: fullProgress()}), func(b []byte) error { return store.UnpackProgress(b, new(otp.Message)) }},
		"tally":    {store.PackTally(fullTally()), func(b []byte) error { return store.UnpackTally(b, new(otp.Tally)) }},
		"carried":  {store.PackCarried(&otp.Handle{Fate: otp.FateFailed}), func(b []byte) error { return store.UnpackCarried(b, new(otp.Handle)) }},
	} {
		for n := 1; n < len(c.packed); n++ { // an empty one is whole
			if err := c.unpack(c.packed[:n]); !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("%s cut at %d: %v", name, n, err)
			}
		}
		c.packed[0]++
		if err := c.unpack(c.packed); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s of another version: %v", name, err)
		}
	}
}

func TestOtherVersionsAreCorrupt(t *testing.T) {
	t.Parallel()
	spec := fullSpec()
	packed := store.PackSpec(&spec)
	packed[0]++
	if _, err := store.UnpackSpec(packed); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

func TestMicrosKeepTheZeroTime(t *testing.T) {
	t.Parallel()
	if got := store.FromMicros(store.Micros(time.Time{})); !got.IsZero() {
		t.Errorf("got %v", got)
	}
}

// FuzzSpec proves that no bytes make the reader panic, and that what it
// accepts it can write and read again.
func FuzzSpec(f *testing.F) {
	spec := fullSpec()
	f.Add(store.PackSpec(&spec))
	f.Add(store.PackSpec(&otp.Spec{}))
	f.Add(bytes.TrimSuffix(store.PackSpec(&otp.Spec{}), []byte{0, 0})) // of the first version
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := store.UnpackSpec(b)
		if err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		again, err := store.UnpackSpec(store.PackSpec(&got))
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Fatalf("%+v became %+v, error %v", got, again, err)
		}
	})
}

// FuzzDestination is FuzzSpec for destinations.
func FuzzDestination(f *testing.F) {
	place := fullDestination()
	f.Add(store.PackDestination(&place))
	f.Add(bytes.Repeat([]byte{1}, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got, again otp.Destination
		if err := store.UnpackDestination(b, &got); err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if err := store.UnpackDestination(store.PackDestination(&got), &again); err != nil || !reflect.DeepEqual(got, again) {
			t.Fatalf("%+v became %+v, error %v", got, again, err)
		}
	})
}

// FuzzCourse is FuzzSpec for courses.
func FuzzCourse(f *testing.F) {
	f.Add(store.PackCourse(&otp.Course{Message: otp.ID{1}, Leg: 3}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		readsAgain(t, b, store.UnpackCourse, store.PackCourse)
	})
}

// FuzzProgress is FuzzSpec for what is known of a message.
func FuzzProgress(f *testing.F) {
	f.Add(store.PackProgress(&otp.Message{Progress: fullProgress()}))
	f.Add(store.PackProgress(&otp.Message{Progress: fullProgress(), Charges: otp.Charges{Charged: 1, Spent: 2}}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		readsAgain(t, b, unpackProgress, store.PackProgress)
	})
}

func unpackProgress(b []byte) (m otp.Message, err error) {
	err = store.UnpackProgress(b, &m)
	return m, err
}

// FuzzCarried is FuzzSpec for the message of a handle.
func FuzzCarried(f *testing.F) {
	f.Add(store.PackCarried(&otp.Handle{Message: otp.ID{1}, Fate: otp.FateDelivered}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		readsAgain(t, b, func(b []byte) (h otp.Handle, err error) {
			err = store.UnpackCarried(b, &h)
			return h, err
		}, store.PackCarried)
	})
}

// readsAgain fails when a value that was read is another one after it was
// written and read once more.
func readsAgain[V comparable](t *testing.T, b []byte, unpack func([]byte) (V, error), pack func(*V) []byte) {
	got, err := unpack(b)
	if err != nil {
		if !errors.Is(err, store.ErrCorrupt) {
			t.Fatal(err)
		}
		return
	}
	if again, err := unpack(pack(&got)); err != nil || got != again {
		t.Fatalf("%+v became %+v, error %v", got, again, err)
	}
}

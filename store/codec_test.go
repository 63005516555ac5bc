package store_test

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

func fullSpec() otp.Spec {
	return otp.Spec{
		Dialect: "native", Owner: "key \xff\x00", Profile: "login", Purpose: "p", Channel: otp.SMS, Locale: "es", Subject: "s",
		Created: time.Date(2026, 7, 1, 2, 3, 4, 567000, time.UTC), MaxAttempts: 5, Alphabet: otp.Alnum, Length: 8,
		KeyID: math.MaxUint32, OwnCode: true, FreshCode: true, Context: []byte{0}, Letter: []byte("l"), Metadata: []byte("{}"),
		Number: math.MinInt64, Handle: otp.Key{1}, Prev: otp.ID{2},
	}
}

func fullDestination() otp.Destination {
	at := time.Date(1969, 7, 1, 2, 3, 4, 567000, time.UTC)
	return otp.Destination{
		Live: []otp.Live{{Purpose: "\xff", ID: otp.ID{1}}, {ID: otp.ID{2}}}, Newest: otp.ID{3}, Sends: []time.Time{at, at.AddDate(9, 0, 0)},
		Wrongs: []otp.Wrong{{At: at, Chance: math.MaxUint64}, {Chance: 1}}, ApprovedAt: at,
	}
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
	for _, want := range []otp.Destination{{}, fullDestination()} {
		var got otp.Destination
		if err := store.UnpackDestination(store.PackDestination(&want), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v, error %v\nwant %+v", got, err, want)
		}
	}
}

func TestCutValuesAreCorrupt(t *testing.T) {
	t.Parallel()
	spec, place := fullSpec(), fullDestination()
	packed := store.PackSpec(&spec)
	for n := range packed {
		if _, err := store.UnpackSpec(packed[:n]); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("spec cut at %d: %v", n, err)
		}
	}
	packed = store.PackDestination(&place)
	for n := range packed {
		if err := store.UnpackDestination(packed[:n], new(otp.Destination)); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("destination cut at %d: %v", n, err)
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

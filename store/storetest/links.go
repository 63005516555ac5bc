package storetest

import (
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
)

// linkFacts are about what comes with a record that is named.
func (s *suite) linkFacts() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"a handle brings its verification and that one's destination": s.handleBrings,
		"a destination that is named brings its live verifications":   s.destinationBrings,
		"a verification brings its destination":                       s.verificationBrings,
		"a link to nothing is absent and no error":                    s.dangling,
	}
}

// family is a destination with two live verifications and a handle.
type family struct {
	place       otp.Destination
	first, next otp.Verification
	handle      otp.Handle
}

func newFamily(t *testing.T, w otp.Store) family {
	f := family{place: fullDestination(), first: fullVerification(), next: fullVerification()}
	f.first.Destination, f.next.Destination = f.place.Key, f.place.Key
	f.place.Live = []otp.Live{{Purpose: "a", ID: f.first.ID}, {Purpose: "b", ID: f.next.ID}}
	f.handle = fullHandle()
	f.handle.Verification = f.first.ID
	do(t, w, otp.Keys{}, func(s *otp.State) {
		s.Destinations.Put(f.place.Key, f.place)
		s.Verifications.Put(f.first.ID, f.first)
		s.Verifications.Put(f.next.ID, f.next)
		s.Handles.Put(f.handle.Key, f.handle)
	})
	return f
}

func (s *suite) handleBrings(t *testing.T) {
	w := s.writer(t)
	f := newFamily(t, w)
	newFamily(t, w)
	var got family
	do(t, w, otp.Keys{Handles: []otp.Key{f.handle.Key}}, func(s *otp.State) {
		got.handle, _ = s.Handles.Get(f.handle.Key)
		got.first, _ = s.Verifications.Get(got.handle.Verification)
		got.place, _ = s.Destinations.Get(got.first.Destination)
	})
	f.next = otp.Verification{}
	same(t, got, f)
}

func (s *suite) destinationBrings(t *testing.T) {
	w := s.writer(t)
	f := newFamily(t, w)
	newFamily(t, w)
	var got family
	do(t, w, otp.Keys{Destinations: []otp.Key{f.place.Key}}, func(s *otp.State) {
		got.place, _ = s.Destinations.Get(f.place.Key)
		got.first, _ = s.Verifications.Get(got.place.Live[0].ID)
		got.next, _ = s.Verifications.Get(got.place.Live[1].ID)
	})
	f.handle = otp.Handle{}
	same(t, got, f)
}

func (s *suite) verificationBrings(t *testing.T) {
	w := s.writer(t)
	f := newFamily(t, w)
	newFamily(t, w)
	var got family
	do(t, w, otp.Keys{Verifications: []otp.ID{f.next.ID}}, func(s *otp.State) {
		got.next, _ = s.Verifications.Get(f.next.ID)
		got.place, _ = s.Destinations.Get(got.next.Destination)
	})
	f.first, f.handle = otp.Verification{}, otp.Handle{}
	same(t, got, f)
}

func (s *suite) dangling(t *testing.T) {
	w, v, place := s.writer(t), fullVerification(), fullDestination()
	handle := otp.Handle{Key: newKey(), Verification: newID()}
	do(t, w, otp.Keys{}, func(s *otp.State) {
		s.Verifications.Put(v.ID, v)
		s.Destinations.Put(place.Key, place)
		s.Handles.Put(handle.Key, handle)
	})
	keys := otp.Keys{Handles: []otp.Key{handle.Key}, Destinations: []otp.Key{place.Key}, Verifications: []otp.ID{v.ID}}
	var found [3]bool
	do(t, w, keys, func(s *otp.State) {
		_, found[0] = s.Verifications.Get(handle.Verification)
		_, found[1] = s.Verifications.Get(place.Live[1].ID)
		_, found[2] = s.Destinations.Get(v.Destination)
	})
	same(t, found, [3]bool{})
}

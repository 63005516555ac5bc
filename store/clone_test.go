package store_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// TestAClonedVerificationSharesNothing: its values lie in one piece of memory, and
// none reaches into the next.
func TestAClonedVerificationSharesNothing(t *testing.T) {
	t.Parallel()
	made := func() otp.Verification {
		return otp.Verification{Secret: []byte("secret"), Spec: otp.Spec{
			Context: []byte("context"), Letter: []byte("letter"), Metadata: []byte("metadata"), Plan: []otp.Leg{{Channel: otp.SMS}},
		}}
	}
	values := func(v *otp.Verification) []*[]byte {
		return []*[]byte{&v.Secret, &v.Spec.Context, &v.Spec.Letter, &v.Spec.Metadata}
	}
	for i := range values(&otp.Verification{}) {
		from := made()
		clone := store.CloneVerification(from)
		if !reflect.DeepEqual(clone, from) {
			t.Fatalf("got %+v, not %+v", clone, from)
		}
		changed := values(&clone)[i]
		clear(*changed)
		_ = append(*changed, "and what comes after it"...)
		for j, b := range values(&clone) {
			if i != j && !bytes.Equal(*b, *values(&from)[j]) {
				t.Errorf("a change of value %d made value %d %q", i, j, *b)
			}
		}
		if !reflect.DeepEqual(from, made()) {
			t.Errorf("a change of value %d of the clone changed the original", i)
		}
		again := made()
		*values(&again)[i] = []byte{}
		if clone = store.CloneVerification(again); *values(&clone)[i] != nil {
			t.Errorf("the empty value %d is not nil", i)
		}
	}
	if got := store.CloneVerification(otp.Verification{}); !reflect.DeepEqual(got, otp.Verification{}) {
		t.Errorf("of nothing it makes %+v", got)
	}
}

package otp_test

import (
	"sync"
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
)

// A vendor's verification can be checked over its own dialect and the native
// API: both at once, and one after the other, are one use.
//
// GHSA-2299-ghjr-6vjp, GHSA-w73w-g5xw-rwhf, CVE-2026-31875 (Parse Server): a
// code was used again on a second path. GHSA-hg56-r6hh-56j7 (OpenCTI): the
// mended rule held on one path of two.
func TestOneCodeIsUsedOnceOverAllPaths(t *testing.T) {
	t.Parallel()
	for range 10 {
		w := tenants(t)
		v, code := start(t, w, vendor(phone))
		var mu sync.Mutex
		outcomes := map[otp.Outcome]int{}
		var calls []func()
		for i := range 64 {
			req := guess(v, code)
			req.Dialect = []string{v.Dialect, otp.NativeDialect}[i%2]
			calls = append(calls, func() {
				_, outcome, err := w.Check(t.Context(), req)
				if err != nil {
					t.Errorf("over %s: %v", req.Dialect, err)
				}
				mu.Lock()
				defer mu.Unlock()
				outcomes[outcome]++
			})
		}
		together(calls...)
		if outcomes[otp.OutcomeApproved] != 1 || outcomes[otp.OutcomeUsed] != 63 {
			t.Fatalf("outcomes %v", outcomes)
		}
	}
}

// An approval says which address was proven, and changes nothing about another
// one, even of the same subject (T49).
//
// CVE-2026-3655, CVE-2026-94256: a number or account counted as verified after
// the code of another one.
func TestAnApprovalProvesItsOwnAddressAlone(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	const other = "+584120000000"
	mine, code := start(t, w, as("ana", phone))
	victims, otherCode := start(t, w, as("ana", other))
	if code != otherCode {
		check(t, w, victims, code, otp.OutcomeWrong)
	}
	check(t, w, mine, code, otp.OutcomeApproved)
	for _, c := range []struct {
		to   string
		v    otp.View
		want otp.Status
	}{{phone, mine, otp.Approved}, {other, victims, otp.Pending}} {
		got, err := w.Lookup(t.Context(), acme, c.v.ID)
		if err != nil || got.Status != c.want || got.To != c.v.To {
			t.Errorf("%s: %+v, %v", c.to, got, err)
		}
		listed, err := w.List(t.Context(), acme, c.to)
		if err != nil || len(listed) != 1 || listed[0].ID != c.v.ID || listed[0].Status != c.want {
			t.Errorf("%s: %+v, %v", c.to, listed, err)
		}
	}
}

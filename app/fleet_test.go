package app

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
)

// TestWhatIsInMemoryIsWrittenWhenAnotherServerComes, once this one has looked.
func TestWhatIsInMemoryIsWrittenWhenAnotherServerComes(t *testing.T) {
	t.Parallel()
	a := running(t, Options{})
	apply(t, a, "providers: [{name: box, type: inbox}]\ntenants: [{name: shop, home: VE, routes: [{channel: sms, providers: [box]}]}]\n", false)
	begin := func(prefix int) {
		t.Helper()
		_, err := a.Service.Start(t.Context(), otp.StartRequest{
			Caller: otp.Caller{Tenant: "shop", Identity: "key"}, Dialect: otp.NativeDialect, To: fmt.Sprintf("+5841200%d0001", prefix),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	expect := func(when string, want int) {
		t.Helper()
		all, err := a.Store.ScanCounters(t.Context(), otp.Key{}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for i := range all {
			if strings.HasPrefix(all[i].Tally.Name, "prefix ") {
				rows++
			}
		}
		if rows != want {
			t.Errorf("%s: %d prefixes have a row, want %d", when, rows, want)
		}
	}
	begin(1)
	expect("the first start to a prefix", 0)
	other := otp.ID{1}
	if err := a.Store.Beat(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if err := a.lookAround(t.Context()); err != nil {
		t.Fatal(err)
	}
	begin(2)
	expect("while another server lives", 2)
	if err := a.Store.Leave(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if err := a.lookAround(t.Context()); err != nil {
		t.Fatal(err)
	}
	begin(3)
	expect("when it has left", 2)
}

// TestAnApplyPutsInForceWhatAnotherServerHasApplied: to this one nothing is new
// then, and its callers must be known all the same.
func TestAnApplyPutsInForceWhatAnotherServerHasApplied(t *testing.T) {
	t.Parallel()
	const file = "tenants: [{name: shop, home: VE}]\n"
	a := running(t, Options{})
	apply(t, a, file, false)
	a.Service.SetDirectory(&otp.Directory{}) // as it was before the other one came
	a.configured.Store(-1)
	if plan := apply(t, a, file, false); plan != "" {
		t.Fatalf("the plan is %s", plan)
	}
	if _, ok := a.Service.Directory().Tenant("shop"); !ok {
		t.Error("the tenant is not in force")
	}
}

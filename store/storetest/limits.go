package storetest

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

// limitFacts are the promises of the rules over many addresses, where half of
// the callers are on a second server when there can be one.
func (s *suite) limitFacts() map[string]func(*testing.T) {
	rate := func(n int) otp.Rate { return otp.Rate{N: n, Per: 24 * time.Hour} }
	off := otp.Rate{Off: true}
	all := map[string]struct {
		change func(*otp.Tenant)
		rule   string
		want   int64
	}{
		"of 64 starts at once a tenant's rate lets through exactly its number": {
			func(t *otp.Tenant) { t.Limits.Rate = rate(13) }, otp.RuleTenantRate, 13,
		},
		"of 64 starts at once a prefix gets exactly its number": {
			func(t *otp.Tenant) { t.Limits.Prefix = rate(11) }, otp.RulePrefix, 11,
		},
		"of 64 starts at once a country gets exactly its number": {
			func(t *otp.Tenant) { t.Limits.Country = rate(9) }, otp.RuleCountry, 9,
		},
		"of 64 starts at once a client gets exactly its number": {
			func(t *otp.Tenant) { t.Limits.Client = rate(7) }, otp.RuleClient, 7,
		},
		"of 64 starts at once a key gets exactly its number": {
			func(t *otp.Tenant) { t.Limits.Keys = map[string]otp.Rate{"device": rate(5)} }, otp.RuleKey + "device", 5,
		},
		"of 64 starts at once a day sends exactly its number": {
			func(t *otp.Tenant) { t.Limits.DayMessages = 17 }, otp.RuleDayMessages, 17,
		},
		"of 64 starts at once a day spends exactly its money": {
			func(t *otp.Tenant) {
				t.Limits.DayMoney = 100
				t.Routes = []otp.Route{{Channel: otp.SMS, Providers: []otp.Carrier{{Provider: "p", Price: 7}}}}
			}, otp.RuleDayMoney, 14,
		},
		"of 64 starts at once a watched prefix gets exactly twenty": {
			func(t *otp.Tenant) { t.FraudWatch = otp.FraudWatch{} }, otp.RuleConversion, 20,
		},
	}
	facts := make(map[string]func(*testing.T))
	for name, c := range all {
		facts[name] = func(t *testing.T) {
			servers := s.servers(t)
			tenant := otp.Tenant{
				Name: "acme", Home: "VE", Countries: []string{"*"}, FraudWatch: otp.FraudWatch{Mode: otp.WatchOff},
				Limits: otp.Limits{Rate: off, Client: off, Checks: off},
			}
			c.change(&tenant)
			s.exactly(t, servers, tenant, c.rule, c.want)
		}
	}
	return facts
}

// exactly has 64 callers start at once and counts those who were let through.
func (s *suite) exactly(t *testing.T, servers [2]*server, tenant otp.Tenant, rule string, want int64) {
	t.Helper()
	directory, err := otp.NewDirectory([]otp.Tenant{tenant}, []otp.Provider{{Name: "p"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range servers {
		one.SetDirectory(directory)
	}
	var sent, refused, n atomic.Int64
	everybody(servers, func(s *server) {
		req := otp.StartRequest{
			Caller: acme(), Dialect: otp.NativeDialect, To: number(int(n.Add(1))), Client: netip.MustParseAddr("203.0.113.9"),
		}
		if tenant.Limits.Keys != nil {
			req.Limits = map[string]string{"device": "d"}
		}
		switch _, err := s.Start(context.Background(), req); {
		case err == nil:
			sent.Add(1)
		case otp.AsError(err).Rule == rule:
			refused.Add(1)
		default:
			t.Error(err)
		}
	})
	same(t, [2]int64{sent.Load(), refused.Load()}, [2]int64{want, callers - want})
	if rule != otp.RuleConversion {
		return
	}
	// What is approved at one server opens the prefix at the other.
	s.approveTwo(t, servers)
	for _, one := range servers {
		if err := one.KeepPulse(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := servers[0].begin("acme", number(500)); err != nil {
		t.Errorf("with two approvals of twenty: %v", err)
	}
}

// approveTwo approves two verifications, each at the server that did not start it.
func (s *suite) approveTwo(t *testing.T, servers [2]*server) {
	t.Helper()
	left := 2
	for i, one := range servers {
		for id := range one.messages { // nothing is sent any more
			if left == 0 {
				return
			}
			if _, outcome, err := servers[1-i].guess(acme(), id, one.code(t, id)); err != nil || outcome != otp.OutcomeApproved {
				t.Fatalf("got %v, %v", outcome, err)
			}
			left--
		}
	}
}

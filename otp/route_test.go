package otp

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func by(names ...string) (all []Carrier) {
	for _, n := range names {
		all = append(all, Carrier{Provider: n})
	}
	return all
}

func names(carriers []Carrier) string {
	var all []string
	for _, c := range carriers {
		all = append(all, c.Provider)
	}
	return strings.Join(all, " ")
}

func TestTheMostParticularRouteWins(t *testing.T) {
	t.Parallel()
	d, err := NewDirectory([]Tenant{{Name: "acme", Routes: []Route{
		{Channel: SMS, Providers: by("any")},
		{Channel: SMS, Countries: []string{"DO", "MX"}, Providers: by("caribbean")},
		{Channel: SMS, Prefix: "+52", Providers: by("mx", "any")},
		{Channel: SMS, Prefix: "+5255", Providers: by("city")},
		{Channel: SMS, Prefix: "+52", Providers: by("late")},
		{Channel: Voice, Prefix: "+1", Providers: by("voice")},
	}}}, []Provider{{Name: "any"}, {Name: "mx"}, {Name: "city"}, {Name: "late"}, {Name: "voice"}, {Name: "caribbean"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		channel Channel
		to      string
		country string
		want    string
	}{
		{SMS, "+49171", "DE", "any"},
		{SMS, "+521", "MX", "mx any"},
		{SMS, "+525512345678", "MX", "city"},
		{SMS, "+18091234567", "DO", "caribbean"},
		{SMS, "+12025550123", "US", "any"},
		{SMS, "+88300", "", "any"},
		{Voice, "+1809", "DO", "voice"},
		{Voice, "+49", "DE", ""},
		{Email, "a@b.c", "", ""},
	} {
		got := ""
		if r := d.Route("acme", c.channel, c.to, c.country); r != nil {
			got = names(r.Providers)
		}
		if got != c.want {
			t.Errorf("%s to %s: got %q, want %q", c.channel, c.to, got, c.want)
		}
	}
	if d.Route("nobody", SMS, "+1", "US") != nil || len(d.Providers()) != 6 || d.Providers()[0].Name != "any" || len(d.Tenants()) != 1 {
		t.Error("the directory's lists are wrong")
	}
}

func TestCarriersAreAskedByPriorityAndWeight(t *testing.T) {
	t.Parallel()
	draws := func(numbers ...float64) func() float64 {
		return func() float64 {
			if len(numbers) == 0 {
				t.Error("a draw too many")
				return 0
			}
			n := numbers[0]
			numbers = numbers[1:]
			return n
		}
	}
	shared := []Carrier{{Provider: "a", Priority: 1, Weight: 3}, {Provider: "b", Priority: 1}, {Provider: "c", Priority: 2}}
	for _, c := range []struct {
		name     string
		carriers []Carrier
		draw     func() float64
		want     string
	}{
		{"places are priorities and nothing is drawn", by("a", "b", "c"), draws(), "a b c"},
		{"a priority beats a place", []Carrier{{Provider: "a", Priority: 9}, {Provider: "b"}}, draws(), "b a"},
		{"the same draw favours the heavier", shared, draws(0.5, 0.5), "a b c"},
		{"a lucky light one comes first", shared, draws(0.9, 0.1), "b a c"},
		{"none", nil, draws(), ""},
	} {
		if got := names(order(c.carriers, c.draw)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestWeightsAreShares(t *testing.T) {
	t.Parallel()
	carriers := []Carrier{{Provider: "a", Priority: 1, Weight: 3}, {Provider: "b", Priority: 1, Weight: 1}}
	const rounds = 10_000
	state, first := uint64(1), 0
	draw := func() float64 { // a fixed sequence: Knuth's MMIX generator
		state = state*6364136223846793005 + 1442695040888963407
		return float64(state>>11) / (1 << 53)
	}
	for range rounds {
		if order(carriers, draw)[0].Provider == "a" {
			first++
		}
	}
	if share := float64(first) / rounds; share < 0.73 || share > 0.77 {
		t.Errorf("three quarters became %.3f", share)
	}
}

func TestACarrierIsANameOrAnObject(t *testing.T) {
	t.Parallel()
	all := []Carrier{{Provider: "a"}, {Provider: "b", Weight: 2, Priority: 1, Sender: "Acme"}}
	text, err := json.Marshal(all)
	if err != nil || string(text) != `["a",{"provider":"b","priority":1,"weight":2,"sender":"Acme"}]` {
		t.Fatalf("%s, %v", text, err)
	}
	var back []Carrier
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, all) {
		t.Errorf("%+v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`[1]`), &back); err == nil {
		t.Error("a number is a carrier")
	}
}

func TestSenderRules(t *testing.T) {
	t.Parallel()
	for sender, ok := range map[string]bool{
		"Acme": true, "Acme 24": true, "ABCDEFGHIJK": true, "ABCDEFGHIJKL": false, "12345": true, "12": false, "123456789": false,
		"+12025550123": true, "+123": false, "+1202555x123": false, "Añejo": false, "Acme!": false, " Acme": false, "Acme ": false, "": false, "A\nB": false,
	} {
		if fault := senderFault(sender); (fault == "") != ok {
			t.Errorf("%q: %q", sender, fault)
		}
	}
}

func TestASenderIsReplacedOrRefusedAndNeverCut(t *testing.T) {
	t.Parallel()
	open := &Tenant{}
	listed := &Tenant{Senders: []Sender{{Sender: "Acme"}, {Sender: "AcmeMX", Countries: []string{"MX"}}, {Sender: "+12025550123", Countries: []string{"US", "CA"}}}}
	strict := &Tenant{Senders: listed.Senders, SenderPolicy: RefuseSender}
	for _, c := range []struct {
		tenant         *Tenant
		asked, country string
		route          string
		want           string
		refused        bool
	}{
		{open, "Shop", "VE", "", "Shop", false},
		{open, "Shop", "US", "", "", false},
		{open, "Shop", "US", "+12025550100", "+12025550100", false},
		{open, "Shop", "US", "Route", "", false},
		{open, "", "VE", "Route", "Route", false},
		{open, "ABCDEFGHIJKL", "VE", "", "", true},
		{listed, "", "VE", "Route", "Acme", false},
		{listed, "", "MX", "", "AcmeMX", false},
		{listed, "AcmeMX", "MX", "", "AcmeMX", false},
		{listed, "AcmeMX", "VE", "", "Acme", false},
		{listed, "Shop", "VE", "", "Acme", false},
		{listed, "", "US", "", "+12025550123", false},
		{strict, "Shop", "VE", "", "", true},
		{strict, "Acme", "US", "", "", true},
		{strict, "Acme", "VE", "", "Acme", false},
	} {
		err := c.tenant.checkSender(SMS, c.asked, c.country)
		if (err != nil) != c.refused {
			t.Errorf("%+v: %v", c, err)
		}
		if err != nil {
			if err.Kind != Invalid || err.Field != "sender" {
				t.Errorf("%+v: %+v", c, err)
			}
			continue
		}
		if got := c.tenant.sender(SMS, c.asked, c.country, c.route); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
	for _, c := range []struct{ asked, route, want string }{
		{"Shop GmbH & Co", "", "Shop GmbH & Co"}, {"Shop GmbH & Co", "Acme AG", "Shop GmbH & Co"}, {"", "Acme <otp@acme.example>", "Acme <otp@acme.example>"},
	} {
		if got := listed.sender(Email, c.asked, "", c.route); got != c.want {
			t.Errorf("an e-mail for which %q is asked on a route of %q shows %q", c.asked, c.route, got)
		}
	}
}

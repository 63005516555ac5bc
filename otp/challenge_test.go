package otp_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

const challengeSecret = "0x4AAAAsecret-of-the-site"

// judge knows the tokens "good..." and "both..."; it cannot say a word about
// "broken", and says yes to "contradiction" while it fails.
type judge struct {
	mu    sync.Mutex
	asked []otp.PassedToken
}

func (j *judge) Passed(ctx context.Context, p otp.PassedToken) (bool, error) {
	j.mu.Lock()
	j.asked = append(j.asked, p)
	j.mu.Unlock()
	if _, bounded := ctx.Deadline(); !bounded {
		return false, errors.New("nobody bounds the time")
	}
	switch p.Token {
	case "broken":
		return false, errors.New("no route")
	case "contradiction":
		return true, errors.New("no route")
	}
	return strings.HasPrefix(p.Token, "good"), nil
}

// challenged is a core whose tenant has a challenge and lets one start in an
// hour go to a prefix at unknown numbers.
func challenged(t *testing.T, change ...func(*otp.Tenant)) (*world.World, *judge) {
	t.Helper()
	j := &judge{}
	c := &otp.Challenge{Type: otp.Turnstile, SiteKey: "0x4site"}
	sealed, err := otptest.Ring(t).SealText(otptest.Start, strings.NewReader(strings.Repeat("n", 64)), otp.ChallengeSecret("acme", c), challengeSecret)
	if err != nil {
		t.Fatal(err)
	}
	c.Secret = sealed
	acme := otp.Tenant{Name: "acme", Countries: []string{"*"}, Home: "VE", Challenge: c, Limits: otp.Limits{Prefix: otp.Rate{N: 1, Per: time.Hour}}}
	for _, f := range change {
		f(&acme)
	}
	return world.New(t, world.Options{Tenants: []otp.Tenant{acme}, Challenges: j}), j
}

// numbered is one of the numbers of a prefix.
func numbered(i int, token string) otp.StartRequest {
	req := native(fmt.Sprintf("+58412123%04d", i))
	req.Challenge = token
	return req
}

func TestAPassedChallengeLetsASoftlyRefusedStartPassOnce(t *testing.T) {
	t.Parallel()
	w, j := challenged(t)
	start(t, w, numbered(0, ""))
	if len(j.asked) != 0 {
		t.Error("somebody is asked about no token")
	}
	refused := func(i int, token string) *otp.Error {
		t.Helper()
		_, err := w.Start(t.Context(), numbered(i, token))
		want(t, err, otp.Throttled, otp.RulePrefix, time.Hour)
		return otp.AsError(err)
	}
	for i, token := range []string{"", "bad", "broken", "contradiction"} {
		e := refused(1+i, token)
		if c := e.Challenge; c == nil || *c != (otp.Challenge{Type: otp.Turnstile, SiteKey: "0x4site"}) {
			t.Errorf("token %q: the hint is %+v", token, c)
		}
	}
	req := numbered(5, "good 1")
	req.Client = netip.MustParseAddr("192.0.2.7")
	start(t, w, req)
	asked := j.asked[len(j.asked)-1]
	if asked.Tenant != "acme" || asked.Challenge.Secret != challengeSecret || asked.Challenge.Type != otp.Turnstile || asked.Client != req.Client {
		t.Errorf("asked %+v", asked)
	}
	// It was counted: by now two starts are spent of one an hour.
	_, err := w.Start(t.Context(), numbered(6, ""))
	want(t, err, otp.Throttled, otp.RulePrefix, 2*time.Hour)
	// The same token again, and another one.
	_, err = w.Start(t.Context(), numbered(7, "good 1"))
	want(t, err, otp.Throttled, otp.RulePrefix, 2*time.Hour)
	start(t, w, numbered(8, "good 2"))
}

func TestATokenIsGoodOnceAlsoForManyAtOnce(t *testing.T) {
	t.Parallel()
	w, _ := challenged(t)
	start(t, w, numbered(0, ""))
	var mu sync.Mutex
	passed := 0
	var calls []func()
	for i := range 16 {
		calls = append(calls, func() {
			if _, err := w.Start(t.Context(), numbered(1+i, "good")); err == nil {
				mu.Lock()
				passed++
				mu.Unlock()
			}
		})
	}
	together(calls...)
	if passed != 1 {
		t.Errorf("one token let %d starts pass", passed)
	}
}

func TestAChallengeDoesNotMoveHardLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*otp.Tenant)
		before []otp.StartRequest
		rule   string
		kind   otp.Kind
	}{
		"the tenant's rate": {
			func(a *otp.Tenant) { a.Limits.Rate = otp.Rate{N: 1, Per: time.Hour} },
			[]otp.StartRequest{numbered(0, "")},
			otp.RuleTenantRate, otp.Throttled,
		},
		"the day": {func(a *otp.Tenant) { a.Limits.DayMessages = 1 }, []otp.StartRequest{numbered(0, "")}, otp.RuleDayMessages, otp.Throttled},
		"the block-list": {
			func(a *otp.Tenant) { a.Lists = []otp.ListEntry{{Match: "+58412", Verdict: otp.Blocked}} },
			nil, otp.RuleBlockList, otp.Undeliverable,
		},
		"the address": {
			func(a *otp.Tenant) { a.Limits.Prefix = otp.Rate{N: 5, Per: time.Hour} },
			[]otp.StartRequest{numbered(1, ""), numbered(1, ""), numbered(1, ""), numbered(1, ""), numbered(1, "")},
			"sends_per_destination_10m", otp.Throttled,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := challenged(t, c.change)
			for _, req := range c.before {
				start(t, w, req)
			}
			for _, token := range []string{"good", ""} {
				_, err := w.Start(t.Context(), numbered(1, token))
				e := otp.AsError(err)
				if e == nil || e.Kind != c.kind || e.Challenge != nil || token != "" && e.Rule != c.rule {
					t.Errorf("token %q: %#v", token, e)
				}
			}
		})
	}
}

func TestWithoutAPortOrASecretNoTokenPasses(t *testing.T) {
	t.Parallel()
	w, j := challenged(t, func(a *otp.Tenant) { a.Challenge.Secret = "of another ring" })
	start(t, w, numbered(0, "good"))
	if len(j.asked) != 1 || j.asked[0].Challenge.Secret != "" {
		t.Errorf("asked %+v", j.asked)
	}
	bare := world.New(t, world.Options{Tenants: []otp.Tenant{{
		Name: "acme", Countries: []string{"*"}, Limits: otp.Limits{Prefix: otp.Rate{N: 1, Per: time.Hour}},
		Challenge: &otp.Challenge{Type: otp.HCaptcha, Secret: "x"},
	}}})
	start(t, bare, numbered(0, "good"))
	_, err := bare.Start(t.Context(), numbered(1, "good"))
	want(t, err, otp.Throttled, otp.RulePrefix, time.Hour)
}

func TestChallengesAreCheckedWhenConfigured(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		challenge otp.Challenge
		path      string
	}{
		"good":            {otp.Challenge{Type: otp.Turnstile, Secret: "x"}, ""},
		"an own url":      {otp.Challenge{Type: otp.HCaptcha, Secret: "x", URL: "https://a.example/verify"}, ""},
		"no type":         {otp.Challenge{Secret: "x"}, "tenants[0].challenge.type"},
		"another type":    {otp.Challenge{Type: "riddle", Secret: "x"}, "tenants[0].challenge.type"},
		"no secret":       {otp.Challenge{Type: otp.Turnstile}, "tenants[0].challenge.secret"},
		"nowhere to ask":  {otp.Challenge{Type: otp.ChallengeWebhook, Secret: "x"}, "tenants[0].challenge.url"},
		"another scheme":  {otp.Challenge{Type: otp.ChallengeWebhook, Secret: "x", URL: "ftp://a.example"}, "tenants[0].challenge.url"},
		"a site key of 2": {otp.Challenge{Type: otp.Turnstile, Secret: "x", SiteKey: "a\nb"}, "tenants[0].challenge.site_key"},
	} {
		_, err := otp.NewDirectory([]otp.Tenant{{Name: "acme", Challenge: &c.challenge}}, nil)
		var faults otp.Mistakes
		if errors.As(err, &faults) != (c.path != "") || c.path != "" && (len(faults) != 1 || faults[0].Path != c.path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

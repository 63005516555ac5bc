package otp

import (
	"testing"
	"time"
)

func TestShareOfWrongGuesses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		right, wrong int
		own          Guessing
		alert, slow  bool
	}{
		"too few to tell":            {0, 199, Guessing{}, false, false},
		"at the least":               {0, 200, Guessing{}, true, true},
		"60 per cent":                {80, 120, Guessing{}, false, false},
		"a little more":              {79, 121, Guessing{}, true, false},
		"80 per cent":                {40, 160, Guessing{}, true, false},
		"more than 80":               {39, 161, Guessing{}, true, true},
		"own least":                  {0, 10, Guessing{MinChecks: 10}, true, true},
		"own bounds":                 {5, 5, Guessing{MinChecks: 10, AlertAbove: 49, SlowAbove: 50}, true, false},
		"own bounds, one more":       {4, 6, Guessing{MinChecks: 10, AlertAbove: 49, SlowAbove: 50}, true, true},
		"100 per cent is never over": {0, 300, Guessing{AlertAbove: 100, SlowAbove: 100}, false, false},
	} {
		all := ratios{tenants: map[string]*ratio{}}
		tenant := &Tenant{Name: "acme", Guessing: c.own}
		for range c.right {
			all.note(noon, tenant, false)
		}
		alert := false
		for range c.wrong {
			alert = all.note(noon, tenant, true) != "" || alert
		}
		if slow := all.slow(noon, tenant); alert != c.alert || slow != c.slow {
			t.Errorf("%s: alert %t, slow %t", name, alert, slow)
		}
		if all.slow(noon, &Tenant{Name: "globex"}) {
			t.Errorf("%s: another tenant is slowed", name)
		}
	}
}

func TestShareIsOfTenMinutesAndToldOnceAMinute(t *testing.T) {
	t.Parallel()
	all := ratios{tenants: map[string]*ratio{}}
	tenant := &Tenant{Name: "acme", Guessing: Guessing{MinChecks: 10}}
	alerts := 0
	for minute := range 3 {
		for range 10 {
			if all.note(noon.Add(time.Duration(minute)*time.Minute), tenant, true) != "" {
				alerts++
			}
		}
	}
	if alerts != 3 {
		t.Errorf("%d alerts in three minutes", alerts)
	}
	if !all.slow(noon.Add(2*time.Minute), tenant) {
		t.Error("30 wrong guesses of 30 are not slowed")
	}
	for _, c := range []struct {
		after time.Duration
		sum   int
	}{{9 * time.Minute, 30}, {10 * time.Minute, 20}, {11 * time.Minute, 10}, {11*time.Minute + 59*time.Second, 10}, {12 * time.Minute, 0}, {300 * time.Hour, 0}} {
		if checks, wrong := all.tenants["acme"].sums(noon.Add(c.after)); checks != c.sum || wrong != c.sum {
			t.Errorf("after %s: %d of %d, want %d", c.after, wrong, checks, c.sum)
		}
	}
	if all.slow(noon, tenant) { // a clock that steps back brings nothing back
		t.Error("slow after all was forgotten")
	}
}

package otp

import (
	"slices"
	"testing"
	"time"
)

func TestSettingsAreDecidedByPolicy(t *testing.T) {
	t.Parallel()
	const s, m, h = time.Second, time.Minute, time.Hour
	good := Settings{Digits, 6, 5 * m, 5}
	life := func(d time.Duration) Settings { return Settings{Lifetime: d} }
	for name, c := range map[string]struct {
		a     asked
		want  Settings
		field string // of the refusal, "" for none
	}{
		"nobody speaks":             {asked{}, good, ""},
		"request over all":          {asked{request: Settings{Alnum, 8, m, 3}, profile: Settings{Digits, 7, 2 * m, 4}, dialect: Settings{Digits, 9, 3 * m, 2}}, Settings{Alnum, 8, m, 3}, ""},
		"profile over dialect":      {asked{profile: Settings{Digits, 7, 2 * m, 4}, dialect: Settings{Alnum, 9, 3 * m, 2}}, Settings{Digits, 7, 2 * m, 4}, ""},
		"dialect over nobody (R14)": {asked{dialect: Settings{Alnum, 9, 10 * m, 2}}, Settings{Alnum, 9, 10 * m, 2}, ""},
		"fields are open one by one": {
			asked{request: Settings{Length: 4}, profile: Settings{Lifetime: m}, dialect: Settings{MaxAttempts: 3}},
			Settings{Digits, 4, m, 3},
			"",
		},

		"tries 10 (R1)":        {asked{request: Settings{MaxAttempts: 10}}, Settings{Digits, 6, 5 * m, 10}, ""},
		"tries 11 are 10 (R1)": {asked{request: Settings{MaxAttempts: 11}}, Settings{Digits, 6, 5 * m, 10}, ""},
		"tries 2^31-1 are 10":  {asked{request: Settings{MaxAttempts: 1<<31 - 1}, policy: Strict}, Settings{Digits, 6, 5 * m, 10}, ""},
		"tries -1":             {asked{request: Settings{MaxAttempts: -1}}, Settings{}, "max_attempts"},
		"length 3 (R2)":        {asked{request: Settings{Length: 3}, policy: Compatible}, Settings{Digits, 3, 5 * m, 5}, ""},
		"length 2":             {asked{request: Settings{Length: 2}}, Settings{}, "length"},
		"length 12":            {asked{request: Settings{Length: 12}, policy: Strict}, Settings{Digits, 12, 5 * m, 5}, ""},
		"length 13":            {asked{request: Settings{Length: 13}}, Settings{}, "length"},
		"length -6":            {asked{request: Settings{Length: -6}}, Settings{}, "length"},
		"alphabet of one":      {asked{request: Settings{Alphabet: "a"}}, Settings{}, "alphabet"},
		"alphabet twice":       {asked{request: Settings{Alphabet: "aba"}}, Settings{}, "alphabet"},
		"life 1 s (R2)":        {asked{request: life(s)}, Settings{Digits, 6, s, 5}, ""},
		"life under 1 s":       {asked{request: life(s - 1)}, Settings{}, "lifetime"},
		"life negative":        {asked{request: life(-m)}, Settings{}, "lifetime"},
		"life 3200 s (R2)":     {asked{request: life(3200 * s)}, Settings{Digits, 6, 3200 * s, 5}, ""},
		"life 24 h":            {asked{request: life(24 * h)}, Settings{Digits, 6, 24 * h, 5}, ""},
		"life over 24 h":       {asked{request: life(24*h + 1)}, Settings{}, "lifetime"},
		"tenant's ceiling is for dialects that tell it": {asked{request: life(2 * h), ceiling: h}, Settings{Digits, 6, 2 * h, 5}, ""},

		"cut to an hour (R3)":             {asked{request: life(86400 * s), shorten: true}, Settings{Digits, 6, h, 5}, ""},
		"an hour stays":                   {asked{request: life(h), shorten: true}, Settings{Digits, 6, h, 5}, ""},
		"cut to the tenant's":             {asked{request: life(h), shorten: true, ceiling: 20 * m}, Settings{Digits, 6, 20 * m, 5}, ""},
		"the tenant's may be longer":      {asked{request: life(3 * h), shorten: true, ceiling: 2 * h}, Settings{Digits, 6, 2 * h, 5}, ""},
		"strict: cut to 600 s (R3)":       {asked{request: life(601 * s), shorten: true, policy: Strict}, Settings{Digits, 6, 600 * s, 5}, ""},
		"strict: tenant's cannot raise":   {asked{request: life(h), shorten: true, policy: Strict, ceiling: h}, Settings{Digits, 6, 600 * s, 5}, ""},
		"strict: tenant's can lower":      {asked{request: life(h), shorten: true, policy: Strict, ceiling: m}, Settings{Digits, 6, m, 5}, ""},
		"strict: e-mail recovery is cut":  {asked{request: Settings{Length: 8, Lifetime: 3 * h}, shorten: true, policy: Strict, ceiling: h, channel: Email, purpose: Recover}, Settings{Digits, 8, h, 5}, ""},
		"strict: 600 s":                   {asked{request: life(600 * s), policy: Strict}, Settings{Digits, 6, 600 * s, 5}, ""},
		"strict: 601 s":                   {asked{request: life(601 * s), policy: Strict}, Settings{}, "lifetime"},
		"strict: 30 s":                    {asked{request: life(30 * s), policy: Strict}, Settings{Digits, 6, 30 * s, 5}, ""},
		"strict: 29 s":                    {asked{request: life(29 * s), policy: Strict}, Settings{}, "lifetime"},
		"strict: 5 digits":                {asked{request: Settings{Length: 5}, policy: Strict}, Settings{}, "length"},
		"strict: 4 of alnum":              {asked{request: Settings{Alphabet: Alnum, Length: 4}, policy: Strict}, Settings{Alnum, 4, 5 * m, 5}, ""},
		"strict: 3 of alnum":              {asked{request: Settings{Alphabet: Alnum, Length: 3}, policy: Strict}, Settings{}, "length"},
		"strict: profile is bound too":    {asked{profile: Settings{Length: 4}, policy: Strict}, Settings{}, "length"},
		"strict: dialect is bound too":    {asked{dialect: life(h), policy: Strict}, Settings{}, "lifetime"},
		"strict: e-mail sign-in 601 s":    {asked{request: Settings{Length: 8, Lifetime: 601 * s}, policy: Strict, channel: Email, purpose: Authenticate}, Settings{}, "lifetime"},
		"strict: e-mail address 24 h":     {asked{request: Settings{Length: 8, Lifetime: 24 * h}, policy: Strict, channel: Email, purpose: ConfirmAddress}, Settings{Digits, 8, 24 * h, 5}, ""},
		"strict: e-mail address 601 s, 7": {asked{request: Settings{Length: 7, Lifetime: 601 * s}, policy: Strict, channel: Email, purpose: Recover}, Settings{}, "length"},
		"strict: e-mail address 600 s, 6": {asked{request: life(600 * s), policy: Strict, channel: Email, purpose: Recover}, Settings{Digits, 6, 600 * s, 5}, ""},
		"strict: SMS address 601 s":       {asked{request: Settings{Length: 8, Lifetime: 601 * s}, policy: Strict, channel: SMS, purpose: ConfirmAddress}, Settings{}, "lifetime"},
	} {
		got, err := settle(c.a)
		switch {
		case c.field != "" && (err == nil || err.Kind != Invalid || err.Field != c.field):
			t.Errorf("%s: got %+v, %v; want a refusal of %s", name, got, err, c.field)
		case c.field == "" && (err != nil || got != c.want):
			t.Errorf("%s: got %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}

// What is strict is never called weak, and what strict refuses always is.
func TestWeakIsWhatStrictRefuses(t *testing.T) {
	t.Parallel()
	for _, alphabet := range []Alphabet{Digits, Alnum} {
		for _, length := range []int{3, 4, 5, 6, 7, 8, 12} {
			for _, life := range []time.Duration{time.Second, 29 * time.Second, 30 * time.Second, 10 * time.Minute, 601 * time.Second, 24 * time.Hour} {
				for _, channel := range []Channel{SMS, Email, Voice} {
					for _, purpose := range Purposes() {
						s := Settings{alphabet, length, life, 5}
						_, err := settle(asked{request: s, policy: Strict, channel: channel, purpose: purpose})
						if weak := s.weak(channel, purpose); (err != nil) != (len(weak) > 0) || err != nil && !slices.Contains(weak, err.Field) {
							t.Errorf("%+v by %s to %s: weak %v, strict says %v", s, channel, purpose, weak, err)
						}
					}
				}
			}
		}
	}
}

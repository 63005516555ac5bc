package otp

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAllMistakesAreFoundAtOnceWithTheirPaths(t *testing.T) {
	t.Parallel()
	cred := Credential{Type: Modica, Identity: "app", Hash: "x"}
	account := Credential{Type: UnityVox, Identity: "100", Hash: "x"}
	_, err := NewDirectory([]Tenant{
		{Name: "good", Profiles: []Profile{{Name: "a"}}, Credentials: []Credential{cred, account, {Type: UnityVox, Identity: "100", Hash: "y"}}},
		{
			Name: "..", Home: "ve", Countries: []string{"VE", "*", "Ven"}, Policy: "lax", MaxLifetime: 25 * time.Hour,
			Routes: []Route{{Channel: "fax"}, {Channel: SMS, Prefix: "52", Providers: []Carrier{{Provider: "gone"}}}, {Channel: Email, Prefix: "+52", Providers: []Carrier{{Provider: "p"}}}},
			Profiles: []Profile{
				{Name: "a", Aliases: map[string][]string{"modica": {"x"}}},
				{Name: "a", Aliases: map[string][]string{"modica": {"x", ""}}},
				{Name: "b c", Policy: "x", Resend: "x", Purpose: "x", Alphabet: "aa", Length: 2, Lifetime: time.Second - 1, MaxAttempts: 11, Fields: []Field{{"", SMS}}},
				{Name: "l", Length: 13, Lifetime: 24*time.Hour + 1, MaxAttempts: -1},
			},
			Templates:   []Template{{Profile: "z", Channel: "fax", Subject: "a\nb", Text: "no"}, {Subject: "{{", Text: "{{code"}},
			Credentials: []Credential{cred, account, {}, {Type: APIKey, Identity: "x", Hash: "h", Scopes: []string{"send", "x"}}, {Type: OAuth2, Identity: "a\nb", Hash: "h", Scopes: []string{"any", "a b"}}},
		},
		{Name: "good"},
	}, []Provider{{Name: "p"}, {Name: "p"}, {}})
	var mistakes Mistakes
	if !errors.As(err, &mistakes) {
		t.Fatalf("got %v", err)
	}
	var paths []string
	for _, m := range mistakes {
		paths = append(paths, m.Path)
		if m.Message == "" || !strings.Contains(err.Error(), m.Path+": "+m.Message) {
			t.Errorf("%s is not told in %q", m.Path, err)
		}
	}
	want := strings.Fields(`providers[1].name providers[2].name
		tenants[1].name tenants[1].home tenants[1].countries[2] tenants[1].policy tenants[1].max_lifetime
		tenants[1].routes[0].channel tenants[1].routes[0].providers tenants[1].routes[1].prefix tenants[1].routes[1].providers[0] tenants[1].routes[2].prefix
		tenants[1].profiles[1].name tenants[1].profiles[1].aliases.modica tenants[1].profiles[1].aliases.modica
		tenants[1].profiles[2].name tenants[1].profiles[2].policy tenants[1].profiles[2].resend tenants[1].profiles[2].purpose tenants[1].profiles[2].alphabet
		tenants[1].profiles[2].length tenants[1].profiles[2].lifetime tenants[1].profiles[2].max_attempts tenants[1].profiles[2].fields[0]
		tenants[1].profiles[3].length tenants[1].profiles[3].lifetime tenants[1].profiles[3].max_attempts
		tenants[1].templates[0].profile tenants[1].templates[0].channel tenants[1].templates[0].subject tenants[1].templates[0].text
		tenants[1].templates[1].subject tenants[1].templates[1].text
		tenants[1].credentials[0] tenants[1].credentials[1] tenants[1].credentials[2] tenants[1].credentials[2] tenants[1].credentials[2].type
		tenants[1].credentials[3] tenants[1].credentials[3].scopes[1] tenants[1].credentials[4] tenants[1].credentials[4].scopes[1]
		tenants[2].name`)
	slices.Sort(paths)
	slices.Sort(want)
	if !slices.Equal(paths, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(paths, "\n"), strings.Join(want, "\n"))
	}
}

func TestAlphabetsOfProfiles(t *testing.T) {
	t.Parallel()
	for alphabet, ok := range map[Alphabet]bool{
		Digits: true, Alnum: true, "ab": true, "a": false, "aa": false, "a b": false, "añ": false, "a\x7f": false, "a~": true, "!~": true, "": false,
	} {
		if fault := alphabetFault(alphabet); (fault == "") != ok {
			t.Errorf("%q: %q", alphabet, fault)
		}
	}
}

func TestCountriesOfATenant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		home, list, country string
		want                bool
	}{
		{"VE", "", "VE", true},
		{"VE", "", "MX", false},
		{"VE", "", "", false},
		{"", "", "", false},
		{"", "", "VE", false},
		{"VE", "MX", "VE", false},
		{"VE", "MX US", "US", true},
		{"VE", "*", "", true},
		{"", "*", "ZZ", true},
		{"VE", "MX", "", false},
	} {
		tenant := &Tenant{Home: c.home, Countries: strings.Fields(c.list)}
		if got := tenant.allows(c.country); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}

func TestPolicyOfARequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dialect         string
		tenant, profile Policy
		want            Policy
	}{
		{NativeDialect, "", "", Strict},
		{NativeDialect, Compatible, "", Strict},
		{NativeDialect, Strict, Compatible, Compatible},
		{"modica", "", "", Compatible},
		{"modica", Strict, "", Strict},
		{"modica", Strict, Compatible, Compatible},
		{"modica", "", Strict, Strict},
	} {
		if got := (&Tenant{Policy: c.tenant}).policyFor(c.dialect, &Profile{Policy: c.profile}); got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
}

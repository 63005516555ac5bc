package otp

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"
)

// wantLinkMAC was made apart, by another language's HMAC.
const wantLinkMAC = "93609662a9b187007088ac16fb14d33d"

// linkPart is what may make a token another one.
func linkPart(change func(*Verification)) linkMAC {
	r := &Ring{keys: []ringKey{{id: 7, use: UseCode, secret: []byte(strings.Repeat("k", 32))}, {id: 8, use: UseCode, secret: []byte(strings.Repeat("l", 32))}}}
	v := Verification{ID: ID{1}, Tenant: "acme", Secret: []byte("0123456789abcdef"), Spec: Spec{KeyID: 7, Purpose: Authenticate}}
	change(&v)
	mac, err := r.linkMAC(&v)
	if err != nil {
		return linkMAC{}
	}
	return mac
}

func TestTokensAreDerivedFromAllThatACodeIs(t *testing.T) {
	t.Parallel()
	seen := map[linkMAC]string{}
	for name, change := range map[string]func(*Verification){
		"itself":     func(*Verification) {},
		"key":        func(v *Verification) { v.Spec.KeyID = 8 },
		"tenant":     func(v *Verification) { v.Tenant = "globex" },
		"id":         func(v *Verification) { v.ID[15] = 1 },
		"purpose":    func(v *Verification) { v.Spec.Purpose = Recover },
		"context":    func(v *Verification) { v.Spec.Context = []byte("x") },
		"salt":       func(v *Verification) { v.Secret = []byte("0123456789abcdeg") },
		"generation": func(v *Verification) { v.Generation = 1 },
		"shifted":    func(v *Verification) { v.Spec.Purpose, v.Spec.Context = "authenticat", []byte("e") },
	} {
		mac := linkPart(change)
		if other, ok := seen[mac]; ok || mac == (linkMAC{}) {
			t.Errorf("%s has the token of %q", name, other)
		}
		seen[mac] = name
	}
	if linkPart(func(v *Verification) { v.Spec.KeyID = 9 }) != (linkMAC{}) || linkPart(func(v *Verification) { v.Secret = nil }) != (linkMAC{}) {
		t.Error("there is a token without key or salt")
	}
	mac := linkPart(func(*Verification) {})
	if got := hex.EncodeToString(mac[:]); got != wantLinkMAC {
		t.Errorf("the documented derivation gives %s, this is %s", wantLinkMAC, got)
	}
}

// FuzzLinkToken looks for two ways to write one token.
func FuzzLinkToken(f *testing.F) {
	f.Add(linkToken{ID{1, 2, 3}, linkMAC{4, 5, 6}}.String())
	f.Add(strings.Repeat("A", 43))
	f.Add(strings.Repeat("_", 42) + "\n")
	f.Fuzz(func(t *testing.T, s string) {
		token, ok := parseLinkToken(s)
		if ok && token.String() != s {
			t.Errorf("%q is read as %q", s, token)
		}
		if ok && token.id.IsZero() {
			t.Error("it names nothing")
		}
	})
}

func TestPagesOfLinks(t *testing.T) {
	t.Parallel()
	for link, want := range map[string]string{
		"https://app.example/verify":                          "",
		"https://app.example":                                 "",
		"https://app.example:8443/es/verify":                  "",
		"https://xn--caf-dma.example/%C3%B1":                  "",
		"http://localhost:3000/verify":                        "",
		"http://127.0.0.1:3000/verify":                        "",
		"http://app.example/verify":                           "must begin with https://",
		"http://localhost.evil.example/":                      "must begin with https://",
		"http://10.0.0.1/":                                    "must begin with https://",
		"javascript:alert(1)":                                 "must be a URL",
		"javascript://app.example/":                           "must begin with https://",
		"ftp://app.example/":                                  "must begin with https://",
		"app.example/verify":                                  "must be a URL",
		"/verify":                                             "must be a URL",
		"https://":                                            "must be a URL",
		"https:///verify":                                     "must be a URL",
		"https://ana@app.example/":                            "must name no user",
		"https://ana:secret@app.example/":                     "must name no user",
		"https://app.example/?key=1":                          "must have no query",
		"https://app.example/?":                               "must have no query",
		"https://app.example/#":                               "must have no query",
		"https://app.example/#token=":                         "must have no query",
		"https://app.example/a b":                             "must be a URL",
		"https://app.example/\"><script>":                     "must be a URL",
		"https://app.example/{{code}}":                        "must be a URL",
		"https://app.example/\n":                              "must be a URL",
		"https://café.example/":                               "must be a URL",
		"https://app.example/%":                               "must be a URL",
		"https://app.example/" + strings.Repeat("a", maxLink): "must be a URL",
	} {
		if got := linkFault(link); (got == "") != (want == "") || !strings.HasPrefix(got, want) {
			t.Errorf("%q: %q, want %q", link, got, want)
		}
	}
}

func TestTextsWithLinksStandWhereLinksAre(t *testing.T) {
	t.Parallel()
	with, without := Profile{Name: "with", Link: "https://app.example/"}, Profile{Name: "without"}
	standard := Profile{Name: "default", Link: "https://app.example/"}
	const text = "{{code}} {{link}}"
	for name, c := range map[string]struct {
		profiles  []Profile
		templates []Template
		paths     string
	}{
		"its profile has one":         {[]Profile{with, without}, []Template{{Profile: "with", Channel: Email, Text: text}}, ""},
		"its profile has none":        {[]Profile{with, without}, []Template{{Profile: "without", Channel: Email, Text: text}}, ".templates[0].text"},
		"for all, one has none":       {[]Profile{standard, without}, []Template{{Channel: Email, Text: text}}, ".templates[0].text"},
		"for all, all have one":       {[]Profile{standard, with}, []Template{{Channel: Email, Text: text}}, ""},
		"for all, default is implied": {[]Profile{with}, []Template{{Channel: Email, Text: text}}, ".templates[0].text"},
		"for all, but one has its own": {
			[]Profile{standard, without},
			[]Template{{Channel: Email, Text: text}, {Profile: "without", Channel: Email, Text: "{{code}}"}},
			"",
		},
		"every channel": {[]Profile{with}, []Template{{Profile: "with", Text: text}}, ".templates[0].channel"},
		"sms":           {[]Profile{with}, []Template{{Profile: "with", Channel: SMS, Text: text}}, ".templates[0].channel"},
		"a subject":     {[]Profile{with}, []Template{{Profile: "with", Channel: Email, Subject: "{{ link }}", Text: "{{code}}"}}, ".templates[0].subject"},
		"no code":       {[]Profile{with}, []Template{{Profile: "with", Channel: Email, Text: "{{link}}"}}, ".templates[0].text"},
		"a bad page":    {[]Profile{{Name: "with", Link: "http://app.example"}}, nil, ".profiles[0].link"},
	} {
		tenant := Tenant{Name: "acme", Profiles: c.profiles, Templates: c.templates}
		var paths []string
		for _, m := range tenant.check("") {
			paths = append(paths, m.Path)
		}
		if got := strings.Join(paths, " "); got != c.paths {
			t.Errorf("%s: %q is at fault, want %q", name, got, c.paths)
		}
	}
}

// Each built-in e-mail of a linked verification says all that it said before,
// and shows the link in a line of its own; no other channel has it.
func TestBuiltInTextsShowTheLink(t *testing.T) {
	t.Parallel()
	var seen []string
	for _, locale := range builtinLocales() {
		for _, payment := range []*Payment{nil, {"1.00", "EUR", "Ana"}} {
			for _, channel := range Channels() {
				said := make([]Text, 2)
				for i, link := range []string{"", sampleLink} {
					letter := &Letter{To: "x", Payment: payment, link: link}
					w, err := (&Tenant{}).wordingFor("", channel, locale, letter)
					if err != nil {
						t.Fatal(err)
					}
					said[i] = w.render(channel, letter, "012345", "Acme", locale, 5*time.Minute)
				}
				more, longer := strings.CutPrefix(said[1].Body, said[0].Body)
				lines := strings.Split(more, "\n")
				switch {
				case channel != Email && (more != "" || said[1].Link != ""):
					t.Errorf("%s by %s shows %q", locale, channel, more)
				case channel == Email && (!longer || !slices.Contains(lines, sampleLink) || said[1].Link != sampleLink || said[0].Link != ""):
					t.Errorf("%s by %s shows %q", locale, channel, said[1].Body)
				case channel == Email:
					seen = append(seen, more)
				}
				if strings.Contains(said[1].Subject, "token") {
					t.Errorf("the subject is %q", said[1].Subject)
				}
			}
		}
	}
	if slices.Sort(seen); len(slices.Compact(seen)) != len(builtinLocales()) {
		t.Errorf("%d different texts", len(slices.Compact(seen)))
	}
}

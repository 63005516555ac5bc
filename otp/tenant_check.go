package otp

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// faultList gathers mistakes below one path.
type faultList struct {
	path string
	all  Mistakes
}

func (f *faultList) add(path, format string, args ...any) {
	f.all = append(f.all, Mistake{f.path + path, fmt.Sprintf(format, args...)})
}

func (f *faultList) check(ok bool, path, format string, args ...any) {
	if !ok {
		f.add(path, format, args...)
	}
}

// isName tells whether s may name a tenant, a profile or a provider: it goes
// into keys, logs and file names.
func isName(s string) bool {
	if len(s) == 0 || len(s) > 64 || s == "." || s == ".." {
		return false
	}
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.", c) >= 0) {
			return false
		}
	}
	return true
}

// IsChannel reports whether c is one of the channels.
func IsChannel(c Channel) bool { return slices.Contains(Channels(), c) }

// channelWords lists the channels for people.
func channelWords() string {
	words := make([]string, len(Channels()))
	for i, c := range Channels() {
		words[i] = string(c)
	}
	return strings.Join(words, ", ")
}

func isPolicy(p Policy) bool { return p == "" || p == Compatible || p == Strict }

// isCountry tells whether s looks like an ISO 3166 code.
func isCountry(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}

// check names everything that is wrong with a tenant on its own.
func (t *Tenant) check(path string) Mistakes {
	f := &faultList{path: path}
	f.check(isName(t.Name), ".name", "must be 1 to 64 letters, digits, dots, dashes or underscores")
	f.check(t.Home == "" || isCountry(t.Home), ".home", "must be an ISO 3166 code in capitals, such as VE")
	for i, c := range t.Countries {
		f.check(c == "*" || isCountry(c), fmt.Sprintf(".countries[%d]", i), `must be an ISO 3166 code in capitals, or "*"`)
	}
	f.check(isPolicy(t.Policy), ".policy", "must be compatible or strict")
	f.check(t.MaxLifetime >= 0 && t.MaxLifetime <= maxLifetime, ".max_lifetime", "must be at most 24h")
	t.checkRetention(f)
	f.check(t.Currency == "" || len(t.Currency) == 3 && strings.Trim(t.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "", ".currency", "must be an ISO 4217 code in capitals, such as USD")
	t.Guessing.check(f)
	t.Limits.check(f)
	t.FraudWatch.check(f)
	t.checkLists(f)
	for i := range t.Routes {
		t.Routes[i].check(f, fmt.Sprintf(".routes[%d]", i))
	}
	names := map[string]bool{}
	for i := range t.Profiles {
		p := &t.Profiles[i]
		at := fmt.Sprintf(".profiles[%d]", i)
		f.check(!names[p.Name], at+".name", "another profile has this name")
		names[p.Name] = true
		p.check(f, at)
		t.checkPlanRoutes(f, at, p)
	}
	t.checkSenders(f)
	t.checkWebhooks(f)
	t.checkTestAddresses(f)
	for i := range t.Templates {
		tpl, at := &t.Templates[i], fmt.Sprintf(".templates[%d]", i)
		f.check(tpl.Profile == "" || names[tpl.Profile], at+".profile", "there is no profile %q", tpl.Profile)
		tpl.check(f, at)
		t.checkPayments(f, i, at)
	}
	for i := range t.Credentials {
		t.Credentials[i].check(f, fmt.Sprintf(".credentials[%d]", i))
	}
	checkNames(f, t.Credentials)
	return f.all
}

func (p *Profile) check(f *faultList, at string) {
	f.check(isName(p.Name), at+".name", "must be 1 to 64 letters, digits, dots, dashes or underscores")
	f.check(isPolicy(p.Policy), at+".policy", "must be compatible or strict")
	f.check(p.Resend == "" || p.Resend == "same" || p.Resend == "new", at+".resend", "must be same or new")
	f.check(p.Purpose == "" || slices.Contains(Purposes(), p.Purpose), at+".purpose", "must be one of %s", strings.Join(Purposes(), ", "))
	f.check(p.Alphabet == "" || alphabetFault(p.Alphabet) == "", at+".alphabet", "%s", alphabetFault(p.Alphabet))
	f.check(p.Length == 0 || p.Length >= MinLength && p.Length <= MaxLength, at+".length", "must be %d to %d", MinLength, MaxLength)
	f.check(p.Lifetime == 0 || p.Lifetime >= time.Second && p.Lifetime <= maxLifetime, at+".lifetime", "must be 1s to 24h")
	f.check(p.MaxAttempts >= 0 && p.MaxAttempts <= MaxAttempts, at+".max_attempts", "must be 1 to %d", MaxAttempts)
	f.check(p.Sender == "" || senderFault(p.Sender) == "", at+".sender", "%s", senderFault(p.Sender))
	f.check(p.RepeatWindow <= maxRepeatWindow, at+".repeat_window", "must be at most %s", maxRepeatWindow)
	p.checkPlan(f, at)
	for _, dialect := range slices.Sorted(maps.Keys(p.Aliases)) {
		f.check(dialect != "" && !slices.Contains(p.Aliases[dialect], ""), at+".aliases."+dialect, "must map a dialect to names")
	}
	for i, field := range p.Fields {
		f.check(field.Code != "" && IsChannel(field.Channel), fmt.Sprintf("%s.fields[%d]", at, i), "must map a field code to a channel")
	}
}

// alphabetFault tells what is wrong with an alphabet of a profile.
func alphabetFault(a Alphabet) string {
	set := a.Characters()
	if len(set) < 2 || len(set) > 94 {
		return "must be digits, alnum, or 2 to 94 different printable ASCII characters"
	}
	for i := range len(set) {
		if set[i] <= ' ' || set[i] > '~' || strings.IndexByte(set[i+1:], set[i]) >= 0 {
			return "must be digits, alnum, or different printable ASCII characters"
		}
	}
	return ""
}

func (t *Template) check(f *faultList, at string) {
	f.check(t.Channel == "" || IsChannel(t.Channel), at+".channel", "must be one of %s", channelWords())
	f.check(t.Subject == "" || !hasBreaks(t.Subject), at+".subject", "must be one line")
	text, err := parseTemplate(t.Text)
	if err != nil {
		f.add(at+".text", "%v", err)
	} else if !text.names("code") {
		f.add(at+".text", "must show {{code}}")
	}
	if _, err := parseTemplate(t.Subject); err != nil {
		f.add(at+".subject", "%v", err)
	}
	t.checkLastLine(f, at)
	for _, name := range slices.Sorted(maps.Keys(t.Params)) {
		f.check(isName(name) && len(t.Params[name]) <= 256 && !hasBreaks(t.Params[name]), at+".params."+name, "must be a name and one line of at most 256 bytes")
	}
}

package httpsms

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

// opened opens what YAML describes and returns its faults as lines.
func opened(t testing.TB, text, callback string, log *slog.Logger) (delivery.Provider, []string) {
	t.Helper()
	var configured map[string]any
	if err := yaml.Unmarshal([]byte(text), &configured); err != nil {
		t.Fatal(err)
	}
	p, err := open(delivery.Settings{Name: "g", Values: configured, CallbackURL: callback, Clock: clock.New(0), Log: log})
	var faults delivery.Faults
	if err != nil && !errors.As(err, &faults) {
		t.Fatalf("%v is no list of faults", err)
	}
	lines := make([]string, len(faults))
	for i, f := range faults {
		lines[i] = f.Path + ": " + f.Message
		if first, _, _ := strings.Cut(f.Message, " "); first != "must" && first != "is" {
			t.Errorf("%q begins with another word", lines[i])
		}
	}
	slices.Sort(lines)
	return p, lines
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestFaultsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	_, lines := opened(t, "url: https://gateway.example/\nmethod: DELETE\ntimeout: 2m", "", quiet())
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "method: must be POST") || !strings.HasPrefix(lines[1], "timeout: must be longer") {
		t.Error(lines)
	}
	_, lines = opened(t, `
url: "http://gateway.example/{{nobody}}"
headers: {"Host": x, "X-A": "{{secret.none}}"}
json: {"{{to}}": "{{text|shout}}"}
form: {a: b}
ca: none
success: {status: [2, 4xx-], id: id}
errors: [{class: lost}, {status: [400], class: rejected, code: "a b", matches: "("}]
auth: {type: basic, username: me}
maps: {m: {of: "{{map.m}}"}}
receipts: {format: csv}
`, "", quiet())
	want := []string{
		"auth.password: must be given", "ca: must be certificates", "errors[0].class: must be", "errors[0]: must have a status", "errors[1].code: must be a path",
		"errors[1].path: must be given", "form: must not be given beside json", "headers.Host: must be a header", "headers.X-A: must not name {{secret.none}}",
		"maps.m.of: must not name", "receipts.auth: must be given", "receipts.format: must be", "receipts.id: must be", "receipts.state.path: must be",
		"receipts.state: must say", "success.id: must be a path", "success.status[0]: must be", "success.status[1]: must be", "url: must be https", "url: must not name {{nobody}}; known are: ",
	}
	for _, w := range want {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, w) }) {
			t.Errorf("no %q", w)
		}
	}
	if len(lines) != len(want) {
		t.Errorf("%d faults:\n%s", len(lines), strings.Join(lines, "\n"))
	}
}

func TestFaultsOneByOne(t *testing.T) {
	t.Parallel()
	const send = `url: "https://gateway.example/send"` + "\n"
	for written, want := range map[string]string{
		`{}`:                   "url: must be given, or a preset",
		`preset: nobody`:       "preset: must be one of: android-sms-gateway, aws-sns",
		`needs: [from]`:        "needs: is for presets only",
		`preset: twilio`:       "secrets.auth_token: must be given for the preset twilio",
		`preset: infobip`:      "base_url: must be given for the preset infobip",
		`url: gateway.example`: "url: must begin with https://",
		`url: "https://me:secret@gateway.example/"`:              "url: must have a host",
		`url: "https://{{to}}.example/"`:                         "url: must not name {{to}}",
		`url: "https://{{var.h}}/"` + "\nvars: {h: a.example/b}": "url: must have a host",
		`url: "https://gateway.example/a b"`:                     "url: must be written with percent signs",
		`url: "https://gateway.example/%zz"`:                     "url: must have two hexadecimal digits",
		`url: "{{base_url}}/send"`:                               "base_url: must be given",
		send + "json: {a: \"{{text\"}":                           "json.a: must close each {{",
		send + "json: {a: \"{{te xt}}\"}":                        "json.a: must write placeholders as",
		send + "json: {a: \"{{text|default}}\"}":                 "json.a: must give the filter default a value",
		send + "json: {a: \"{{text|upper:1}}\"}":                 "json.a: must give a value to the filters",
		send + "json: {a: \"{{text|max:x}}\"}":                   "json.a: must give the filters min and max a whole number",
		send + "json: {a: b}\nmethod: GET":                       "method: must not be GET with a body",
		send + "body: x":                                         "content_type: must be given with body",
		send + "headers: {X-A: \"a\\nb\"}":                       "headers.X-A: must hold no control characters",
		send + "auth: {type: magic}":                             "auth.type: must be basic",
		send + "auth: {type: bearer, token: \"a\\nb\"}":          "auth.token: must hold no control characters",
		send + "auth: {type: header, name: \"a b\", value: c}":   "auth.name: must be the name of a header",
		send + "auth: {type: jwt, private_key: none}":            "auth.private_key: must be an RSA private key",
		send + "auth: {type: oauth2, token_url: \"http://x.example\", client_id: a, client_secret: b}":                                               "auth.token_url: must be an https:// URL",
		send + "auth: {type: hmac, header: X, secret: s, message: \"{{timestamp}}\"}":                                                                "auth.message: must hold {{body}}",
		send + "auth: {type: hmac, header: X, secret: s, message: \"{{body}}\", algorithm: md5}":                                                     "auth.algorithm: must be sha1",
		send + "receipts: {auth: {type: none, secret: s}, id: $.a, state: {path: $.b, failed: [c]}}":                                                 "receipts.auth.type: must be query",
		send + "receipts: {auth: {type: ed25519, header: X, message: \"{{body}}\", public_key: AA==}, id: $.a, state: {path: $.b, failed: [c]}}":     "receipts.auth.public_key: must be",
		send + "receipts: {auth: {type: hmac, header: X, message: \"{{body}}\", secret: s, timestamp: T}, id: $.a, state: {path: $.b, failed: [c]}}": "receipts.auth.tolerance: must be given",
		send + "receipts: {auth: {type: query, name: k, secret: s}, id: $.a, state: {path: $.b, failed: [c]}, challenge: {name: a}}":                 "receipts.challenge: must have",
		send + "json: {\"a?\": b, a: c}": "json.a: must not stand there twice",
		send + "without: [a]":            "without: must not be given without a preset",
		"preset: aws-sns\nwithout: [\"form.MessageAttributes.entry.2.Name?\", form.none]": "without[1]: must be the path of a setting",
		"preset: twilio\nauth: {type: magic}":                                             "auth.type: must be",
		send + "nobody: 1":                                                                "nobody: is no setting here",
	} {
		_, lines := opened(t, written, "", quiet())
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, want) }) {
			t.Errorf("%s\ngives %q, not %q", written, lines, want)
		}
	}
}

func TestPlainHTTPStaysNear(t *testing.T) {
	t.Parallel()
	for host, fine := range map[string]bool{
		"127.0.0.1:9000": true, "localhost:9000": true, "[::1]:9000": true, "10.1.2.3": true, "192.168.1.1:80": true, "[fd00::1]": true,
		"gateway.example": false, "8.8.8.8": false, "127.0.0.1.example": false, "localhost.example:80": false, "0x7f000001": false,
	} {
		if _, lines := opened(t, `url: "http://`+host+`/"`, "", quiet()); (len(lines) == 0) != fine {
			t.Errorf("%s: %q", host, lines)
		}
	}
	if _, lines := opened(t, "url: http://gateway.example/\ninsecure_http: true", "", quiet()); len(lines) != 0 {
		t.Error(lines)
	}
}

// TestOwnSettingsComeFirst lays settings over a preset.
func TestOwnSettingsComeFirst(t *testing.T) {
	t.Parallel()
	p, lines := opened(t, `
preset: infobip
base_url: https://xxxxx.api.infobip.com
secrets: {api_key: k}
headers: {X-Own: "1"}
without: [headers.Accept, json.messages]
json: {own: x}
errors: [{status: [500], class: rejected, code: own}]
timeout: 3s
`, "", quiet())
	if len(lines) != 0 {
		t.Fatal(lines)
	}
	g := p.(*gateway)
	if len(g.request.headers) != 1 || g.request.headers[0].name != "X-Own" {
		t.Errorf("headers %+v", g.request.headers)
	}
	if len(g.results.rules) != 4 || g.results.rules[0].word != "own" {
		t.Errorf("rules %+v", g.results.rules)
	}
	if body, _ := g.s.JSON.(map[string]any); len(body) != 1 {
		t.Errorf("body %v", body)
	}
	if g.s.Timeout.Seconds() != 3 || len(g.s.Success.Match) != 1 {
		t.Errorf("settings %+v", g.s)
	}
	p, lines = opened(t, "preset: twilio\nvars: {account_sid: AC1}\nsecrets: {auth_token: t}\nauth: {type: bearer, token: x}\njson: {a: b}", "", quiet())
	if len(lines) != 0 {
		t.Fatal(lines)
	}
	if g := p.(*gateway); g.s.Form != nil || g.s.Auth.Username != "" {
		t.Errorf("what does not go together was joined: %+v %+v", g.s.Form, g.s.Auth)
	}
}

// TestReceiptsThatCannotCome are told in the log, and not promised.
func TestReceiptsThatCannotCome(t *testing.T) {
	t.Parallel()
	const twilio = "preset: twilio\nvars: {account_sid: AC1}\nsecrets: {auth_token: t}\n"
	const vonage = "preset: vonage\nfrom: A\nvars: {api_key: k}\nsecrets: {api_secret: s}\n"
	for _, c := range []struct {
		text, callback, said string
		reports              bool
	}{
		{twilio, "https://otp.example.com/receipts/g", "", true},
		{twilio, "", "does not know its public URL", false},
		{vonage, "https://otp.example.com/receipts/g", "secrets.signature_secret", false},
		{"preset: unityvox\nfrom: A\nvars: {account_number: 1}\nsecrets: {api_key: s}\n", "https://otp.example.com/receipts/g", "", false},
	} {
		var said bytes.Buffer
		p, lines := opened(t, c.text, c.callback, slog.New(slog.NewTextHandler(&said, nil)))
		if len(lines) != 0 {
			t.Fatal(lines)
		}
		if _, reports := p.(delivery.Callback); reports != c.reports {
			t.Errorf("%s reports: %v", c.text, reports)
		}
		if c.said == "" && said.Len() > 0 || !strings.Contains(said.String(), c.said) {
			t.Errorf("it said %q", said.String())
		}
	}
}

// TestEveryPresetOpensAsItStands gives each what it needs, and nothing else.
func TestEveryPresetOpensAsItStands(t *testing.T) {
	t.Parallel()
	for _, name := range presets() {
		configured := map[string]any{"preset": name}
		_, lines := withNeeds(t, configured)
		for _, line := range lines {
			if strings.Contains(line, "private_key") { // no key in sight
				continue
			}
			t.Errorf("%s: %s", name, line)
		}
	}
}

// withNeeds fills in what a preset says that it needs.
func withNeeds(t *testing.T, configured map[string]any) (delivery.Provider, []string) {
	t.Helper()
	merged, faults := withPreset(configured)
	if faults != nil {
		t.Fatal(faults)
	}
	needs, _ := merged["needs"].([]any)
	for _, need := range needs {
		group, key, nested := strings.Cut(need.(string), ".")
		switch {
		case group == "base_url":
			configured[group] = "https://gateway.example"
		case !nested:
			configured[group] = "x"
		default:
			below, _ := configured[group].(map[string]any)
			if below == nil {
				below = map[string]any{}
			}
			below[key] = "x"
			configured[group] = below
		}
	}
	text, err := yaml.Marshal(configured)
	if err != nil {
		t.Fatal(err)
	}
	return opened(t, string(text), "https://otp.example.com/receipts/g", quiet())
}

package httpsms

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

// FuzzTemplate reads any template, and puts any value in.
func FuzzTemplate(f *testing.F) {
	f.Add("{{text}}", "v")
	f.Add("a{{ text | upper | base64 }}b{{code ?? text}}", "{{text}}")
	f.Add("{{param.x|default:y|max:3|number}}", "12")
	f.Add("{{", "}}")
	f.Fuzz(func(t *testing.T, written, value string) {
		known := scope{names: []string{"text", "code"}, prefixes: []string{"param."}, given: map[string][]string{"var.": {"v"}}}
		parsed, err := known.parse(written)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "must ") {
				t.Fatalf("%v begins with another word", err)
			}
			return
		}
		v := func(string) string { return value }
		if _, err := parsed.expand(v, nil); err != nil && value != "" && len(value) > 8 && strings.Contains(err.Error(), value) && !strings.Contains(written, value) {
			t.Fatalf("%v quotes the value", err)
		}
		parsed.blank(v)
		for name, fit := range map[string]escape{"header": inHeader, "path": inPath, "query": inQuery, "xml": inXML, "json": inJSON} {
			text, err := template{parts: []part{{name: "text"}}}.expand(v, fit)
			if err == nil && !fits(name, text) {
				t.Fatalf("%q breaks out of %s: %q", value, name, text)
			}
		}
	})
}

// fits tells whether an escaped value stays where it stands.
func fits(place, text string) bool {
	switch place {
	case "header":
		return !strings.ContainsAny(text, "\r\n\x00")
	case "path":
		return !strings.ContainsAny(text, "/?# ") && text != ".."
	case "query":
		return !strings.ContainsAny(text, "&=# ")
	case "xml":
		return !strings.ContainsAny(text, `<>"'`)
	}
	var s string
	return json.Unmarshal([]byte(`"`+text+`"`), &s) == nil
}

// FuzzPath reads any path, and looks with it into any document.
func FuzzPath(f *testing.F) {
	f.Add("$.a.b[0]", `{"a":{"b":["c"]}}`)
	f.Add("$.a[*].b ?? $['x y']", `{"a":[{"b":1}],"x y":true}`)
	f.Add("$.r.a[1]", `<r><a>1</a><a n="2">2</a></r>`)
	f.Add("/ID: (\\w+)/", "ID: 42")
	f.Add("$.a[*][*][*]", `{"a":[[[1,2],[3]],[[4]]]}`)
	f.Fuzz(func(t *testing.T, written, document string) {
		s, err := parseSelector(written)
		if err != nil {
			return
		}
		for _, kind := range []string{"", "application/json", "text/xml"} {
			c, err := parseContent([]byte(document), http.Header{"Content-Type": {kind}})
			found := s.all(c)
			if err != nil && c.tree == nil && s.pattern == nil && s.header == "" && s.or == nil && len(found) > 0 {
				t.Fatalf("%q finds %q in what cannot be read", written, found)
			}
			if len(found) > len(document)+1 {
				t.Fatalf("%d texts in %d bytes", len(found), len(document))
			}
		}
	})
}

// allSettings are the presets with secrets of ours.
func allSettings() map[string]map[string]any {
	all := map[string]map[string]any{}
	for _, name := range presets() {
		secrets, vars := map[string]any{}, map[string]any{"public_key": "GNOOtzzIbRQE0QV/9bMR4rSKYzPDMPAPsJLUbfGgUEQ="}
		for _, key := range []string{"auth_token", "api_secret", "signature_secret", "api_key", "callback_key", "access_key", "signing_key", "api_token", "access_token", "app_secret", "verify_token", "token", "password", "secret_key"} {
			secrets[key] = "s3cret"
		}
		for _, key := range []string{"account_sid", "api_key", "application_id", "workspace_id", "channel_id", "auth_id", "service_plan_id", "phone_number_id", "template", "username", "region", "access_key", "account_number"} {
			vars[key] = "v"
		}
		configured := map[string]any{"preset": name, "base_url": "https://gateway.example", "from": "Acme", "secrets": secrets, "vars": vars}
		if name == "vonage-voice" { // its key is not needed for what it is told
			configured["auth"] = map[string]any{"type": "bearer", "token": "s3cret"}
			secrets["private_key"] = "none"
		}
		all[name] = configured
	}
	return all
}

// FuzzCallback calls every preset with anything, as an outsider and, with the
// signature turned off, as the vendor: nothing panics, no report is without an
// id and a state, an outsider reports nothing.
func FuzzCallback(f *testing.F) {
	f.Add("POST", "key=s3cret", "application/json", `{"results":[{"messageId":"m","status":{"name":"DELIVERED_TO_HANDSET"}}]}`)
	f.Add("POST", "", "application/x-www-form-urlencoded", "MessageSid=SM1&MessageStatus=delivered&ErrorCode=0")
	f.Add("GET", "key=s3cret&id=1&state=1", "", "")
	f.Add("GET", "hub.challenge=1&hub.verify_token=x", "", "")
	f.Add("POST", "", "application/json", `{"entry":[{"changes":[{"value":{"statuses":[{"id":"w","status":"read","timestamp":"1"}]}}]}]}`)
	f.Add("POST", "%zz", "text/xml", "<a><b>c</b></a>")
	var called []*receipts
	for name, configured := range allSettings() {
		p, err := open(delivery.Settings{
			Name: name, Values: configured, CallbackURL: "https://otp.example.com/receipts/" + name,
			Clock: clock.Over(func() time.Time { return time.Unix(1767323045, 0) }, 0), Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			f.Fatalf("%s: %v", name, err)
		}
		if r, ok := p.(*reporting); ok {
			called = append(called, r.receipts)
		}
	}
	if len(called) < 16 {
		f.Fatalf("only %d presets report", len(called))
	}
	f.Fuzz(func(t *testing.T, method, query, kind, body string) {
		if method != http.MethodGet {
			method = http.MethodPost
		}
		for _, r := range called {
			request := httptest.NewRequestWithContext(t.Context(), method, "/receipts/g", bytes.NewReader([]byte(body)))
			request.URL = &url.URL{Path: "/receipts/g", RawQuery: query}
			request.Header.Set("Content-Type", kind)
			reports, _, err := r.Callback(request, []byte(body))
			if _, byQuery := r.verify.(secretQuery); !byQuery && len(reports) > 0 {
				t.Fatalf("an outsider reports %v (%v)", reports, err)
			}
			open := *r
			open.verify = trusting{}
			reports, reply, err := open.Callback(request, []byte(body))
			if err != nil && (len(reports) > 0 || len(reply.Body) > 0) || len(reports) > maxReports || len(reply.Body) > 256 {
				t.Fatalf("%d reports, a reply of %d bytes and %v", len(reports), len(reply.Body), err)
			}
			if err != nil && !errors.Is(err, delivery.ErrForged) && err.Error() != "the report cannot be read" {
				t.Fatalf("the error tells what was sent: %v", err)
			}
			for _, report := range reports {
				if !validID(report.ID) || report.State < delivery.EnRoute || report.State > delivery.Failed || delivery.Word(report.Code) != report.Code {
					t.Fatalf("a report of %+v", report)
				}
			}
		}
	})
}

// trusting lets every call in.
type trusting struct{}

func (trusting) genuine(*http.Request, []byte) bool { return true }

package httpsms

import (
	"encoding/json"
	"encoding/xml"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

// made builds the request that settings make of a message.
func made(t testing.TB, configured map[string]any, m delivery.Message) (*http.Request, string, error) {
	t.Helper()
	p, err := open(delivery.Settings{
		Name: "g", Values: configured, Clock: clock.Over(func() time.Time { return time.Unix(1767323045, 0) }, 0), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	g := p.(*gateway)
	r, body, err := g.request.build(t.Context(), g.values(m))
	return r, string(body), err
}

// nasty holds what could break out of each place a value may stand in.
const nasty = "{{code}} \"&<>'\\/?#%é✓ {\"a\":1} ]]> \n\t=+"

func nastyMessage() delivery.Message {
	return delivery.Message{
		ID: "m-1", To: "+18091234567", Body: nasty, Code: "482913", Brand: "A/../b?c=d&e", Channel: "sms", Locale: "es-DO",
		Params: map[string]string{"name": nasty}, Expires: time.Unix(1767323045+90, 0),
	}
}

// TestValuesStayValues sends a text that looks like everything.
func TestValuesStayValues(t *testing.T) {
	t.Parallel()
	r, body, err := made(t, map[string]any{
		"url":   "https://gateway.example/a/{{brand}}/z?b={{brand}}",
		"query": map[string]any{"text": "{{text}}"},
		"json":  map[string]any{"text": "{{text}}", "both": "<{{code}}|{{text}}>", "list": []any{"{{param.name}}", 7, true, nil, 1.5}},
	}, nastyMessage())
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"text": nasty, "both": "<482913|" + nasty + ">", "list": []any{nasty, 7.0, true, nil, 1.5}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("body %v", got)
	}
	if r.URL.Host != "gateway.example" || r.URL.EscapedPath() != "/a/A%2F..%2Fb%3Fc=d&e/z" || r.URL.Query().Get("b") != "A/../b?c=d&e" ||
		r.URL.Query().Get("text") != nasty || len(r.URL.Query()) != 2 {
		t.Errorf("URL %s", r.URL)
	}
	_, body, err = made(t, map[string]any{"url": "https://gateway.example/", "form": map[string]any{"text": "{{text}}", "to": "{{to_digits}}"}}, nastyMessage())
	if form, broken := url.ParseQuery(body); err != nil || broken != nil || form.Get("text") != nasty || form.Get("to") != "18091234567" || len(form) != 2 {
		t.Errorf("form %q %v", body, err)
	}
}

func TestTextBodies(t *testing.T) {
	t.Parallel()
	_, body, err := made(t, map[string]any{"url": "https://gateway.example/", "xml": `<m a="{{text}}"><t>{{text}}</t></m>`}, nastyMessage())
	var parsed struct {
		A string `xml:"a,attr"`
		T string `xml:"t"`
	}
	if broken := xml.Unmarshal([]byte(body), &parsed); err != nil || broken != nil || parsed.T != nasty || parsed.A != nasty {
		t.Errorf("XML %q %v %v", body, err, broken)
	}
	_, body, err = made(t, map[string]any{"url": "https://gateway.example/", "body": `{"t":"{{text}}"}`, "content_type": "application/vnd.x+json"}, nastyMessage())
	var got map[string]string
	if broken := json.Unmarshal([]byte(body), &got); err != nil || broken != nil || got["t"] != nasty {
		t.Errorf("JSON %q %v %v", body, err, broken)
	}
	_, body, err = made(t, map[string]any{"url": "https://gateway.example/", "body": "{{to}}:{{text}}", "content_type": "text/plain"}, nastyMessage())
	if err != nil || body != "+18091234567:"+nasty {
		t.Errorf("text %q %v", body, err)
	}
}

// TestValuesThatAreRefused covers rows T39 and T42 of the list of attacks.
func TestValuesThatAreRefused(t *testing.T) {
	t.Parallel()
	configured := func(key string, value any) map[string]any {
		return map[string]any{"url": "https://gateway.example/send", key: value}
	}
	for _, c := range []struct {
		name       string
		configured map[string]any
		value      string
	}{
		{"CR LF in a header", configured("headers", map[string]any{"X-Brand": "{{brand}}"}), "a\r\nX-Other: b"},
		{"NUL in a header", configured("headers", map[string]any{"X-Brand": "{{brand}}"}), "a\x00"},
		{"dots in a path", configured("url", "https://gateway.example/a/{{brand}}/b"), ".."},
		{"nothing in a path", configured("url", "https://gateway.example/a/{{brand}}/b"), ""},
		{"NUL in XML", configured("xml", "<a>{{brand}}</a>"), "\x00"},
		{"a text as a number", configured("json", map[string]any{"n": "{{brand|number}}"}), "1}, {"},
		{"a quoted number", configured("json", map[string]any{"n": "{{brand|number}}"}), `"1"`},
		{"a text with a limit", configured("form", map[string]any{"n": "{{brand|min:1}}"}), "x"},
	} {
		m := nastyMessage()
		m.Brand = c.value
		_, body, err := made(t, c.configured, m)
		if err == nil {
			t.Errorf("%s: %q", c.name, body)
		} else if c.value != "" && c.value != "x" && c.value != ".." && strings.Contains(err.Error(), c.value) {
			t.Errorf("%s: the error quotes it: %v", c.name, err)
		}
	}
}

func TestWhatIsEmptyIsLeftOut(t *testing.T) {
	t.Parallel()
	configured := map[string]any{
		"url": "https://gateway.example/", "headers": map[string]any{"X-From?": "{{from}}", "X-To?": "{{to}}"},
		"query": map[string]any{"cb?": "{{callback_url}}&id={{id}}", "b?": "{{brand}}"},
		"json": map[string]any{
			"from?": "{{from}}", "n?": "{{param.n|number}}", "hooks?": map[string]any{"deep": map[string]any{"url": "{{callback_url}}"}},
			"list?": []any{"{{from}}"}, "kept": "{{from}}", "all": []any{"{{from}}"}, "both?": "{{param.x ?? brand}}",
		},
	}
	m := nastyMessage()
	m.Brand = "b"
	r, body, err := made(t, configured, m)
	if err != nil || body != `{"all":[""],"both":"b","kept":""}` || r.URL.RawQuery != "b=b" {
		t.Errorf("%s %s %v", body, r.URL.RawQuery, err)
	}
	if _, there := r.Header["X-From"]; there || r.Header.Get("X-To") != m.To {
		t.Errorf("headers %v", r.Header)
	}
	m.Params = map[string]string{"n": "-1.5e3"}
	if _, body, err = made(t, configured, m); err != nil || !strings.Contains(body, `"n":-1.5e3`) {
		t.Errorf("%s %v", body, err)
	}
}

func TestPlaceholdersAndFilters(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		"{{to}} {{to_digits}} {{ttl_seconds}} {{ttl_minutes}}": "+18091234567 18091234567 90 1",
		"{{expires}} {{now}}":                                                 "2026-01-02T03:05:35Z 2026-01-02T03:04:05Z",
		"{{language}} {{locale|underscore}}":                                  "es es_DO",
		"{{code|base64}} {{code|hex}}":                                        "NDgyOTEz 343832393133",
		"{{param.sign|ucs2hex}}":                                              "00C02713D83DDE00",
		"{{param.sign|alphabet}} {{code|alphabet}}":                           "ucs2 gsm7",
		"{{param.none|default:x}}{{code|max:500|min:400}}{{code|min:999999}}": "x500999999",
		"{{var.v}} {{secret.s}} {{map.m}}":                                    "{{code}} s3cret other",
		"{{ param.none ?? var.v | upper }}":                                   "{{CODE}}",
		"}} { {":                                                              "}} { {",
	} {
		m := nastyMessage()
		m.Params["sign"] = "À✓😀"
		_, body, err := made(t, map[string]any{
			"url": "https://gateway.example/", "body": written, "content_type": "text/plain", "vars": map[string]any{"v": "{{code}}"},
			"secrets": map[string]any{"s": "s3cret"}, "maps": map[string]any{"m": map[string]any{"of": "{{language}}", "is": map[string]any{"en": "1"}, "default": "other"}},
		}, m)
		if err != nil || body != want {
			t.Errorf("%s: %q %v", written, body, err)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	c := content{
		text: []byte("OK ID:42 done"), header: http.Header{"X-Id": {"7"}},
		tree: map[string]any{
			"a":    map[string]any{"b": []any{map[string]any{"c": "1"}, map[string]any{"c": json.Number("20000000000000000001")}}, "d.e": true, "n": nil},
			"m-id": "x",
		},
	}
	for written, want := range map[string][]string{
		"$.a.b[0].c": {"1"}, "$.a.b[*].c": {"1", "20000000000000000001"}, `$.a["d.e"]`: {"true"}, "$['m-id']": {"x"}, "$.m-id": {"x"},
		"$.a.b[2].c": nil, "$.a": nil, "$.a.n": nil, "$.none ?? $.m-id": {"x"}, "$.m-id ?? $.none": {"x"}, "$.a[0]['d.e']": {"true"},
		"/ID:(\\d+)/": {"42"}, "/OK/": {"OK"}, "/NO/": nil, "header:x-id": {"7"}, "": nil,
	} {
		s, err := parseSelector(written)
		if err != nil || !reflect.DeepEqual(s.all(c), want) {
			t.Errorf("%s: %v %v", written, s.all(c), err)
		}
	}
	for _, written := range []string{"a", "$a", "$.", "$..a", "$[", "$[-1]", "$[1", "$['a]", "$['']", "$[99999]", "/(/", "//", "header:", "$.a ?? ", " ?? $.a", "$" + strings.Repeat("[0]", 33)} {
		if _, err := parseSelector(written); err == nil {
			t.Errorf("%q is a path", written)
		}
	}
}

func TestXMLAnswers(t *testing.T) {
	t.Parallel()
	c, err := parseContent([]byte(`<?xml version="1.0"?><r xmlns="urn:x"><a n="1">x</a><a>y</a><b> 2 </b></r>`), http.Header{})
	if err != nil {
		t.Fatal(err)
	}
	for written, want := range map[string]string{"$.r.a[1]": "y", "$.r.b": "2", "$.r.b[0]": "2", "$.r.a[0].@n": "1"} {
		if s, err := parseSelector(written); err != nil || s.first(c) != want {
			t.Errorf("%s: %q %v", written, s.first(c), err)
		}
	}
	for _, broken := range []string{"<a>", "<a><b></a>", strings.Repeat("<a>", 100), "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<"} {
		if _, err := parseContent([]byte(broken), http.Header{"Content-Type": {"text/xml"}}); err == nil {
			t.Errorf("%q is XML", broken)
		}
	}
}

package httpsms_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

// vector is a signature that a vendor has published.
type vector struct {
	name, preset, callback string // callback is the public URL
	override               map[string]any
	query, body            string
	headers                map[string]string
	at                     time.Time
}

func vectors() []vector {
	twilio := map[string]any{"secrets": map[string]any{"auth_token": "12345"}}
	repeated := url.Values{"Sid": {"CA123"}, "SidAccount": {"AC123"}, "Digits": {"5678", "1234", "1234"}}
	caller := url.Values{"CallSid": {"CA1234567890ABCDE"}, "Caller": {"+14158675309"}, "Digits": {"1234"}, "From": {"+14158675309"}, "To": {"+18005551212"}}
	documented := url.Values{"CallSid": {"CA1234567890ABCDE"}, "Caller": {"+14158675310"}, "Digits": {"1234"}, "From": {"+14158675310"}, "To": {"+18005551212"}}
	form := "application/x-www-form-urlencoded"
	return []vector{
		{ // the test of Twilio's own libraries, such as twilio-php tests/Twilio/Unit/Security/RequestValidatorTest.php
			name: "Twilio", preset: "twilio", override: twilio, callback: "https://mycompany.com/myapp.php", query: "?foo=1&bar=2", body: caller.Encode(),
			headers: map[string]string{"Content-Type": form, "X-Twilio-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
		},
		{ // https://www.twilio.com/docs/usage/security#explore-the-algorithm-yourself
			name: "Twilio's document", preset: "twilio", override: twilio, callback: "https://example.com/myapp.php", query: "?foo=1&bar=2", body: documented.Encode(),
			headers: map[string]string{"Content-Type": form, "X-Twilio-Signature": "L/OH5YylLD5NRKLltdqwSvS0BnU="},
		},
		{ // the same libraries: fields that come twice
			name: "Twilio, fields that come twice", preset: "twilio", override: twilio, callback: "https://mycompany.com/myapp.php", query: "?foo=1&bar=2", body: repeated.Encode(),
			headers: map[string]string{"Content-Type": form, "X-Twilio-Signature": "IK+Dwps556ElfBT0I3Rgjkr1wJU="},
		},
		{ // messagebird/go-rest-api signature_jwt/testdata/reference.json
			name: "MessageBird", preset: "messagebird", callback: "https://example.com/path", query: "?bar=1&foo=2", body: "Hello, World!",
			override: map[string]any{"secrets": map[string]any{"signing_key": "36efdd1aace2e26cd490f0d951138253bef2f7c6d34d18981da781555cc4cebb"}},
			headers: map[string]string{"MessageBird-Signature-JWT": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJNZXNzYWdlQmlyZCIsIm5iZiI6MTYyNTQ3OTIwMCwiZXhwIjoxNjI1NDc5MjYwLCJqdGkiOiI5" +
				"M2U1NTAwNi1hMGU4LTQ1MjYtYTE5MC1mYTVmZjAwZWExMTYiLCJ1cmxfaGFzaCI6IjQxZjA1ZjBkZGQwYTIyYWIyMDlhYzQ2ZjQ3YzQ1NzJkOWNlZmEyNTdlZDc0YjI0MDA0YmFlNzUzZWNlNmMyNjAiLCJwYXlsb2FkX2hhc2gi" +
				"OiJkZmZkNjAyMWJiMmJkNWIwYWY2NzYyOTA4MDllYzNhNTMxOTFkZDgxYzdmNzBhNGIyODY4OGEzNjIxODI5ODZmIn0._H--TOuYFLpeEH39-rg5E3IHVkjHozBcaKVWPRC5m9I"},
			at: time.Unix(1625479230, 0),
		},
		{ // sinch/sinch-sdk-dotnet tests, Conversation/WebhooksTests.cs
			name: "Sinch", preset: "sinch", callback: "https://otp.example.com/receipts/sinch",
			override: map[string]any{"receipts": map[string]any{"auth": map[string]any{
				"type": "hmac", "header": "x-sinch-webhook-signature", "encoding": "base64", "secret": "foo_secret1234",
				"message": "{{body}}.{{header.x-sinch-webhook-signature-nonce}}.{{header.x-sinch-webhook-signature-timestamp}}",
			}}},
			body: `{"app_id":"","accepted_time":"2021-10-18T17:49:13.813615Z","project_id":"e2df3a34-a71b-4448-9db5-a8d2baad28e4","contact_create_notification":` +
				`{"contact":{"id":"01FJA8B466Y0R2GNXD78MD9SM1","channel_identities":[{"channel":"SMS","identity":"48123456789","app_id":""}],` +
				`"display_name":"New Test Contact","email":"new.contact@email.com","external_id":"","metadata":"","language":"EN_US"}},"message_metadata":""}`,
			headers: map[string]string{
				"X-Sinch-Webhook-Signature-Nonce": "01FJA8B4A7BM43YGWSG9GBV067", "X-Sinch-Webhook-Signature-Timestamp": "1634579353",
				"X-Sinch-Webhook-Signature": "6bpJoRmFoXVjfJIVglMoJzYXxnoxRujzR4k2GOXewOE=",
			},
		},
		{ // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries: the same scheme as Meta's
			name: "X-Hub-Signature-256", preset: "whatsapp-cloud", callback: "https://otp.example.com/receipts/w", body: "Hello, World!",
			override: map[string]any{"receipts": map[string]any{"format": "form"}, "secrets": map[string]any{"app_secret": "It's a Secret to Everybody"}},
			headers:  map[string]string{"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
		},
	}
}

// provider opens the preset with what the vector was made with.
func (v vector) provider(t *testing.T) delivery.Callback {
	t.Helper()
	tr := load(t, v.preset)
	configured := join(tr.settings, v.override)
	configured["base_url"] = "https://gateway.example"
	at := v.at
	if at.IsZero() {
		at = noon()
	}
	return must(t, configured, v.callback, clock.Over(func() time.Time { return at }, 0)).(delivery.Callback)
}

// join lays one mapping over another.
func join(lower, upper map[string]any) map[string]any {
	joined := map[string]any{}
	for key, value := range lower {
		joined[key] = value
	}
	for key, value := range upper {
		below, ok := joined[key].(map[string]any)
		if above, both := value.(map[string]any); ok && both {
			value = join(below, above)
		}
		joined[key] = value
	}
	return joined
}

func (v vector) call() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/receipts/gateway"+v.query, bytes.NewReader([]byte(v.body)))
	for name, value := range v.headers {
		r.Header.Set(name, value)
	}
	return r
}

func TestPublishedSignatures(t *testing.T) {
	t.Parallel()
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			p := v.provider(t)
			if _, _, err := p.Callback(v.call(), []byte(v.body)); errors.Is(err, delivery.ErrForged) {
				t.Error("the vendor's own signature counts as forged")
			}
			if _, _, err := p.Callback(v.call(), []byte(v.body+" ")); !errors.Is(err, delivery.ErrForged) {
				t.Errorf("another body: %v", err)
			}
			for name := range v.headers {
				if name == "Content-Type" {
					continue
				}
				r := v.call()
				r.Header.Del(name)
				if _, _, err := p.Callback(r, []byte(v.body)); !errors.Is(err, delivery.ErrForged) {
					t.Errorf("without %s: %v", name, err)
				}
			}
		})
	}
}

// TestATokenEnds plays MessageBird's own after its end.
func TestATokenEnds(t *testing.T) {
	t.Parallel()
	for _, v := range vectors() {
		if v.name != "MessageBird" {
			continue
		}
		v.at = v.at.Add(time.Hour)
		if _, _, err := v.provider(t).Callback(v.call(), []byte(v.body)); !errors.Is(err, delivery.ErrForged) {
			t.Errorf("an hour later: %v", err)
		}
	}
}

// TestSecretsOfCalls tries the schemes without signatures.
func TestSecretsOfCalls(t *testing.T) {
	t.Parallel()
	right := func(set func(*http.Request)) func(*http.Request) { return set }
	cases := []struct {
		auth         map[string]any
		right, wrong func(*http.Request)
	}{
		{
			map[string]any{"type": "header", "name": "X-Key", "secret": "s3cret"},
			right(func(r *http.Request) { r.Header.Set("X-Key", "s3cret") }),
			func(r *http.Request) { r.Header.Set("X-Key", "s3cre") },
		},
		{
			map[string]any{"type": "basic", "username": "g", "secret": "s3cret"},
			right(func(r *http.Request) { r.SetBasicAuth("g", "s3cret") }),
			func(r *http.Request) { r.SetBasicAuth("h", "s3cret") },
		},
		{
			map[string]any{"type": "query", "name": "key", "secret": "s3cret"},
			right(func(r *http.Request) { r.URL.RawQuery = "key=s3cret" }),
			func(r *http.Request) { r.URL.RawQuery = "key=" },
		},
	}
	body := []byte(`{"id":"m-1","state":"ok"}`)
	for _, c := range cases {
		configured := plain("https://gateway.example")
		configured["receipts"] = map[string]any{
			"auth": c.auth, "id": "$.id", "state": map[string]any{"path": "$.state", "delivered": []any{"OK"}},
		}
		p := must(t, configured, "https://otp.example.com/receipts/g", stopped()).(delivery.Callback)
		for _, set := range []func(*http.Request){c.wrong, func(*http.Request) {}} {
			r := httptest.NewRequest(http.MethodPost, "/receipts/g", nil)
			set(r)
			if _, _, err := p.Callback(r, body); !errors.Is(err, delivery.ErrForged) {
				t.Errorf("%v lets in what proves nothing: %v", c.auth["type"], err)
			}
		}
		r := httptest.NewRequest(http.MethodPost, "/receipts/g", nil)
		c.right(r)
		reports, _, err := p.Callback(r, body)
		if err != nil || len(reports) != 1 || reports[0].State != delivery.Delivered || reports[0].ID != "m-1" {
			t.Errorf("%v: %v %v", c.auth["type"], reports, err)
		}
	}
}

// Package challenge asks whoever gave out a challenge's token whether the
// challenge was passed: Cloudflare Turnstile and hCaptcha by their siteverify
// call, and an application of one's own by a signed call.
//
// It decides nothing about limits, retries nothing, remembers no token and
// leaves it to the callers it is given whom it may call.
package challenge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Where the vendors judge tokens:
// https://developers.cloudflare.com/turnstile/get-started/server-side-validation/
// and https://docs.hcaptcha.com/#verify-the-user-response-server-side.
const (
	TurnstileURL = "https://challenges.cloudflare.com/turnstile/v0/siteverify"
	HCaptchaURL  = "https://api.hcaptcha.com/siteverify"
)

// maxAnswer is how much of an answer is read.
const maxAnswer = 16 << 10

// Doer calls; it bounds the time, follows no redirects and guards the network.
type Doer interface {
	Do(r *http.Request) (*http.Response, error)
}

// Question is a token with what its challenge is asked about by.
type Question struct {
	URL     string // "" is the vendor's
	Secret  string
	SiteKey string     // only tokens of this one count, where the vendor can tell; "" is any
	Token   string     // as the browser was given it
	Client  netip.Addr // of who solved it; not valid when it is not known
	Tenant  string     // told to an application of one's own
}

// errNoAnswer says that what came back is none. Nothing of it is quoted: it may
// hold the token.
var errNoAnswer = errors.New("challenge: the answer is not the JSON object that it should be")

// Turnstile asks Cloudflare. An error means that there is no answer to rely on.
func Turnstile(ctx context.Context, client Doer, q Question) (bool, error) {
	if q.URL == "" {
		q.URL = TurnstileURL
	}
	return siteverify(ctx, client, q, nil)
}

// HCaptcha asks hCaptcha; see [Turnstile].
func HCaptcha(ctx context.Context, client Doer, q Question) (bool, error) {
	if q.URL == "" {
		q.URL = HCaptchaURL
	}
	more := url.Values{}
	if q.SiteKey != "" {
		more.Set("sitekey", q.SiteKey)
	}
	return siteverify(ctx, client, q, more)
}

// siteverify makes the call that both vendors share.
func siteverify(ctx context.Context, client Doer, q Question, form url.Values) (bool, error) {
	if form == nil {
		form = url.Values{}
	}
	form.Set("secret", q.Secret)
	form.Set("response", q.Token)
	if q.Client.IsValid() {
		form.Set("remoteip", q.Client.Unmap().WithZone("").String())
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, q.URL, strings.NewReader(form.Encode()))
	if err != nil { // its text quotes the URL
		return false, errors.New("challenge: the URL is malformed")
	}
	request.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "User-Agent": {"Aldaba"}}
	answer, err := client.Do(request)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close() //nolint:errcheck // nothing depends on it
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return false, err
	}
	if answer.StatusCode != http.StatusOK {
		return false, fmt.Errorf("challenge: answered %d", answer.StatusCode)
	}
	return verdict(body)
}

// verdict reads the answer of siteverify. That a token is worth nothing is an
// answer; that our own side of the call is wrong is an error, which somebody
// has to mend.
func verdict(body []byte) (bool, error) {
	var said struct {
		Success *bool    `json:"success"`
		Codes   []string `json:"error-codes"`
	}
	if json.Unmarshal(body, &said) != nil || said.Success == nil {
		return false, errNoAnswer
	}
	for _, code := range said.Codes {
		if !*said.Success && !slices.Contains(worthless(), code) {
			return false, fmt.Errorf("challenge: refused with %s", word(code))
		}
	}
	return *said.Success, nil
}

// worthless are the error codes of both vendors that speak of the token alone.
func worthless() []string {
	return []string{
		"missing-input-response", "invalid-input-response", "timeout-or-duplicate",
		"expired-input-response", "already-seen-response", "invalid-or-already-seen-response",
	}
}

// word is an error code as it may be logged.
func word(code string) string {
	if code == "" || len(code) > 48 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return "an error code that is none"
	}
	return code
}

// Post signs a JSON payload and posts it once.
type Post func(ctx context.Context, url, secret, id string, payload []byte) (status int, body []byte, err error)

// Application asks an application of one's own: it is posted {"token",
// "client_ip", "tenant"} and answers 200 with {"passed": true} or false. The
// call's id is the same for the same token, so that the application can tell
// repeats. An error means that there is no answer to rely on.
func Application(ctx context.Context, post Post, q Question) (bool, error) {
	asked := struct {
		Token  string `json:"token"`
		Client string `json:"client_ip,omitempty"`
		Tenant string `json:"tenant"`
	}{Token: q.Token, Tenant: q.Tenant}
	if q.Client.IsValid() {
		asked.Client = q.Client.Unmap().WithZone("").String()
	}
	payload, err := json.Marshal(asked)
	if err != nil {
		return false, errors.New("challenge: the token cannot be written as JSON")
	}
	sum := sha256.Sum256([]byte(q.Tenant + " " + q.Token))
	status, body, err := post(ctx, q.URL, q.Secret, "chl_"+hex.EncodeToString(sum[:16]), payload)
	if err != nil {
		return false, err
	}
	if status != http.StatusOK {
		return false, fmt.Errorf("challenge: answered %d", status)
	}
	return judged(body)
}

// judged reads what an application answers.
func judged(body []byte) (bool, error) {
	var said struct {
		Passed *bool `json:"passed"`
	}
	if json.Unmarshal(body, &said) != nil || said.Passed == nil {
		return false, errNoAnswer
	}
	return *said.Passed, nil
}

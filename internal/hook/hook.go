// Package hook signs, posts and verifies events by Standard Webhooks 1.0.0
// (https://www.standardwebhooks.com), so that who receives them can use a
// ready library in any language.
//
// It retries nothing, keeps nothing, knows no kind of event, and leaves it to
// the client that it is given whom it may call.
package hook

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	prefix    = "whsec_"
	minSecret = 24 // bytes
	maxSecret = 64
	// window is how far the time of a signature may be from ours, in either
	// direction, so that a call that was overheard cannot be played again later.
	window = 5 * time.Minute
	// maxAnswer is how much of an answer is read.
	maxAnswer = 64 << 10
	// maxAfter bounds what an answer asks to wait.
	maxAfter = 24 * time.Hour
)

// ErrForged says that a call is not signed with the secret, or at another time.
var ErrForged = errors.New("hook: the signature does not fit")

// Doer calls; it bounds the time, follows no redirects and guards the network.
type Doer interface {
	Do(r *http.Request) (*http.Response, error)
}

// Answer is what the other side said. 2xx means done, 410 that it wants no
// event any more, and all else that the event may be posted again.
type Answer struct {
	Status int
	After  time.Duration // how long it asks to wait (Retry-After); 0 when it does not
	Body   []byte        // at most 64 KiB; must not be shown or logged
}

// CheckSecret judges the form of a secret: whsec_ and 24 to 64 bytes in base64,
// as `echo whsec_$(openssl rand -base64 32)` makes it. Its error does not hold
// the secret.
func CheckSecret(secret string) error {
	text, ok := strings.CutPrefix(secret, prefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < minSecret || len(key) > maxSecret || strings.ContainsAny(text, "\r\n") {
		return errors.New("must be whsec_ and 24 to 64 random bytes in base64, as `echo whsec_$(openssl rand -base64 32)` makes it")
	}
	return nil
}

// Secrets are the one in force, and the one before while the other side changes
// over to it; that is "" otherwise.
type Secrets struct{ Current, Previous string }

// each returns those that there are.
func (s Secrets) each() []string {
	if s.Previous == "" {
		return []string{s.Current}
	}
	return []string{s.Current, s.Previous}
}

// sign returns a signature with each secret, separated by a space as Standard
// Webhooks has it: the other side accepts a call of which one fits.
func (s Secrets) sign(id string, at time.Time, payload []byte) (string, error) {
	var all []string
	for _, secret := range s.each() {
		signer, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return "", errors.New("hook: the secret is malformed")
		}
		signature, err := signer.Sign(id, at, payload)
		if err != nil {
			return "", errors.New("hook: cannot sign")
		}
		all = append(all, signature)
	}
	return strings.Join(all, " "), nil
}

// Post signs a JSON payload and posts it once. The id is the event's: the same
// for every try, so that the other side can tell repeats; at is the time of
// this try. A broken answer's body is no error, because its status is there.
func Post(ctx context.Context, client Doer, url string, secrets Secrets, id string, at time.Time, payload []byte) (Answer, error) {
	signature, err := secrets.sign(id, at, payload)
	if err != nil {
		return Answer{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(payload))
	if err != nil { // its text quotes the URL
		return Answer{}, errors.New("hook: the URL is malformed")
	}
	request.Header = http.Header{
		"Content-Type":      {"application/json"},
		"User-Agent":        {"Aldaba"},
		"Webhook-Id":        {id},
		"Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)},
		"Webhook-Signature": {signature},
	}
	answer, err := client.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer answer.Body.Close()                                       //nolint:errcheck // nothing depends on it
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer)) // to the end, so that the connection can be kept
	if err != nil {
		body = nil
	}
	return Answer{Status: answer.StatusCode, After: after(answer.Header.Get("Retry-After"), at), Body: body}, nil
}

// after reads Retry-After, which is seconds or a date (RFC 9110, 10.2.3).
func after(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxAfter)
	}
	if date, err := http.ParseTime(header); err == nil {
		return min(max(date.Sub(now), 0), maxAfter)
	}
	return 0
}

// Verify tells whether a call was signed with one of the secrets within five
// minutes of now. Its error is [ErrForged], or that a secret is malformed.
func Verify(secrets Secrets, header http.Header, body []byte, now time.Time) error {
	// The library compares with the system's clock, so the time is judged here.
	seconds, err := strconv.ParseInt(header.Get(standardwebhooks.HeaderWebhookTimestamp), 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > window {
		return ErrForged
	}
	for _, secret := range secrets.each() {
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return errors.New("hook: the secret is malformed")
		}
		if verifier.VerifyIgnoringTimestamp(body, header) == nil {
			return nil
		}
	}
	return ErrForged
}

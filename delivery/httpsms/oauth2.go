package httpsms

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/internal/clock"
)

// oauth2 gets tokens for client credentials, RFC 6749 section 4.4, and keeps
// each until shortly before it ends.
type oauth2 struct {
	endpoint         string
	form             url.Values
	username, secret string // in the header when inHeader, RFC 6749 section 2.3.1
	inHeader         bool
	client           *http.Client
	now              func() time.Time

	turn  chan struct{} // holds one token while nobody asks for a new one
	token string
	until time.Time
}

// margin is how long before its end a token is not used any more.
const margin = 30 * time.Second

// defaultLifetime is a token's when its issuer does not say.
const defaultLifetime = 5 * time.Minute

func (b *builder) oauth2Auth(a authSettings, clk *clock.Clock, client *http.Client, need func(name, value string) string) authorizer {
	o := &oauth2{
		endpoint: need("token_url", a.TokenURL), username: need("client_id", a.ClientID), secret: need("client_secret", a.ClientSecret),
		form: url.Values{"grant_type": {"client_credentials"}}, client: client, now: clk.Now, turn: make(chan struct{}, 1),
	}
	o.turn <- struct{}{}
	u, err := url.Parse(o.endpoint)
	if err != nil || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !b.s.InsecureHTTP && !near(u.Host)) || !authority.MatchString(u.Host) {
		b.faults.Add("auth.token_url", "must be an https:// URL")
	}
	switch a.Style {
	case "", "header":
		o.inHeader = true
	case "body":
		o.form.Set("client_id", o.username)
		o.form.Set("client_secret", o.secret)
	default:
		b.faults.Add("auth.style", "must be header or body")
	}
	for name, value := range map[string]string{"scope": a.Scope, "audience": a.Audience} {
		if value != "" {
			o.form.Set(name, b.s.fixed(&b.faults, "auth."+name, value))
		}
	}
	return o
}

func (o *oauth2) authorize(ctx context.Context, r *http.Request, _ []byte) error {
	select { // one asks, the others wait for what it gets
	case <-o.turn:
		defer func() { o.turn <- struct{}{} }()
	case <-ctx.Done():
		return unavailable(errors.New("no access token in time"))
	}
	if o.token == "" || !o.now().Before(o.until) {
		if err := o.fetch(ctx); err != nil {
			return err
		}
	}
	r.Header.Set("Authorization", "Bearer "+o.token)
	return nil
}

// refused forgets the token that was refused; another that was fetched
// meanwhile stays.
func (o *oauth2) refused(r *http.Request) bool {
	select {
	case <-o.turn:
		defer func() { o.turn <- struct{}{} }()
	case <-r.Context().Done():
		return false
	}
	if r.Header.Get("Authorization") == "Bearer "+o.token {
		o.token = ""
	}
	return true
}

func (o *oauth2) fetch(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, o.endpoint, strings.NewReader(o.form.Encode()))
	if err != nil {
		return unavailable(errors.New("auth.token_url cannot be read"))
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", userAgent)
	if o.inHeader {
		r.SetBasicAuth(url.QueryEscape(o.username), url.QueryEscape(o.secret))
	}
	resp, err := o.client.Do(r)
	if err != nil {
		return unavailable(errors.New("the access token: " + reason(err)))
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit))
	var answer struct {
		Token   string      `json:"access_token"`
		Seconds json.Number `json:"expires_in"`
	}
	if resp.StatusCode != http.StatusOK {
		refusal := unavailable(errors.New("no access token was given: check client_id, client_secret and scope"))
		refusal.Code, refusal.After = "token", retryAfter(resp.Header, o.now())
		return refusal
	}
	if err != nil || json.Unmarshal(body, &answer) != nil || answer.Token == "" {
		return unavailable(errors.New("the answer holds no access token"))
	}
	if _, err := inHeader(answer.Token); err != nil {
		return unavailable(errors.New("the access token is none"))
	}
	lifetime := defaultLifetime
	if n, err := answer.Seconds.Int64(); err == nil && n > 0 && n < int64((24*365*time.Hour)/time.Second) {
		lifetime = time.Duration(n) * time.Second
	}
	o.token, o.until = answer.Token, o.now().Add(lifetime-min(margin, lifetime/2))
	return nil
}

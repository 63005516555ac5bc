// Package httpsms is a provider for gateways that take messages over HTTP: SMS,
// WhatsApp, Telegram and voice. What a gateway wants is described in YAML, by
// the operator or by one of the presets that come with it; a new gateway needs
// no Go. docs/operations/http.md is the reference of the description.
//
// It is not a client of any vendor's library, not a template language (there
// are placeholders and a few filters, no loops and no conditions beyond leaving
// out what is empty), and knows no retry and no route.
package httpsms

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
)

// Type returns the gallery's entry.
func Type() delivery.Type {
	return delivery.Type{
		Name: "http",
		Secrets: []string{
			"secrets.*", "auth.password", "auth.token", "auth.value", "auth.secret", "auth.client_secret", "auth.secret_key",
			"auth.session_token", "auth.private_key", "receipts.auth.secret", "receipts.challenge.secret",
		},
		Open: open,
	}
}

func open(s delivery.Settings) (delivery.Provider, error) {
	configured, faults, whole := read(s.Values)
	if !whole {
		return nil, faults.Err()
	}
	b := &builder{s: &configured, scope: configured.messageScope(), faults: faults}
	g := &gateway{s: &configured, now: s.Clock.Now, client: b.client()}
	g.maps = b.maps()
	g.request, g.results = b.request(), b.results()
	g.auth = b.auth(s.Clock, g.client)
	receipts := b.receipts(s)
	if err := b.faults.Err(); err != nil {
		return nil, err
	}
	if receipts == nil {
		return g, nil
	}
	g.callbackURL = receipts.callbackURL
	return &reporting{g, receipts}, nil
}

// gateway is the provider.
type gateway struct {
	s           *settings
	request     request
	auth        authorizer
	results     results
	maps        map[string]mapped
	client      *http.Client
	now         func() time.Time
	callbackURL string // "" when reports cannot be had
}

// reporting is a gateway that reports what became of messages.
type reporting struct {
	*gateway
	*receipts
}

// mapped makes the value of {{map.NAME}}.
type mapped struct {
	of       template
	is       map[string]string
	fallback string
}

func (b *builder) maps() map[string]mapped {
	made := make(map[string]mapped, len(b.s.Maps))
	inner := b.scope
	inner.given = map[string][]string{"var.": b.scope.given["var."]}
	for name, m := range b.s.Maps {
		t, err := inner.parse(m.Of)
		if err != nil {
			b.faults.Add("maps."+name+".of", "%s", err.Error())
		}
		made[name] = mapped{t, m.Is, m.Default}
	}
	return made
}

// Send implements [delivery.Provider].
func (g *gateway) Send(ctx context.Context, m delivery.Message) (delivery.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, g.s.Timeout)
	defer cancel()
	if len(g.s.Channels) > 0 && !slices.Contains(g.s.Channels, m.Channel) {
		return delivery.Receipt{}, &delivery.Error{Class: delivery.Rejected, Code: "channel", Cause: errors.New("the gateway is not for this channel: check the routes")}
	}
	v := g.values(m)
	ids, again, err := g.try(ctx, v)
	if again {
		ids, _, err = g.try(ctx, v)
	}
	if err != nil {
		return delivery.Receipt{}, err
	}
	return delivery.Receipt{IDs: ids, Expect: g.callbackURL != "" && len(ids) > 0}, nil
}

// try sends one request. again tells that it was refused for a stale token and
// that there is a way to a fresh one.
func (g *gateway) try(ctx context.Context, v values) (ids []string, again bool, err error) {
	var written atomic.Bool // a server may act on what it has the headers of
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { written.Store(true) }})
	r, body, err := g.request.build(traced, v)
	if err != nil {
		return nil, false, &delivery.Error{Class: delivery.Rejected, Code: "request", Cause: err}
	}
	if g.auth != nil {
		if err := g.auth.authorize(ctx, r, body); err != nil {
			return nil, false, err
		}
	}
	resp, err := g.client.Do(r)
	if err != nil {
		class := delivery.Unavailable
		if written.Load() {
			class = delivery.Unknown
		}
		return nil, false, &delivery.Error{Class: class, Cause: errors.New(reason(err))}
	}
	defer func() { _ = resp.Body.Close() }()
	if renew, ok := g.auth.(renewer); ok && resp.StatusCode == http.StatusUnauthorized && renew.refused(r) {
		again = true
	}
	text, broken := readAnswer(resp.Body)
	c := content{text: text, header: resp.Header}
	if broken == nil {
		if c, broken = parseContent(text, resp.Header); broken != nil {
			broken = errNoSense
		}
	}
	ids, err = g.results.judge(resp.StatusCode, c, broken, g.now(), v)
	return ids, again, err
}

// values are what a message puts in for placeholders.
func (g *gateway) values(m delivery.Message) values {
	now := g.now()
	left := max(m.Expires.Sub(now), time.Second)
	from := m.From
	if from == "" {
		from = g.s.From
	}
	fixed := map[string]string{
		"to": m.To, "to_digits": strings.TrimPrefix(m.To, "+"), "from": from, "text": m.Body, "subject": m.Subject, "code": m.Code,
		"brand": m.Brand, "locale": m.Locale, "language": language(m.Locale), "id": m.ID, "verification": m.Verification,
		"tenant": m.Tenant, "country": m.Country, "channel": m.Channel,
		"ttl_seconds": strconv.FormatInt(int64(left/time.Second), 10), "ttl_minutes": strconv.FormatInt(max(int64(left/time.Minute), 1), 10),
		"expires": m.Expires.UTC().Format(time.RFC3339), "now": now.UTC().Format(time.RFC3339), "callback_url": g.callbackURL,
	}
	var v values
	v = func(name string) string {
		if value, ok := fixed[name]; ok {
			return value
		}
		group, key, _ := strings.Cut(name, ".")
		switch group {
		case "param":
			return m.Params[key]
		case "map":
			return g.maps[key].value(v)
		}
		return g.s.constant(name)
	}
	return v
}

func (m mapped) value(v values) string {
	of, err := m.of.expand(v, nil)
	if err != nil {
		return m.fallback
	}
	if value, ok := m.is[of]; ok {
		return value
	}
	return m.fallback
}

// language is the first part of a BCP 47 tag.
func language(locale string) string {
	tag, _, _ := strings.Cut(strings.ReplaceAll(locale, "_", "-"), "-")
	return strings.ToLower(tag)
}

package smtp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/delivery/deliverytest"
	"github.com/aldaba-otp/aldaba/internal/clock"
)

// given are settings as a configuration gives them.
type given map[string]any

func plainly(address string, more ...given) given {
	all := given{"address": address, "from": "Acme <no-reply@acme.example>", "tls": "none"}
	for _, m := range more {
		maps.Copy(all, m)
	}
	return all
}

func opened(t testing.TB, values given) *provider {
	t.Helper()
	p, err := Type().Open(delivery.Settings{Name: "mail", Values: values, Clock: clock.New(0), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	made, ok := p.(*provider)
	if !ok {
		t.Fatalf("made a %T", p)
	}
	t.Cleanup(func() {
		for s := made.pool.kept(); s != nil; s = made.pool.kept() {
			s.kill()
		}
	})
	return made
}

// letterTo is a message as the courier gives it.
func letterTo(to string) delivery.Message {
	m := deliverytest.Message()
	m.Channel, m.To, m.Country, m.Subject = "email", to, "", "Your code"
	m.Body = "Your Acme code is 482913.\n\nIt expires in 5 minutes. Do not share it."
	return m
}

// parts are the header and the decoded texts of a message.
type parts struct {
	header     mail.Header
	text, html string
}

func read(t testing.TB, data string) parts {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(data))
	if err != nil {
		t.Fatalf("no message: %v", err)
	}
	p := parts{header: m.Header}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	if kind == "text/plain" {
		p.text = decoded(t, quotedprintable.NewReader(m.Body))
		return p
	}
	if kind != "multipart/alternative" {
		t.Fatalf("it is %s", kind)
	}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		part, err := r.NextPart() // takes quoted-printable back
		if errors.Is(err, io.EOF) {
			return p
		}
		if err != nil {
			t.Fatal(err)
		}
		switch kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type")); kind {
		case "text/plain":
			p.text = decoded(t, part)
		case "text/html":
			p.html = decoded(t, part)
		default:
			t.Errorf("there is a part of type %q", kind)
		}
	}
}

func decoded(t testing.TB, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}

// classed fails unless an error is of a class and has a code.
func classed(t *testing.T, err error, class delivery.Class, code string) {
	t.Helper()
	var e *delivery.Error
	if !errors.As(err, &e) || e.Class != class || code != "*" && e.Code != code {
		t.Errorf("got %v, want %v (%s)", err, class, code)
	}
}

func TestProvider(t *testing.T) {
	t.Parallel()
	refusals := map[delivery.Class]string{
		delivery.Rejected:    "550 5.1.1 <ana@example.com>: 482913 user unknown\r\n",
		delivery.Throttled:   "450 4.7.1 <ana@example.com>: come back later\r\n",
		delivery.Unavailable: "451 4.3.0 <ana@example.com>: out of order\r\n",
	}
	deliverytest.Run(t, func(t *testing.T) deliverytest.Harness {
		r := startRelay(t, func(r *testRelay) { r.offers = append(r.offers, "AUTH PLAIN LOGIN") })
		return deliverytest.Harness{
			Provider: opened(t, plainly(r.address, given{"username": "user", "password": "hunter2-secret"})),
			Refuse: func(c delivery.Class) bool {
				r.at("RCPT", refusals[c], answer)
				return true
			},
			Heal:   func() { r.act(nil) },
			Slow:   func() { r.at("RCPT", "", mute) },
			Garble: func() { r.at("MAIL", strings.Repeat("250-482913 ana@example.com\r\n", 400_000), hangUp) },
			Carried: func() (bodies []string) {
				for _, p := range r.took() {
					bodies = append(bodies, read(t, p.data).text)
				}
				return bodies
			},
			Message: letterTo("ana@example.com"),
			Secrets: []string{"hunter2-secret"},
		}
	})
}

func TestReceiptsNameTheQueueOrTheMessage(t *testing.T) {
	t.Parallel()
	r := startRelay(t)
	p := opened(t, plainly(r.address, given{"message_id_domain": "ids.acme.example"}))
	m := letterTo("ana@example.com")
	for _, c := range []struct{ reply, want string }{
		{"", "4XyZ12ab"},
		{"250 OK id=1tEaVp-0000000ABCD-3Xyz\r\n", "1tEaVp-0000000ABCD-3Xyz"},
		{"250 Ok 0100018c2f1a3b4c-5d6e7f80-0000\r\n", "0100018c2f1a3b4c-5d6e7f80-0000"},
		{"250 2.0.0 OK\r\n", m.ID + "@ids.acme.example"},
		{"250 Message queued\r\n", m.ID + "@ids.acme.example"},
		{"251 fine, too\r\n", m.ID + "@ids.acme.example"},
	} {
		r.at(".", c.reply, answer)
		got, err := p.Send(t.Context(), m)
		if err != nil || len(got.IDs) != 1 || got.IDs[0] != c.want || got.Expect || got.Delivered {
			t.Errorf("%q: %+v, %v", c.reply, got, err)
		}
	}
}

// TestSendEndsWithItsContext has the relay say nothing at each stage.
func TestSendEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for _, stage := range []string{"connect", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "."} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			r := startRelay(t, func(r *testRelay) { r.offers = append(r.offers, "AUTH PLAIN") })
			p := opened(t, plainly(r.address, given{"username": "user", "password": "hunter2-secret"}))
			ctx, cancel := context.WithCancel(t.Context())
			r.act(func(verb, _ string) (string, action) {
				if verb == stage {
					cancel()
					return "", mute
				}
				return "", answer
			})
			_, err := p.Send(ctx, letterTo("ana@example.com"))
			want := delivery.Unavailable
			if stage == "." {
				want = delivery.Unknown
			}
			classed(t, err, want, "timeout")
			if !errors.Is(err, context.Canceled) {
				t.Errorf("it does not say why: %v", err)
			}
		})
	}
}

func TestTimeoutBoundsASend(t *testing.T) {
	t.Parallel()
	r := startRelay(t)
	r.at("RCPT", "", mute)
	p := opened(t, plainly(r.address))
	p.timeout = time.Millisecond
	_, err := p.Send(t.Context(), letterTo("ana@example.com"))
	classed(t, err, delivery.Unavailable, "timeout")
}

func TestARelayThatIsNotThere(t *testing.T) {
	t.Parallel()
	p := opened(t, plainly("127.0.0.1:1"))
	_, err := p.Send(t.Context(), letterTo("ana@example.com"))
	classed(t, err, delivery.Unavailable, "connect")
}

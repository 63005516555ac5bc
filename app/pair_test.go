package app

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

const pairTenant = `
providers: [{name: box, type: inbox}]
tenants:
  - name: shop
    home: VE
    countries: ["*"]
    limits: {rate: 1000000/1s}
    routes: [{channel: sms, providers: [box]}]
    profiles: [{name: default}]
    credentials: [{type: api_key, key: 0123456789abcdef0123456789abcdef}]
`

// BenchmarkPair is what a start and its right check cost this process without
// net/http and without a database: middlewares, dialect, core, writer, courier.
// The engine in memory has its share, and so has reading the code.
func BenchmarkPair(b *testing.B) {
	a, err := New(b.Context(), Options{
		KeysFile: ringIn(b, b.TempDir()), Database: "memory:", Listen: "127.0.0.1:0", Log: slog.New(slog.NewJSONHandler(struct{ io.Writer }{io.Discard}, nil)), // which formats the lines
	})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := a.Apply(b.Context(), parse(b, pairTenant), false); err != nil {
		b.Fatal(err)
	}
	if err := a.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	mux, err := httpx.NewMux(a.routes(), httpx.NotFound)
	if err != nil {
		b.Fatal(err)
	}
	p := pairs{a: a, handler: a.around(mux, a.source())}
	b.SetParallelism(32)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := p.pair(b.Context()); err != nil {
				b.Error(err)
				return
			}
		}
	})
	a.Courier.Rest(b.Context())
	b.StopTimer()
	if err := stop(a); err != nil {
		b.Error(err)
	}
}

// pairs plays the applications.
type pairs struct {
	a       *App
	handler http.Handler
	numbers atomic.Int64
}

func (p *pairs) pair(ctx context.Context) error {
	number := 1_000_000_000 + p.numbers.Add(1)*618_033_989%1_000_000_000
	started := p.ask(ctx, "/v1/verifications", `{"to":"+584`+strconv.FormatInt(number, 10)[1:]+`"}`)
	_, rest, _ := strings.Cut(started, `{"id":"`)
	name, _, ok := strings.Cut(rest, `"`)
	id, _ := otp.ParseID(name)
	found, err := p.a.Store.Verifications(ctx, id)
	if err != nil || !ok || len(found) == 0 {
		return &unexpected{started}
	}
	code, err := p.a.Service.Ring().Code(&found[0])
	if err != nil {
		return err
	}
	if judged := p.ask(ctx, "/v1/verifications/"+name+"/check", `{"code":"`+code+`"}`); !strings.Contains(judged, `"outcome":"approved"`) {
		return &unexpected{judged}
	}
	return nil
}

type unexpected struct{ answer string }

// Error implements error.
func (u *unexpected) Error() string { return "unexpected answer: " + u.answer }

// ask makes a request as net/http hands it over, and returns the body.
func (p *pairs) ask(ctx context.Context, path, body string) string {
	r, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://bench"+path, strings.NewReader(body))
	r.RequestURI, r.RemoteAddr = path, "127.0.0.1:40000"
	r.Header = http.Header{"Authorization": {"Bearer 0123456789abcdef0123456789abcdef"}, "Content-Type": {"application/json"}}
	w := answer{header: http.Header{}}
	p.handler.ServeHTTP(&w, r)
	return string(w.body)
}

// answer is a ResponseWriter that keeps the body.
type answer struct {
	header http.Header
	body   []byte
}

// Header implements [http.ResponseWriter].
func (w *answer) Header() http.Header { return w.header }

// WriteHeader implements [http.ResponseWriter].
func (*answer) WriteHeader(int) {}

// Write implements [http.ResponseWriter].
func (w *answer) Write(p []byte) (int, error) {
	w.body = append(w.body, p...)
	return len(p), nil
}

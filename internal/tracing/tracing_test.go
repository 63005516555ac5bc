package tracing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	wire "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver takes OTLP over HTTP, as a collector does.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*wire.Span
	who   string
}

func receive(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		var asked collector.ExportTraceServiceRequest
		if err != nil || q.URL.Path != "/v1/traces" || proto.Unmarshal(body, &asked) != nil {
			http.Error(w, "no traces", http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, of := range asked.GetResourceSpans() {
			r.who = fmt.Sprint(of.GetResource().GetAttributes())
			for _, in := range of.GetScopeSpans() {
				r.spans = append(r.spans, in.GetSpans()...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(r.Close)
	return r
}

// span returns one span by its name.
func (r *receiver) span(t *testing.T, name string) *wire.Span {
	t.Helper()
	for _, s := range r.spans {
		if s.GetName() == name {
			return s
		}
	}
	t.Fatalf("there is no span %q among %v", name, r.spans)
	return nil
}

func tracer(t *testing.T, endpoint string, sample float64, log *slog.Logger) *Tracer {
	t.Helper()
	tr, err := New(t.Context(), Options{Endpoint: endpoint, Sample: sample, Version: "1.2.3", Instance: "me", Log: log, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestSpansOfARequestHangTogether(t *testing.T) {
	t.Parallel()
	r := receive(t)
	tr := tracer(t, r.URL, 1, slog.New(slog.DiscardHandler))
	asked := httptest.NewRequest(http.MethodPost, "/v1/verifications/secret-path?key=secret", strings.NewReader("secret"))
	asked.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	inner, end := tr.Request(asked)
	if !Traced(inner.Context()) {
		t.Error("it is not traced")
	}
	_, decided, done := tr.Step(inner.Context())
	decided()
	done(errors.New("a text for the log"))
	_, sent := tr.Call(inner.Context(), Call{Provider: "one", Tenant: "shop", Channel: "sms", Country: "MX", Verification: "v", Attempt: 1, Waited: 3 * time.Second})
	sent("unavailable")
	end("/v1/verifications", "native", http.StatusInternalServerError)
	if err := tr.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	request, step, message, send := r.span(t, "POST /v1/verifications"), r.span(t, "store step"), r.span(t, "message"), r.span(t, "send")
	if got := fmt.Sprintf("%x", request.GetTraceId()); got != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("the trace is %s, not the caller's", got)
	}
	for _, pair := range [][2]*wire.Span{{request, step}, {request, message}, {message, send}} {
		if !bytes.Equal(pair[0].GetSpanId(), pair[1].GetParentSpanId()) {
			t.Errorf("%s does not hang below %s", pair[1].GetName(), pair[0].GetName())
		}
	}
	if wait := time.Duration(send.GetStartTimeUnixNano() - message.GetStartTimeUnixNano()); wait != 3*time.Second {
		t.Errorf("the message waited %s", wait)
	}
	if len(step.GetEvents()) != 1 || step.GetStatus().GetCode() != wire.Status_STATUS_CODE_ERROR {
		t.Errorf("the step is %v", step)
	}
	for want, of := range map[string]*wire.Span{"native": request, "unavailable": send, "shop": message, "/v1/verifications": request} {
		if !strings.Contains(fmt.Sprint(of.GetAttributes()), want) {
			t.Errorf("%s lacks %s: %v", of.GetName(), want, of.GetAttributes())
		}
	}
	if !strings.Contains(r.who, "aldaba") || !strings.Contains(r.who, "1.2.3") {
		t.Errorf("the resource is %s", r.who)
	}
	if all := fmt.Sprint(r.spans); strings.Contains(all, "secret") || strings.Contains(all, "for the log") {
		t.Errorf("the spans tell too much: %s", all)
	}
}

func TestOnlyAShareIsTraced(t *testing.T) {
	t.Parallel()
	r := receive(t)
	tr := tracer(t, r.URL, 0.2, slog.New(slog.DiscardHandler))
	const all = 2000
	for i := range all {
		asked := httptest.NewRequest("BREW", "/", nil)
		if i%2 == 0 { // a caller's wish does not decide; the end of its id does
			asked.Header.Set("Traceparent", fmt.Sprintf("00-0af7651916cd43dd%016x-b7ad6b7169203331-01", uint64(i)*0x9e3779b97f4a7c15|1))
		}
		inner, end := tr.Request(asked)
		_, sent := tr.Call(inner.Context(), Call{})
		sent("taken")
		end("unmatched", "", http.StatusOK)
	}
	if err := tr.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, s := range r.spans {
		if s.GetName() == "_OTHER unmatched" {
			n++
		}
	}
	if n < all/10 || n > all*3/10 || len(r.spans) != 3*n {
		t.Errorf("%d of %d requests are traced, with %d spans", n, all, len(r.spans))
	}
}

func TestCollectorThatIsAwayIsToldOfOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	q := &quiet{SpanExporter: failing{}, log: slog.New(slog.NewTextHandler(&log, nil)), now: time.Now}
	for range 3 {
		if err := q.ExportSpans(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(log.String(), "the collector does not take traces"); n != 1 {
		t.Errorf("it is told %d times: %s", n, &log)
	}
}

func TestLinesOfARequestNameItsTrace(t *testing.T) {
	t.Parallel()
	r := receive(t)
	tr := tracer(t, r.URL, 0.000001, slog.New(slog.DiscardHandler))
	var text bytes.Buffer
	log := slog.New(LogHandler(slog.NewTextHandler(&text, nil))).With("a", 1).WithGroup("g")
	log.InfoContext(t.Context(), "before")
	asked := httptest.NewRequest(http.MethodGet, "/", nil)
	asked.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
	inner, end := tr.Request(asked)
	log.InfoContext(inner.Context(), "within")
	end("/", "", 200)
	if got := text.String(); strings.Count(got, "trace_id=0af7651916cd43dd8448eb211c80319c") != 1 || strings.Contains(got, "before a=1 g.trace_id") {
		t.Errorf("the log is %s", got)
	}
	if err := tr.Stop(t.Context()); err != nil || len(r.spans) != 0 {
		t.Errorf("%v, spans %v", err, r.spans)
	}
}

func TestContextWithoutASpanIsNotTraced(t *testing.T) {
	t.Parallel()
	if Traced(context.Background()) {
		t.Error("it is")
	}
}

// failing is an exporter whose collector is away.
type failing struct{}

func (failing) ExportSpans(context.Context, []sdk.ReadOnlySpan) error { return errors.New("away") }
func (failing) Shutdown(context.Context) error                        { return nil }

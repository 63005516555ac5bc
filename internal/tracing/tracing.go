// Package tracing sends OpenTelemetry spans to a collector over OTLP/HTTP: one
// for a request, its steps in the store, and its message on its way to a
// carrier. A server that is not told where to send them makes no [Tracer].
//
// No attribute holds a code, an address, a text, a credential or a raw path.
// Spans never leave with a message: carriers are told no trace.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Options are what a [Tracer] is made of.
type Options struct {
	// Endpoint is the collector's address, such as http://127.0.0.1:4318; the
	// path /v1/traces is added. When empty, the standard variables of
	// OpenTelemetry tell it. The others of them (headers, time-outs,
	// certificates, OTEL_SERVICE_NAME) are heeded in any case.
	Endpoint string
	Sample   float64 // share of the requests that are traced, above 0 and up to 1
	Version  string
	Instance string // names this process
	Log      *slog.Logger
	Now      func() time.Time
}

// Tracer makes spans. Its methods may be called at once.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	context  propagation.TraceContext
	now      func() time.Time
}

// New returns a tracer that sends in the background. A collector that is away
// costs spans and nothing else.
func New(ctx context.Context, o Options) (*Tracer, error) {
	var way []otlptracehttp.Option
	if o.Endpoint != "" {
		way = append(way, otlptracehttp.WithEndpointURL(o.Endpoint+"/v1/traces"))
	}
	exporter, err := otlptracehttp.New(ctx, way...)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	who, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", "aldaba"), attribute.String("service.version", o.Version),
		attribute.String("service.instance.id", o.Instance),
	), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	// The same share holds for what callers began: their word alone must not
	// decide what this server spends. As it goes by the trace's id, a caller
	// with the same share keeps the same traces.
	share := sdk.TraceIDRatioBased(o.Sample)
	p := sdk.NewTracerProvider(sdk.WithResource(who), sdk.WithBatcher(&quiet{SpanExporter: exporter, log: o.Log, now: o.Now}),
		sdk.WithSampler(sdk.ParentBased(share, sdk.WithRemoteParentSampled(share))))
	return &Tracer{provider: p, tracer: p.Tracer("github.com/aldaba-otp/aldaba"), now: o.Now}, nil
}

// Stop sends what has gathered.
func (t *Tracer) Stop(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	return nil
}

// Request begins the span of a request, below the caller's if it names one (W3C
// Trace Context). The route is known at its end.
func (t *Tracer) Request(r *http.Request) (inner *http.Request, end func(route, dialect string, status int)) {
	ctx := t.context.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := t.tracer.Start(ctx, "HTTP", trace.WithSpanKind(trace.SpanKindServer))
	return r.WithContext(ctx), func(route, dialect string, status int) {
		if span.IsRecording() {
			method := method(r.Method)
			span.SetName(method + " " + route)
			span.SetAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route),
				attribute.Int("http.response.status_code", status), attribute.String("url.scheme", scheme(r)))
			if dialect != "" {
				span.SetAttributes(attribute.String("aldaba.dialect", dialect))
			}
			if status >= http.StatusInternalServerError {
				span.SetStatus(codes.Error, strconv.Itoa(status))
			}
		}
		span.End()
	}
}

// method is a known method, or what the semantic conventions put in its place.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "_OTHER"
}

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// Traced tells whether what happens in a context is recorded.
func Traced(ctx context.Context) bool { return trace.SpanFromContext(ctx).IsRecording() }

// Step begins the span of a step of the store. decided is to be called when
// its decision runs: what is before it is waiting and loading, what is after it
// the commit.
func (t *Tracer) Step(ctx context.Context) (inner context.Context, decided func(), end func(error)) {
	ctx, span := t.tracer.Start(ctx, "store step")
	return ctx, func() { span.AddEvent("decided") }, func(err error) {
		if err != nil { // the text is for the log
			span.SetStatus(codes.Error, "not committed")
		}
		span.End()
	}
}

// Call is one try of handing a message to a provider.
type Call struct {
	Provider, Tenant, Channel, Country, Verification string
	Attempt                                          int           // 1 for the first
	Waited                                           time.Duration // since the message was born
}

// Call begins two spans: that of the message, which began with its birth, and
// in it that of the call. Without a request in the context they are a trace of
// their own, as for a message that was tried before.
func (t *Tracer) Call(ctx context.Context, c Call) (inner context.Context, end func(result string)) {
	now := t.now()
	ctx, message := t.tracer.Start(ctx, "message", trace.WithSpanKind(trace.SpanKindProducer), trace.WithTimestamp(now.Add(-max(c.Waited, 0))))
	if !message.IsRecording() {
		return ctx, func(string) { message.End() }
	}
	message.SetAttributes(attribute.String("aldaba.verification_id", c.Verification), attribute.String("aldaba.tenant", c.Tenant),
		attribute.String("aldaba.channel", c.Channel), attribute.String("aldaba.country", c.Country), attribute.Int("aldaba.attempt", c.Attempt))
	ctx, call := t.tracer.Start(ctx, "send", trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(now))
	call.SetAttributes(attribute.String("aldaba.provider", c.Provider))
	return ctx, func(result string) {
		call.SetAttributes(attribute.String("aldaba.result", result))
		if result != "taken" {
			call.SetStatus(codes.Error, result)
		}
		call.End()
		message.End()
	}
}

package tracing

import (
	"context"
	"log/slog"
	"sync"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// complaintPace is how often a failing collector is told of.
const complaintPace = time.Minute

// quiet is an exporter whose failures go to the server's log, and not too
// often; the library's own way out is a handler for the whole process.
type quiet struct {
	sdk.SpanExporter
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	last time.Time
}

// ExportSpans implements [sdk.SpanExporter].
func (q *quiet) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := q.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if now := q.now(); now.Sub(q.last) >= complaintPace {
		q.last = now
		q.log.Warn("the collector does not take traces; they are lost", "spans", len(spans), "error", err)
	}
	return nil
}

// LogHandler adds trace_id to the lines that are written in a request.
func LogHandler(to slog.Handler) slog.Handler { return idHandler{to} }

type idHandler struct{ slog.Handler }

// Handle implements [slog.Handler].
func (h idHandler) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h idHandler) WithAttrs(all []slog.Attr) slog.Handler {
	return idHandler{h.Handler.WithAttrs(all)}
}

// WithGroup implements [slog.Handler].
func (h idHandler) WithGroup(name string) slog.Handler { return idHandler{h.Handler.WithGroup(name)} }

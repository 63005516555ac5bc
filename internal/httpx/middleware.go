package httpx

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Middleware stands around a handler.
type Middleware func(next http.Handler) http.Handler

// Chain puts the middlewares around the handler, the first one outermost.
func Chain(h http.Handler, around ...Middleware) http.Handler {
	for _, m := range slices.Backward(around) {
		h = m(h)
	}
	return h
}

// Options are what [Standard] needs. The zero Options are usable.
type Options struct {
	// Log takes the access log and the panics; nil is slog.Default.
	Log *slog.Logger
	// Now is the clock of the access log; nil is time.Now.
	Now func() time.Time
	// NewID makes request ids; nil makes random UUIDs.
	NewID func() string
	// Deadline is how long a handler may take; 0 is 10 s.
	Deadline time.Duration
	// Context makes the context of handlers, before it gets its deadline; nil
	// takes the request's.
	Context func(*http.Request) context.Context
	// Refuse answers when a handler panicked; nil writes a problem. The Refuse
	// of a Mux answers in the words of the route.
	Refuse Refuse
}

// Standard is the chain of every listener: request id, safe headers, one chunked
// body a connection, access log, recovery and deadline, in that order.
func Standard(o Options) Middleware {
	return func(next http.Handler) http.Handler {
		return Chain(next, WithRequestID(o.NewID), WithSafeHeaders(), WithOneChunkedBody(),
			WithAccessLog(o.Log, o.Now), WithRecovery(o.Log, o.Refuse), WithDeadline(o.Deadline, o.Context))
	}
}

const requestIDHeader = "X-Request-Id"

// RequestID returns the id that WithRequestID gave the request.
func RequestID(r *http.Request) string { return r.Header.Get(requestIDHeader) }

// WithRequestID gives every request an id, in the X-Request-Id header of both
// the request and the answer. The client's own is kept when it is one word of
// 8 to 64 letters, digits, dots, underscores and dashes; anything else could
// forge log lines. A nil newID makes random UUIDs.
func WithRequestID(newID func() string) Middleware {
	if newID == nil {
		newID = randomUUID
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen := record(w)
			id := r.Header[requestIDHeader]
			if len(id) != 1 || !soundID(id[0]) {
				seen.id[0] = newID()
				id = seen.id[:]
				r.Header[requestIDHeader] = id
			}
			seen.Header()[requestIDHeader] = id
			next.ServeHTTP(seen, r)
		})
	}
}

func soundID(id string) bool {
	for _, c := range []byte(id) {
		if !alphanumeric(c) && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return len(id) >= 8 && len(id) <= 64
}

func randomUUID() string {
	var u [16]byte
	_, _ = rand.Read(u[:]) //nolint:forbidigo // the default of NewID; it never fails, says its documentation
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	var text [36]byte
	hex.Encode(text[:], u[:4])
	hex.Encode(text[9:], u[4:6])
	hex.Encode(text[14:], u[6:8])
	hex.Encode(text[19:], u[8:10])
	hex.Encode(text[24:], u[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// WithSafeHeaders makes every answer uncacheable, its type final and its
// address unknown to other sites.
func WithSafeHeaders() Middleware {
	// One list each for all answers; who adds to one gets a list of his own,
	// since there is no room behind its only element.
	noStore, noSniff, noReferrer := []string{"no-store"}, []string{"nosniff"}, []string{"no-referrer"}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h["Cache-Control"] = noStore
			h["X-Content-Type-Options"] = noSniff
			h["Referrer-Policy"] = noReferrer
			next.ServeHTTP(w, r)
		})
	}
}

// WithOneChunkedBody ends a connection of HTTP/1.1 after a request whose body came
// in chunks. One that had a Content-Length too must be the last of its connection
// (RFC 9112, section 6.1), since what follows may be smuggled in by a proxy that
// went by the length; net/http takes that header away before a handler could see
// it, and keeps the connection.
func WithOneChunkedBody() Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if len(r.TransferEncoding) > 0 {
				w.Header().Set("Connection", "close")
			}
			next.ServeHTTP(w, r)
		})
	}
}

// WithDeadline gives the context of the handler a deadline; 0 or less is 10 s.
// That context is what of makes of the request, or the request's when it is nil.
func WithDeadline(limit time.Duration, of func(*http.Request) context.Context) Middleware {
	if limit <= 0 {
		limit = 10 * time.Second
	}
	if of == nil {
		of = (*http.Request).Context
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(of(r), limit)
			defer cancel()
			inner := r.WithContext(ctx)
			defer func() { r.Pattern = inner.Pattern }()
			next.ServeHTTP(w, inner)
		})
	}
}

// AccessLine is the message of the lines of [WithAccessLog].
const AccessLine = "request"

// WithAccessLog writes one line for each request: method, route, status,
// duration, bytes, request id and remote address, and nothing else of it. A nil
// log is slog.Default, a nil clock is time.Now.
func WithAccessLog(log *slog.Logger, now func() time.Time) Middleware {
	if log == nil {
		log = slog.Default()
	}
	if now == nil {
		now = time.Now //nolint:forbidigo // the default
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start, seen := now(), record(w)
			defer func() {
				log.LogAttrs(r.Context(), slog.LevelInfo, AccessLine,
					slog.String("method", knownMethod(r.Method)),
					slog.String("route", RouteOf(r)),
					slog.Int("status", seen.finalStatus()),
					slog.Duration("duration", now().Sub(start)),
					slog.Int64("bytes", seen.bytes),
					slog.String("request_id", RequestID(r)),
					slog.String("remote_ip", remoteIP(r)))
			}()
			next.ServeHTTP(seen, r)
		})
	}
}

// knownMethod keeps what a client may put in place of a method out of the log.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	}
	return "OTHER"
}

func remoteIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

// WithRecovery turns a panic into a log line and, when nothing was written yet,
// a refusal with status 500. The line has the type of what was thrown and the
// places, but no values: those may be the caller's. A nil log is slog.Default,
// a nil refuse writes a problem.
func WithRecovery(log *slog.Logger, refuse Refuse) Middleware {
	if log == nil {
		log = slog.Default()
	}
	if refuse == nil {
		refuse = RefuseWithProblem
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen := record(w)
			defer func() {
				thrown := recover()
				if thrown == nil {
					return
				}
				if thrown == http.ErrAbortHandler { //nolint:errorlint // net/http throws this very value.
					panic(thrown) // the server's own way to cut a connection
				}
				log.LogAttrs(r.Context(), slog.LevelError, "panic in a handler",
					slog.String("thrown", describe(thrown)), slog.Any("stack", stack()),
					slog.String("route", RouteOf(r)), slog.String("request_id", RequestID(r)))
				if seen.status == 0 {
					refuse(seen, r, Refusal{Status: http.StatusInternalServerError})
				}
			}()
			next.ServeHTTP(seen, r)
		})
	}
}

// describe gives a runtime error in words, for those hold types and indices
// only, and of anything else the type.
func describe(thrown any) string {
	if err, ok := thrown.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", thrown)
}

// stack names the places that led to a panic. The text of debug.Stack has the
// arguments of the calls as well, and a small number among them may be a code.
func stack() []string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	var places []string
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") {
			places = append(places, fmt.Sprintf("%s %s:%d", f.Function, path.Base(f.File), f.Line))
		}
		if !more {
			return places
		}
	}
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int // 0 as long as nothing was written
	bytes  int64
	id     [1]string // room for the id that the request is given
}

// record returns the recorder that stands around w already, or a new one.
func record(w http.ResponseWriter) *recorder {
	if seen, ok := w.(*recorder); ok {
		return seen
	}
	return &recorder{ResponseWriter: w}
}

// WriteHeader remembers the first final status.
func (s *recorder) WriteHeader(status int) {
	if s.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

// Write counts.
func (s *recorder) Write(p []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	n, err := s.ResponseWriter.Write(p)
	s.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach what is below.
func (s *recorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// finalStatus is what the server sends: 200 when the handler wrote nothing.
func (s *recorder) finalStatus() int {
	if s.status == 0 {
		return http.StatusOK
	}
	return s.status
}

package httpx

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"
)

// LogHandler writes the lines of slog.NewJSONHandler. It has a shorter way, to
// the very same bytes, for the line that every request leaves.
func LogHandler(w io.Writer, level slog.Leveler) slog.Handler {
	to := &serial{w: w}
	return &jsonLog{slog.NewJSONHandler(to, &slog.HandlerOptions{Level: level}), to}
}

// jsonLog is slog's handler. One that was given attributes or a group is slog's
// alone, so that [WithAccessLog] goes the long way with it.
type jsonLog struct {
	slog.Handler

	to *serial
}

// serial lets one line through after the other, from either way.
type serial struct {
	w    io.Writer
	mu   sync.Mutex
	room []byte // of the last access line
}

// Write implements [io.Writer].
func (s *serial) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(line)
}

// accessLine is what one request leaves in the log.
type accessLine struct {
	method, route string
	status        int
	duration      time.Duration
	bytes         int64
	id, remoteIP  string
}

// write logs the line, by the short way if there is one.
func (l *accessLine) write(ctx context.Context, log *slog.Logger) {
	if short, ok := log.Handler().(*jsonLog); ok && short.Enabled(ctx, slog.LevelInfo) {
		if short.access(time.Now(), l) { //nolint:forbidigo // as slog.Logger
			return
		}
	}
	log.LogAttrs(ctx, slog.LevelInfo, "request",
		slog.String("method", l.method), slog.String("route", l.route), slog.Int("status", l.status), slog.Duration("duration", l.duration),
		slog.Int64("bytes", l.bytes), slog.String("request_id", l.id), slog.String("remote_ip", l.remoteIP))
}

// access writes the line, unless a word of it needs escapes.
func (h *jsonLog) access(at time.Time, l *accessLine) bool {
	if !PlainJSON(l.method) || !PlainJSON(l.route) || !PlainJSON(l.id) || !PlainJSON(l.remoteIP) {
		return false
	}
	h.to.mu.Lock()
	defer h.to.mu.Unlock()
	h.to.room = l.append(h.to.room[:0], at)
	_, _ = h.to.w.Write(h.to.room) // nobody hears of a log that takes nothing, as with slog
	return true
}

// append writes the line as slog's handler would.
func (l *accessLine) append(b []byte, at time.Time) []byte {
	b = append(b, `{"time":"`...)
	b = at.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","level":"INFO","msg":"request","method":"`...)
	b = append(b, l.method...)
	b = append(b, `","route":"`...)
	b = append(b, l.route...)
	b = append(b, `","status":`...)
	b = strconv.AppendInt(b, int64(l.status), 10)
	b = append(b, `,"duration":`...)
	b = strconv.AppendInt(b, int64(l.duration), 10)
	b = append(b, `,"bytes":`...)
	b = strconv.AppendInt(b, l.bytes, 10)
	b = append(b, `,"request_id":"`...)
	b = append(b, l.id...)
	b = append(b, `","remote_ip":"`...)
	b = append(b, l.remoteIP...)
	return append(b, "\"}\n"...)
}

// PlainJSON reports whether a string stands between the quotes of JSON as it is.
func PlainJSON(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

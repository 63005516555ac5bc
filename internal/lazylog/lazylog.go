// Package lazylog writes log lines as JSON, and gathers those that come with each
// request for a moment, so that one write carries many.
//
// It is no log of its own: lines are made by [slog.JSONHandler], and every line
// that is not said to be lazy is written before its call returns, behind all that
// came before it.
package lazylog

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Delay is how long a lazy line is held back at most. A process that is killed
// loses so much of them.
const Delay = 50 * time.Millisecond

// most bounds what is held back, in bytes; what is beyond is written at once.
const most = 64 << 10

// Handler is a [slog.Handler] of JSON lines.
type Handler struct {
	slog.Handler
	lines *lines
	lazy  string
}

// New returns a handler that writes to w. Lines with the message lazy and no
// higher level than info are the ones that may wait.
func New(w io.Writer, o *slog.HandlerOptions, lazy string) *Handler {
	l := &lines{to: w}
	return &Handler{Handler: slog.NewJSONHandler(l, o), lines: l, lazy: lazy}
}

// Handle implements [slog.Handler].
func (h *Handler) Handle(ctx context.Context, r slog.Record) error { //nolint:gocritic // the interface wants a value
	waits := r.Level <= slog.LevelInfo && r.Message == h.lazy
	if err := h.Handler.Handle(ctx, r); err != nil || waits {
		return err
	}
	return h.Flush()
}

// WithAttrs implements [slog.Handler].
func (h *Handler) WithAttrs(all []slog.Attr) slog.Handler {
	return &Handler{Handler: h.Handler.WithAttrs(all), lines: h.lines, lazy: h.lazy}
}

// WithGroup implements [slog.Handler].
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{Handler: h.Handler.WithGroup(name), lines: h.lines, lazy: h.lazy}
}

// Flush writes what is held back. It returns the error of the write, after which
// those lines are lost, and later ones are not.
func (h *Handler) Flush() error { return h.lines.flush() }

// lines holds whole lines back.
type lines struct {
	to io.Writer

	mu    sync.Mutex
	held  []byte
	armed bool // flush is on its way

	writing sync.Mutex // taken before mu
	spare   []byte     // what was written last, to hold lines again
}

// Write implements [io.Writer]; p is whole lines.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	l.held = append(l.held, p...)
	full := len(l.held) >= most
	if !l.armed && !full {
		l.armed = true
		time.AfterFunc(Delay, func() { _ = l.flush() }) // nobody is left to tell
	}
	l.mu.Unlock()
	if full {
		return len(p), l.flush()
	}
	return len(p), nil
}

func (l *lines) flush() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	out := l.held
	l.held, l.armed = l.spare[:0], false
	l.mu.Unlock()
	l.spare = out[:0]
	if len(out) == 0 {
		return nil
	}
	_, err := l.to.Write(out)
	return err
}

package app

import (
	"io"
	"log/slog"

	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/internal/lazylog"
)

// NewLog returns the log of a server that many use, and what writes the lines
// that it holds back: those of requests go out together, up to
// [lazylog.Delay] late or with the next other line. One write a request is up to
// a tenth of a busy server's work (docs/performance.md).
func NewLog(w io.Writer, level slog.Level) (log *slog.Logger, flush func() error) {
	h := lazylog.New(w, &slog.HandlerOptions{Level: level}, httpx.AccessLine)
	return slog.New(h), h.Flush
}

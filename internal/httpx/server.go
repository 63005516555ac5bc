package httpx

import (
	"bytes"
	"context"
	"crypto/tls"
	"log"
	"log/slog"
	"net/http"
	"time"
)

// HeaderLimit is the most bytes of a request's line and header fields that a
// route takes: status 431.
const HeaderLimit = 16 << 10

// ServerOptions are what [Server] needs.
type ServerOptions struct {
	// Addr is what ListenAndServe listens on; Serve needs none.
	Addr string
	// Handler serves the requests.
	Handler http.Handler
	// TLS is nil for plain text. Versions below 1.2 are never spoken.
	TLS *tls.Config
	// Log takes what the server says about connections; nil is slog.Default.
	Log *slog.Logger
}

// Server makes an HTTP server with limits on everything that a client can draw
// out: headers 5 s and 16 KiB, the request 10 s, the answer 15 s, idling 60 s.
// Over TLS it speaks HTTP/2 as well.
func Server(o ServerOptions) *http.Server {
	logger := o.Log
	if logger == nil {
		logger = slog.Default()
	}
	config := o.TLS
	if config != nil {
		config = config.Clone()
		config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
		if len(config.NextProtos) == 0 {
			// Said aloud, HTTP/2 also works over a listener that does TLS itself.
			config.NextProtos = []string{"h2", "http/1.1"}
		}
	}
	return &http.Server{
		Addr:              o.Addr,
		Handler:           o.Handler,
		TLSConfig:         config,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       60 * time.Second,
		// The mux refuses more than [HeaderLimit] in the words of the route; the
		// library cuts off what is far beyond.
		MaxHeaderBytes: 2 * HeaderLimit,
		ErrorLog:       log.New(errorLog{logger}, "", 0),
		// Over HTTP/2 a connection has no more handlers in work than that,
		// streams that were reset included (CVE-2023-44487).
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 100},
		// "OPTIONS *" comes to the handler like everything else.
		DisableGeneralOptionsHandler: true,
	}
}

// errorLog turns the lines of http.Server into records.
type errorLog struct{ log *slog.Logger }

// Write takes one line. Failed handshakes are the daily noise of scanners. Of a
// panic only the fact is kept, for its value may be the caller's.
func (e errorLog) Write(line []byte) (int, error) {
	level, text := slog.LevelWarn, bytes.TrimSpace(line)
	if bytes.HasPrefix(text, []byte("http: TLS handshake error")) {
		level = slog.LevelDebug
	}
	if panicked := []byte("http: panic serving"); bytes.HasPrefix(text, panicked) {
		text = panicked
	}
	e.log.LogAttrs(context.Background(), level, "http server", slog.String("said", string(text)))
	return len(line), nil
}

package httpx

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// FuzzAccessLinesAreThoseOfSlog writes each line by both ways, at one moment.
func FuzzAccessLinesAreThoseOfSlog(f *testing.F) {
	f.Add("POST", "/v1/verifications/{id}", 201, int64(123456), int64(300), "0190-abc", "127.0.0.1", int64(0))
	f.Add("", "", 0, int64(-1), int64(-1), "", "", int64(1))
	f.Add("a\"b", "\\", -1, int64(1)<<62, int64(0), "\x00\x1f\x7f", "fe80::1%et\xffh", int64(999_999_999))
	f.Add("<&>", "\u2028", 599, int64(0), int64(1)<<62, "línea", "::1", int64(120_000_000))
	f.Fuzz(func(t *testing.T, method, route string, status int, took, size int64, id, ip string, wait int64) {
		line := accessLine{method, route, status, time.Duration(took), size, id, ip}
		synctest.Test(t, func(t *testing.T) { // where time stands still
			time.Sleep(time.Duration(max(wait, 0) % int64(time.Hour)))
			var short, long bytes.Buffer
			line.write(t.Context(), slog.New(LogHandler(&short, slog.LevelInfo)))
			line.write(t.Context(), slog.New(slog.NewJSONHandler(&long, nil)))
			if short.String() != long.String() {
				t.Errorf("%s, not %s", short.String(), long.String())
			}
		})
	})
}

func TestTheShortWayIsTaken(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	h := LogHandler(&text, slog.LevelInfo).(*jsonLog)
	if !h.access(time.Now(), &accessLine{method: "GET"}) || h.access(time.Now(), &accessLine{route: "\n"}) {
		t.Error("a plain line did not go the short way, or one with escapes did")
	}
	if strings.Count(text.String(), "\n") != 1 {
		t.Errorf("%s", &text)
	}
}

func TestLevelAttributesAndGroupsHold(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	line := &accessLine{method: "GET"}
	line.write(t.Context(), slog.New(LogHandler(&text, slog.LevelWarn)))
	if text.Len() > 0 {
		t.Errorf("logged below the level: %s", &text)
	}
	line.write(t.Context(), slog.New(LogHandler(&text, slog.LevelInfo)).With("who", "me").WithGroup("of"))
	if !strings.Contains(text.String(), `"msg":"request","who":"me","of":{"method":"GET"`) {
		t.Errorf("%s", &text)
	}
}

func TestLinesOfBothWaysNeverMix(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer // unsafe, which the race detector sees
	log := slog.New(LogHandler(&text, slog.LevelInfo))
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for range 50 {
				if i%2 == 0 {
					log.Info("other", "a", "b")
				} else {
					(&accessLine{method: "GET", route: "/x", id: "made"}).write(t.Context(), log)
				}
			}
		})
	}
	writers.Wait()
	for line := range strings.Lines(text.String()) {
		if !strings.HasPrefix(line, `{"time":"`) || !strings.HasSuffix(line, "\"}\n") || strings.Count(line, "time") != 1 {
			t.Errorf("%s", line)
		}
	}
	if n := strings.Count(text.String(), "\n"); n != 400 {
		t.Errorf("%d lines", n)
	}
}

// BenchmarkAccessLine is one line by either way.
func BenchmarkAccessLine(b *testing.B) {
	line := &accessLine{"POST", "/v1/verifications/{id}/check", 200, 5 * time.Millisecond, 200, randomUUID(), "127.0.0.1"}
	for name, h := range map[string]slog.Handler{"short": LogHandler(nowhere{}, slog.LevelInfo), "slog": slog.NewJSONHandler(nowhere{}, nil)} {
		b.Run(name, func(b *testing.B) {
			log := slog.New(h)
			b.ReportAllocs()
			for b.Loop() {
				line.write(b.Context(), log)
			}
		})
	}
}

// nowhere is no io.Discard, for which slog formats nothing.
type nowhere struct{}

// Write implements [io.Writer].
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

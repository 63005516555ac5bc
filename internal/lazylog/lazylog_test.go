package lazylog_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aldaba-otp/aldaba/internal/lazylog"
)

// paper keeps each write.
type paper struct {
	mu     sync.Mutex
	writes []string
	fail   bool
}

func (p *paper) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail {
		return 0, errors.New("no space left")
	}
	p.writes = append(p.writes, string(b))
	return len(b), nil
}

// messages are the messages of all writes, with a bar between two writes.
func (p *paper) messages() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var writes []string
	for _, w := range p.writes {
		var words []string
		for line := range strings.Lines(w) {
			_, word, _ := strings.Cut(line, `"msg":"`)
			word, _, _ = strings.Cut(word, `"`)
			words = append(words, word)
		}
		writes = append(writes, strings.Join(words, " "))
	}
	return strings.Join(writes, " | ")
}

func TestOnlyLazyLinesWait(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		act        func(log *slog.Logger)
		now, later string
	}{
		{"one", func(l *slog.Logger) { l.Info("request") }, "", "request"},
		{"some", func(l *slog.Logger) { l.Info("request"); l.Info("request") }, "", "request request"},
		{"another waits for nothing, and keeps its place", func(l *slog.Logger) {
			l.Info("request")
			l.Info("ready")
			l.Info("request")
		}, "request ready", "request ready | request"},
		{"a warning never waits", func(l *slog.Logger) { l.Warn("request") }, "request", "request"},
		{"members make no difference", func(l *slog.Logger) {
			l.With("a", 1).WithGroup("g").Info("request", "b", 2)
			l.With("a", 1).WithGroup("g").Info("other", "b", 2)
		}, "request other", "request other"},
		{"what nobody wants is not written", func(l *slog.Logger) { l.Debug("other") }, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &paper{}
				c.act(slog.New(lazylog.New(p, nil, "request")))
				if got := p.messages(); got != c.now {
					t.Errorf("at once: %q, want %q", got, c.now)
				}
				time.Sleep(lazylog.Delay)
				synctest.Wait()
				if got := p.messages(); got != c.later {
					t.Errorf("later: %q, want %q", got, c.later)
				}
			})
		})
	}
}

func TestEachLineIsWrittenOnceWhoeverWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &paper{}
		h := lazylog.New(p, nil, "request")
		log := slog.New(h)
		const writers, each = 16, 500 // more than may be held back
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for n := range each {
					log.Info("request", "line", fmt.Sprintf("%d-%d-", w, n))
					if n%100 == 0 {
						log.Info("other")
					}
				}
			})
		}
		all.Wait()
		if err := h.Flush(); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(p.writes, "")
		for w := range writers {
			at := 0
			for n := range each {
				i := strings.Index(text[at:], fmt.Sprintf(`"%d-%d-"`, w, n))
				if i < 0 {
					t.Fatalf("line %d of writer %d is missing or out of its order", n, w)
				}
				at += i
			}
		}
		if lines := strings.Count(text, "\n"); lines != writers*(each+each/100) || len(p.writes) > lines/10 {
			t.Errorf("%d lines in %d writes", lines, len(p.writes))
		}
	})
}

func TestAWriteThatFailsLosesItsOwnLinesAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &paper{fail: true}
		h := lazylog.New(p, nil, "request")
		log := slog.New(h)
		log.Info("request")
		if h.Flush() == nil {
			t.Error("the error is not told")
		}
		p.fail = false
		log.Info("other")
		if got := p.messages(); got != "other" || h.Flush() != nil {
			t.Errorf("got %q", got)
		}
	})
}

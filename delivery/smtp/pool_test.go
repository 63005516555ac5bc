package smtp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
)

func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	r := startRelay(t)
	p := opened(t, plainly(r.address))
	for range 5 {
		if _, err := p.Send(t.Context(), letterTo("ana@example.com")); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.connections(); got != 1 {
		t.Errorf("%d connections", got)
	}
	// After a refusal too, with the refused transaction cleared.
	r.at("RCPT", "550 5.1.1 no\r\n", answer)
	_, err := p.Send(t.Context(), letterTo("ana@example.com"))
	classed(t, err, delivery.Rejected, "5.1.1")
	r.act(nil)
	if _, err := p.Send(t.Context(), letterTo("eva@example.com")); err != nil {
		t.Fatal(err)
	}
	if got := r.took(); r.connections() != 1 || len(r.said("RSET")) != 1 || len(got) != 6 || len(got[5].rcptTo) != 1 {
		t.Errorf("%d connections, said RSET %q, took %d", r.connections(), r.said("RSET"), len(got))
	}
}

// TestABrokenConnectionIsReplaced breaks kept connections at every stage
// before the final dot: the message arrives, once.
func TestABrokenConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verb, reply string
		a           action
	}{
		{"MAIL", "", hangUp},
		{"MAIL", "421 4.4.2 idle for too long\r\n", hangUp},
		{"MAIL", "what is this\r\n", answer},
		{"MAIL", "250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n", answer},
		{"MAIL", strings.Repeat("250-more\r\n", 100_000), answer},
		{"RCPT", "", hangUp},
		{"RCPT", "421 4.3.2 shutting down\r\n", hangUp},
		{"DATA", "", hangUp},
		{"DATA", "250 not what DATA is answered with\r\n", answer},
		{"DATA", "354 go on\r\n", hangUp},
	} {
		t.Run(c.verb+" "+c.reply[:min(len(c.reply), 30)], func(t *testing.T) {
			t.Parallel()
			r := startRelay(t)
			p := opened(t, plainly(r.address))
			if _, err := p.Send(t.Context(), letterTo("first@example.com")); err != nil {
				t.Fatal(err)
			}
			var once sync.Once
			r.act(func(verb, _ string) (reply string, a action) {
				if verb == c.verb {
					once.Do(func() { reply, a = c.reply, c.a })
				}
				return reply, a
			})
			if _, err := p.Send(t.Context(), letterTo("ana@example.com")); err != nil && c.reply != "354 go on\r\n" {
				t.Fatal(err)
			} else if err != nil {
				// The text fits into the network's buffers, so that the loss
				// shows after the dot: nobody knows.
				classed(t, err, delivery.Unknown, "connection")
				return
			}
			if got := r.took(); len(got) != 2 || r.connections() != 2 {
				t.Errorf("took %d over %d connections", len(got), r.connections())
			}
		})
	}
}

// TestTwoBrokenConnectionsAreEnough has a relay that never works.
func TestTwoBrokenConnectionsAreEnough(t *testing.T) {
	t.Parallel()
	r := startRelay(t)
	p := opened(t, plainly(r.address))
	if _, err := p.Send(t.Context(), letterTo("ana@example.com")); err != nil {
		t.Fatal(err)
	}
	r.at("MAIL", "", hangUp)
	_, err := p.Send(t.Context(), letterTo("ana@example.com"))
	classed(t, err, delivery.Unavailable, "connection")
	if r.connections() != 2 {
		t.Errorf("%d connections", r.connections())
	}
}

// TestALostAnswerIsUnknownAndNotSentAgain loses it after the final dot.
func TestALostAnswerIsUnknownAndNotSentAgain(t *testing.T) {
	t.Parallel()
	for _, reply := range []string{"", "25", "what is this\r\n", "354 go on\r\n", strings.Repeat("250-more\r\n", 100_000)} {
		t.Run(reply[:min(len(reply), 10)], func(t *testing.T) {
			t.Parallel()
			r := startRelay(t)
			p := opened(t, plainly(r.address))
			if _, err := p.Send(t.Context(), letterTo("first@example.com")); err != nil {
				t.Fatal(err)
			}
			r.at(".", reply, hangUp)
			_, err := p.Send(t.Context(), letterTo("ana@example.com"))
			classed(t, err, delivery.Unknown, "*")
			if n := len(r.said("DATA")); n != 2 || r.connections() != 1 {
				t.Errorf("%d times DATA over %d connections", n, r.connections())
			}
		})
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	r := startRelay(t)
	arrived := make(chan struct{}, 2)
	r.act(func(verb, _ string) (string, action) {
		if verb == "RCPT" {
			arrived <- struct{}{}
			return "", mute
		}
		return "", answer
	})
	p := opened(t, plainly(r.address, given{"connections": 2}))
	ctx, cancel := context.WithCancel(t.Context())
	var sends sync.WaitGroup
	for range 2 {
		sends.Go(func() { _, _ = p.Send(ctx, letterTo("ana@example.com")) })
	}
	<-arrived
	<-arrived
	late, stop := context.WithCancel(t.Context())
	stop()
	_, err := p.Send(late, letterTo("ana@example.com"))
	classed(t, err, delivery.Throttled, "busy")
	if r.connections() != 2 {
		t.Errorf("%d connections", r.connections())
	}
	cancel()
	sends.Wait()
}

func TestManyAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	r := startRelay(t)
	p := opened(t, plainly(r.address, given{"connections": 3}))
	var sends sync.WaitGroup
	for i := range 60 {
		sends.Go(func() {
			if _, err := p.Send(t.Context(), letterTo(fmt.Sprintf("a%d@example.com", i))); err != nil {
				t.Error(err)
			}
		})
	}
	sends.Wait()
	seen := map[string]int{}
	for _, m := range r.took() {
		seen[m.rcptTo[0]]++
	}
	if len(seen) != 60 || len(r.took()) != 60 || r.connections() > 3 {
		t.Errorf("%d recipients, %d messages, %d connections", len(seen), len(r.took()), r.connections())
	}
}

// TestAnIdleConnectionIsClosed has time pass in a bubble.
func TestAnIdleConnectionIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := opened(t, plainly("127.0.0.1:25", given{"idle": "30s"}))
		var last string
		ended := make(chan struct{})
		p.pool.relay.dial = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				defer close(ended)
				last = polite(theirs)
			}()
			return ours, nil
		}
		if _, err := p.Send(t.Context(), letterTo("ana@example.com")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(29 * time.Second)
		synctest.Wait()
		select {
		case <-ended:
			t.Fatalf("closed too early, after %q", last)
		default:
		}
		time.Sleep(2 * time.Second)
		<-ended
		if last != "QUIT\r\n" {
			t.Errorf("it closed after %q", last)
		}
		if p.pool.kept() != nil {
			t.Error("the closed connection is still there")
		}
	})
}

// polite says yes to everything and returns the last line it read.
func polite(conn net.Conn) (last string) {
	in := bufio.NewReader(conn)
	answer := "220 hello\r\n"
	for inData := false; ; {
		if answer != "" {
			if _, err := io.WriteString(conn, answer); err != nil {
				return last
			}
		}
		line, err := in.ReadString('\n')
		if err != nil {
			return last
		}
		last = line
		switch {
		case inData && line != ".\r\n":
			answer = ""
		case line == "DATA\r\n":
			answer, inData = "354 go on\r\n", true
		default:
			answer, inData = "250 yes\r\n", false
		}
	}
}

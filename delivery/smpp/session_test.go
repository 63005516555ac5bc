package smpp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
)

// inBubble runs a test with one bind up, in fake time. It fails when a
// goroutine is left.
func inBubble(t *testing.T, more map[string]any, f func(t *testing.T, l *line, c *peer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l, c := start(t, more)
		defer l.stop()
		f(t, l, c)
	})
}

// nextAnswer returns what the center is answered next, but for links.
func (c *center) nextAnswer() pdu {
	for {
		if q := <-c.answers; q.command != enquireLink|answerBit {
			return q
		}
	}
}

func TestBindSaysWhoItIs(t *testing.T) {
	t.Parallel()
	inBubble(t, map[string]any{"version": "5.0", "system_type": "otp"}, func(t *testing.T, l *line, c *peer) {
		want := bind{systemID: "aldaba", password: "hush-hush", systemType: "otp", version: 0x50}
		if got := l.center.binds; c.command != bindTransceiver || len(got) != 1 || got[0] != want {
			t.Errorf("%x %+v", c.command, got)
		}
		if up, n := l.Status(); up != 1 || n != 1 {
			t.Errorf("%d of %d binds are up", up, n)
		}
	})
}

func TestRefusalsHaveTheirClasses(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, l *line, _ *peer) {
		for code, want := range map[uint32]string{
			0x0b: "rejected ESME_RINVDSTADR", 0x58: "throttled ESME_RTHROTTLED", 0x14: "throttled ESME_RMSGQFUL", 0x08: "unavailable ESME_RSYSERR",
			0x45: "unavailable ESME_RSUBMITFAIL", 0x411: "rejected 0x411", 0x7fffffff: "unavailable 0x7fffffff",
		} {
			l.center.tell(func(c *center) { c.submit = says(code) })
			if _, got := l.send(t.Context(), "a"); got != want {
				t.Errorf("0x%x: %s, want %s", code, got, want)
			}
		}
		l.center.tell(func(c *center) {
			c.submit = func(c *peer, q pdu, _ short) {
				c.send(pdu{command: genericNack, status: statusCommandLength, sequence: q.sequence})
			}
		})
		if _, got := l.send(t.Context(), "a"); got != "rejected ESME_RINVCMDLEN" {
			t.Errorf("generic_nack: %s", got)
		}
	})
}

func TestThrottlingSlowsAndHeals(t *testing.T) {
	t.Parallel()
	inBubble(t, map[string]any{"rate": 10}, func(t *testing.T, l *line, _ *peer) {
		l.center.tell(func(c *center) { c.submit = says(statusThrottled) })
		_, err := l.Send(t.Context(), delivery.Message{To: "+18091234567", Body: "a"})
		var e *delivery.Error
		if !errors.As(err, &e) || e.Class != delivery.Throttled || e.After != time.Second {
			t.Fatalf("%v", err)
		}
		l.center.tell(func(c *center) { c.submit = nil })
		began := time.Now()
		for range 11 {
			if _, got := l.send(t.Context(), "b"); got != "" {
				t.Fatal(got)
			}
		}
		if took := time.Since(began); took < 1500*time.Millisecond || took > 2300*time.Millisecond {
			t.Errorf("11 messages took %s, at 5/s and rising", took)
		}
	})
}

func TestFullQueueAsksForTime(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, l *line, _ *peer) {
		l.center.tell(func(c *center) { c.submit = says(statusQueueFull) })
		for _, want := range []time.Duration{2 * time.Second, 4 * time.Second} {
			_, err := l.Send(t.Context(), delivery.Message{To: "+18091234567", Body: "a"})
			var e *delivery.Error
			if !errors.As(err, &e) || e.Class != delivery.Throttled || e.After != want {
				t.Errorf("%v after %s", err, e.After)
			}
		}
	})
}

func TestLostAnswersAreUnknown(t *testing.T) {
	t.Parallel()
	inBubble(t, map[string]any{"response_timeout": "5s"}, func(t *testing.T, l *line, c *peer) {
		l.center.tell(func(c *center) { c.submit = silence })
		began := time.Now()
		if _, got := l.send(t.Context(), "a"); got != "unknown" || time.Since(began) != 5*time.Second {
			t.Errorf("no answer: %s after %s", got, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, got := l.send(ctx, "b"); got != "unknown" {
			t.Errorf("the context ended: %s", got)
		}
		l.center.tell(func(c *center) { c.submit = func(c *peer, q pdu, m short) { silence(c, q, m); c.conn.Close() } })
		if _, got := l.send(t.Context(), "c"); got != "unknown" {
			t.Errorf("closed after the submit: %s", got)
		}
		l.center.tell(func(c *center) { c.submit = nil })
		if _, got := l.send(t.Context(), "d"); got != "unavailable" {
			t.Errorf("without a bind: %s", got)
		}
		l.up()
		if r, got := l.send(t.Context(), "e"); got != "" || len(r.IDs) != 1 {
			t.Errorf("after the next bind: %s", got)
		}
		if got := strings.Join(l.center.bodies(), ""); got != "abce" {
			t.Errorf("carried %q", got)
		}
	})
}

func TestAnswersThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for name, garbage := range map[string]func(*peer, pdu, short){
		"an id without an end": garbles,
		"of another request":   func(c *peer, q pdu, _ short) { c.send(pdu{command: unbind | answerBit, sequence: q.sequence}) },
		"a nack of nothing":    func(c *peer, _ pdu, _ short) { c.send(pdu{command: genericNack, status: 3}) },
		"an impossible length": func(c *peer, _ pdu, _ short) {
			c.conn.Write([]byte("\x7f\xff\xff\xff\x80\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x02"))
		},
		"the web": func(c *peer, _ pdu, _ short) { c.conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) },
		"a packet that is cut": func(c *peer, _ pdu, _ short) {
			c.conn.Write([]byte("\x00\x00\x00\x20\x80\x00\x00\x04"))
			c.conn.Close()
		},
		"a nack without reason":  func(c *peer, q pdu, _ short) { c.send(pdu{command: genericNack, sequence: q.sequence}) },
		"half a packet, forever": func(c *peer, _ pdu, _ short) { c.conn.Write([]byte("\x00\x00\x00\x20")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, nil, func(t *testing.T, l *line, _ *peer) {
				l.center.tell(func(c *center) { c.submit = garbage })
				if _, got := l.send(t.Context(), "a"); got != "unknown" {
					t.Errorf("%s", got)
				}
			})
		})
	}
}

func TestAnswersOfNobodyAreIgnored(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, l *line, c *peer) {
		c.send(pdu{command: submitSM | answerBit, sequence: 77, body: []byte("1\x00")})
		c.send(pdu{command: genericNack, status: 3, sequence: 78})
		c.send(pdu{command: 0x80000999, sequence: 79})
		if _, got := l.send(t.Context(), "a"); got != "" {
			t.Error(got)
		}
	})
}

func TestWindowBoundsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	inBubble(t, map[string]any{"window": 3}, func(t *testing.T, l *line, c *peer) {
		type open struct {
			q pdu
			m short
		}
		came := make(chan open, 100)
		l.center.tell(func(x *center) { x.submit = func(_ *peer, q pdu, m short) { came <- open{q, m} } })
		var all sync.WaitGroup
		for n := range 10 {
			all.Go(func() {
				if _, got := l.send(t.Context(), fmt.Sprint(n)); got != "" {
					t.Error(got)
				}
			})
		}
		for left := 10; left > 0; left-- {
			synctest.Wait()
			if n := len(came); n != min(3, left) {
				t.Fatalf("%d are under way, %d left", n, left)
			}
			one := <-came
			takes(c, one.q, one.m)
		}
		all.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 4 {
			all.Go(func() { l.send(ctx, "x") })
		}
		synctest.Wait()
		if _, got := l.send(ctx, "y"); got != "throttled" {
			t.Errorf("no place in the window: %s", got)
		}
		all.Wait()
	})
}

func TestPartsOfALongMessage(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, l *line, c *peer) {
		body := strings.Repeat("0123456789", 40)
		if r, got := l.send(t.Context(), body); got != "" || !slices.Equal(r.IDs, []string{"1", "2", "3"}) || !r.Expect {
			t.Errorf("%+v %s", r, got)
		}
		if got := strings.Join(l.center.bodies(), ""); got != body {
			t.Errorf("the phone shows %q", got)
		}
		// The second part is refused once: the whole message comes again, and
		// under the same reference, so that the phone can join what it has.
		l.center.tell(func(x *center) {
			x.submits = nil
			x.submit = func(c *peer, q pdu, m short) {
				if m.text[5] == 2 {
					says(statusThrottled)(c, q, m)
					return
				}
				takes(c, q, m)
			}
		})
		if _, got := l.send(t.Context(), body); got != "throttled ESME_RTHROTTLED" {
			t.Error(got)
		}
		l.center.tell(func(x *center) { x.submit = nil })
		if _, got := l.send(t.Context(), body); got != "" {
			t.Error(got)
		}
		seen, numbers := map[byte]bool{}, ""
		for _, m := range l.center.submits {
			seen[m.text[3]] = true
			numbers += fmt.Sprint(m.text[5])
		}
		if len(seen) != 1 || numbers != "1123" {
			t.Errorf("parts %s under %d references", numbers, len(seen))
		}
	})
}

// A part behind the first costs what the first did, and nobody reads the one
// without the other.
func TestAPartBehindTheFirstWaitsForACarrierThatAsksForTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		status  uint32
		times   int
		within  time.Duration
		took    time.Duration // 0 for not
		error   string
		submits string
	}{
		{"once", statusThrottled, 1, 10 * time.Second, 2 * time.Second, "", "1223"}, // and the third part at the slower pace
		{"again and again", statusThrottled, 9, 10 * time.Second, 2 * time.Second, "throttled ESME_RTHROTTLED", "1222"},
		{"longer than there is time", statusQueueFull, 9, time.Second, 0, "throttled ESME_RMSGQFUL", "12"},
		{"out of order", 0x08, 1, 10 * time.Second, time.Second, "", "1223"},
		{"for good", 0x0b, 9, 10 * time.Second, 0, "rejected ESME_RINVDSTADR", "12"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, nil, func(t *testing.T, l *line, _ *peer) {
				left, numbers := c.times, ""
				l.center.tell(func(x *center) {
					x.submit = func(p *peer, q pdu, m short) {
						numbers += fmt.Sprint(m.text[5])
						if m.text[5] == 2 && left > 0 {
							left--
							says(c.status)(p, q, m)
							return
						}
						takes(p, q, m)
					}
				})
				ctx, cancel := context.WithTimeout(t.Context(), c.within)
				defer cancel()
				began := time.Now()
				_, err := l.Send(ctx, delivery.Message{ID: "m", To: "+18091234567", Body: strings.Repeat("0123456789", 40), Expires: time.Now().Add(time.Minute)})
				word, partly := "", false
				var e *delivery.Error
				if errors.As(err, &e) {
					word, partly = e.Class.String()+" "+e.Code, e.Partly
				}
				if took := time.Since(began).Round(time.Second); numbers != c.submits || word != c.error || partly != (c.error != "") || took != c.took {
					t.Errorf("parts %s in %s, error %q, partly taken %v", numbers, took, word, partly)
				}
			})
		})
	}
}

func TestReceiptsAreAskedForAsConfigured(t *testing.T) {
	t.Parallel()
	for value, want := range map[any]struct {
		registered byte
		expect     bool
	}{true: {1, true}, false: {0, false}, "failures": {2, false}} {
		t.Run(fmt.Sprint(value), func(t *testing.T) {
			t.Parallel()
			inBubble(t, map[string]any{"receipts": value}, func(t *testing.T, l *line, _ *peer) {
				r, got := l.send(t.Context(), "a")
				if got != "" || r.Expect != want.expect || l.center.submits[0].registered != want.registered || len(r.IDs) != 1 {
					t.Errorf("%+v %s, registered %d", r, got, l.center.submits[0].registered)
				}
			})
		})
	}
}

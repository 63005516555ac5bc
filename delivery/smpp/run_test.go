package smpp

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
)

func TestUnboundByTheCarrier(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, l *line, c *peer) {
		c.send(pdu{command: unbind, sequence: 9})
		if q := l.center.nextAnswer(); q.command != unbind|answerBit || q.sequence != 9 {
			t.Errorf("%+v", q)
		}
		l.up()
		if _, got := l.send(t.Context(), "a"); got != "" {
			t.Error(got)
		}
	})
}

func TestLinkIsAskedForBothWays(t *testing.T) {
	t.Parallel()
	inBubble(t, map[string]any{"enquire_link": "30s", "response_timeout": "5s"}, func(t *testing.T, l *line, c *peer) {
		c.send(pdu{command: enquireLink, sequence: 5})
		if q := <-l.center.answers; q.command != enquireLink|answerBit || q.sequence != 5 {
			t.Errorf("%+v", q)
		}
		time.Sleep(10 * time.Minute)
		if up, _ := l.Status(); up != 1 || len(l.center.binds) != 1 {
			t.Error("an idle link was given up")
		}
		l.center.tell(func(c *center) { c.silent = true })
		began := time.Now()
		l.center.tell(func(c *center) { c.refuse = 0x08 })
		for up := 1; up > 0; up, _ = l.Status() {
			time.Sleep(time.Second)
		}
		if took := time.Since(began); took > 37*time.Second {
			t.Errorf("a dead link was found after %s", took)
		}
	})
}

// TestALinkThatOnlyAsksIsDead: a carrier that talks and answers nothing is bound
// to anew.
func TestALinkThatOnlyAsksIsDead(t *testing.T) {
	t.Parallel()
	inBubble(t, map[string]any{"enquire_link": "30s", "response_timeout": "5s"}, func(t *testing.T, l *line, c *peer) {
		l.center.tell(func(c *center) { c.silent = true })
		for n := range uint32(6) {
			c.send(pdu{command: enquireLink, sequence: 100 + n})
			time.Sleep(10 * time.Second)
		}
		l.center.tell(func(c *center) {
			if len(c.binds) < 2 {
				t.Error("the link was not given up")
			}
		})
	})
}

func TestRefusedBindsAreTriedEverMoreSlowly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, nil, func(c *center) { c.refuse = 0x0e })
		defer l.stop()
		time.Sleep(10 * time.Minute)
		l.center.tell(func(c *center) {
			if n := len(c.binds); n < 18 || n > 23 { // half a minute each, after the first
				t.Errorf("%d binds in ten minutes", n)
			}
		})
		_, err := l.Send(t.Context(), delivery.Message{To: "+18091234567", Body: "a"})
		var e *delivery.Error
		if !errors.As(err, &e) || e.Class != delivery.Unavailable || !strings.Contains(err.Error(), "ESME_RINVPASWD") {
			t.Errorf("%v", err)
		}
		if strings.Contains(l.log.String(), "hush") {
			t.Error("the log holds the password")
		}
		l.center.tell(func(c *center) { c.refuse = 0 })
		l.up()
		if _, got := l.send(t.Context(), "a"); got != "" {
			t.Error(got)
		}
	})
}

// TestGreetings: what a carrier may say before, or in place of, the answer to
// a bind.
func TestGreetings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		greet func(*peer, pdu) bool
		fails string // "" when the bind comes up
	}{
		"it asks for the link first": {func(c *peer, q pdu) bool {
			c.send(pdu{command: enquireLink, sequence: 9})
			go func() { // once it is answered
				<-c.answers
				c.send(pdu{command: q.command | answerBit, sequence: q.sequence, body: []byte("center\x00")})
				c.peers <- c
			}()
			return false
		}, ""},
		"outbind first": {func(c *peer, _ pdu) bool {
			c.send(pdu{command: outbind, sequence: 9, body: []byte("a\x00b\x00")})
			return true
		}, ""},
		"a nack": {func(c *peer, q pdu) bool {
			c.send(pdu{command: genericNack, status: statusCommand, sequence: q.sequence})
			return false
		}, "ESME_RINVCMDID"},
		"too many binds": {func(c *peer, q pdu) bool {
			c.send(pdu{command: q.command | answerBit, status: 5, sequence: q.sequence})
			return false
		}, "lower binds"},
		"anything but an answer": {func(c *peer, _ pdu) bool {
			for n := range uint32(16) {
				c.send(pdu{command: alertNotification, sequence: n + 1})
			}
			return false
		}, errNonsense.Error()},
		"silence": {func(*peer, pdu) bool { return false }, "no answer"},
		"the web": {func(c *peer, _ pdu) bool {
			c.conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			return false
		}, errLength.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := begin(t, nil, func(x *center) { x.greet = c.greet })
				defer l.stop()
				if c.fails == "" {
					l.up()
					return
				}
				began := time.Now()
				<-l.log.down
				if !strings.Contains(l.log.String(), c.fails) || time.Since(began) > 10*time.Second {
					t.Errorf("after %s: %s", time.Since(began), l.log)
				}
			})
		})
	}
}

// TestWaitingEndsWithTheLastBind: who waits for a place in the window is told
// when there is none to wait for, and that nothing of his was sent.
func TestWaitingEndsWithTheLastBind(t *testing.T) {
	t.Parallel()
	inBubble(t, map[string]any{"window": 1}, func(t *testing.T, l *line, c *peer) {
		l.center.tell(func(x *center) { x.submit = silence })
		got := make(chan string, 2)
		for range 2 {
			go func() {
				_, one := l.send(t.Context(), "a")
				got <- one
			}()
			synctest.Wait()
		}
		c.conn.Close()
		if a, b := <-got, <-got; a+b != "unknownunavailable" && a+b != "unavailableunknown" {
			t.Errorf("%s and %s", a, b)
		}
	})
}

func TestCarrierThatIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, c := start(t, nil)
		l.center.tell(func(c *center) { c.closed = true })
		c.conn.Close()
		time.Sleep(time.Hour)
		if up, _ := l.Status(); up != 0 {
			t.Errorf("%d binds", up)
		}
		l.center.tell(func(c *center) { c.closed = false })
		l.up()
		l.stop()
		if _, got := l.send(t.Context(), "a"); got != "unavailable" {
			t.Errorf("after the end: %s", got)
		}
	})
}

func TestEndWaitsForWhatIsUnderWayAndUnbinds(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, l *line, c *peer) {
		l.center.tell(func(x *center) {
			x.submit = func(c *peer, q pdu, m short) { time.AfterFunc(time.Second, func() { takes(c, q, m) }) }
		})
		sent := make(chan string, 1)
		go func() {
			_, got := l.send(t.Context(), "a")
			sent <- got
		}()
		synctest.Wait()
		began := time.Now()
		l.stop()
		if got := <-sent; got != "" || time.Since(began) != time.Second {
			t.Errorf("%q after %s", got, time.Since(began))
		}
	})
}

func TestEndDoesNotWaitForACarrierThatIsSilent(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, l *line, c *peer) {
		l.center.tell(func(x *center) { x.submit = silence })
		sent := make(chan string, 1)
		go func() {
			_, got := l.send(t.Context(), "a")
			sent <- got
		}()
		synctest.Wait()
		began := time.Now()
		l.stop()
		if got := <-sent; got != "unknown" || time.Since(began) != goodBye {
			t.Errorf("%q after %s", got, time.Since(began))
		}
	})
}

func TestPairBindsTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, map[string]any{"bind": "pair", "binds": 2})
		defer l.stop()
		var commands []uint32
		for range 4 {
			commands = append(commands, l.up().command)
		}
		slices.Sort(commands)
		if !slices.Equal(commands, []uint32{bindReceiver, bindReceiver, bindTransmitter, bindTransmitter}) {
			t.Errorf("%v", commands)
		}
		if up, n := l.Status(); up != 4 || n != 4 {
			t.Errorf("%d of %d", up, n)
		}
		if _, got := l.send(t.Context(), "a"); got != "" {
			t.Error(got)
		}
	})
}

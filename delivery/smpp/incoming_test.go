package smpp

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestReceiptIsAcknowledgedOnceItIsNoted(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, l *line, c *peer) {
		if r, got := l.send(t.Context(), "a"); got != "" || !r.Expect {
			t.Fatal(got)
		}
		hold := make(chan struct{})
		l.desk.hold = hold
		c.receipt(7, "1", "DELIVRD")
		c.send(pdu{command: enquireLink, sequence: 8})
		synctest.Wait()
		if q := <-l.center.answers; q.command != enquireLink|answerBit || len(l.center.answers) != 0 {
			t.Fatalf("while the sink is slow: %+v and %d more", q, len(l.center.answers))
		}
		close(hold)
		if q := l.center.nextAnswer(); q.command != deliverSM|answerBit || q.status != 0 || q.sequence != 7 {
			t.Errorf("%+v", q)
		}
		if got := l.desk.all(); got != "1 delivered DELIVRD" {
			t.Errorf("noted %q", got)
		}
	})
}

func TestReceiptThatCannotBeNotedIsAskedForAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, l *line, c *peer) {
		l.desk.err = errors.New("the store is away")
		c.receipt(7, "1", "UNDELIV")
		if q := l.center.nextAnswer(); q.status != statusTemporary {
			t.Errorf("%+v", q)
		}
		l.desk.err = nil
		c.receipt(8, "1", "UNDELIV")
		if q := l.center.nextAnswer(); q.status != 0 || l.desk.all() != "1 failed UNDELIV" {
			t.Errorf("%+v, noted %q", q, l.desk.all())
		}
	})
}

// TestReceiptBeforeTheAnswer: the receipt overtakes the answer that tells its
// id, here in another base.
func TestReceiptBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, l *line, c *peer) {
		l.center.tell(func(x *center) {
			x.submit = func(c *peer, q pdu, _ short) {
				c.receipt(7, "171", "DELIVRD")
				time.AfterFunc(500*time.Millisecond, func() {
					c.send(pdu{command: submitSM | answerBit, sequence: q.sequence, body: []byte("0000AB\x00")})
				})
			}
		})
		r, got := l.send(t.Context(), "a")
		if got != "" || len(r.IDs) != 1 || r.IDs[0] != "0000AB" {
			t.Fatalf("%+v %s", r, got)
		}
		l.center.nextAnswer()
		if got := l.desk.all(); got != "0000AB delivered DELIVRD" {
			t.Errorf("noted %q", got)
		}
		if !strings.Contains(l.log.String(), "receipt_id=decimal") {
			t.Errorf("the log does not tell what to configure: %s", l.log)
		}
	})
}

func TestWhatACarrierMaySend(t *testing.T) {
	t.Parallel()
	receipt := short{class: classReceipt, text: []byte("id:77 stat:DELIVRD")}
	for name, c := range map[string]struct {
		q       pdu
		command uint32 // of the answer, 0 for none
		status  uint32
		noted   string
	}{
		"a receipt of an unknown id":  {pdu{command: deliverSM, body: receipt.encode()}, deliverSM | answerBit, 0, "77 delivered DELIVRD"},
		"a receipt without an id":     {pdu{command: deliverSM, body: short{class: classReceipt, text: []byte("ok")}.encode()}, deliverSM | answerBit, 0, ""},
		"a message of a telephone":    {pdu{command: deliverSM, body: short{text: []byte("secret words")}.encode()}, deliverSM | answerBit, 0, ""},
		"one that plays a receipt":    {pdu{command: deliverSM, body: short{text: receipt.text}.encode()}, deliverSM | answerBit, 0, ""},
		"a malformed deliver_sm":      {pdu{command: deliverSM, body: []byte("\x00\x01\x01")}, deliverSM | answerBit, statusRefused, ""},
		"an empty deliver_sm":         {pdu{command: deliverSM}, deliverSM | answerBit, statusRefused, ""},
		"data_sm with a receipt":      {pdu{command: dataSM, body: dataBody()}, dataSM | answerBit, 0, "77 delivered DELIVRD"},
		"a malformed data_sm":         {pdu{command: dataSM, body: []byte("x")}, dataSM | answerBit, statusRefused, ""},
		"alert_notification":          {pdu{command: alertNotification, body: []byte("\x01\x011\x00\x01\x011\x00")}, 0, 0, ""},
		"outbind":                     {pdu{command: outbind, body: []byte("a\x00b\x00")}, 0, 0, ""},
		"a command that is not ours":  {pdu{command: submitSM, body: receipt.encode()}, genericNack, statusCommand, ""},
		"a command nobody heard of":   {pdu{command: 0x00000999}, genericNack, statusCommand, ""},
		"a bind, the wrong way round": {pdu{command: bindReceiver}, genericNack, statusCommand, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, nil, func(t *testing.T, l *line, p *peer) {
				c.q.sequence = 42
				p.send(c.q)
				synctest.Wait()
				if c.command == 0 {
					if len(l.center.answers) != 0 {
						t.Errorf("%+v", <-l.center.answers)
					}
				} else if a := l.center.nextAnswer(); a.command != c.command || a.status != c.status || a.sequence != 42 {
					t.Errorf("%+v", a)
				}
				if got := l.desk.all(); got != c.noted {
					t.Errorf("noted %q", got)
				}
				if _, got := l.send(t.Context(), "a"); got != "" {
					t.Errorf("afterwards: %s", got)
				}
				if strings.Contains(l.log.String(), "secret words") {
					t.Error("the log holds a text")
				}
			})
		})
	}
}

// dataBody is a data_sm with a receipt in message_payload.
func dataBody() []byte {
	out := appendText(nil, "")
	out = address{1, 1, "2"}.append(address{1, 1, "1"}.append(out))
	return appendTLVs(append(out, classReceipt, 0, 0), []tlv{{tagPayload, []byte("id:77 stat:DELIVRD")}})
}

func TestTooManyReceiptsAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, l *line, c *peer) {
		hold := make(chan struct{})
		l.desk.hold = hold
		for n := range uint32(noted + 10) {
			c.receipt(n+1, "1", "DELIVRD")
		}
		synctest.Wait()
		if n := len(l.center.answers); n != 10 {
			t.Errorf("%d answers", n)
		}
		for range 10 {
			if q := <-l.center.answers; q.status != statusTemporary {
				t.Errorf("%+v", q)
			}
		}
		close(hold)
		for range noted {
			if q := <-l.center.answers; q.status != statusOK {
				t.Errorf("%+v", q)
			}
		}
	})
}

// TestCarrierThatDoesNotRead fills every queue; the session ends, and nothing
// grows without bound.
func TestCarrierThatDoesNotRead(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(t *testing.T, l *line, c *peer) {
		l.center.tell(func(x *center) {
			x.submit = func(c *peer, q pdu, _ short) {
				for n := uint32(1); ; n++ {
					if _, err := c.conn.Write(pdu{command: enquireLink, sequence: n}.encode()); err != nil {
						return
					}
				}
			}
		})
		if _, got := l.send(t.Context(), "a"); got != "unknown" {
			t.Error(got)
		}
		<-l.log.down
		if !strings.Contains(l.log.String(), errFlooded.Error()) {
			t.Errorf("%s", l.log)
		}
	})
}

func TestMessageThatNeverLeftIsUnavailable(t *testing.T) {
	t.Parallel()
	inBubble(t, map[string]any{"response_timeout": "5s"}, func(t *testing.T, l *line, c *peer) {
		end := make(chan struct{})
		defer close(end)
		l.center.tell(func(x *center) { x.submit = func(*peer, pdu, short) { <-end } }) // it reads no more
		got := make(chan string, 2)
		for range 2 {
			go func() {
				_, one := l.send(t.Context(), "a")
				got <- one
			}()
			synctest.Wait()
		}
		// The center took the first, and of the second not one octet.
		if a, b := <-got, <-got; a+b != "unknownunavailable" && a+b != "unavailableunknown" {
			t.Errorf("%s and %s", a, b)
		}
	})
}

package smpp

import (
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/delivery/deliverytest"
)

func TestProvider(t *testing.T) {
	t.Parallel()
	deliverytest.Run(t, func(t *testing.T) deliverytest.Harness {
		l, _ := start(t, nil)
		behave := func(do func(*peer, pdu, short)) { l.center.tell(func(c *center) { c.submit = do }) }
		t.Cleanup(func() {
			m := deliverytest.Message()
			for _, secret := range []string{"hush-hush", m.Code, m.To, strings.TrimPrefix(m.To, "+"), m.Body} {
				if strings.Contains(l.log.String(), secret) {
					t.Errorf("the log holds %q: %s", secret, l.log)
				}
			}
		})
		return deliverytest.Harness{
			Provider: l.Provider,
			Refuse: func(c delivery.Class) bool {
				behave(says(map[delivery.Class]uint32{
					delivery.Rejected: 0x0b, delivery.Throttled: statusThrottled, delivery.Unavailable: 0x08,
				}[c]))
				return true
			},
			Heal:    func() { behave(nil) },
			Slow:    func() { behave(func(*peer, pdu, short) {}) },
			Garble:  func() { behave(garbles) },
			Carried: l.center.bodies,
			Secrets: []string{"hush-hush"},
		}
	})
}

// garbles answers that it took the message, with an id that does not end.
func garbles(c *peer, q pdu, _ short) {
	c.send(pdu{command: submitSM | answerBit, sequence: q.sequence, body: []byte("482913 18091234567")})
}

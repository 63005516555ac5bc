package app

import (
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
)

// TestATraceTellsADecoy: the operator, and nobody else, reads that nothing was
// sent and which rule stands behind it.
func TestATraceTellsADecoy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ detail, says string }{
		"asked for":           {otp.DecoyMark, "the application asked for a decoy"},
		"instead of a limit":  {otp.DecoyMark + " " + otp.RuleBurst, "was refused by " + otp.RuleBurst},
		"with a weak setting": {"weak: length " + otp.DecoyMark + " country", "was refused by country"},
	} {
		one := Trace{
			Status: otp.Pending.String(), Profile: "login", Decoy: true,
			Journal: []TraceLine{{Kind: string(otp.EventStarted), Detail: c.detail}, {Kind: string(otp.EventSent), Provider: "p", Detail: otp.DecoyMark}},
		}
		one.Expires = one.Now.Add(1)
		one.conclude()
		if !strings.Contains(one.Conclusion, c.says) || strings.Contains(one.Conclusion, "took it") || one.Advice == "" {
			t.Errorf("%s: %q, %q", name, one.Conclusion, one.Advice)
		}
		if text := one.Text(); !strings.Contains(text, "DECOY") {
			t.Errorf("%s: the screen does not say it: %s", name, text)
		}
	}
}

package otp_test

import (
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp"
)

func TestRatesReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]otp.Rate{
		"off":              {Off: true},
		"20/1h0m0s":        {N: 20, Per: time.Hour},
		"50/1s burst 3000": {N: 50, Per: time.Second, Burst: 3000},
		"1/720h0m0s":       {N: 1, Per: 720 * time.Hour},
	} {
		got, err := otp.ParseRate(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q: got %+v, %q, %v", text, got, got.String(), err)
		}
	}
	for _, text := range []string{
		"", "20", "20/", "/1h", "0/1h", "-1/1h", "20/0s", "20/999ms", "20/721h", "1000001/1h", "20/h", "20/1h burst 0", "20/1h burst -1",
		"20/1h burst x", "20/1h burst 1000001", "1e3/1h", "OFF", "none",
	} {
		if got, err := otp.ParseRate(text); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
}

func FuzzRate(f *testing.F) {
	f.Add("20/1h")
	f.Add("50/1s burst 3000")
	f.Add("off")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := otp.ParseRate(text)
		if err != nil {
			return
		}
		if again, err := otp.ParseRate(r.String()); err != nil || again != r {
			t.Errorf("%q became %q, read as %+v, %v", text, r.String(), again, err)
		}
	})
}

// TestARateBeyondTheRangeOfTimesRefusesNoFirstAct, which may be configured since
// before such rates were refused there.
func TestARateBeyondTheRangeOfTimesRefusesNoFirstAct(t *testing.T) {
	t.Parallel()
	for text, lasting := range map[string]bool{"1/720h burst 1000": false, "1/720h burst 5000": true, "1/24h burst 200000": true, "off": false} {
		r, err := otp.ParseRate(text)
		if err != nil || r.Lasting() != lasting {
			t.Errorf("%s: %v, %v", text, r.Lasting(), err)
		}
		if r.Off {
			continue
		}
		w := limited(t, func(l *otp.Limits) { l.Keys = map[string]otp.Rate{"device": r} })
		start(t, w, keyed(phone, "device", "d"))
	}
}

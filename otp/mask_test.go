package otp_test

import (
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/otp"
)

func TestMasksHideEnough(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"+18091234567": "+180*****567", "+1234567": "+1*****7", "12345": "*****", "ana@example.com": "a***@example.com", "a@b.co": "***@b.co",
	} {
		got := otp.Mask(address)
		if got != want {
			t.Errorf("%s is masked %s, want %s", address, got, want)
		}
		if !strings.Contains(got, "@") && strings.Count(got, "*") < 5 {
			t.Errorf("%s hides too little", got)
		}
	}
}

package otptest_test

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/otp/otptest"
)

func TestLeaksFindsEachForm(t *testing.T) {
	t.Parallel()
	const secret = "+584121234567"
	for before := range 7 {
		text := strings.Repeat("x", before) + secret + "yy"
		for form, written := range map[string]string{
			"clear": text, "hex": hex.EncodeToString([]byte(text)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(text))),
			"base64": base64.StdEncoding.EncodeToString([]byte(text)), "URL": base64.RawURLEncoding.EncodeToString([]byte(text)),
		} {
			if got := otptest.Leaks([]byte("...\x00"+written+"\x00..."), "nothing", secret); len(got) == 0 {
				t.Errorf("%s behind %d characters was not found", form, before)
			}
		}
	}
	for _, clean := range []string{"", "+58412123456", "5841*****567", "KzU4NDEy"} {
		if got := otptest.Leaks([]byte(clean), secret, ""); len(got) != 0 {
			t.Errorf("found in %q: %v", clean, got)
		}
	}
}

package config

import (
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/otp/otptest"
	"testing"
)

func TestZ(t *testing.T) {
	b, _ := Export(Current{Tenants: otptest.Demo(otptest.Ring(t))[:1], Providers: []otp.Provider{{Name: "a", Type: "inbox"}}})
	t.Log(string(b))
}

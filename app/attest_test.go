package app

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/otp"
)

// The settings of the server's file reach what receipts say.
func TestReceiptsAreIssuedByThePublicURL(t *testing.T) {
	t.Parallel()
	o := FromConfig(config.Server{PublicURL: "https://otp.example.com", ReceiptLife: 90 * time.Second}, nil)
	a := open(t, Options{Dev: true, PublicURL: o.PublicURL, ReceiptLife: o.ReceiptLife})
	d, err := otp.NewDirectory([]otp.Tenant{{Name: "acme", Countries: []string{"*"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.Service.SetDirectory(d)
	caller := otp.Caller{Tenant: "acme", Identity: "key"}
	v, err := a.Service.Start(t.Context(), otp.StartRequest{Caller: caller, Dialect: otp.NativeDialect, To: "ana@example.com", Code: "123456"})
	if err != nil {
		t.Fatal(err)
	}
	got, outcome, err := a.Service.Check(t.Context(), otp.CheckRequest{
		Caller: caller, Dialect: otp.NativeDialect, Ref: otp.Ref{ID: v.ID}, Code: "123456", Receipt: true,
	})
	if err != nil || outcome != otp.OutcomeApproved {
		t.Fatalf("%s, %v", outcome, err)
	}
	_, rest, _ := strings.Cut(got.Receipt, ".")
	claims, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(claims)
	if err != nil || !strings.HasPrefix(string(text), `{"iss":"https://otp.example.com","aud":"acme",`) {
		t.Errorf("it says %s, %v", text, err)
	}
	var times struct{ Iat, Exp int64 }
	if err := json.Unmarshal(text, &times); err != nil || times.Exp-times.Iat != 90 {
		t.Errorf("it says %s, %v", text, err)
	}
}

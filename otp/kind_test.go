package otp_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/internal/address"
	"github.com/aldaba-otp/aldaba/otp"
)

func TestNumbersThatCostAreRefused(t *testing.T) {
	t.Parallel()
	premium := func(a *otp.Tenant) { a.Limits.AllowPremium = true }
	landlines := func(a *otp.Tenant) { a.Limits.RefuseLandlines = true }
	voip := func(a *otp.Tenant) { a.Limits.RefuseVoIP = true }
	allowed := func(a *otp.Tenant) {
		a.Lists = []otp.ListEntry{{Match: "+4490", Verdict: otp.Allowed}, {Match: "+58212", Verdict: otp.Allowed}}
		a.Limits.RefuseLandlines = true
	}
	tested := func(a *otp.Tenant) {
		a.TestAddresses = []otp.TestAddress{{Address: "+449012345678", Code: "123456", Until: "2026-12-31"}}
	}
	for name, c := range map[string]struct {
		to      string
		channel otp.Channel
		change  func(*otp.Tenant)
		says    string // "" when it passes
	}{
		"premium rate":               {"+449012345678", "", nil, "premium rate"},
		"premium, on the telephone":  {"+449012345678", otp.Voice, nil, "premium rate"},
		"premium, by option":         {"+449012345678", "", premium, ""},
		"premium, by the allow-list": {"+449012345678", "", allowed, ""},
		"premium, as a test address": {"+449012345678", "", tested, ""},
		"shared cost":                {"+491803123456", "", nil, "shared cost"},
		"satellite":                  {"+881612345678", "", nil, "satellite"},
		"satellite, by option":       {"+870773111632", "", premium, ""},
		"an international network":   {"+882131234567", "", nil, "satellite"},
		"a personal number":          {"+447012345678", "", nil, "personal"},
		"a personal number of +1":    {"+15005550006", "", nil, ""},
		"a pager":                    {"+447640123456", "", nil, "pager"},
		"toll-free":                  {"+18005550199", "", nil, ""},
		"the sample of a vendor":     {"+18091234567", "", landlines, ""},
		"a landline":                 {"+582121234567", "", nil, ""},
		"a landline, by option":      {"+582121234567", "", landlines, "landline"},
		"on WhatsApp":                {"+582121234567", otp.WhatsApp, landlines, "landline"},
		"on the telephone":           {"+582121234567", otp.Voice, landlines, ""},
		"by the allow-list":          {"+582121234567", "", allowed, ""},
		"a mobile telephone":         {phone, "", landlines, ""},
		"one that may be either":     {"+12025550123", "", landlines, ""},
		"VoIP":                       {"+445612345678", "", nil, ""},
		"VoIP, by option":            {"+445612345678", "", voip, "VoIP"},
		"of no plan":                 {"+15550001111", "", landlines, ""},
		"a mailbox":                  {mail, "", landlines, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change := []func(*otp.Tenant){}
			if c.change != nil {
				change = append(change, c.change)
			}
			w := tenants(t, change...)
			req := native(c.to)
			req.Channel = c.channel
			_, err := w.Start(t.Context(), req)
			if c.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			want(t, err, otp.Undeliverable, otp.RuleNumberKind, 0)
			if text := otp.AsError(err).Message; !strings.Contains(text, "of the kind "+c.says) || strings.Contains(text, c.to) {
				t.Errorf("it says %q", text)
			}
		})
	}
}

// TestAPlansFirstChannelDecidesAboutLandlines starts with a call.
func TestAPlansFirstChannelDecidesAboutLandlines(t *testing.T) {
	t.Parallel()
	w := tenants(t, func(a *otp.Tenant) {
		a.Limits.RefuseLandlines = true
		a.Profiles = []otp.Profile{{Name: "default", Plan: []otp.Leg{{Channel: otp.Voice, Wait: time.Minute}, {Channel: otp.SMS}}}}
	})
	if _, err := w.Start(t.Context(), native("+582121234567")); err != nil {
		t.Error(err)
	}
}

func TestEveryKindOfLineIsKnownToTheCore(t *testing.T) {
	t.Parallel()
	for kind := address.UnknownLine; kind <= address.Satellite; kind++ {
		if !slices.Contains(otp.LineKinds(), otp.LineKind(kind.String())) {
			t.Errorf("the core does not know %q", kind)
		}
	}
	if len(otp.LineKinds()) != int(address.Satellite)+1 || (address.Satellite+1).String() != "" {
		t.Error("one kind is missing")
	}
}

// TestTheNumbersOfTheDialectsDocumentsPass takes them from the transcripts.
func TestTheNumbersOfTheDialectsDocumentsPass(t *testing.T) {
	t.Parallel()
	w := tenants(t)
	number := regexp.MustCompile(`\+[1-9][0-9]{9,14}\b`)
	seen := map[string]bool{}
	for _, folder := range []string{"../api", "../docs/dialects", "../e2e/testdata"} {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			for _, to := range number.FindAllString(string(text), -1) {
				seen[to] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for to := range seen {
		if _, err := w.Start(t.Context(), native(to)); otp.AsError(err) != nil && otp.AsError(err).Rule == otp.RuleNumberKind {
			t.Errorf("%s: %v", to, err)
		}
	}
	if len(seen) < 10 {
		t.Errorf("found only %d numbers", len(seen))
	}
}

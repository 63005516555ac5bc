package address

import (
	"testing"

	"github.com/nyaruka/phonenumbers"
)

func TestACodeIsACountrysWhenANumberOrISOSaysSo(t *testing.T) {
	t.Parallel()
	assigned := 7 // without a numbering plan
	for region := range phonenumbers.GetSupportedRegions() {
		if !IsCountry(region) {
			t.Errorf("%s has numbers and is none", region)
		}
		if region != "XK" && region != "AC" && region != "TA" { // see Country
			assigned++
		}
	}
	if assigned != 249 {
		t.Errorf("%d codes of ISO 3166-1 are known; 249 are assigned", assigned)
	}
	for code, want := range map[string]bool{
		"VE": true, "GB": true, "XK": true, "AC": true, "AQ": true, "UM": true,
		"UK": false, "EU": false, "ZZ": false, "AN": false, "SU": false, "": false, "001": false, "ve": false, "VEN": false,
	} {
		if got := IsCountry(code); got != want {
			t.Errorf("%q: %t, want %t", code, got, want)
		}
	}
}

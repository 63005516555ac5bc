package address

import "github.com/nyaruka/phonenumbers"

// nonGeographic is what the metadata calls codes that belong to no country (+800, +882, +883 and the like).
const nonGeographic = "001"

// Country returns the ISO 3166 alpha-2 code of the country that a number in E.164 form belongs to, by libphonenumber's
// metadata. It is "" for what is no E.164 number and for unknown and non-geographic country codes. A number under a
// shared code (+1, +7, +44 and others) that fits the plan of none who share it counts as the main country's (US, RU, GB):
// it may be newer than the metadata, or reserved for tests. Besides the assigned codes the result may be XK (Kosovo), AC
// (Ascension) or TA (Tristan da Cunha).
func Country(e164 string) string {
	if !isE164(e164) {
		return ""
	}
	regions := regionsOf(e164[1:])
	if len(regions) == 0 || regions[0] == nonGeographic {
		return ""
	}
	if len(regions) > 1 { // only a shared code needs the full parse
		if number, err := phonenumbers.Parse(e164, ""); err == nil {
			if region := phonenumbers.GetRegionCodeForNumber(number); region != "" {
				return region
			}
		}
	}
	return regions[0] // the main country comes first
}

// IsCountry reports whether a code is one that Country may return, or another that ISO 3166-1 assigns
// (https://www.iso.org/obp/ui/#search/code/): the metadata lacks the territories without a numbering plan.
func IsCountry(code string) bool {
	switch code {
	case "AQ", "BV", "GS", "HM", "PN", "TF", "UM":
		return true
	}
	return code != nonGeographic && phonenumbers.GetCountryCodeForRegion(code) != 0
}

// regionsOf returns the regions of the country calling code that digits begin with. No calling code is the beginning of
// another.
func regionsOf(digits string) []string {
	code := 0
	for i := 0; i < len(digits) && i < 3; i++ {
		code = code*10 + int(digits[i]-'0')
		if regions := phonenumbers.GetRegionCodesForCountryCode(code); len(regions) > 0 {
			return regions
		}
	}
	return nil
}

// isCallingCode reports whether digits are a whole country calling code.
func isCallingCode(digits string) bool {
	if len(digits) == 0 || len(digits) > 3 || digits[0] == '0' {
		return false
	}
	code := 0
	for i := range len(digits) {
		code = code*10 + int(digits[i]-'0')
	}
	return len(phonenumbers.GetRegionCodesForCountryCode(code)) > 0
}

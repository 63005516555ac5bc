package address

import "github.com/nyaruka/phonenumbers"

// LineKind is what a numbering plan says that a number is for. The zero kind is
// a number of which it says nothing: newer than the metadata, or reserved.
type LineKind uint8

// The kinds of lines, as libphonenumber's metadata tells them apart.
const (
	UnknownLine LineKind = iota
	Mobile
	Landline
	LandlineOrMobile // plans that do not tell, such as +1
	TollFree
	Premium
	SharedCost
	VoIP
	Personal // follows its owner to any line
	Pager
	UAN // universal access number: one number of a company for many lines
	Voicemail
	Satellite // by its country code: 870, 881, 882 and 883
)

// String returns the kind in words, "" for an unknown one.
func (k LineKind) String() string {
	words := [...]string{
		"", "mobile", "landline", "landline or mobile", "toll-free", "premium rate", "shared cost", "VoIP", "personal", "pager",
		"universal access", "voicemail", "satellite",
	}
	if int(k) < len(words) {
		return words[k]
	}
	return ""
}

// KindOf returns the kind of a number in E.164 form, by libphonenumber's
// metadata. The country codes of the ITU for satellites and international
// networks are satellites, whatever the plan within them says.
func KindOf(e164 string) LineKind {
	if isSatellite(e164) {
		return Satellite
	}
	number, err := phonenumbers.Parse(e164, "")
	if err != nil || !isE164(e164) {
		return UnknownLine
	}
	return lineKind(phonenumbers.GetNumberType(number))
}

// isSatellite knows the codes of ITU-T E.164: 870 Inmarsat, 881 the global
// mobile satellite system, 882 and 883 international networks.
func isSatellite(e164 string) bool {
	if len(e164) < 4 {
		return false
	}
	switch e164[:4] {
	case "+870", "+881", "+882", "+883":
		return true
	}
	return false
}

func lineKind(t phonenumbers.PhoneNumberType) LineKind {
	switch t {
	case phonenumbers.MOBILE:
		return Mobile
	case phonenumbers.FIXED_LINE:
		return Landline
	case phonenumbers.FIXED_LINE_OR_MOBILE:
		return LandlineOrMobile
	case phonenumbers.TOLL_FREE:
		return TollFree
	case phonenumbers.PREMIUM_RATE:
		return Premium
	case phonenumbers.SHARED_COST:
		return SharedCost
	case phonenumbers.VOIP:
		return VoIP
	case phonenumbers.PERSONAL_NUMBER:
		return Personal
	case phonenumbers.PAGER:
		return Pager
	case phonenumbers.UAN:
		return UAN
	case phonenumbers.VOICEMAIL:
		return Voicemail
	case phonenumbers.UNKNOWN:
	}
	return UnknownLine
}

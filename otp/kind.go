package otp

import "strings"

// LineKind is what a numbering plan says that a number is for.
type LineKind string

// The kinds of lines. A number may be of none: newer than the plans that are
// known, or reserved for examples; that is no reason to refuse it.
const (
	LineUnknown          LineKind = ""
	LineMobile           LineKind = "mobile"
	LineLandline         LineKind = "landline"
	LineLandlineOrMobile LineKind = "landline or mobile" // of plans that do not tell
	LineTollFree         LineKind = "toll-free"
	LinePremium          LineKind = "premium rate"
	LineSharedCost       LineKind = "shared cost"
	LineVoIP             LineKind = "VoIP"
	LinePersonal         LineKind = "personal"
	LinePager            LineKind = "pager"
	LineUAN              LineKind = "universal access"
	LineVoicemail        LineKind = "voicemail"
	LineSatellite        LineKind = "satellite"
)

// LineKinds lists every kind.
func LineKinds() []LineKind {
	return []LineKind{
		LineUnknown, LineMobile, LineLandline, LineLandlineOrMobile, LineTollFree, LinePremium, LineSharedCost, LineVoIP,
		LinePersonal, LinePager, LineUAN, LineVoicemail, LineSatellite,
	}
}

// remedy tells what would let a kind pass on a channel, or "" when it passes.
// Toll-free numbers pass: some have text messages, and nobody earns by them.
func (l *Limits) remedy(kind LineKind, channel Channel) string {
	switch kind {
	case LinePremium, LineSharedCost, LineSatellite, LinePersonal, LinePager, LineUAN, LineVoicemail:
		if !l.AllowPremium {
			return "limits.allow_premium"
		}
	case LineLandline:
		if l.RefuseLandlines && channel != Voice { // a call is what a landline is for
			return "limits.refuse_landlines"
		}
	case LineVoIP:
		if l.RefuseVoIP {
			return "limits.refuse_voip"
		}
	case LineUnknown, LineMobile, LineLandlineOrMobile, LineTollFree:
	}
	return ""
}

// lineKind refuses numbers that cost whoever writes to them, or that the tenant
// does not want. The first channel counts.
func (d *draft) lineKind(s *Service) *Error {
	if d.address.Email || d.test != nil || d.listed(Allowed) {
		return nil
	}
	kind := s.o.Addresses.Kind(d.address.Send)
	if kind == LinePersonal && strings.HasPrefix(d.address.Send, "+1") {
		return nil // +1 5xx is charged like any number of the plan, and is many a device's; +44 70 is what people are robbed by
	}
	remedy := d.tenant.limits.remedy(kind, d.req.Channel)
	if remedy == "" {
		return nil
	}
	return &Error{
		Kind: Undeliverable, Field: "to", Rule: RuleNumberKind,
		Message: "this number is of the kind " + string(kind) + ", to which the tenant does not send; " + remedy + " or the allow-list would let it pass",
	}
}

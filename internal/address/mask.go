package address

import "strings"

// hidden is how many digits of a number Mask hides at the least.
const hidden = 5

// Mask returns an address in a form that its owner recognises and that nobody can send to: "+180*****567" for
// "+18091234567", "a**@example.com" for "ana@example.com". At least five digits of a number are hidden, and a local part
// shows its first letter only when it has another. It takes a Send or Count form; anything else comes back as "***".
func Mask(a string) string {
	if isE164(a) {
		return maskPhone(a)
	}
	local, domain, ok := strings.Cut(a, "@")
	if !ok || checkLocal(local) != nil || strings.IndexByte(domain, '.') < 0 {
		return "***"
	}
	for label := range strings.SplitSeq(domain, ".") {
		if !isHostLabel(label) {
			return "***"
		}
	}
	if len(local) == 1 {
		return "*@" + domain
	}
	return local[:1] + strings.Repeat("*", len(local)-1) + "@" + domain
}

func maskPhone(e164 string) string {
	digits := len(e164) - 1
	tail := min(3, (digits-hidden)/2)
	head := min(3, digits-hidden-tail)
	return e164[:1+head] + strings.Repeat("*", digits-head-tail) + e164[1+digits-tail:]
}

package smtp

import (
	"strconv"
	"strings"

	"github.com/aldaba-otp/aldaba/delivery"
)

// reply is a refusal: the three digits of RFC 5321 and, where the relay gives
// one, the enhanced status code of RFC 3463.
type reply struct {
	code            int
	subject, detail int // -1: no enhanced code
}

// parseReply reads the enhanced code that begins the text (RFC 2034). One
// whose class is not that of the three digits is none.
func parseReply(code int, text string) reply {
	none := reply{code, -1, -1}
	first, _, _ := strings.Cut(text, "\n")
	first, _, _ = strings.Cut(strings.TrimLeft(first, " "), " ")
	parts := strings.Split(first, ".")
	if len(parts) != 3 || parts[0] != strconv.Itoa(code/100) {
		return none
	}
	subject, ok1 := number(parts[1])
	detail, ok2 := number(parts[2])
	if !ok1 || !ok2 {
		return none
	}
	return reply{code, subject, detail}
}

// number reads one to three digits without a sign.
func number(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	return int(n), err == nil && len(text) <= 3
}

// word is the code as the journal shows it: "5.1.1", or "550".
func (r reply) word() string {
	if r.subject < 0 {
		return strconv.Itoa(r.code)
	}
	return strconv.Itoa(r.code/100) + "." + strconv.Itoa(r.subject) + "." + strconv.Itoa(r.detail)
}

// classify says what a refusal means. The enhanced code is asked first; what
// it leaves open, the three digits and the stage decide.
func classify(at stage, r reply) delivery.Class {
	switch {
	case r.code/100 == 4:
		return r.temporary()
	case at <= clearing, r.outOfOrder():
		// Before MAIL nothing is said of a message: it is the relay that does
		// not want us, or our credentials.
		return delivery.Unavailable
	case r.subject == 3 && r.detail != 3 && r.detail != 4:
		return delivery.Unavailable // the mail system; but X.3.3 and X.3.4 speak of this message
	case r.subject == 5 && at != addressing, r.subject < 0 && r.code < 510 && at != addressing:
		return delivery.Unavailable // the protocol; but at RCPT it speaks of the address
	}
	return delivery.Rejected
}

// temporary tells haste from disorder. RFC 3463: X.7 is policy, where rate
// limits and greylisting are; X.2 is one mailbox, X.4.5 congestion, X.5.3 too
// many recipients.
func (r reply) temporary() delivery.Class {
	switch r.subject {
	case -1:
		if r.code == 450 { // one mailbox is busy, or greylisting
			return delivery.Throttled
		}
	case 7:
		if r.code != 454 && !r.outOfOrder() { // RFC 4954: AUTH fails for now; RFC 3207: no TLS for now
			return delivery.Throttled
		}
	case 1:
		if r.detail != 7 && r.detail != 8 { // the sender's address
			return delivery.Throttled
		}
	case 2:
		return delivery.Throttled
	case 4:
		if r.detail == 5 {
			return delivery.Throttled
		}
	case 5:
		if r.detail == 3 {
			return delivery.Throttled
		}
	}
	return delivery.Unavailable
}

// outOfOrder finds refusals that every message meets until somebody changes
// something: authentication and encryption (RFC 4954, RFC 3207, RFC 5248), a
// dialogue out of step, a host that takes no mail (RFC 7504).
func (r reply) outOfOrder() bool {
	switch r.code {
	case 503, 521, 530, 534, 535, 538:
		return true
	}
	// X.7.8 credentials invalid, 9 mechanism too weak, 10 encryption needed,
	// 11 encryption needed for the mechanism, 12 password transition,
	// 13 account disabled, 14 trust relationship required.
	return r.subject == 7 && r.detail >= 8 && r.detail <= 14 || r.subject == 7 && (r.detail == 4 || r.detail == 5)
}

// queueID finds the relay's own id in its answer to a message: "queued as ID"
// (Postfix and many), "id=ID" (Exim), "Ok ID" (Amazon SES).
func queueID(answer string) string {
	lower := strings.ToLower(answer)
	for _, mark := range []string{"queued as ", " id=", "ok "} {
		at := strings.Index(lower, mark)
		if at < 0 || mark == "ok " && at > 0 {
			continue
		}
		id := strings.TrimPrefix(answer[at+len(mark):], "<")
		if end := strings.IndexFunc(id, func(r rune) bool { return !isIDRune(r) }); end >= 0 {
			id = id[:end]
		}
		if len(id) >= 4 && len(id) <= 80 && strings.ContainsAny(id, "0123456789") {
			return id
		}
	}
	return ""
}

func isIDRune(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_' || r == '.'
}

package smpp

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/gsm7"
)

// isReceipt tells a receipt from a message of a telephone. A text alone proves
// nothing: anybody can send one that looks like a receipt.
func (m short) isReceipt() bool {
	kind := m.class & classType
	return kind == classReceipt || kind == classProgress || find(m.parameters, tagReceiptedMessageID) != nil
}

// receipt is what a receipt says.
type receipt struct {
	id     string // as the carrier writes it
	report delivery.Report
}

// readReceipt reads a receipt from its optional parameters (SMPP 3.4, sections
// 5.3.2.12, 5.3.2.31 and 5.3.2.35) and its text (appendix B), of which carriers
// leave out and reorder much. Where both speak, the parameters count. Times in
// the text are in the zone, unless that is nil: then they are not used.
func readReceipt(m short, zone *time.Location) (receipt, bool) {
	text := receiptText(m)
	id := strings.TrimRight(string(find(m.parameters, tagReceiptedMessageID)), "\x00")
	if id == "" {
		id = field(text, "id")
	}
	if id = clean(id); id == "" {
		return receipt{}, false
	}
	word := strings.ToUpper(field(text, "stat"))
	state := stateOfWord(word)
	if value := find(m.parameters, tagState); len(value) == 1 {
		if name, s := stateOfNumber(value[0]); s != 0 {
			state = s
			if word == "" || stateOfWord(word) != s {
				word = name
			}
		}
	}
	r := delivery.Report{ID: id, State: state, Code: delivery.Word(word + networkError(m, text))}
	if r.Code == "" {
		r.Code = delivery.Word(word)
	}
	if zone != nil {
		r.At = doneDate(field(text, "done date"), zone)
	}
	return receipt{id, r}, true
}

// receiptText returns the text of a receipt, without a user data header.
func receiptText(m short) string {
	text := m.text
	if m.class&classHeader != 0 && len(text) > 0 && int(text[0]) < len(text) {
		text = text[1+int(text[0]):]
	}
	if m.coding&0x0c == 0x08 {
		return gsm7.DecodeUCS2(text)
	}
	return gsm7.DecodeLatin1(text)
}

// field returns what stands after "key:" up to the next white space. What
// follows "text:" is the person's own message and is not searched.
func field(text, key string) string {
	lower := strings.Map(func(r rune) rune { // of ASCII only, so that places stay
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
	end := at(lower, "text")
	if end < 0 {
		end = len(text)
	}
	start := at(lower[:end], key)
	if start < 0 {
		return ""
	}
	words := strings.Fields(text[start:end])
	if len(words) == 0 {
		return ""
	}
	if next, _, ok := strings.Cut(words[0], ":"); ok && slices.Contains([]string{"sub", "dlvrd", "stat", "err"}, strings.ToLower(next)) {
		return "" // the value is empty, the next field follows
	}
	return words[0]
}

// at returns the place behind "key:" where that begins a word, or -1.
func at(lower, key string) int {
	for start := 0; ; {
		i := strings.Index(lower[start:], key+":")
		if i < 0 {
			return -1
		}
		i += start
		start = i + len(key) + 1
		if i == 0 || lower[i-1] == ' ' || lower[i-1] == '\n' || lower[i-1] == '\r' || lower[i-1] == '\t' {
			return start
		}
	}
}

// networkError returns "-" and the error of the network when there is one:
// `err` of the text, or else network_error_code.
func networkError(m short, text string) string {
	code := field(text, "err")
	if value := find(m.parameters, tagNetworkError); code == "" && len(value) == 3 {
		code = fmt.Sprintf("%03d", int(value[1])<<8|int(value[2]))
	}
	if strings.Trim(code, "0") == "" {
		return ""
	}
	return "-" + code
}

// stateOfWord reads `stat`, by the words of appendix B and those that carriers
// use besides. ACCEPTD is final by the standard, but carriers say it when the
// next network has taken the message; UNKNOWN says nothing.
func stateOfWord(word string) delivery.State {
	switch word {
	case "DELIVRD", "DELIVERED":
		return delivery.Delivered
	case "EXPIRED", "DELETED", "UNDELIV", "UNDELIVERED", "REJECTD", "REJECTED", "FAILED", "SKIPPED":
		return delivery.Failed
	}
	return delivery.EnRoute
}

// stateOfNumber reads message_state (SMPP 3.4, section 5.2.28; 0 and 9 are of
// SMPP 5.0, section 4.7.15), and returns the word for it in texts.
func stateOfNumber(n byte) (string, delivery.State) {
	words := [...]string{"SCHEDULED", "ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD", "SKIPPED"}
	if int(n) >= len(words) {
		return "", 0
	}
	return words[n], stateOfWord(words[n])
}

// doneDate reads a time of the text: YYMMDDhhmm, with seconds, or with the
// century as well.
func doneDate(text string, zone *time.Location) time.Time {
	for _, layout := range []string{"0601021504", "060102150405", "20060102150405"} {
		if len(text) == len(layout) {
			if t, err := time.ParseInLocation(layout, text, zone); err == nil {
				return t.UTC()
			}
		}
	}
	return time.Time{}
}

// clean bounds a carrier's id: 64 visible characters of ASCII.
func clean(id string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, strings.TrimSpace(id[:min(len(id), 64)]))
}

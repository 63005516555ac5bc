// Package address reads phone numbers and e-mail addresses as people write them and gives each in two forms: one to
// send to, and one to count by, which is the same for every way to write one line or one mailbox.
//
// It judges form only. It does not say whether a number is in service, whether a mailbox exists or whether anybody may
// write to it, and it knows nothing of countries that are allowed or refused.
package address

import (
	"errors"
	"fmt"
	"strings"
)

// Kind tells a phone number from an e-mail address. The zero Kind is neither.
type Kind uint8

// The kinds of address.
const (
	Phone Kind = iota + 1
	Email
)

// String returns "phone", "email" or "unknown".
func (k Kind) String() string {
	switch k {
	case Phone:
		return "phone"
	case Email:
		return "email"
	}
	return "unknown"
}

// Address is one destination in its two forms. Addresses with the same Kind and Count are the same line or mailbox.
type Address struct {
	Kind Kind
	// Send is what is handed to a carrier or mail server: "+18091234567", "Ana.B+shop@example.com". It holds printable
	// ASCII without spaces, and parses to itself.
	Send string
	// Count is what limits and look-ups key on. It is not meant to be sent to: a folded number need not be dialable.
	Count string
}

// ErrInvalid is wrapped by every error of this package. The message of such an error names the broken rule and never
// holds any part of the address, so that it may be shown and logged.
var ErrInvalid = errors.New("invalid address")

// invalid returns an error that wraps ErrInvalid and names the rule.
func invalid(rule string) error {
	return fmt.Errorf("%w: %s", ErrInvalid, rule)
}

// Parse reads an e-mail address when text holds an '@', as ParseEmail does, and a phone number otherwise, as ParsePhone
// does with home. Its errors wrap ErrInvalid.
func Parse(text, home string) (Address, error) {
	if strings.IndexByte(text, '@') >= 0 {
		return ParseEmail(text)
	}
	return ParsePhone(text, home)
}

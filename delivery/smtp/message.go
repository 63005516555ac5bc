package smtp

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"html/template"
	stdmail "net/mail"
	"strings"
	"time"
	"unicode/utf8"

	mail "github.com/wneessen/go-mail"

	"github.com/aldaba-otp/aldaba/delivery"
)

// composer makes letters of messages.
type composer struct {
	from     stdmail.Address
	senders  []stdmail.Address // that a message may name besides
	replyTo  stdmail.Address   // no address: none
	idDomain string
	page     *template.Template                          // nil: no HTML part
	sign     func(now func() time.Time) *mail.DKIMSigner // nil: not signed
	now      func() time.Time
}

// letter is a message as it goes over the wire.
type letter struct {
	from, to string // of the envelope
	utf8     bool   // the recipient needs SMTPUTF8
	id       string // Message-ID without its angle brackets
	data     []byte // lines end with CRLF
}

// refused is a message that can be sent by no try.
func refused(code, why string) error {
	return &delivery.Error{Class: delivery.Rejected, Code: code, Cause: errors.New(why)}
}

// compose writes the letter. Two tries of one message have the same Message-ID
// and Date.
func (c *composer) compose(m delivery.Message) (*letter, error) {
	to, international, ok := parseRecipient(m.To)
	if !ok {
		return nil, refused("bad_address", "the recipient is no single mailbox")
	}
	from, err := c.sender(m.From)
	if err != nil {
		return nil, err
	}
	if !clean(m.Subject) || utf8.RuneCountInString(m.Subject) > maxSubject {
		return nil, refused("bad_subject", "the subject is too long or has control characters; change the template")
	}
	if !clean(m.Brand) || !clean(m.Code) {
		return nil, refused("bad_text", "the brand or the code has control characters")
	}
	l := &letter{from: from.Address, to: to, utf8: international, id: messageID(m.ID) + "@" + c.idDomain}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	msg.SetAddrHeaderFromMailAddress(mail.HeaderFrom, &from)
	msg.SetAddrHeaderFromMailAddress(mail.HeaderTo, &stdmail.Address{Address: to})
	if c.replyTo.Address != "" {
		msg.SetAddrHeaderFromMailAddress(mail.HeaderReplyTo, &c.replyTo)
	}
	if m.Subject != "" {
		msg.SetGenHeader(mail.HeaderSubject, encoded(m.Subject))
	}
	msg.SetMessageIDWithValue(l.id)
	if m.Created.IsZero() {
		m.Created = c.now()
	}
	msg.SetDateWithValue(m.Created.UTC())
	// RFC 3834 section 5: no vacation notice is to answer. Microsoft's
	// [MS-OXCMAIL] X-Auto-Response-Suppress says so to Exchange.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")
	if err := c.fill(msg, m); err != nil {
		return nil, refused("bad_text", "the text cannot be written as a letter")
	}
	if c.sign != nil {
		msg.SetDKIM(c.sign(c.now))
	}
	var data bytes.Buffer
	if _, err := msg.WriteTo(&data); err != nil {
		return nil, refused("bad_text", "the text cannot be written and signed as a letter")
	}
	l.data = data.Bytes()
	return l, nil
}

// fill writes the parts. Quoted-printable keeps every line below 76
// characters (RFC 2045 section 6.7) and leaves no lone CR or LF.
func (c *composer) fill(msg *mail.Msg, m delivery.Message) error {
	text := canonical(m.Body)
	msg.SetBodyString(mail.TypeTextPlain, strings.ReplaceAll(text, "\n", "\r\n"))
	if c.page == nil {
		return nil
	}
	html, err := render(c.page, m, text)
	if err == nil {
		msg.AddAlternativeString(mail.TypeTextHTML, html)
	}
	return err
}

// sender returns the From of a message. A text without @ is a name to show
// with the configured address; one with @ must be a mailbox that the settings
// name, so that no tenant sends in the name of another.
func (c *composer) sender(wanted string) (stdmail.Address, error) {
	switch {
	case wanted == "":
		return c.from, nil
	case isName(wanted):
		return stdmail.Address{Name: wanted, Address: c.from.Address}, nil
	}
	box, ok := parseMailbox(wanted)
	if ok {
		for _, known := range append([]stdmail.Address{c.from}, c.senders...) {
			if strings.EqualFold(known.Address, box.Address) {
				if box.Name == "" {
					box.Name = known.Name
				}
				return stdmail.Address{Name: box.Name, Address: known.Address}, nil
			}
		}
	}
	return stdmail.Address{}, refused("bad_sender", "the sender is neither a name nor a mailbox among from and senders; change the profile or the provider")
}

// canonical returns a text in valid UTF-8 whose lines end with LF.
func canonical(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
}

// messageID returns the left side of a Message-ID: the message's id where that
// fits, and its digest otherwise.
func messageID(id string) string {
	if len(id) <= maxLocal && isDotAtom(id) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:16])
}

// encoded writes a header's text in encoded words (RFC 2047) unless it is
// plain ASCII that needs none: one that looks like an encoded word is encoded
// too, so that it is shown as it is, and so is a word too long to fold.
func encoded(text string) string {
	plain := !strings.Contains(text, "=?") && strings.TrimSpace(text) == text
	for word := range strings.SplitSeq(text, " ") {
		plain = plain && len(word) < 60
	}
	if plain && strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return text
	}
	const limit = 45 // bytes: 60 in base64, 72 with the frame; RFC 2047 allows 75
	var words []string
	for text != "" {
		cut := len(text)
		if cut > limit {
			for cut = limit; !utf8.RuneStart(text[cut]); cut-- {
			}
		}
		words = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(text[:cut]))+"?=")
		text = text[cut:]
	}
	return strings.Join(words, " ")
}

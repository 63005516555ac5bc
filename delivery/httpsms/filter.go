package httpsms

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// filter changes a value before it is escaped for where it stands.
type filter struct {
	apply  func(value string) (string, error)
	number bool
}

// newFilter finds a filter by its word: NAME or NAME:ARGUMENT.
func newFilter(word string) (filter, error) {
	name, argument, given := strings.Cut(word, ":")
	switch name {
	case "default", "min", "max":
		if !given {
			return filter{}, fmt.Errorf("must give the filter %s a value: %s:VALUE", name, name)
		}
	default:
		if given {
			return filter{}, errors.New("must give a value to the filters default, min and max only")
		}
	}
	switch name {
	case "default":
		return filter{apply: func(v string) (string, error) {
			if v == "" {
				return argument, nil
			}
			return v, nil
		}}, nil
	case "min", "max":
		return newLimit(name == "min", argument)
	case "number":
		return filter{number: true, apply: asNumber}, nil
	}
	if change := plainFilter(name); change != nil {
		return filter{apply: func(v string) (string, error) { return change(v), nil }}, nil
	}
	return filter{}, errors.New("must use known filters: alphabet, base64, default:VALUE, digits, hex, json, lower, max:N, min:N, number, " +
		"ucs2hex, underscore, upper, url, xml")
}

// newLimit raises or lowers a number to a bound.
func newLimit(least bool, argument string) (filter, error) {
	bound, err := strconv.ParseInt(argument, 10, 64)
	if err != nil {
		return filter{}, errors.New("must give the filters min and max a whole number")
	}
	return filter{apply: func(v string) (string, error) {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return "", errors.New("is no whole number")
		}
		if least {
			return strconv.FormatInt(max(n, bound), 10), nil
		}
		return strconv.FormatInt(min(n, bound), 10), nil
	}}, nil
}

// asNumber lets JSON numbers through, and nothing: an optional member is left
// out then.
func asNumber(v string) (string, error) {
	if v == "" {
		return "", nil
	}
	var n json.Number
	if err := json.Unmarshal([]byte(v), &n); err != nil || strings.HasPrefix(v, `"`) {
		return "", errors.New("is no number")
	}
	return n.String(), nil
}

func plainFilter(name string) func(string) string {
	switch name {
	case "upper":
		return strings.ToUpper
	case "lower":
		return strings.ToLower
	case "underscore": // en-US as Meta writes it: en_US
		return func(v string) string { return strings.ReplaceAll(v, "-", "_") }
	case "digits":
		return digitsOf
	case "hex":
		return func(v string) string { return hex.EncodeToString([]byte(v)) }
	case "base64":
		return func(v string) string { return base64.StdEncoding.EncodeToString([]byte(v)) }
	case "ucs2hex":
		return ucs2hex
	case "alphabet":
		return alphabet
	case "url":
		return url.QueryEscape
	case "xml":
		return escapeXML
	case "json":
		return escapeJSON
	}
	return nil
}

func digitsOf(v string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, v)
}

// ucs2hex writes UTF-16, big endian, as upper-case hexadecimal digits.
func ucs2hex(v string) string {
	var raw []byte
	for _, unit := range utf16.Encode([]rune(v)) {
		raw = append(raw, byte(unit>>8), byte(unit))
	}
	return strings.ToUpper(hex.EncodeToString(raw))
}

// gsm7 are the characters of the default alphabet and its extension table,
// 3GPP TS 23.038 section 6.2.1.
const gsm7 = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
	"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà\f^{}\\[~]|€"

// alphabet tells whether a text fits into GSM-7 or needs UCS-2.
func alphabet(v string) string {
	for _, r := range v {
		if !strings.ContainsRune(gsm7, r) {
			return "ucs2"
		}
	}
	return "gsm7"
}

func escapeXML(v string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(v)); err != nil {
		return "" // a buffer takes everything
	}
	return b.String()
}

// escapeJSON writes a value as the inside of a JSON text.
func escapeJSON(v string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "" // a text is always encoded
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(b.String()), `"`), `"`)
}

// The escapes for where a value may stand.

func inHeader(v string) (string, error) {
	if strings.ContainsFunc(v, func(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7f }) {
		return "", errors.New("may hold no control characters in a header")
	}
	return v, nil
}

func inPath(v string) (string, error) {
	if slices.Contains([]string{"", ".", ".."}, v) {
		return "", errors.New("may not be empty, . or .. in a path")
	}
	return url.PathEscape(v), nil
}

func inQuery(v string) (string, error) { return url.QueryEscape(v), nil }

func inXML(v string) (string, error) {
	if !utf8.ValidString(v) || strings.ContainsFunc(v, func(r rune) bool {
		return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	}) {
		return "", errors.New("has characters that XML cannot carry")
	}
	return escapeXML(v), nil
}

func inJSON(v string) (string, error) { return escapeJSON(v), nil }

func asIs(v string) (string, error) { return v, nil }

package gsm7

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Change is one replacement of a character by what looks like it.
type Change struct {
	From string // one character, with its accents
	To   string // of the default alphabet; "" for what is not seen
}

// Transliterate replaces the characters of a text that force UCS2 by what
// looks like them in the default alphabet, and names each replacement once:
// curly quotes, dashes, ellipses, odd spaces, and letters whose accent the
// alphabet lacks (á becomes a; é, ñ and ü stay). When even then the text does
// not fit into the alphabet, nothing would be gained: it comes back unchanged.
func Transliterate(text string) (string, []Change) {
	var b strings.Builder
	var changes []Change
	var iter norm.Iter
	iter.InitString(norm.NFC, text)
	for !iter.Done() {
		start := iter.Pos()
		composed := string(iter.Next())
		from := text[start:iter.Pos()]
		to, ok := plain(composed)
		if !ok {
			return text, nil
		}
		b.WriteString(to)
		if c := (Change{from, to}); from != to && !slices.Contains(changes, c) {
			changes = append(changes, c)
		}
	}
	return b.String(), changes
}

// plain returns what stands for one composed character in the default
// alphabet, or false when nothing does.
func plain(composed string) (string, bool) {
	var b strings.Builder
	for _, r := range composed {
		if n, _ := septets(r); n > 0 {
			b.WriteRune(r)
			continue
		}
		if to, ok := alike(r); ok {
			b.WriteString(to)
			continue
		}
		if unicode.Is(unicode.Mn, r) && b.Len() > 0 && unicode.IsLetter([]rune(composed)[0]) {
			continue // an accent for which Unicode has no composed letter
		}
		base := []rune(norm.NFD.String(string(r)))
		if n, _ := septets(base[0]); n == 0 || len(base) < 2 {
			return "", false
		}
		b.WriteRune(base[0])
	}
	return b.String(), true
}

// alike lists what no decomposition of Unicode leads to.
func alike(r rune) (string, bool) {
	switch r {
	case '‘', '’', '‚', '‛', '′', '`', '´', 'ʼ', '‹', '›':
		return "'", true
	case '“', '”', '„', '‟', '″', '«', '»':
		return `"`, true
	case '‐', '‑', '‒', '–', '—', '―', '−', '•':
		return "-", true
	case '…':
		return "...", true
	case '\t', '\u00a0', '\u2002', '\u2003', '\u2007', '\u2008', '\u2009', '\u200a', '\u202f', '\u3000':
		return " ", true
	case '\u00ad', '\u200b', '\u2060', '\ufeff':
		return "", true
	case '\u2028', '\u2029':
		return "\n", true
	}
	letters := map[rune]string{
		'º': "o", 'ª': "a", '·': ".", '×': "x", 'đ': "d", 'Đ': "D", 'ð': "d", 'ł': "l", 'Ł': "L", 'ı': "i",
		'œ': "oe", 'Œ': "OE", 'þ': "th", 'Þ': "Th", '™': "TM", '©': "(c)", '®': "(R)", '№': "No",
	}
	to, ok := letters[r]
	return to, ok
}

package lint

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/aldaba-otp/aldaba/internal/gsm7"
)

// encoding tells what made a text ucs2, and what it would be without. An
// accent is part of the word: as long as the text fits one part it costs
// nothing, and no one should misspell for it.
func (r *Report) encoding(n gsm7.Size) {
	forced := list(words(n.Forced))
	plain, changes := gsm7.Transliterate(r.Text)
	if len(changes) == 0 {
		r.add(Note, "encoding", "keep it to 70 characters: its letters are in no cheaper alphabet", "goes as UCS-2, 70 characters a part instead of 160, for the sake of %s", forced)
		return
	}
	without := gsm7.Count(plain)
	swaps := make([]string, len(changes))
	for i, c := range changes {
		swaps[i] = swap(c)
	}
	saved := fmt.Sprintf("with %s it is GSM-7: %d of 160 characters, %s", strings.Join(swaps, ", "), without.Units, parts(without.Parts))
	switch {
	case !slices.ContainsFunc(n.Forced, unicode.IsLetter):
		r.add(Warning, "typography", saved, "goes as UCS-2 for the sake of %s, which nobody would miss", forced)
	case without.Parts < n.Parts:
		r.add(Warning, "encoding", saved+"; or choose words without them", "goes as UCS-2 for the sake of %s: %s more", forced, parts(n.Parts-without.Parts))
	default:
		r.add(Note, "encoding", "leave it: spelling comes before cost, and this costs nothing; "+saved, "goes as UCS-2, 70 characters a part instead of 160, for the sake of %s", forced)
	}
}

// swap shows a change, also of what cannot be seen.
func swap(c gsm7.Change) string {
	to := c.To
	if to == "" {
		to = "nothing"
	}
	return shown(c.From) + " as " + shown(to)
}

// shown writes characters so that they can be seen.
func shown(s string) string {
	visible := strings.ContainsFunc(s, func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) })
	if visible {
		return s
	}
	var all []string
	for _, r := range s {
		all = append(all, fmt.Sprintf("U+%04X", r))
	}
	return strings.Join(all, " ")
}

func list(chars []string) string {
	all := make([]string, len(chars))
	for i, c := range chars {
		all[i] = shown(c)
	}
	return strings.Join(all, " ")
}

func parts(n int) string {
	if n == 1 {
		return "1 part"
	}
	return fmt.Sprintf("%d parts", n)
}

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// document parses the one YAML document of a file and returns its top value.
func (r *reader) document(data []byte) *yaml.Node {
	if !utf8.Valid(data) {
		r.fail(lineOf(data, bytes.IndexRune(data, utf8.RuneError)), "", "is not valid UTF-8")
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	err := decoder.Decode(&first)
	switch {
	case errors.Is(err, io.EOF):
		r.fail(1, "", "is empty")
		return nil
	case err != nil:
		r.syntax(err, data)
		return nil
	}
	if err := decoder.Decode(&second); err == nil {
		r.fail(second.Line, "", "must be one document; a second one begins here")
	} else if !errors.Is(err, io.EOF) {
		r.syntax(err, data)
	}
	if len(first.Content) != 1 || first.Content[0].ShortTag() == "!!null" {
		r.fail(1, "", "is empty")
		return nil
	}
	return first.Content[0]
}

// syntax puts the library's error into plain words. What it quotes from the
// file is left out, since it may be part of a secret.
func (r *reader) syntax(err error, data []byte) {
	line, text := 1, err.Error()
	if m := regexp.MustCompile(`line (\d+)`).FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
	}
	// The library tells no line of an anchor and a wrong one of a tab.
	if m := regexp.MustCompile(`unknown anchor '(.*)' referenced`).FindStringSubmatch(text); m != nil {
		line = lineOf(data, bytes.Index(data, []byte("*"+m[1])))
	}
	if at := regexp.MustCompile(`(?m)^ *\t`).FindIndex(data); at != nil && strings.Contains(text, "cannot start any token") {
		line = lineOf(data, at[0])
	}
	words := []struct{ of, say string }{
		{"mapping values are not allowed", `a ":" stands where no key can be; check the indentation, or quote the text`},
		{"did not find expected key", "the indentation does not fit, or a quote or bracket is missing"},
		{"did not find expected '-' indicator", "the entries of this list are not indented alike"},
		{"did not find expected ',' or", "a comma or a closing bracket is missing"},
		{"could not find expected ':'", `a key lacks its ":"`},
		{"cannot start any token", "a text begins with a character that must be quoted, or a tab indents the line"},
		{"found a tab", "a tab indents the line; use spaces"},
		{"unknown anchor", "anchors and aliases are not supported; quote a text that begins with & or *"},
		{"unexpected end of stream", "a quote is not closed"},
		{"control characters are not allowed", "there is a control character"},
		{"exceeded max depth", "is nested too deeply"},
		{"block sequence entries are not allowed", `a "-" stands where no list can be; check the indentation`},
		{"unknown escape character", `there is an unknown escape after a "\"; use single quotes`},
	}
	for _, w := range words {
		if strings.Contains(text, w.of) {
			r.fail(line, "", "%s", w.say)
			return
		}
	}
	r.fail(line, "", "is not valid YAML; check indentation, quotes and brackets around this line")
}

// lineOf returns the number of the line in which an offset lies.
func lineOf(data []byte, at int) int { return 1 + bytes.Count(data[:max(at, 0)], []byte("\n")) }

// unknownKey tells that a key is not among the known ones, and which one it
// may have been meant to be.
func unknownKey(key string, known []string) string {
	if slices.Contains(known, key) {
		return ""
	}
	best, distance := "", 3
	for _, k := range known {
		if d := edits(key, k); d < distance && d < len(k) {
			best, distance = k, d
		}
	}
	if best == "" {
		return fmt.Sprintf("unknown key %q", clip(key))
	}
	return fmt.Sprintf("unknown key %q; did you mean %q?", clip(key), best)
}

// clip shortens what is quoted from a file.
func clip(s string) string {
	if len(s) <= 40 {
		return s
	}
	return strings.ToValidUTF8(s[:40], "") + "..."
}

// edits is the Levenshtein distance, with a neighbouring swap as one edit.
func edits(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return len(a) + len(b)
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// textFault tells what keeps a text from being kept and shown.
func textFault(s, what string) string {
	if !utf8.ValidString(s) {
		return what + " is not valid UTF-8"
	}
	if strings.ContainsFunc(s, func(c rune) bool { return c < ' ' && c != '\n' && c != '\t' && c != '\r' || c == 0x7f }) {
		return what + " has a control character"
	}
	return ""
}

// isName tells whether s may name a provider: it goes into keys and logs.
func isName(s string) bool {
	return len(s) > 0 && len(s) <= 64 && !strings.ContainsFunc(s, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.", c))
	})
}

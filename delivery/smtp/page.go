package smtp

import (
	"cmp"
	"html/template"
	"strings"

	"github.com/aldaba-otp/aldaba/delivery"
)

// pageText is the HTML part: the same words as the text part, the code large.
// It names no colour, so that the reader's own (light, dark, high contrast)
// hold with their full contrast; it loads nothing, and links to nothing but the
// page where the code may be confirmed instead. That link shows where it leads
// and keeps its token from the screen, and from who has the page read aloud; it
// is as large as a finger needs (WCAG 2.2, 2.5.8) and has a border, so that it
// is known for a link without a colour.
const pageText = `<!DOCTYPE html>
<html{{with .Lang}} lang="{{.}}"{{end}} dir="auto">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no, url=no">
<title>{{.Title}}</title>
<style>:root { color-scheme: light dark; }</style>
</head>
<body style="margin: 0; padding: 24px; font-family: sans-serif; font-size: 16px; line-height: 1.5;">
<main style="max-width: 36em;">
{{- with .Brand}}
<h1 dir="auto" style="margin: 0 0 16px; font-size: 20px;">{{.}}</h1>
{{- end}}
{{- range .Paragraphs}}
<p dir="auto" style="margin: 0 0 16px;">
{{- range $i, $line := .}}{{if $i}}<br>{{end}}
{{- range $line}}{{if .Link}}<a href="{{.Link}}" style="display: inline-block; padding: 12px 20px; border: 2px solid; border-radius: 4px; color: inherit; overflow-wrap: anywhere;">{{.Text}}</a>{{else if .Code}}<strong style="font-size: 28px; letter-spacing: 2px; white-space: nowrap;">{{.Text}}</strong>{{else}}{{.Text}}{{end}}{{end}}
{{- end}}</p>
{{- end}}
</main>
</body>
</html>
`

// piece is a run of text: the code, the link, or neither.
type piece struct {
	Text string
	Code bool
	Link string // where Text leads, or ""
}

// newPage reads the page.
func newPage() (*template.Template, error) { return template.New("page").Parse(pageText) }

// render returns the HTML of a message whose lines end with LF.
func render(page *template.Template, m delivery.Message, text string) (string, error) {
	data := struct {
		Lang, Title, Brand string
		Paragraphs         [][][]piece
	}{Lang: language(m.Locale), Title: cmp.Or(m.Subject, m.Brand), Brand: m.Brand}
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		if paragraph = strings.Trim(paragraph, "\n"); paragraph == "" {
			continue
		}
		var lines [][]piece
		for line := range strings.SplitSeq(paragraph, "\n") {
			lines = append(lines, pieces(line, m.Code, m.Link))
		}
		data.Paragraphs = append(data.Paragraphs, lines)
	}
	var b strings.Builder
	err := page.Execute(&b, data)
	return b.String(), err
}

// pieces cuts a line at the link and at the code. The link goes first: its token
// may hold the characters of the code.
func pieces(line, code, link string) []piece {
	page, _, _ := strings.Cut(link, "#")
	return cut(line, link, piece{Text: page, Link: link}, func(part string) []piece {
		return cut(part, code, piece{Text: code, Code: true}, func(part string) []piece { return []piece{{Text: part}} })
	})
}

// cut puts a piece in each place of a text, and what is made of the rest between
// them. No text has no place.
func cut(line, text string, in piece, rest func(part string) []piece) []piece {
	if text == "" {
		return rest(line)
	}
	var all []piece
	for i, part := range strings.Split(line, text) {
		if i > 0 {
			all = append(all, in)
		}
		all = append(all, rest(part)...)
	}
	return all
}

// language returns a tag that may be the value of lang, or "".
func language(tag string) string {
	if len(tag) > 35 || strings.Trim(strings.ToLower(tag), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return ""
	}
	return tag
}

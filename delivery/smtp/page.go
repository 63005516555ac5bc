package smtp

import (
	"cmp"
	"html/template"
	"strings"

	"github.com/aldaba-otp/aldaba/delivery"
)

// pageText is the HTML part: the same words as the text part, the code large.
// It names no colour, so that the reader's own (light, dark, high contrast)
// hold with their full contrast; it loads nothing and links to nothing.
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
{{- range $line}}{{if .Code}}<strong style="font-size: 28px; letter-spacing: 2px; white-space: nowrap;">{{.Text}}</strong>{{else}}{{.Text}}{{end}}{{end}}
{{- end}}</p>
{{- end}}
</main>
</body>
</html>
`

// piece is a run of text: the code, or not.
type piece struct {
	Text string
	Code bool
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
			lines = append(lines, pieces(line, m.Code))
		}
		data.Paragraphs = append(data.Paragraphs, lines)
	}
	var b strings.Builder
	err := page.Execute(&b, data)
	return b.String(), err
}

// pieces cuts a line at the code.
func pieces(line, code string) []piece {
	if code == "" {
		return []piece{{Text: line}}
	}
	var all []piece
	for i, part := range strings.Split(line, code) {
		if i > 0 {
			all = append(all, piece{code, true})
		}
		all = append(all, piece{Text: part})
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

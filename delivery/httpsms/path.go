package httpsms

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// selector finds texts in an answer or a callback:
//
//	$.a.b[0]["c d"][*]  in JSON, in XML (the root element is the first name), in
//	                    form fields and query parameters
//	/expression/        the first group, or all, that the RE2 expression finds in the text
//	header:NAME         a header
//
// Of several, parted by " ?? ", the first that finds something counts.
type selector struct {
	steps   []step
	or      *selector
	pattern *regexp.Regexp
	header  string
	given   bool
}

// step goes one level down: to a member, to an entry, or to all entries.
type step struct {
	name  string
	index int // when name is ""
	all   bool
}

// maxSteps bounds how deep a path may go.
const maxSteps = 32

var errPath = errors.New(`must be a path such as $.a.b[0] or $.list[*].id, an expression such as /ID: (\w+)/, or header:NAME`)

// parseSelector reads a path; "" is one that finds nothing.
func parseSelector(text string) (selector, error) {
	if first, rest, several := strings.Cut(text, " ?? "); several && text[0] != '/' {
		s, err := parseSelector(strings.TrimSpace(first))
		if err != nil || !s.given {
			return selector{}, errPath
		}
		or, err := parseSelector(strings.TrimSpace(rest))
		if err != nil || !or.given {
			return selector{}, errPath
		}
		s.or = &or
		return s, nil
	}
	switch {
	case text == "":
		return selector{}, nil
	case strings.HasPrefix(text, "header:") && len(text) > len("header:"):
		return selector{header: text[len("header:"):], given: true}, nil
	case len(text) > 2 && text[0] == '/' && text[len(text)-1] == '/':
		pattern, err := regexp.Compile(text[1 : len(text)-1])
		if err != nil {
			return selector{}, errors.New("must be a valid RE2 expression between the slashes")
		}
		return selector{pattern: pattern, given: true}, nil
	case text[0] == '$':
		steps, err := parseSteps(text[1:])
		return selector{steps: steps, given: true}, err
	}
	return selector{}, errPath
}

func parseSteps(rest string) (steps []step, err error) {
	for rest != "" {
		var s step
		switch rest[0] {
		case '.':
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			s, rest = step{name: rest[1 : 1+end]}, rest[1+end:]
			if s.name == "" {
				return nil, errPath
			}
		case '[':
			if s, rest, err = parseBracket(rest); err != nil {
				return nil, err
			}
		default:
			return nil, errPath
		}
		if steps = append(steps, s); len(steps) > maxSteps {
			return nil, fmt.Errorf("must have at most %d steps", maxSteps)
		}
	}
	return steps, nil
}

func parseBracket(rest string) (step, string, error) {
	if len(rest) > 2 && (rest[1] == '"' || rest[1] == '\'') {
		name, after, ok := strings.Cut(rest[2:], rest[1:2]+"]")
		if !ok || name == "" {
			return step{}, "", errPath
		}
		return step{name: name}, after, nil
	}
	inside, after, ok := strings.Cut(rest[1:], "]")
	if ok && inside == "*" {
		return step{all: true}, after, nil
	}
	n, err := strconv.ParseUint(inside, 10, 16)
	if !ok || err != nil {
		return step{}, "", errPath
	}
	return step{index: int(n)}, after, nil
}

// content is what a selector looks into.
type content struct {
	tree   any // as encoding/json makes it, with json.Number; nil when it has none
	text   []byte
	header http.Header
}

// all returns the texts found: those of members that are texts, numbers or
// truth values.
func (s selector) all(c content) []string {
	found := s.here(c)
	if len(found) == 0 && s.or != nil {
		return s.or.all(c)
	}
	return found
}

func (s selector) here(c content) (found []string) {
	switch {
	case !s.given:
		return nil
	case s.header != "":
		return c.header.Values(s.header)
	case s.pattern != nil:
		if groups := s.pattern.FindSubmatch(c.text); groups != nil {
			return []string{string(groups[min(1, len(groups)-1)])}
		}
		return nil
	}
	for _, v := range walk(c.tree, s.steps) {
		if text, ok := scalar(v); ok {
			found = append(found, text)
		}
	}
	return found
}

// first returns the first text found, or "".
func (s selector) first(c content) string {
	if found := s.all(c); len(found) > 0 {
		return found[0]
	}
	return ""
}

// walk follows the steps; an absent member is no error, it is not found.
func walk(v any, steps []step) []any {
	if len(steps) == 0 {
		return []any{v}
	}
	s, rest := steps[0], steps[1:]
	if s.name != "" {
		if mapping, ok := v.(map[string]any); ok {
			if member, ok := mapping[s.name]; ok {
				return walk(member, rest)
			}
		}
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v} // XML does not tell one entry from a list of one
	}
	if s.all {
		var found []any
		for _, entry := range list {
			found = append(found, walk(entry, rest)...)
		}
		return found
	}
	if s.index < len(list) {
		return walk(list[s.index], rest)
	}
	return nil
}

func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// parseContent makes a tree of a body: of JSON or XML, by the media type or
// else by its first character. What is neither has no tree.
func parseContent(body []byte, header http.Header) (content, error) {
	c := content{text: body, header: header}
	kind := strings.ToLower(header.Get("Content-Type"))
	start := bytes.TrimLeft(body, " \t\r\n\ufeff")
	var err error
	switch {
	case len(start) == 0:
	case strings.Contains(kind, "json") || start[0] == '{' || start[0] == '[':
		c.tree, err = parseJSON(body)
	case strings.Contains(kind, "xml") || start[0] == '<' && !strings.Contains(kind, "html"):
		c.tree, err = parseXML(body)
	}
	return c, err
}

func parseJSON(body []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, errors.New("is no JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("is no JSON")
	}
	return tree, nil
}

// parseXML makes of each element a text, or a mapping of its children when it
// has any; children of one name become a list, attributes are named @NAME.
func parseXML(body []byte) (any, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	for {
		token, err := d.Token()
		if err != nil {
			return nil, errors.New("is no XML")
		}
		if start, ok := token.(xml.StartElement); ok {
			root, err := element(d, start, 0)
			return map[string]any{start.Name.Local: root}, err
		}
	}
}

func element(d *xml.Decoder, start xml.StartElement, depth int) (any, error) {
	if depth > maxSteps {
		return nil, errors.New("is too deep")
	}
	children := map[string]any{}
	for _, a := range start.Attr {
		children["@"+a.Name.Local] = a.Value
	}
	var text strings.Builder
	for {
		token, err := d.Token()
		if err != nil {
			return nil, errors.New("is no XML")
		}
		switch token := token.(type) {
		case xml.CharData:
			text.Write(token)
		case xml.StartElement:
			child, err := element(d, token, depth+1)
			if err != nil {
				return nil, err
			}
			add(children, token.Name.Local, child)
		case xml.EndElement:
			if len(children) == 0 {
				return strings.TrimSpace(text.String()), nil
			}
			return children, nil
		}
	}
}

func add(children map[string]any, name string, child any) {
	switch before := children[name].(type) {
	case nil:
		children[name] = child
	case []any:
		children[name] = append(before, child)
	default:
		children[name] = []any{before, child}
	}
}

// fields makes a tree of form fields or query parameters; of a name that comes
// twice the first counts.
func fields(v url.Values) map[string]any {
	tree := make(map[string]any, len(v))
	for name, all := range v {
		if len(all) > 0 {
			tree[name] = all[0]
		}
	}
	return tree
}

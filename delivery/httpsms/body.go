package httpsms

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/url"
	"slices"
	"strings"

	"github.com/aldaba-otp/aldaba/delivery"
)

// pair is one header, query parameter or form field.
type pair struct {
	name     string
	optional bool // left out when a placeholder in its value is empty
	value    template
}

// optionalName tells the mark of what is left out when empty: a ? at the end.
func optionalName(name string) (string, bool) { return strings.CutSuffix(name, "?") }

// pairs parses a mapping; they stand in the order of their names.
func (b *builder) pairs(path string, mapping map[string]string) []pair {
	var all []pair
	for _, key := range slices.Sorted(maps.Keys(mapping)) {
		name, optional := optionalName(key)
		if name == "" || strings.Contains(name, "{{") {
			b.faults.Add(path+"."+key, "must have a fixed name")
		}
		all = append(all, pair{name, optional, b.template(path+"."+key, mapping[key])})
	}
	return all
}

// encode writes pairs as in a query or a form.
func encode(pairs []pair, v values) (string, error) {
	var written []string
	for _, p := range pairs {
		value, err := p.value.expand(v, nil)
		if err != nil {
			return "", fmt.Errorf("%s: %w", p.name, err)
		}
		if !p.optional || !p.value.blank(v) {
			written = append(written, url.QueryEscape(p.name)+"="+url.QueryEscape(value))
		}
	}
	return strings.Join(written, "&"), nil
}

// bodyMaker writes the body for a message.
type bodyMaker func(v values) ([]byte, error)

// body reads which of the bodies there is.
func (b *builder) body() (bodyMaker, string) {
	given := map[string]bool{
		"json": b.s.JSON != nil, "form": b.s.Form != nil, "xml": b.s.XML != "", "body": b.s.Body != "",
	}
	kinds := slices.DeleteFunc(slices.Clone(bodies), func(kind string) bool { return !given[kind] })
	if len(kinds) > 1 {
		b.faults.Add(kinds[1], "must not be given beside %s: a request has one body", kinds[0])
		return nil, ""
	}
	if len(kinds) == 0 {
		return nil, ""
	}
	switch kinds[0] {
	case "json":
		return b.jsonBody(), "application/json"
	case "form":
		form := b.pairs("form", b.s.Form)
		return func(v values) ([]byte, error) {
			text, err := encode(form, v)
			return []byte(text), err
		}, "application/x-www-form-urlencoded"
	case "xml":
		return b.textBody("xml", b.s.XML, inXML), "application/xml; charset=utf-8"
	}
	return b.textBody("body", b.s.Body, b.bodyEscape()), b.s.ContentType
}

// bodyEscape is how values are made fit for a body of the configured type.
func (b *builder) bodyEscape() escape {
	kind, _, err := mime.ParseMediaType(b.s.ContentType)
	switch {
	case err != nil:
		b.faults.Add("content_type", "must be given with body, such as text/plain; charset=utf-8")
	case strings.HasSuffix(kind, "json"):
		return inJSON
	case strings.HasSuffix(kind, "xml"):
		return inXML
	case kind == "application/x-www-form-urlencoded":
		return inQuery
	}
	return asIs
}

func (b *builder) textBody(path, text string, fit escape) bodyMaker {
	t := b.template(path, text)
	return func(v values) ([]byte, error) {
		written, err := t.expand(v, fit)
		return []byte(written), err
	}
}

func (b *builder) jsonBody() bodyMaker {
	make := b.json("json", b.s.JSON, 0)
	return func(v values) ([]byte, error) {
		tree, err := make(v)
		if err != nil {
			return nil, err
		}
		var buffer bytes.Buffer
		e := json.NewEncoder(&buffer)
		e.SetEscapeHTML(false)
		if err := e.Encode(tree); err != nil {
			return nil, err
		}
		return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
	}
}

// maker makes one value of a JSON body.
type maker func(v values) (any, error)

// json reads a JSON body as configured: texts are templates, everything else
// stays what it is.
func (b *builder) json(path string, configured any, depth int) maker {
	if depth > maxSteps {
		b.faults.Add(path, "must be nested at most %d deep", maxSteps)
		return func(values) (any, error) { return nil, nil }
	}
	switch configured := configured.(type) {
	case string:
		return jsonText(b.template(path, configured))
	case []any:
		entries := make([]maker, len(configured))
		for i, entry := range configured {
			entries[i] = b.json(fmt.Sprintf("%s[%d]", path, i), entry, depth+1)
		}
		return jsonList(entries)
	case map[string]any:
		return b.jsonObject(path, configured, depth)
	}
	return func(values) (any, error) { return configured, nil }
}

// jsonText makes a text, or a number when that is all there is.
func jsonText(t template) maker {
	return func(v values) (any, error) {
		text, err := t.expand(v, nil)
		if err == nil && t.number() && text != "" {
			return json.Number(text), nil
		}
		return text, err
	}
}

func jsonList(entries []maker) maker {
	return func(v values) (any, error) {
		list := make([]any, len(entries))
		for i, entry := range entries {
			var err error
			if list[i], err = entry(v); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
}

// member is one of an object.
type member struct {
	optional bool
	blank    func(values) bool // of a text; or nil
	value    maker
}

func (b *builder) jsonObject(path string, configured map[string]any, depth int) maker {
	members := make(map[string]member, len(configured))
	for key, value := range configured {
		name, optional := optionalName(key)
		if strings.Contains(name, "{{") {
			b.faults.Add(path+"."+key, "must have a fixed name")
		}
		if _, twice := members[name]; twice {
			b.faults.Add(path+"."+name, "must not stand there twice, with ? and without")
		}
		m := member{optional: optional, value: b.json(path+"."+key, value, depth+1)}
		if text, ok := value.(string); ok && optional {
			m.blank = b.template(path+"."+key, text).blank
		}
		members[name] = m
	}
	return func(v values) (any, error) {
		object := make(map[string]any, len(members))
		for name, m := range members {
			if m.blank != nil && m.blank(v) {
				continue
			}
			value, err := m.value(v)
			if err != nil {
				return nil, err
			}
			if !m.optional || !empty(value) {
				object[name] = value
			}
		}
		return object, nil
	}
}

// empty tells what an optional member is left out for: a list or an object is
// empty when nothing in it has a value.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return !slices.ContainsFunc(v, func(entry any) bool { return !empty(entry) })
	case map[string]any:
		for _, value := range v {
			if !empty(value) {
				return false
			}
		}
		return true
	}
	return false
}

// template parses a text in which a message's placeholders may stand.
func (b *builder) template(path, text string) template {
	t, err := b.scope.parse(text)
	if err != nil {
		b.faults.Add(path, "%s", err.Error())
	}
	return t
}

// builder turns settings into a provider and gathers what is wrong with them.
type builder struct {
	s      *settings
	scope  scope
	faults delivery.Faults
}

package httpsms

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// request is how a message becomes an HTTP request.
type request struct {
	method      string
	head        string // scheme and authority, fixed at Open
	path, query template
	parameters  []pair
	headers     []pair
	body        bodyMaker // nil when there is none
	contentType string
}

// userAgent names us to gateways.
const userAgent = "Aldaba"

var authority = regexp.MustCompile(`^([a-zA-Z0-9._-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?$`)

// request reads method, URL, headers and body.
func (b *builder) request() request {
	r := request{method: b.s.Method, parameters: b.pairs("query", b.s.Query), headers: b.pairs("headers", b.s.Headers)}
	b.url(&r)
	b.checkHeaders(r.headers)
	var kind string
	if r.body, kind = b.body(); r.body != nil {
		r.contentType = kind
		if b.s.ContentType != "" {
			r.contentType = b.s.ContentType
		}
		if r.method == http.MethodGet {
			b.faults.Add("method", "must not be GET with a body")
		}
	}
	if _, err := inHeader(r.contentType); err != nil {
		b.faults.Add("content_type", "must be a media type")
	}
	return r
}

// url parts the URL into what is fixed at Open, its path and its query. Where
// requests go is the operator's word alone: no value of a message may stand
// in the host.
func (b *builder) url(r *request) {
	text := b.s.URL
	if rest, ok := strings.CutPrefix(text, "{{base_url}}"); ok {
		base := strings.TrimSuffix(b.s.BaseURL, "/")
		if base == "" {
			b.faults.Add("base_url", "must be given: the url begins with it")
			return
		}
		text = base + rest
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if text == "" || !ok || scheme != "https" && scheme != "http" {
		if text != "" {
			b.faults.Add("url", "must begin with https:// or http://")
		}
		return
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	host := b.s.fixed(&b.faults, "url", rest[:end])
	if !authority.MatchString(host) {
		b.faults.Add("url", "must have a host, without user or password, in which {{var.NAME}} alone may stand")
		return
	}
	if scheme == "http" && !b.s.InsecureHTTP && !near(host) {
		b.faults.Add("url", "must be https:// beyond this machine and private addresses; insecure_http: true allows it, codes and secrets can be read on the way then")
	}
	path, query, _ := strings.Cut(rest[end:], "?")
	if path == "" {
		path = "/"
	}
	r.head, r.path, r.query = scheme+"://"+host, b.template("url", path), b.template("url", query)
	literals := strings.Join(slices.Concat(r.path.literals(), r.query.literals()), "")
	if strings.ContainsFunc(literals, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '#' }) {
		b.faults.Add("url", "must be written with percent signs where it has spaces, # or other than ASCII characters")
	}
	if _, err := url.PathUnescape(strings.Join(r.path.literals(), "")); err != nil {
		b.faults.Add("url", "must have two hexadecimal digits after each percent sign")
	}
}

// near tells hosts that plain HTTP is fine for: this machine, and private
// addresses written as such (RFC 1918, RFC 4193).
func near(host string) bool {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && (ip.IsLoopback() || ip.IsPrivate())
}

var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// checkHeaders refuses names that are none, and headers that are not a
// message's matter.
func (b *builder) checkHeaders(headers []pair) {
	for _, h := range headers {
		if !headerName.MatchString(h.name) || slices.Contains([]string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Content-Type"},
			http.CanonicalHeaderKey(h.name)) {
			b.faults.Add("headers."+h.name, "must be a header of your own; content_type sets Content-Type, url the host")
		}
		for _, text := range h.value.literals() {
			if _, err := inHeader(text); err != nil {
				b.faults.Add("headers."+h.name, "must hold no control characters")
			}
		}
	}
}

// build makes the request for one message, and returns its body besides for
// signing.
func (r *request) build(ctx context.Context, v values) (*http.Request, []byte, error) {
	path, err := r.path.expand(v, inPath)
	if err != nil {
		return nil, nil, fmt.Errorf("url: %w", err)
	}
	query, err := r.query.expand(v, inQuery)
	if err != nil {
		return nil, nil, fmt.Errorf("url: %w", err)
	}
	more, err := encode(r.parameters, v)
	if err != nil {
		return nil, nil, fmt.Errorf("query: %w", err)
	}
	target := r.head + path
	if query = strings.Trim(query+"&"+more, "&"); query != "" {
		target += "?" + query
	}
	var body []byte
	var reader io.Reader
	if r.body != nil {
		if body, err = r.body(v); err != nil {
			return nil, nil, fmt.Errorf("body: %w", err)
		}
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, reader)
	if err != nil {
		return nil, nil, errors.New("the URL cannot be read") // err quotes it, and what stands in it
	}
	return req, body, r.setHeaders(req, v)
}

func (r *request) setHeaders(req *http.Request, v values) error {
	req.Header.Set("User-Agent", userAgent)
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	for _, h := range r.headers {
		value, err := h.value.expand(v, inHeader)
		if err != nil {
			return fmt.Errorf("headers.%s: %w", h.name, err)
		}
		if !h.optional || !h.value.blank(v) {
			req.Header.Set(h.name, value)
		}
	}
	return nil
}

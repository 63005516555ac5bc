package httpsms

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // vendors' signatures; HMAC-SHA-1 is not broken
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/internal/clock"
)

// signer is an HMAC over a text that a template describes.
type signer struct {
	header  string
	prefix  string
	message template
	secret  []byte
	hash    func() hash.Hash
	encode  func([]byte) string
}

// signature returns the header's value for a signed text.
func (s *signer) signature(message string) string {
	mac := hmac.New(s.hash, s.secret)
	mac.Write([]byte(message))
	return s.prefix + s.encode(mac.Sum(nil))
}

// signSettings are what outgoing and incoming signatures have in common.
type signSettings struct {
	path, header, algorithm, encoding, prefix, message, secret string
	names                                                      []string
}

// signer reads a signature; algorithm and encoding are sha256 and hex when
// they are not given.
func (b *builder) signer(c signSettings) *signer {
	s := &signer{header: c.header, prefix: c.prefix, secret: []byte(c.secret)}
	if !headerName.MatchString(c.header) {
		b.faults.Add(c.path+".header", "must be the name of the header with the signature")
	}
	switch c.algorithm {
	case "", "sha256":
		s.hash = sha256.New
	case "sha1":
		s.hash = sha1.New
	case "sha512":
		s.hash = sha512.New
	default:
		b.faults.Add(c.path+".algorithm", "must be sha1, sha256 or sha512")
	}
	switch c.encoding {
	case "", "hex":
		s.encode = hex.EncodeToString
	case "base64":
		s.encode = base64.StdEncoding.EncodeToString
	default:
		b.faults.Add(c.path+".encoding", "must be hex or base64")
	}
	s.message = b.signed(c.path+".message", c.message, c.names)
	return s
}

// signed parses the text that a signature is made over.
func (b *builder) signed(path, text string, names []string) template {
	known := b.s.constants()
	known.names, known.prefixes = names, []string{"header."}
	t, err := known.parse(text)
	if err != nil {
		b.faults.Add(path, "%s", err.Error())
	}
	if !slices.ContainsFunc(t.parts, func(p part) bool { return strings.HasPrefix(p.name, "body") || p.name == "params" || p.name == "url" }) {
		b.faults.Add(path, "must hold {{body}} or another placeholder of what is signed")
	}
	return t
}

// hmacAuth signs what we send.
type hmacAuth struct {
	signer
	timestamp string // header, or ""
	now       func() time.Time
	constant  values
}

func (b *builder) hmacAuth(a authSettings, clk *clock.Clock, need func(name, value string) string) authorizer {
	s := b.signer(signSettings{
		path: "auth", header: a.Header, algorithm: a.Algorithm, encoding: a.Encoding, prefix: a.Prefix, message: a.Message,
		secret: need("secret", a.Secret), names: []string{"method", "url", "path", "query", "body", "body_sha256", "timestamp"},
	})
	if a.TimestampHeader != "" && !headerName.MatchString(a.TimestampHeader) {
		b.faults.Add("auth.timestamp_header", "must be the name of a header")
	}
	return &hmacAuth{*s, a.TimestampHeader, clk.Now, b.s.constant}
}

func (a *hmacAuth) authorize(_ context.Context, r *http.Request, body []byte) error {
	stamp := strconv.FormatInt(a.now().Unix(), 10)
	if a.timestamp != "" {
		r.Header.Set(a.timestamp, stamp)
	}
	message, err := a.message.expand(func(name string) string {
		switch name {
		case "method":
			return r.Method
		case "url":
			return r.URL.String()
		case "path":
			return r.URL.EscapedPath()
		case "query":
			return r.URL.RawQuery
		case "timestamp":
			return stamp
		}
		return signedValue(name, r.Header, body, a.constant)
	}, nil)
	if err != nil {
		return unavailable(err)
	}
	r.Header.Set(a.header, a.signature(message))
	return nil
}

// signedValue is what both directions know: body and headers.
func signedValue(name string, header http.Header, body []byte, constant values) string {
	if of, ok := strings.CutPrefix(name, "header."); ok {
		return header.Get(of)
	}
	switch name {
	case "body":
		return string(body)
	case "body_sha256": // the 32 bytes; |hex for digits
		sum := sha256.Sum256(body)
		return string(sum[:])
	}
	return constant(name)
}

// sortedParams are the names and values of a form, sorted and without anything
// in between, as Twilio signs them.
func sortedParams(form url.Values) string {
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		all := slices.Clone(form[name])
		slices.Sort(all)
		for _, value := range slices.Compact(all) {
			b.WriteString(name + value)
		}
	}
	return b.String()
}

package httpsms

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// sigv4 signs as AWS asks:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
type sigv4 struct {
	access, secret, session string
	region, service         string
	now                     func() time.Time
}

func (a sigv4) authorize(_ context.Context, r *http.Request, body []byte) error {
	now := a.now().UTC()
	stamp, day := now.Format("20060102T150405Z"), now.Format("20060102")
	r.Header.Set("X-Amz-Date", stamp)
	if a.session != "" {
		r.Header.Set("X-Amz-Security-Token", a.session)
	}
	headers, names := a.headers(r)
	canonical := strings.Join([]string{r.Method, canonicalPath(r.URL), canonicalQuery(r.URL.RawQuery), headers, names, digest(body)}, "\n")
	scope := day + "/" + a.region + "/" + a.service + "/aws4_request"
	toSign := "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + digest([]byte(canonical))
	key := []byte("AWS4" + a.secret)
	for _, part := range []string{day, a.region, a.service, "aws4_request"} {
		key = mac256(key, part)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+a.access+"/"+scope+", SignedHeaders="+names+
		", Signature="+hex.EncodeToString(mac256(key, toSign)))
	return nil
}

// headers returns the canonical headers and the list of those signed.
func (a sigv4) headers(r *http.Request) (lines, names string) {
	signed := map[string]string{"host": r.URL.Host}
	for name, all := range r.Header {
		lower := strings.ToLower(name)
		if lower == "content-type" || strings.HasPrefix(lower, "x-amz-") {
			signed[lower] = strings.Join(strings.Fields(strings.Join(all, ",")), " ")
		}
	}
	sorted := make([]string, 0, len(signed))
	for name := range signed {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	for _, name := range sorted {
		lines += name + ":" + signed[name] + "\n"
	}
	return lines, strings.Join(sorted, ";")
}

func canonicalPath(u *url.URL) string {
	if path := u.EscapedPath(); path != "" {
		return path
	}
	return "/"
}

// canonicalQuery sorts parameters by name, then value, escaped with %20.
func canonicalQuery(raw string) string {
	var parts []string
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		parts = append(parts, strings.ReplaceAll(name, "+", "%20")+"="+strings.ReplaceAll(value, "+", "%20"))
	}
	slices.Sort(parts)
	return strings.Join(parts, "&")
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func mac256(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

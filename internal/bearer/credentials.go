package bearer

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxBody is the longest form that is read.
const maxBody = 16 << 10

// pair is a client id and its secret.
type pair struct{ id, secret string }

// readForm returns the parameters of the body. Those of the query do not count.
// A parameter without a value is as if it were not there (RFC 6749 section
// 3.2), and one that is given twice is an error.
func readForm(w http.ResponseWriter, r *http.Request) (map[string]string, *refusal) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" || encoded(r.Header["Content-Encoding"]) {
		return nil, invalidRequest(http.StatusBadRequest)
	}
	if r.ContentLength > maxBody {
		return nil, invalidRequest(http.StatusRequestEntityTooLarge)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, invalidRequest(http.StatusRequestEntityTooLarge)
	}
	if err != nil {
		return nil, invalidRequest(http.StatusBadRequest)
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, invalidRequest(http.StatusBadRequest)
	}
	form := make(map[string]string, len(values))
	for name, given := range values {
		if len(given) != 1 || !utf8.ValidString(given[0]) {
			return nil, invalidRequest(http.StatusBadRequest)
		}
		if given[0] != "" {
			form[name] = given[0]
		}
	}
	return form, nil
}

// encoded tells whether the body is compressed: a small one could be a large one.
func encoded(lines []string) bool {
	return slices.ContainsFunc(lines, func(line string) bool {
		return line != "" && !strings.EqualFold(line, "identity")
	})
}

// credentials returns the readings of what the client showed, the likelier one
// first: those in HTTP Basic should be form-urlencoded, but many clients send
// them as they are. Both Basic and form are fine as long as they agree.
func credentials(r *http.Request, form map[string]string) ([]pair, *refusal) {
	inForm := pair{form["client_id"], form["client_secret"]}
	switch lines := r.Header["Authorization"]; {
	case len(lines) > 1:
		return nil, invalidRequest(http.StatusBadRequest)
	case len(lines) == 0:
		if inForm.id == "" || inForm.secret == "" {
			return nil, invalidClient()
		}
		return []pair{inForm}, nil
	}
	id, secret, ok := r.BasicAuth()
	if !ok || !utf8.ValidString(id) || !utf8.ValidString(secret) {
		return nil, invalidClient()
	}
	agreeing := slices.DeleteFunc(readings(id, secret), func(p pair) bool {
		return inForm.id != "" && inForm.id != p.id || inForm.secret != "" && inForm.secret != p.secret
	})
	if len(agreeing) == 0 {
		return nil, invalidRequest(http.StatusBadRequest)
	}
	if agreeing[0].id == "" || agreeing[0].secret == "" {
		return nil, invalidClient()
	}
	return agreeing, nil
}

// readings returns the credentials decoded and as they are, or once if that is
// the same.
func readings(id, secret string) []pair {
	raw := pair{id, secret}
	decodedID, errID := url.QueryUnescape(id)
	decodedSecret, errSecret := url.QueryUnescape(secret)
	decoded := pair{decodedID, decodedSecret}
	if errID != nil || errSecret != nil || decoded == raw || !utf8.ValidString(decodedID) || !utf8.ValidString(decodedSecret) {
		return []pair{raw}
	}
	return []pair{decoded, raw}
}

package unityvox

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/aldaba-otp/aldaba/internal/strictjson"
)

// The parameters of both calls; all others are ignored.
const (
	accountNumber = "accountnumber"
	apiKey        = "apikey"
	refID         = "ref_id"
	phoneNumber   = "phone_number"
	sessionID     = "sessionid"
	otpCode       = "otp_code"
)

// parameters are those of one place, or of all of them.
type parameters map[string]parameter

// parameter is void when it was given with different values, or with one that
// is no text: then nobody can say what was meant, and it counts as missing.
type parameter struct {
	value string
	void  bool
}

// add enters a value as one place gives it. Answers spell the session
// differently from requests, and clients mix the two up.
func (p parameters) add(name, value string, isText bool) {
	switch name {
	case "sessionID":
		name = sessionID
	case accountNumber, apiKey, refID, phoneNumber, sessionID, otpCode:
	default:
		return
	}
	old, twice := p[name]
	p[name] = parameter{value, !isText || twice && (old.void || old.value != value)}
}

// get returns a parameter, "" when it is missing.
func (p parameters) get(name string) string {
	if found := p[name]; !found.void {
		return found.value
	}
	return ""
}

// gather merges the places of a request: the body wins over the query, and the
// header serves only when neither has a key.
func gather(r *http.Request, body []byte) parameters {
	all := fromForm(r.URL.RawQuery)
	for name, found := range fromBody(r.Header.Get("Content-Type"), body) {
		all[name] = found
	}
	if key := r.Header["Api-Key"]; all[apiKey] == (parameter{}) && len(key) == 1 {
		all[apiKey] = parameter{value: key[0]}
	}
	return all
}

// fromBody reads the body by its type. One that is malformed or of another
// type counts as empty.
func fromBody(contentType string, body []byte) parameters {
	if len(body) == 0 {
		return nil
	}
	mediaType, options, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return nil
	case mediaType == "application/x-www-form-urlencoded":
		return fromForm(string(body))
	case mediaType == "multipart/form-data":
		return fromMultipart(options["boundary"], body)
	case mediaType == "application/json" || strings.HasSuffix(mediaType, "+json"):
		return fromJSON(body)
	}
	return nil
}

// fromForm reads a query string or an urlencoded body, none of it when any is
// malformed.
func fromForm(text string) parameters {
	all := parameters{}
	values, err := url.ParseQuery(text)
	if err != nil {
		return all
	}
	for name, list := range values {
		for _, value := range list {
			all.add(name, value, true)
		}
	}
	return all
}

// fromMultipart reads the fields of a form; uploaded files are none.
func fromMultipart(boundary string, body []byte) parameters {
	all := parameters{}
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF { //nolint:errorlint // a body that broke off wraps it; the last boundary gives it bare.
			return all
		}
		if err != nil {
			return nil
		}
		value, err := io.ReadAll(part) // a part is no longer than the body
		if err != nil {
			return nil
		}
		if part.FileName() == "" {
			all.add(part.FormName(), string(value), true)
		}
	}
}

// fromJSON reads the members of an object.
func fromJSON(body []byte) parameters {
	object, err := strictjson.Parse(body)
	if err != nil {
		return nil
	}
	all := parameters{}
	for name, value := range object.All() {
		if value.Kind() == strictjson.Absent {
			continue
		}
		text, isText := value.Text()
		all.add(name, text, isText)
	}
	return all
}

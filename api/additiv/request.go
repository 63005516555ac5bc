package additiv

import (
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/internal/strictjson"
	"github.com/aldaba-otp/aldaba/otp"
)

// maxSession is the most bytes of a session id: room for two UUIDs and a few
// words, and short enough for a path.
const maxSession = 128

// malformed is a request that is refused with a status before the core is
// asked.
type malformed struct{ status int }

// Error names the status.
func (m malformed) Error() string { return http.StatusText(m.status) }

func badRequest() error { return malformed{http.StatusBadRequest} }

// contactID reads the contact of the path: an int32 in the one spelling that a
// number has, so that no contact answers under two names.
func contactID(r *http.Request) (string, error) {
	text := r.PathValue("contact")
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return "", badRequest()
	}
	return text, nil
}

// handle names a session for the core. The contact is digits, so the first
// slash ends it whatever the session holds.
func handle(contact, session string) string { return contact + "/" + session }

// soundSession tells whether a session id can stand as one segment of a path:
// a dot segment is taken away by many clients and proxies.
func soundSession(id string) bool {
	return id != "" && len(id) <= maxSession && utf8.ValidString(id) && !strings.ContainsFunc(id, unicode.IsControl) &&
		id != "." && id != ".."
}

// body reads the one JSON object of a request (ruling R16).
func body(w http.ResponseWriter, r *http.Request) (o strictjson.Object, raw []byte, err error) {
	raw, status := api.ReadBody(w, r)
	if status != 0 {
		return o, raw, malformed{status}
	}
	if o, err = strictjson.Parse(raw); err != nil {
		return o, raw, badRequest()
	}
	return o, raw, nil
}

// text reads a member that is a string or null; given tells which.
func text(o strictjson.Object, member string) (value string, given bool, err error) {
	v := o.Get(member)
	if v.Kind() == strictjson.Absent {
		return "", false, nil
	}
	value, ok := v.Text()
	if !ok {
		return "", false, badRequest()
	}
	return value, true, nil
}

// channelOf reads the enum of channels, whatever the case of its letters. The
// length keeps out the letters beyond ASCII that fold to one of it.
func channelOf(word string) (otp.Channel, error) {
	switch {
	case len(word) == len("Sms") && strings.EqualFold(word, "Sms"):
		return otp.SMS, nil
	case len(word) == len("Email") && strings.EqualFold(word, "Email"):
		return otp.Email, nil
	}
	return "", badRequest()
}

// languages lists the languages that the caller prefers: the query before the
// header.
func languages(r *http.Request) []string {
	var all []string
	if l := r.URL.Query().Get("language"); l != "" {
		all = append(all, l)
	}
	if l := strings.Join(r.Header.Values("Accept-Language"), ","); l != "" {
		all = append(all, l)
	}
	return all
}

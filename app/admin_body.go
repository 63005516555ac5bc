package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/aldaba-otp/aldaba/internal/httpx"
)

// smallBody bounds the bodies of admin calls that bring no file.
const smallBody = 16 << 10

// errNeeded says that a member of an admin call is missing.
var errNeeded = errors.New("a member is missing")

// adminBodyInto reads a small strict body whose needed members must not be
// empty, or refuses it with the form that it should have.
func adminBodyInto(w http.ResponseWriter, r *http.Request, into any, form string, needed ...*string) bool {
	body, err := httpx.ReadBody(w, r, smallBody)
	if err == nil {
		err = strictJSON(body, into)
	}
	for _, member := range needed {
		if err == nil && *member == "" {
			err = errNeeded
		}
	}
	if err != nil {
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusBadRequest, Detail: form})
	}
	return err == nil
}

// strictJSON refuses members that are not known.
func strictJSON(body []byte, into any) error {
	strict := json.NewDecoder(bytes.NewReader(body))
	strict.DisallowUnknownFields()
	return strict.Decode(into)
}

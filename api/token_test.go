package api

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/internal/httpx"
)

func TestWhatTheTokenEndpointNeverSeesIsRefusedInItsForm(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		405: "invalid_request", 413: "invalid_request", 431: "invalid_request", 500: "server_error", 503: "temporarily_unavailable",
	} {
		rec := httptest.NewRecorder()
		RefuseToken(rec, nil, httpx.Refusal{Status: status, RetryAfter: time.Second, Detail: "hidden"})
		if rec.Code != status || rec.Body.String() != `{"error":"`+want+`"}` || rec.Header().Get("Retry-After") != "1" {
			t.Errorf("%d is answered %d %s", status, rec.Code, rec.Body)
		}
	}
}

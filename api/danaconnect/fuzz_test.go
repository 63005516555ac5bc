package danaconnect_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aldaba-otp/aldaba/api/apitest"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// FuzzBodies gives any body to all calls: none is answered 5xx and none
// approves. A guess can hit, once in a million; so its own code is kept out.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{
		"", "{", "null", "[]", `{"idRequest":1,"otp":"123456"}`, `{"requestId":"550e8400-e29b-41d4-a716-446655440000","otp":"123456"}`,
		`{"idConversation":824541,"values":[{"key":"COD1_PHONE","value":"+18091234567"}],"type":1,"length":6,"secondsExpiration":300,"maximumTries":5}`,
		`{"conversationId":824541,"fieldValues":{"COD1_EMAIL":"ana@example.com","A":"b"},"type":2,"length":12,"expiresInSeconds":1,"otpFieldCode":"SMS_OTP"}`,
		`{"idRequest":ID,"otp":"123456"}`, `{"requestId":"UUID","code":"123456"}`, `{"idRequest":1e400,"otp":"\ud800"}`,
	} {
		f.Add(seed)
	}
	stages := make([]*stage, 0, 2)
	for _, s := range speakers(f) {
		s.authorize(post(s.send, ""), apitest.Acme) // signs its token outside of the target
		stages = append(stages, newStage(f, s, world.Options{}))
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, s := range stages {
			s.tb = t
			heard, rec := s.post(s.speaker.send, s.body(map[string]string{"length": "12"}))
			if heard.ID == "" {
				t.Fatalf("a good start is answered %d %s", rec.Code, rec.Body)
			}
			target := s.newest()
			filled := strings.NewReplacer("UUID", target.ID.String(), "ID", heard.ID).Replace(body)
			if code := s.Courier.Last(t).Code; strings.Contains(filled, code) {
				t.Skip("it knows the code")
			}
			for _, path := range []string{s.speaker.verify, s.speaker.send} {
				_, rec := s.post(path, filled)
				if rec.Code >= http.StatusInternalServerError {
					t.Errorf("%s answers %q with %d %s", path, filled, rec.Code, rec.Body)
				}
				if path == s.speaker.verify && (strings.Contains(rec.Body.String(), `"01"`) || strings.Contains(rec.Body.String(), `"code":1,`)) {
					t.Errorf("%s answers %q with %s", path, filled, rec.Body)
				}
			}
			found, err := s.Store.Verifications(t.Context(), target.ID)
			if err != nil || len(found) != 1 || found[0].Status == otp.Approved || found[0].Attempts > 1 {
				t.Errorf("after %q: %v, %v", filled, found, err)
			}
		}
	})
}

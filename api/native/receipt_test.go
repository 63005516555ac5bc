package native

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/aldaba-otp/aldaba/api/apitest"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// TestAnotherLibraryReadsReceipts takes the two documents that a service gets,
// the key set and a receipt, to a library that knows nothing of this house.
func TestAnotherLibraryReadsReceipts(t *testing.T) {
	t.Parallel()
	w := world.New(t, world.Options{})
	handler := apitest.Handler(t, w, New)
	ask := func(method, path, body string, into any) {
		t.Helper()
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer demo-key")
		r.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		if err := json.Unmarshal(rec.Body.Bytes(), into); err != nil || rec.Code > http.StatusCreated {
			t.Fatalf("%s: %d %s, %v", path, rec.Code, rec.Body, err)
		}
	}
	var started, approved struct{ ID, Receipt string }
	ask("POST", "/v1/verifications", `{"to":"+18091234567"}`, &started)
	ask("POST", "/v1/verifications/"+started.ID+"/check", `{"code":"`+w.Courier.Last(t).Code+`","receipt":true}`, &approved)
	var set jose.JSONWebKeySet
	ask("GET", "/v1/jwks.json", "", &set)

	token, err := jwt.ParseSigned(approved.Receipt, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	var claims jwt.Claims
	if err := token.Claims(set, &claims); err != nil {
		t.Fatalf("the key set does not check it: %v", err)
	}
	expected := jwt.Expected{Issuer: "aldaba", AnyAudience: jwt.Audience{"acme"}, ID: started.ID, Time: w.Clock.Now()}
	if err := claims.ValidateWithLeeway(expected, 0); err != nil {
		t.Error(err)
	}
	expected.Time = w.Clock.Now().Add(5*time.Minute + time.Second)
	if err := claims.ValidateWithLeeway(expected, 0); err == nil {
		t.Error("it is good after its end")
	}
}

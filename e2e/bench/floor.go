package main

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// floorCode is what the floor takes as right.
const floorCode = "123456"

// floorKey is the environment variable with the API key.
const floorKey = "ALDABA_BENCH_KEY"

// bareDatabase is the environment variable with the store of a bare one.
const bareDatabase = "ALDABA_BENCH_DATABASE"

// floor is the least that a Go server on net/http can do for a pair: read the
// body with encoding/json, check the key, draw an id, answer. It logs nothing, and
// stores nothing unless it has a bare store.
type floor struct {
	key  [sha256.Size]byte
	bare *bareStore
}

// runFloor serves until the process is ended.
func runFloor(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	f := &floor{key: sha256.Sum256([]byte(os.Getenv(floorKey)))}
	if database := os.Getenv(bareDatabase); database != "" {
		if f.bare, err = openBare(database); err != nil {
			return err
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/verifications", f.start)
	mux.HandleFunc("POST /v1/verifications/{id}/check", f.check)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	return s.Serve(l)
}

func (f *floor) start(w http.ResponseWriter, r *http.Request) {
	var body struct {
		To string `json:"to"`
	}
	if !f.read(w, r, &body) {
		return
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails, says its documentation
	if f.bare != nil {
		if err := f.bare.start(&id, body.To); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	h := hex.EncodeToString(id[:])
	now := time.Now().UTC()
	const form = "2006-01-02T15:04:05.000Z"
	floorAnswer(w, http.StatusCreated, struct {
		ID           string `json:"id"`
		Status       string `json:"status"`
		To           string `json:"to"`
		Channel      string `json:"channel"`
		CreatedAt    string `json:"created_at"`
		ExpiresAt    string `json:"expires_at"`
		AttemptsLeft int    `json:"attempts_left"`
		ResendAfter  string `json:"resend_after"`
		Purpose      string `json:"purpose"`
		Locale       string `json:"locale"`
	}{
		h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], "pending", body.To, "sms",
		now.Format(form), now.Add(5 * time.Minute).Format(form), 5, now.Add(time.Minute).Format(form), "authenticate", "en",
	})
}

func (f *floor) check(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Code string `json:"code"`
	}
	if !f.read(w, r, &body) {
		return
	}
	right, err := f.judge(r.PathValue("id"), body.Code)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	outcome := "wrong"
	if right {
		outcome = "approved"
	}
	floorAnswer(w, http.StatusOK, struct {
		ID           string `json:"id"`
		Status       string `json:"status"`
		Outcome      string `json:"outcome"`
		AttemptsLeft int    `json:"attempts_left"`
		Purpose      string `json:"purpose"`
	}{r.PathValue("id"), outcome, outcome, 0, "authenticate"})
}

// judge compares the code, here or in the store.
func (f *floor) judge(id, code string) (bool, error) {
	if f.bare == nil {
		return subtle.ConstantTimeCompare([]byte(code), []byte(floorCode)) == 1, nil
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(raw) != 16 {
		return false, err
	}
	return f.bare.check([16]byte(raw), code)
}

// read checks the key and reads the body.
func (f *floor) read(w http.ResponseWriter, r *http.Request, into any) bool {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	got := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(got[:], f.key[:]) != 1 {
		w.WriteHeader(http.StatusUnauthorized)
		return false
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil || json.Unmarshal(data, into) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return false
	}
	return true
}

func floorAnswer(w http.ResponseWriter, status int, answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a failed write means that the client is gone
}

// Package apitest is the suite that every dialect passes: one story, played in
// each language. A dialect's own test supplies a [Speaker], which says things
// in the vendor's words and tells what an answer means.
//
// The speaker proves meaning; bytes are proven by the transcripts beside each
// dialect ([Transcripts]), since a speaker and an encoder could share one
// mistake. The package is for tests alone.
package apitest

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// Op is something that can be asked of a dialect.
type Op uint8

// The operations.
const (
	Start Op = iota
	Check
	Peek
	Resend
	Cancel
)

// String returns the operation's name, for the names of tests.
func (o Op) String() string {
	return [...]string{"start", "check", "peek", "resend", "cancel"}[o]
}

// Who says with whose credentials a request is made.
type Who uint8

// The callers. Acme and Globex are tenants of the demo.
const (
	Acme Who = iota
	Globex
	Wrong  // acme's identity with a wrong secret
	Nobody // no credentials at all
)

// Words are what a request is about.
type Words struct {
	As   Who
	To   string // for [Start]; an E.164 number
	ID   string // for the others; as an answer to Start told it
	Code string
}

// Heard is what an answer means.
type Heard struct {
	Status int
	// Word is the vendor's own verdict, in a form of the speaker's choice that
	// tells all verdicts of the dialect apart ("200 02", "Invalid 4").
	Word string
	// ID names the started verification in requests to come.
	ID string
}

// Bad is a request that no dialect may act upon.
type Bad struct {
	Name    string
	Request *http.Request
	Want    string // the word of the answer
}

// Speaker knows one vendor's language. For additiv, To of a start is ignored:
// its contacts decide.
type Speaker interface {
	// Say makes a request. It is not called with an operation that the
	// language lacks.
	Say(op Op, w Words) *http.Request
	// Hear reads an answer.
	Hear(op Op, status int, header http.Header, body []byte) Heard
	// Outcome is the word of a check's outcome; left is how many tries are
	// left after it.
	Outcome(o otp.Outcome, left int) string
	// Kind is the word of a refused operation.
	Kind(op Op, k otp.Kind) string
	// Bad returns malformed requests about the verification id, with the right
	// code in them where that could matter: broken, oversized and
	// duplicate-key bodies, wrong types, wrong methods.
	Bad(id, code string) []Bad
	// Lacks lists what the language cannot say.
	Lacks() []Op
}

// Constructor makes a dialect.
type Constructor func(api.Host) api.Dialect

// Scene is one world with one dialect mounted, and how to talk to it.
type Scene struct {
	*world.World

	tb      testing.TB
	handler http.Handler
	speaker Speaker
}

// NewScene mounts a dialect over a new world.
func NewScene(tb testing.TB, o world.Options, construct Constructor, speaker Speaker) *Scene {
	tb.Helper()
	w := world.New(tb, o)
	return &Scene{w, tb, Handler(tb, w, construct), speaker}
}

// Handler mounts a dialect as the server does.
func Handler(tb testing.TB, w *world.World, construct Constructor) http.Handler {
	tb.Helper()
	mux, err := httpx.NewMux(construct(api.NewHost(w.Service)).Routes, httpx.NotFound)
	if err != nil {
		tb.Fatalf("routes: %v", err)
	}
	standard := httpx.Standard(httpx.Options{Log: slog.New(slog.DiscardHandler), Refuse: mux.Refuse, Now: w.Clock.Now, Context: api.Source(httpx.Proxies{})})
	return httpx.Chain(mux, standard)
}

// ask sends a request as it is.
func (s *Scene) ask(op Op, r *http.Request) Heard {
	s.tb.Helper()
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, r)
	if rec.Code >= 500 && rec.Code != http.StatusServiceUnavailable {
		s.tb.Errorf("%s is answered %d %s", op, rec.Code, rec.Body)
	}
	if rec.Header().Get("Cache-Control") != "no-store" {
		s.tb.Errorf("%s may be cached", op)
	}
	if (rec.Code == http.StatusTooManyRequests || rec.Code == http.StatusServiceUnavailable) && rec.Header().Get("Retry-After") == "" {
		s.tb.Errorf("%s is answered %d without Retry-After", op, rec.Code)
	}
	return s.speaker.Hear(op, rec.Code, rec.Result().Header, rec.Body.Bytes())
}

// say asks in the vendor's words.
func (s *Scene) say(op Op, w Words) Heard {
	s.tb.Helper()
	return s.ask(op, s.speaker.Say(op, w))
}

// start begins a verification of acme and returns its name and code.
func (s *Scene) start(to string) (id, code string) {
	s.tb.Helper()
	heard := s.say(Start, Words{To: to})
	if heard.ID == "" {
		s.tb.Fatalf("start is answered %d %q", heard.Status, heard.Word)
	}
	return heard.ID, s.Courier.Last(s.tb).Code
}

// check gives a code as acme.
func (s *Scene) check(id, code string) Heard {
	s.tb.Helper()
	return s.say(Check, Words{ID: id, Code: code})
}

// expect compares an answer's word.
func (s *Scene) expect(what string, got Heard, want string) {
	s.tb.Helper()
	if got.Word != want {
		s.tb.Errorf("%s is answered %q (status %d), want %q", what, got.Word, got.Status, want)
	}
}

// newest returns the stored form of the verification started last.
func (s *Scene) newest() otp.Verification {
	s.tb.Helper()
	all := s.Courier.Dispatches()
	if len(all) == 0 {
		s.tb.Fatal("nothing was started")
	}
	found, err := s.Store.Verifications(s.tb.Context(), all[len(all)-1].Verification.ID)
	if err != nil || len(found) != 1 {
		s.tb.Fatalf("read it back: %d found, %v", len(found), err)
	}
	return found[0]
}

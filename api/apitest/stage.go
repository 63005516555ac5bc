package apitest

import (
	"bufio"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aldaba-otp/aldaba/otp/otptest"
	"github.com/aldaba-otp/aldaba/store"
	"github.com/aldaba-otp/aldaba/store/memory"
	"github.com/aldaba-otp/aldaba/store/storetest/world"
)

// worldStage is a [Stage] in memory.
type worldStage struct {
	t       testing.TB
	world   *world.World
	handler http.Handler
}

// Ask carries out a request as it goes over the wire.
func (s *worldStage) Ask(wire string) *http.Response {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(wire)))
	if err != nil {
		s.t.Fatal(err)
	}
	r.RemoteAddr = "192.0.2.1:1234"
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, r)
	return rec.Result()
}

// Code returns that of the newest message.
func (s *worldStage) Code() string { return s.world.Courier.Last(s.t).Code }

// Advance turns the clock forward.
func (s *worldStage) Advance(d time.Duration) { s.world.Clock.Advance(d) }

// Began returns when the clock stood still first.
func (s *worldStage) Began() time.Time { return otptest.Start }

// Cut takes the store away, or gives it back.
func (s *worldStage) Cut(away bool) bool {
	var trouble memory.Trouble
	if away {
		trouble.Begin = &store.Failure{Class: store.Down, Cause: errors.New("no connection")}
	}
	s.world.Engine.FailWith(trouble)
	return true
}

// record returns everything that an answer consists of.
func record(s *Scene, r *http.Request) string {
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, r)
	var b strings.Builder
	_ = rec.Result().Header.Write(&b)
	return b.String() + rec.Body.String()
}

package app

import (
	"context"
	"net/http"
	"time"

	"github.com/aldaba-otp/aldaba/internal/httpx"
)

// routes gathers what the public listener serves.
func (a *App) routes() []httpx.Route {
	all := []httpx.Route{
		{Methods: []string{http.MethodGet}, Pattern: "/healthz", Handler: a.healthz},
		{Methods: []string{http.MethodGet}, Pattern: "/readyz", Handler: a.readyz},
	}
	for _, d := range a.dialects {
		all = append(all, d.Routes...)
	}
	all = append(all, a.receiptRoutes()...)
	if a.o.Dev {
		all = append(all, a.devRoutes()...)
	}
	return all
}

// healthz tells that the process is alive; it depends on nothing else.
func (a *App) healthz(w http.ResponseWriter, _ *http.Request) {
	httpx.WriteJSON(w, http.StatusOK, "", []byte(`{"status":"ok"}`))
}

// readyTime is how long the store may take to answer.
const readyTime = 2 * time.Second

// readyz tells whether requests should be sent here: the server is not
// draining and its store answers.
func (a *App) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	switch {
	case !a.ready.Load():
		httpx.WriteJSON(w, http.StatusServiceUnavailable, "", []byte(`{"status":"draining"}`))
	case a.Store.Broken() != nil || a.Store.Ping(ctx) != nil:
		httpx.WriteJSON(w, http.StatusServiceUnavailable, "", []byte(`{"status":"store unavailable"}`))
	default:
		httpx.WriteJSON(w, http.StatusOK, "", []byte(`{"status":"ok"}`))
	}
}

package app

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/egress"
	"github.com/aldaba-otp/aldaba/internal/hook"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// maxCallback is how large a carrier's call may be, and callbackReports how
// many messages one may speak of.
const (
	maxCallback     = 64 << 10
	callbackReports = 1000
)

// receiptRoutes are where carriers that call by HTTP say what became of
// messages. A trailing segment may hold what some of them can only say in a
// path, such as a secret.
func (a *App) receiptRoutes() []httpx.Route {
	methods := []string{http.MethodGet, http.MethodPost, http.MethodPut}
	return []httpx.Route{
		{Methods: methods, Pattern: "/receipts/{provider}", Handler: a.receipts},
		{Methods: methods, Pattern: "/receipts/{provider}/{rest...}", Handler: a.receipts},
	}
}

// receipts takes in one call of a carrier. It is answered well once everything
// that it says is noted, so that the carrier says it again after a failure.
func (a *App) receipts(w http.ResponseWriter, r *http.Request) {
	p, _ := a.Courier.Provider(r.PathValue("provider"))
	c, ok := p.(delivery.Callback)
	if !ok { // an unknown name is answered like one that takes no calls
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusNotFound})
		return
	}
	body, err := httpx.ReadBody(w, r, maxCallback)
	if err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, httpx.ErrTooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		httpx.WriteProblem(w, httpx.Problem{Status: status})
		return
	}
	reports, reply, err := c.Callback(r, body)
	switch {
	case errors.Is(err, delivery.ErrForged):
		a.log.Warn("a receipt was not authenticated", "provider", r.PathValue("provider"))
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusForbidden, Detail: "the call does not prove that it is the carrier's"})
		return
	case err != nil || len(reports) > callbackReports:
		a.log.Warn("a receipt cannot be understood", "provider", r.PathValue("provider"))
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusBadRequest, Detail: "the call cannot be understood"})
		return
	}
	if err := a.hearAll(r.Context(), r.PathValue("provider"), reports); err != nil {
		w.Header().Set("Retry-After", "1")
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusServiceUnavailable, Detail: "not noted; say it again"})
		return
	}
	if reply.ContentType != "" {
		w.Header().Set("Content-Type", reply.ContentType)
	}
	if _, err := w.Write(reply.Body); err != nil {
		a.log.Debug("a carrier did not wait for its answer", "provider", r.PathValue("provider"))
	}
}

// hearAll takes in the reports of one call, those of one message in their order and
// messages beside each other: each that is unknown is waited for, and a call with
// several would last too long.
func (a *App) hearAll(ctx context.Context, provider string, reports []delivery.Report) error {
	of := make(map[string][]delivery.Report, len(reports))
	for _, report := range reports {
		of[report.ID] = append(of[report.ID], report)
	}
	var all sync.WaitGroup
	failed := make(chan error, len(of))
	for _, some := range of {
		all.Go(func() {
			for _, report := range some {
				if err := a.Courier.Hear(ctx, provider, report); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(failed)
	return <-failed
}

// newTeller returns what tells tenants' webhooks, in the public network and in
// the operator's own.
func (a *App) newTeller() func(context.Context, otp.Notice) delivery.Told {
	client := egress.New(egress.Options{Allow: a.o.WebhookAllow})
	return func(ctx context.Context, n otp.Notice) delivery.Told {
		answer, err := hook.Post(ctx, client, n.URL, hook.Secrets{Current: n.Secret, Previous: n.Previous}, n.ID, time.Now(), n.Body)
		if err != nil {
			return delivery.Told{Why: reason(err)}
		}
		return delivery.Told{
			Done: answer.Status >= 200 && answer.Status < 300, Gone: answer.Status == http.StatusGone,
			After: answer.After, Why: http.StatusText(answer.Status),
		}
	}
}

// reason is a short word for the log: errors of the network quote addresses.
func reason(err error) string {
	var refused *egress.Error
	switch {
	case errors.As(err, &refused):
		return strings.TrimSpace(refused.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	return "cannot be reached"
}

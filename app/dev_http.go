package app

import (
	"context"
	_ "embed" // the inbox page
	"encoding/json"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/delivery/inbox"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/internal/strictjson"
	"github.com/aldaba-otp/aldaba/otp"
)

//go:embed inbox.html
var inboxHTML string

// settleTime bounds how long a call of /dev/ waits for messages under way.
const settleTime = 2 * time.Second

// maxOffset is how far the clock may be turned. Calendars end and numbers
// overflow somewhere beyond.
const maxOffset = 100 * 365 * 24 * time.Hour

// maxAdvance bounds one turn of the clock: ten years.
const maxAdvance = 10 * 365 * 24 * time.Hour

// devRoutes are the calls under /dev/, which exist in `aldaba dev` only.
func (a *App) devRoutes() []httpx.Route {
	get, put, post, del := []string{http.MethodGet}, []string{http.MethodPut}, []string{http.MethodPost}, []string{http.MethodDelete}
	return []httpx.Route{
		{Methods: get, Pattern: "/dev/inbox", Handler: a.devInbox},
		{Methods: del, Pattern: "/dev/inbox", Handler: a.devEmptyInbox},
		{Methods: get, Pattern: "/dev/clock", Handler: a.devClock},
		{Methods: post, Pattern: "/dev/clock", Handler: a.devAdvance},
		{Methods: del, Pattern: "/dev/limits", Handler: a.devForgive},
		{Methods: put, Pattern: "/dev/simulator", Handler: a.devSimulate},
		{Methods: get, Pattern: "/dev/simulator", Handler: a.devSimulator},
	}
}

// inboxMessage is one message as /dev/inbox shows it.
type inboxMessage struct {
	ID           string `json:"id"`
	Created      string `json:"created"`
	Tenant       string `json:"tenant"`
	Channel      string `json:"channel"`
	To           string `json:"to"`
	From         string `json:"from"`
	Subject      string `json:"subject"`
	Body         string `json:"body"`
	Verification string `json:"verification_id"`
}

func shown(m *delivery.Message) inboxMessage {
	return inboxMessage{m.ID, stamp(m.Created), m.Tenant, m.Channel, m.To, m.From, m.Subject, m.Body, m.Verification}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// devInbox lists what has arrived, once everything that was committed before
// the call has been tried. It does not wait while the simulator delays or
// fails: that may take for ever.
func (a *App) devInbox(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	limit := 50
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			devRefuse(w, http.StatusBadRequest, "limit must be a positive number")
			return
		}
		limit = n
	}
	if s := a.Inbox.Simulator(); s.Fail == "" && s.Delay == 0 {
		ctx, cancel := context.WithTimeout(r.Context(), settleTime)
		a.Courier.Settle(ctx)
		cancel()
	}
	to := strings.ReplaceAll(query.Get("to"), " ", "+") // an unescaped + of a query is a space
	list := []inboxMessage{}
	for _, m := range a.Inbox.List(to, query.Get("tenant"), limit) {
		list = append(list, shown(&m))
	}
	if best, _, ok := httpx.Accepts(r.Header["Accept"], "application/json", "text/html"); ok && best == "text/html" {
		a.devInboxPage(w, list)
		return
	}
	devAnswer(w, map[string]any{"messages": list})
}

// devInboxPage shows the inbox to a browser.
func (a *App) devInboxPage(w http.ResponseWriter, list []inboxMessage) {
	page, err := template.New("inbox").Parse(inboxHTML)
	var b strings.Builder
	if err == nil {
		err = page.Execute(&b, map[string]any{"Messages": list, "Now": a.Clock.Now().UTC().Format(time.DateTime)})
	}
	if err != nil {
		devRefuse(w, http.StatusInternalServerError, "the page cannot be shown")
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	h.Set("Refresh", "2")
	httpx.WriteJSON(w, http.StatusOK, "text/html; charset=utf-8", []byte(b.String()))
}

func (a *App) devEmptyInbox(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), settleTime)
	defer cancel()
	if s := a.Inbox.Simulator(); s.Fail == "" && s.Delay == 0 {
		a.Courier.Settle(ctx)
	}
	a.Inbox.Clear()
	w.WriteHeader(http.StatusNoContent)
}

func (a *App) devClock(w http.ResponseWriter, _ *http.Request) {
	devAnswer(w, map[string]string{"now": stamp(a.Clock.Now())})
}

// devAdvance moves the clock and answers when what was due has run.
func (a *App) devAdvance(w http.ResponseWriter, r *http.Request) {
	o, ok := devBody(w, r)
	if !ok {
		return
	}
	text, _ := o.Get("advance").Text()
	by, err := time.ParseDuration(text)
	_, more := o.Unknown("advance")
	switch {
	case err != nil || by < 0 || more:
		devRefuse(w, http.StatusBadRequest, `give {"advance":"601s"} and nothing else: a duration that is not negative`)
		return
	case by > maxAdvance:
		devRefuse(w, http.StatusBadRequest, "the clock can be moved by at most 87600h at once")
		return
	}
	if a.Clock.Offset() > maxOffset-by {
		devRefuse(w, http.StatusBadRequest, "the clock can be at most 100 years ahead")
		return
	}
	a.Clock.Advance(by)
	if a.keepClock != nil {
		if err := a.keepClock(); err != nil {
			a.log.Error("keep the clock", "error", err)
			devRefuse(w, http.StatusInternalServerError, "the clock was moved but could not be kept for the next start")
			return
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), settleTime)
	defer cancel()
	a.Courier.Rest(ctx)
	if err := a.sweepNow(r.Context()); err != nil {
		a.log.Warn("sweep", "error", err)
	}
	devAnswer(w, map[string]string{"now": stamp(a.Clock.Now())})
}

func (a *App) devForgive(w http.ResponseWriter, r *http.Request) {
	if err := a.Service.Forgive(r.Context()); err != nil {
		e := otp.AsError(err)
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusServiceUnavailable, Detail: e.Message, RetryAfter: time.Second})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// devSimulate sets how the inbox provider behaves; a member that is not given
// is as at the start.
func (a *App) devSimulate(w http.ResponseWriter, r *http.Request) {
	o, ok := devBody(w, r)
	if !ok {
		return
	}
	s := inbox.Simulator{Receipt: "delivered"}
	for name, v := range o.All() {
		text, isText := v.Text()
		known := true
		switch name {
		case "fail":
			s.Fail = text
		case "receipt":
			s.Receipt = text
		case "delay":
			d, err := time.ParseDuration(text)
			s.Delay, known = d, err == nil || text == ""
		default:
			known = false
		}
		if v.Kind() != strictjson.Absent && !isText || !known {
			s.Delay = -1
		}
	}
	if !s.Valid() {
		devRefuse(w, http.StatusBadRequest,
			`give {"fail":"unavailable"|"rejected"|"throttled"|"","delay":"2s","receipt":"delivered"|"failed"|"none"}`)
		return
	}
	a.Inbox.Simulate(s)
	a.devSimulator(w, r)
}

func (a *App) devSimulator(w http.ResponseWriter, _ *http.Request) {
	s := a.Inbox.Simulator()
	devAnswer(w, map[string]string{"fail": s.Fail, "delay": s.Delay.String(), "receipt": s.Receipt})
}

// devBody reads a JSON object.
func devBody(w http.ResponseWriter, r *http.Request) (strictjson.Object, bool) {
	body, status := api.ReadBody(w, r)
	if status != 0 {
		devRefuse(w, status, "the body cannot be read")
		return strictjson.Object{}, false
	}
	o, err := strictjson.Parse(body)
	if err != nil {
		devRefuse(w, http.StatusBadRequest, err.Error())
		return o, false
	}
	return o, true
}

func devRefuse(w http.ResponseWriter, status int, detail string) {
	httpx.WriteProblem(w, httpx.Problem{Status: status, Detail: detail})
}

func devAnswer(w http.ResponseWriter, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		devRefuse(w, http.StatusInternalServerError, "the answer cannot be written")
		return
	}
	httpx.WriteJSON(w, http.StatusOK, "", body)
}

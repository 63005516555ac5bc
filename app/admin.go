package app

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// adminBody is the most bytes of a tenants file.
const adminBody = 8 << 20

// startAdmin opens the admin listener, if there is one. It has a credential of
// its own, so that no tenant's key opens it.
func (a *App) startAdmin() error {
	if a.o.AdminListen == "" {
		return nil
	}
	if len(a.o.AdminToken) < 16 {
		return errors.New("the admin token must have at least 16 characters; make one with `openssl rand -hex 32`")
	}
	asSent := &http.Request{Header: http.Header{"Authorization": {"Bearer " + a.o.AdminToken}}}
	if got, _ := httpx.BearerToken(asSent); got != a.o.AdminToken {
		return errors.New("the admin token has characters that no Authorization header carries, such as a space; make one with `openssl rand -hex 32`")
	}
	mux, err := httpx.NewMux([]httpx.Route{
		{Methods: []string{http.MethodPost}, Pattern: "/admin/apply", Handler: a.guarded(a.adminApply)},
		{Methods: []string{http.MethodGet}, Pattern: "/admin/export", Handler: a.guarded(a.adminExport)},
		{Methods: []string{http.MethodGet}, Pattern: "/admin/keys", Handler: a.guarded(a.adminKeys)},
		{Methods: []string{http.MethodPost}, Pattern: "/admin/keys/rotate", Handler: a.guarded(a.adminRotate)},
		{Methods: []string{http.MethodGet}, Pattern: "/admin/keys/status", Handler: a.guarded(a.adminKeyStatus)},
		{Methods: []string{http.MethodPost}, Pattern: "/admin/keys/retire", Handler: a.guarded(a.adminRetire)},
		{Methods: []string{http.MethodPost}, Pattern: "/admin/erase", Handler: a.guarded(a.adminErase())},
		{Methods: []string{http.MethodPost}, Pattern: "/admin/personal-data", Handler: a.guarded(a.adminPersonalData())},
		{Methods: []string{http.MethodPost}, Pattern: "/admin/webhooks/enable", Handler: a.guarded(a.adminEnableWebhook)},
		{Methods: []string{http.MethodGet}, Pattern: "/admin/locks", Handler: a.guarded(a.adminLocks)},
		{Methods: []string{http.MethodPost}, Pattern: "/admin/locks/release", Handler: a.guarded(a.adminReleaseLocks)},
		{Methods: []string{http.MethodGet}, Pattern: "/admin/spend", Handler: a.guarded(a.adminSpend)},
		{Methods: []string{http.MethodGet}, Pattern: "/admin/stats", Handler: a.guarded(a.adminStats)},
		{Methods: []string{http.MethodGet}, Pattern: "/admin/trace/{id}", Handler: a.guarded(a.adminTrace)},
		{Methods: []string{http.MethodPost}, Pattern: "/admin/trace", Handler: a.guarded(a.adminTraceAddress)},
		{Methods: []string{http.MethodGet}, Pattern: "/metrics", Handler: a.guarded(a.metrics.Handler().ServeHTTP)},
		{Methods: []string{http.MethodGet}, Pattern: "/healthz", Handler: a.healthz},
		{Methods: []string{http.MethodGet}, Pattern: "/readyz", Handler: a.readyz},
	}, httpx.NotFound)
	if err != nil {
		return err
	}
	if a.adminOn, err = net.Listen("tcp", a.o.AdminListen); err != nil {
		return fmt.Errorf("admin listener: %w", err)
	}
	a.admin = httpx.Server(httpx.ServerOptions{Handler: a.around(mux), Log: a.log})
	a.loops.Go(func() { a.serve(a.admin, a.adminOn, false) })
	return nil
}

// guarded lets in who brings the admin token.
func (a *App) guarded(next http.HandlerFunc) http.HandlerFunc {
	want := sha256.Sum256([]byte(a.o.AdminToken))
	return func(w http.ResponseWriter, r *http.Request) {
		token, ok := httpx.BearerToken(r)
		got := sha256.Sum256([]byte(token))
		if !ok || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			httpx.WriteProblem(w, httpx.Problem{Status: http.StatusUnauthorized, Detail: "the admin token is missing or wrong"})
			return
		}
		next(w, r)
	}
}

// Applied is the answer to an apply.
type Applied struct {
	Changes  []string `json:"changes"`
	Warnings []string `json:"warnings"`
	DryRun   bool     `json:"dry_run"`
}

// adminApply takes a tenants file whose secrets are resolved.
func (a *App) adminApply(w http.ResponseWriter, r *http.Request) {
	body, err := httpx.ReadBody(w, r, adminBody)
	if err != nil {
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusRequestEntityTooLarge, Detail: err.Error()})
		return
	}
	name := r.URL.Query().Get("file")
	if name == "" {
		name = "tenants.yaml"
	}
	file, err := config.ParseTenants(name, body, ProviderSecrets)
	var plan *config.Plan
	dry := r.URL.Query().Get("dry_run") == "true"
	if err == nil {
		plan, err = a.Apply(r.Context(), file, dry)
	}
	if err != nil {
		a.adminRefuse(w, err)
		return
	}
	adminAnswer(w, Applied{nonNil(plan.Diff), nonNil(plan.Warnings), dry})
}

func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func (a *App) adminExport(w http.ResponseWriter, r *http.Request) {
	data, err := a.Export(r.Context())
	if err != nil {
		a.adminRefuse(w, err)
		return
	}
	httpx.WriteJSON(w, http.StatusOK, "application/yaml", data)
}

func (a *App) adminKeys(w http.ResponseWriter, _ *http.Request) {
	adminAnswer(w, map[string]any{"keys": a.Service.Ring().Keys()})
}

// adminStats tells how many transactions were committed since the start and how
// many steps they held, so that the gain of sharing them can be seen.
func (a *App) adminStats(w http.ResponseWriter, _ *http.Request) {
	s := a.Store.Stats()
	adminAnswer(w, map[string]int64{"commits": s.Commits, "steps": s.Steps, "doubts": s.Doubts})
}

// adminRotate adds keys to the ring file of this server. Servers on other
// machines need the file too, within the minute before the keys are used.
func (a *App) adminRotate(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Uses     []otp.Use `json:"uses"`
		Activate bool      `json:"activate"`
	}
	body, err := httpx.ReadBody(w, r, 1<<10)
	if err == nil && len(body) > 0 {
		err = strictJSON(body, &asked)
	}
	if err != nil {
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusBadRequest, Detail: `give {"uses":["code","seal","sign"],"activate":false}, or nothing`})
		return
	}
	a.rotating.Lock() // two changes of one file at once would lose one
	defer a.rotating.Unlock()
	ring, err := RotateRing(a.o.KeysFile, a.Clock.Now(), asked.Activate, asked.Uses...)
	if err == nil {
		err = a.checkRing(r.Context(), ring)
	}
	if err != nil {
		a.adminRefuse(w, err)
		return
	}
	a.Service.SetRing(ring)
	adminAnswer(w, map[string]any{"keys": ring.Keys()})
}

// adminRefuse shows the operator what is wrong: the admin listener is theirs.
func (a *App) adminRefuse(w http.ResponseWriter, err error) {
	status := http.StatusUnprocessableEntity
	switch otp.KindOf(err) {
	case otp.Unavailable:
		status = http.StatusServiceUnavailable
		httpx.SetRetryAfter(w.Header(), time.Second)
	case otp.NotFound:
		status = http.StatusNotFound
	}
	var mistakes config.Mistakes
	if !errors.As(err, &mistakes) {
		httpx.WriteProblem(w, httpx.Problem{Status: status, Detail: err.Error()})
		return
	}
	body, _ := json.Marshal(Mistaken{Status: status, Title: "the file has mistakes", Detail: err.Error(), Mistakes: mistakes}) // texts and numbers
	httpx.WriteJSON(w, status, "application/problem+json", body)
}

// Mistaken is the problem that tells all mistakes of a tenants file.
type Mistaken struct {
	Title    string          `json:"title"`
	Status   int             `json:"status"`
	Detail   string          `json:"detail"`
	Mistakes config.Mistakes `json:"mistakes"`
}

func adminAnswer(w http.ResponseWriter, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusInternalServerError})
		return
	}
	httpx.WriteJSON(w, http.StatusOK, "", append(body, '\n'))
}

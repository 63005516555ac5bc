package app

import (
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

// startAdmin opens the admin listener, if there is one. It has credentials of
// its own, so that no tenant's key opens it.
func (a *App) startAdmin() (err error) {
	if a.o.AdminListen == "" {
		return nil
	}
	if a.operators, err = a.o.operators(); err != nil {
		return err
	}
	secure, err := certificate("admin.tls", a.o.AdminTLSCert, a.o.AdminTLSKey)
	if err != nil {
		return err
	}
	mux, err := httpx.NewMux(a.adminRoutes(), httpx.NotFound)
	if err != nil {
		return err
	}
	if a.adminOn, err = net.Listen("tcp", a.o.AdminListen); err != nil {
		return fmt.Errorf("admin listener: %w", err)
	}
	a.admin = httpx.Server(httpx.ServerOptions{Handler: a.around(mux, nil), Log: a.log, TLS: secure})
	a.loops.Go(func() { a.serve(a.admin, a.adminOn, secure != nil) })
	return nil
}

// adminRoutes are all calls with the role that each needs. What changes
// something, and what shows hashes or where people's messages went, is written
// to the operators' journal; refusals always are.
func (a *App) adminRoutes() []httpx.Route {
	get, post := []string{http.MethodGet}, []string{http.MethodPost}
	const operator, auditor, owner = config.RoleOperator, config.RoleAuditor, config.RoleOwner
	return []httpx.Route{
		{Methods: post, Pattern: "/admin/apply", Handler: a.audited(operator, "apply", a.adminApply)},
		{Methods: get, Pattern: "/admin/export", Handler: a.audited(operator, "export", a.adminExport)},
		{Methods: post, Pattern: "/admin/tenants/remove", Handler: a.audited(owner, "tenant remove", a.adminRemoveTenant)},
		{Methods: post, Pattern: "/admin/providers/remove", Handler: a.audited(operator, "provider remove", a.adminRemoveProvider)},
		{Methods: get, Pattern: "/admin/keys", Handler: a.reads("keys", a.adminKeys)},
		{Methods: post, Pattern: "/admin/keys/rotate", Handler: a.audited(operator, "key rotate", a.adminRotate)},
		{Methods: get, Pattern: "/admin/keys/status", Handler: a.reads("key status", a.adminKeyStatus)},
		{Methods: post, Pattern: "/admin/keys/retire", Handler: a.audited(owner, "key retire", a.adminRetire)},
		{Methods: post, Pattern: "/admin/fence", Handler: a.audited(owner, "fence", a.adminFence)},
		{Methods: post, Pattern: "/admin/erase", Handler: a.audited(owner, "erase", a.adminErase())},
		{Methods: post, Pattern: "/admin/personal-data", Handler: a.audited(owner, "personal-data", a.adminPersonalData())},
		{Methods: get, Pattern: "/admin/credentials", Handler: a.reads("credential list", a.adminCredentials)},
		{Methods: post, Pattern: "/admin/credentials", Handler: a.audited(operator, "credential new", a.adminNewCredential)},
		{Methods: post, Pattern: "/admin/credentials/rotate", Handler: a.audited(operator, "credential rotate", a.adminRotateCredential)},
		{Methods: post, Pattern: "/admin/credentials/revoke", Handler: a.audited(operator, "credential revoke", a.adminRevokeCredential)},
		{Methods: post, Pattern: "/admin/webhooks/enable", Handler: a.audited(operator, "webhook enable", a.adminEnableWebhook)},
		{Methods: get, Pattern: "/admin/locks", Handler: a.audited(auditor, "lock show", a.adminLocks)},
		{Methods: post, Pattern: "/admin/locks/release", Handler: a.audited(operator, "lock release", a.adminReleaseLocks())},
		{Methods: get, Pattern: "/admin/watch", Handler: a.reads("watch", a.adminWatch)},
		{Methods: post, Pattern: "/admin/watch/release", Handler: a.audited(operator, "watch release", a.adminReleasePrefix)},
		{Methods: get, Pattern: "/admin/lists", Handler: a.reads("list show", a.adminLists)},
		{Methods: post, Pattern: "/admin/lists", Handler: a.audited(operator, "list", a.adminDecide)},
		{Methods: post, Pattern: "/admin/lists/show", Handler: a.audited(auditor, "list show", a.adminShowListed())},
		{Methods: get, Pattern: "/admin/refusals", Handler: a.audited(auditor, "refusals", a.adminRefusals)},
		{Methods: post, Pattern: "/admin/refusals", Handler: a.audited(auditor, "refusals", a.adminRefusalsOf)},
		{Methods: get, Pattern: "/admin/spend", Handler: a.reads("spend", a.adminSpend)},
		{Methods: get, Pattern: "/admin/stats", Handler: a.reads("stats", a.adminStats)},
		{Methods: get, Pattern: "/admin/trace/{id}", Handler: a.audited(auditor, "trace", a.adminTrace)},
		{Methods: post, Pattern: "/admin/trace", Handler: a.audited(auditor, "trace", a.adminTraceAddress)},
		{Methods: get, Pattern: "/admin/audit", Handler: a.reads("audit", a.adminAudit)},
		{Methods: get, Pattern: "/admin/tokens", Handler: a.audited(owner, "tokens", a.adminTokens)},
		{Methods: get, Pattern: "/metrics", Handler: a.reads("metrics", a.metrics.Handler().ServeHTTP)},
		{Methods: get, Pattern: "/healthz", Handler: a.healthz},
		{Methods: get, Pattern: "/readyz", Handler: a.readyz},
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
		tell(r.Context(), "", "dry run: %t", dry)
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
	if len(asked.Uses) == 0 {
		asked.Uses = rotatingUses()
	}
	tell(r.Context(), "", "uses %v, at once: %t", asked.Uses, asked.Activate)
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

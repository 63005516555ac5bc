package app

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// soleToken is the name of [Options.AdminToken] in the operators' journal.
const soleToken = "admin"

// operator is who brought a token.
type operator struct {
	name, role string
	digest     [sha256.Size]byte
}

// operators are all that the admin listener knows.
type operators struct {
	all     []operator
	sources otp.SourceGuard

	mu      sync.Mutex
	minute  int64
	unknown int // refusals of strangers that were written in this minute
}

// strangersWritten bounds the entries a minute that strangers cause, so that
// they cannot fill the disk. Beyond it the log alone tells.
const strangersWritten = 60

// operators reads the tokens of the options.
func (o *Options) operators() (*operators, error) {
	given := slices.Clone(o.AdminTokens)
	if o.AdminToken != "" || len(given) == 0 {
		given = append(given, config.AdminToken{Name: soleToken, Role: config.RoleOwner, Token: o.AdminToken})
	}
	known := &operators{}
	for _, one := range given {
		if len(one.Token) < 16 {
			return nil, errors.New("the admin token must have at least 16 characters; make one with `openssl rand -hex 32`")
		}
		asSent := &http.Request{Header: http.Header{"Authorization": {"Bearer " + one.Token}}}
		if got, _ := httpx.BearerToken(asSent); got != one.Token {
			return nil, fmt.Errorf("the admin token %s has characters that no Authorization header carries, such as a space; make one with `openssl rand -hex 32`", one.Name)
		}
		known.all = append(known.all, operator{one.Name, one.Role, sha256.Sum256([]byte(one.Token))})
	}
	return known, nil
}

// find returns whose token a request brings. It compares with all of them in
// constant time.
func (k *operators) find(r *http.Request) (found operator, token string, ok bool) {
	token, _ = httpx.BearerToken(r)
	digest := sha256.Sum256([]byte(token))
	for _, one := range k.all {
		if subtle.ConstantTimeCompare(digest[:], one.digest[:]) == 1 {
			found, ok = one, true
		}
	}
	return found, token, ok && token != ""
}

// mayWrite tells whether one more refusal of a stranger is written.
func (k *operators) mayWrite(now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if minute := now.Unix() / 60; minute != k.minute {
		k.minute, k.unknown = minute, 0
	}
	k.unknown++
	return k.unknown <= strangersWritten
}

// rank orders the roles.
func rank(role string) int {
	return slices.Index([]string{config.RoleAuditor, config.RoleOperator, config.RoleOwner}, role)
}

// admitted lets in who brings a token of the role, or of one above it. Whom it
// refuses is written to the operators' journal; what is not, see [App.audited].
func (a *App) admitted(role, act string, next func(http.ResponseWriter, *http.Request, Audited)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		from := httpx.Proxies{}.Client(r)
		e := Audited{Act: act, From: from.String(), RequestID: httpx.RequestID(r)}
		who, token, ok := a.operators.find(r)
		if !ok {
			a.stranger(w, r, from, token, e)
			return
		}
		e.Actor, e.Role = who.name, who.role
		if rank(who.role) < rank(role) {
			e.Result, e.Detail = resultRefused, "needs the role "+role
			a.conclude(r.Context(), e)
			httpx.WriteProblem(w, httpx.Problem{Status: http.StatusForbidden, Detail: "this needs a token with the role " + role})
			return
		}
		next(w, r, e)
	}
}

// stranger refuses who brings no token that is known. A source that has tried
// many hears nothing more; a right token is never held up by others.
func (a *App) stranger(w http.ResponseWriter, r *http.Request, from netip.Addr, token string, e Audited) {
	now := a.Clock.Now()
	if wait := a.operators.sources.Blocked(from, now); wait > 0 {
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusTooManyRequests, Detail: "too many wrong admin tokens", RetryAfter: wait})
		return
	}
	if a.operators.sources.Failed(from, now, token) && a.operators.mayWrite(now) {
		e.Actor, e.Result, e.Detail = "unknown", resultRefused, "the admin token is missing or wrong"
		a.conclude(r.Context(), e)
	}
	w.Header().Set("WWW-Authenticate", "Bearer")
	httpx.WriteProblem(w, httpx.Problem{Status: http.StatusUnauthorized, Detail: "the admin token is missing or wrong"})
}

// reads is a call that changes nothing and shows no address and no hash.
func (a *App) reads(act string, next http.HandlerFunc) http.HandlerFunc {
	return a.admitted(config.RoleAuditor, act, func(w http.ResponseWriter, r *http.Request, _ Audited) { next(w, r) })
}

// audited is a call that is written to the operators' journal before it begins
// and when it has ended.
func (a *App) audited(role, act string, next http.HandlerFunc) http.HandlerFunc {
	return a.admitted(role, act, func(w http.ResponseWriter, r *http.Request, e Audited) {
		e.Result, e.Tenant = resultBegun, r.URL.Query().Get("tenant")
		if err := a.note(r.Context(), e); err != nil {
			a.adminRefuse(w, err)
			return
		}
		what := &about{tenant: e.Tenant}
		watch := func(r *http.Request) (*http.Request, func(*http.Request, int)) {
			return r.WithContext(context.WithValue(r.Context(), aboutKey{}, what)), func(inner *http.Request, status int) {
				e.Tenant, e.Detail = what.told()
				e.Result = resultOf(status)
				a.conclude(inner.Context(), e)
			}
		}
		httpx.WithWatch(watch)(next).ServeHTTP(w, r)
	})
}

// resultOf says a status in the words of the operators' journal.
func resultOf(status int) string {
	switch {
	case status < http.StatusBadRequest:
		return resultDone
	case status < http.StatusInternalServerError:
		return resultRefused
	}
	return resultFailed
}

// adminAudit answers GET /admin/audit?after=N&limit=N&newest=true.
func (a *App) adminAudit(w http.ResponseWriter, r *http.Request) {
	number := func(key string, most int64) (int64, bool) {
		text := r.URL.Query().Get(key)
		if text == "" {
			return 0, true
		}
		n, err := strconv.ParseInt(text, 10, 64)
		return n, err == nil && n >= 0 && n <= most
	}
	after, ok := number("after", 1<<62)
	limit, good := number("limit", maxAuditPage)
	if !ok || !good {
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusBadRequest, Detail: "after is the number of an entry, limit 1 to 1000"})
		return
	}
	page, err := a.Audit(r.Context(), AuditAsked{After: after, Newest: r.URL.Query().Get("newest") == "true", Limit: int(limit)})
	if err != nil {
		a.adminRefuse(w, err)
		return
	}
	adminAnswer(w, page)
}

// adminTokens tells an owner whose tokens there are.
func (a *App) adminTokens(w http.ResponseWriter, _ *http.Request) {
	type token struct {
		Name string `json:"name"`
		Role string `json:"role"`
	}
	all := make([]token, len(a.operators.all))
	for i, one := range a.operators.all {
		all[i] = token{one.name, one.role}
	}
	adminAnswer(w, map[string]any{"tokens": all})
}

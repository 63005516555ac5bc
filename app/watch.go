package app

import (
	"cmp"
	"context"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/otp"
)

// Watch is what is known of a tenant's prefixes, countries and providers.
type Watch struct {
	Tenant  string        `json:"tenant"`
	Mode    otp.WatchMode `json:"mode"`
	Watched []Watched     `json:"watched"`
	Next    string        `json:"next,omitempty"` // `after` of the next page
}

// Watched is how many of what was sent came back as an approval. Starts to
// numbers that were approved lately do not count for a prefix.
type Watched struct {
	Name     string     `json:"name"` // "prefix +58414123", "country VE" or "provider carrier"
	Sends    int        `json:"sends"`
	Approved int        `json:"approved"`
	Percent  *int       `json:"approved_percent"` // null when nothing was sent
	Since    time.Time  `json:"since"`            // the beginning of the window
	Suspect  *time.Time `json:"suspect_since"`
	Until    *time.Time `json:"blocked_until"`
	Level    int        `json:"level"` // how often it was blocked lately
}

// The bounds of one page.
const (
	watchPage    = 1000
	maxWatchPage = 10_000
)

// Watch tells a page of what the fraud watch knows of a tenant, in no order that
// means anything; suspect leaves out what is neither suspected nor blocked.
// Errors: Invalid, NotFound, Unavailable.
func (a *App) Watch(ctx context.Context, tenant, after string, limit int, suspect bool) (Watch, error) {
	var cursor otp.Key
	raw, err := hex.DecodeString(after)
	if err != nil || after != "" && len(raw) != len(cursor) {
		return Watch{}, &otp.Error{Kind: otp.Invalid, Field: "after", Message: "must be the `next` of a page before"}
	}
	copy(cursor[:], raw)
	t, ok := a.Service.Directory().Tenant(tenant)
	if !ok {
		return Watch{}, &otp.Error{Kind: otp.NotFound, Message: "there is no such tenant"}
	}
	limit = min(cmp.Or(limit, watchPage), maxWatchPage)
	all := Watch{Tenant: tenant, Mode: cmp.Or(t.FraudWatch.Mode, otp.WatchBlock), Watched: []Watched{}}
	for len(all.Watched) < limit {
		page, next, err := a.Service.Conversions(ctx, tenant, cursor, limit-len(all.Watched))
		if err != nil {
			return Watch{}, err
		}
		for i := range page {
			if one := watched(&page[i]); one.shown(suspect) {
				all.Watched = append(all.Watched, one)
			}
		}
		if cursor = next; next == (otp.Key{}) {
			return all, nil
		}
	}
	all.Next = hex.EncodeToString(cursor[:])
	return all, nil
}

func watched(c *otp.Conversion) Watched {
	one := Watched{
		Name: c.Name, Sends: c.Sends, Approved: c.Approved, Since: c.Since, Suspect: moment(c.Suspect), Until: moment(c.Until), Level: c.Level,
	}
	if c.Sends > 0 {
		percent := 100 * c.Approved / c.Sends
		one.Percent = &percent
	}
	return one
}

// shown leaves out rows that time has emptied and that wait to be swept.
func (w *Watched) shown(suspect bool) bool {
	if w.Until != nil || w.Suspect != nil {
		return true
	}
	return !suspect && (w.Sends > 0 || w.Approved > 0 || w.Level > 0)
}

// Unwatched is the answer to a release of a prefix.
type Unwatched struct {
	Was bool `json:"was_watched"` // there was something to forget
}

// ReleasePrefix ends the block of a prefix, such as "+58414123", and forgets what
// led to it. Errors: Invalid, NotFound, Unavailable.
func (a *App) ReleasePrefix(ctx context.Context, tenant, prefix string) (Unwatched, error) {
	digits, plus := strings.CutPrefix(prefix, "+")
	if !plus || digits == "" || strings.Trim(digits, "0123456789") != "" {
		return Unwatched{}, &otp.Error{Kind: otp.Invalid, Field: "prefix", Message: "must be a prefix as `aldaba watch` shows it, such as +58414123"}
	}
	was, err := a.Service.Unblock(ctx, tenant, prefix, otp.ActorOperator)
	if was {
		tell(ctx, tenant, "prefix %s", prefix) // it had a row, so it is no whole number
	}
	return Unwatched{was}, err
}

// adminWatch answers GET /admin/watch?tenant=NAME&suspect=true&after=CURSOR&limit=N.
func (a *App) adminWatch(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, err := strconv.Atoi(cmp.Or(q.Get("limit"), "0"))
	if q.Get("tenant") == "" || err != nil || limit < 0 {
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusBadRequest, Detail: "name the tenant: /admin/watch?tenant=NAME, and what you like of suspect=true, after and limit (1 to 10000)"})
		return
	}
	all, err := a.Watch(r.Context(), q.Get("tenant"), q.Get("after"), limit, q.Get("suspect") == "true")
	if err != nil {
		a.adminRefuse(w, err)
		return
	}
	adminAnswer(w, all)
}

// adminReleasePrefix answers POST /admin/watch/release.
func (a *App) adminReleasePrefix(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Tenant string `json:"tenant"`
		Prefix string `json:"prefix"`
	}
	if !adminBodyInto(w, r, &asked, `give {"tenant":"NAME","prefix":"+58414123"}`, &asked.Tenant, &asked.Prefix) {
		return
	}
	tell(r.Context(), asked.Tenant, "")
	answer, err := a.ReleasePrefix(r.Context(), asked.Tenant, asked.Prefix)
	if err != nil {
		a.adminRefuse(w, err)
		return
	}
	adminAnswer(w, answer)
}

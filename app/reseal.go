package app

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// How often it is looked whether something rests under an old key: at once
// after the key in use has changed, and every hour besides, for what a server
// sealed that noticed later.
const (
	resealPace  = 10 * time.Second
	resealAgain = time.Hour
)

// reseal brings what lives long under the key in use. Verifications are left:
// they end by their retention.
func (a *App) reseal() {
	var done string
	var at time.Time
	a.every(resealPace, func(ctx context.Context) {
		now := a.Clock.Now()
		key := a.sealKey(now)
		if key == done && now.Sub(at) < resealAgain {
			return
		}
		if _, err := a.ResealNow(ctx); err != nil {
			if ctx.Err() == nil {
				a.log.Warn("seal anew; what was not is tried again", "error", err)
			}
			return
		}
		done, at = key, now
	})
}

// sealKey is the id of the seal key in use.
func (a *App) sealKey(now time.Time) string {
	ring := a.Service.Ring()
	for _, k := range ring.Keys() {
		if k.Use == otp.UseSeal && ring.InUse(now, k.Use, k.ID) {
			return k.ID
		}
	}
	return ""
}

// Resealed is how much was sealed anew.
type Resealed struct {
	Contacts int `json:"contacts"`
	Secrets  int `json:"secrets"` // of providers, webhooks and challenges
}

// ResealNow seals contacts and the configuration's secrets anew that rest under
// another key than the one in use. Several servers may do so at once.
func (a *App) ResealNow(ctx context.Context) (done Resealed, err error) {
	var fault error
	if done.Contacts, fault = a.Service.ResealContacts(ctx); fault != nil {
		err = errors.Join(err, fault)
	}
	if done.Secrets, fault = a.resealDocuments(ctx); fault != nil {
		err = errors.Join(err, fault)
	}
	if done != (Resealed{}) {
		a.log.Info("sealed anew", "key", a.sealKey(a.Clock.Now()), "contacts", done.Contacts, "secrets", done.Secrets)
	}
	return done, err
}

// resealDocuments does so for providers and tenants. Somebody else's change in
// between makes it read anew.
func (a *App) resealDocuments(ctx context.Context) (int, error) {
	for {
		now, version, err := a.current(ctx)
		if err != nil {
			return 0, err
		}
		next, changed, fault := config.Reseal(a.Service.Ring(), a.Clock.Now(), rand.Reader, now, ProviderSecrets)
		if changed == 0 {
			return 0, fault
		}
		docs, err := documents(now, &config.Plan{Providers: next.Providers, Tenants: next.Tenants})
		if err != nil {
			return 0, err
		}
		_, err = a.Store.WriteDocuments(ctx, version, docs)
		if errors.Is(err, store.ErrStale) {
			continue
		}
		if err == nil {
			err = a.reload(ctx)
		}
		if err != nil {
			return 0, err
		}
		return changed, fault
	}
}

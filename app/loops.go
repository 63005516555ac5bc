package app

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// How often the loops look.
const (
	beatPace   = 5 * time.Second
	fleetPace  = 250 * time.Millisecond // until then, another server does not see what is counted in memory
	configPace = 400 * time.Millisecond // a change reaches every server within a second
	ringPace   = 2 * time.Second
	sweepPace  = 5 * time.Second
	storePace  = time.Second
)

// every calls f at a pace until the app stops.
func (a *App) every(pace time.Duration, f func(context.Context)) {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			f(a.ctx)
		case <-a.ctx.Done():
			return
		}
	}
}

// beat tells other servers on the database that this one is alive.
func (a *App) beat() {
	a.every(beatPace, func(ctx context.Context) {
		if err := a.Store.Beat(ctx, a.self); err != nil && ctx.Err() == nil {
			a.log.Warn("announce this server in the database", "error", err)
		}
	})
}

// watchFleet tells the core soon when another server has come.
func (a *App) watchFleet() {
	a.every(fleetPace, func(ctx context.Context) {
		if err := a.lookAround(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("look for other servers on the database", "error", err)
		}
	})
}

// lookAround tells the core whether this server has its store for itself.
func (a *App) lookAround(ctx context.Context) error {
	alone, err := a.Store.Alone(ctx, a.self)
	switch {
	case err != nil:
		return err
	case alone:
		return a.Service.LearnPrefixes(ctx)
	}
	return a.Service.SharePrefixes(ctx)
}

// watchConfiguration puts a changed configuration in force.
func (a *App) watchConfiguration() {
	a.every(configPace, func(ctx context.Context) {
		v, err := a.Store.DocumentsVersion(ctx)
		if err == nil && v != a.configured.Load() {
			err = a.reload(ctx)
		}
		if err != nil && ctx.Err() == nil {
			a.log.Warn("read the configuration", "error", err)
		}
	})
}

// watchRing reads the key ring again when its file has changed.
func (a *App) watchRing() {
	a.every(ringPace, func(ctx context.Context) {
		if err := a.rereadRing(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("the key ring cannot be used; the one before stays in force", "error", err)
		}
	})
}

// rereadRing puts the ring in force if its file has changed. While the store
// is down it cannot be checked, and the next call looks again.
func (a *App) rereadRing(ctx context.Context) error {
	ring, err := a.keys.changed()
	if err != nil || ring == nil {
		return err
	}
	if err := a.checkRing(ctx, ring); err != nil {
		if !errors.Is(err, errOtherRing) {
			a.keys.forget()
		}
		return err
	}
	a.Service.SetRing(ring)
	a.log.Info("the key ring was read anew")
	// The configuration is read again, for providers whose secrets are sealed
	// under a key that came only now.
	a.configured.Store(-1)
	return nil
}

// sweep does the core's background work.
func (a *App) sweep() {
	a.every(sweepPace, func(ctx context.Context) {
		if err := a.sweepNow(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("sweep", "error", err)
		}
	})
}

// sweepNow does one round.
func (a *App) sweepNow(ctx context.Context) error {
	a.sweeping.Lock()
	defer a.sweeping.Unlock()
	_, err := a.sweeper.Round(ctx)
	return err
}

// keepUses writes down when credentials were last used.
func (a *App) keepUses() {
	a.every(sweepPace, func(ctx context.Context) {
		if err := a.Service.KeepUses(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("keep when credentials were used", "error", err)
		}
	})
}

// keepPulse writes down what was approved, a little later than it was, and all
// of it once in a minute.
func (a *App) keepPulse() {
	seconds := 0
	a.every(time.Second, func(ctx context.Context) {
		seconds++
		if err := a.Service.KeepPulse(ctx, seconds%60 == 0); err != nil && ctx.Err() == nil {
			a.log.Warn("keep what was approved", "error", err)
		}
	})
}

// lastPulse writes down what would be lost with this process. Without it the
// fraud watch is a little stricter for a while.
func (a *App) lastPulse(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := errors.Join(a.Service.KeepPulse(ctx, true), a.Service.KeepPrefixes(ctx)); err != nil {
		a.log.Warn("keep what was approved", "error", err)
	}
}

// watchStore ends the server when its store may have lost what it has
// acknowledged.
func (a *App) watchStore() {
	a.every(storePace, func(context.Context) {
		if err := a.Store.Broken(); err != nil {
			a.fail(fmt.Errorf("the store must not be used any more: %w", err))
		}
	})
}

// The kinds of configuration documents.
const (
	kindTenant   = "tenant"
	kindProvider = "provider"
	kindRing     = "ring"
)

// reload reads the configuration and puts it in force.
func (a *App) reload(ctx context.Context) error {
	a.reloading.Lock() // so that an older reading never takes the place of a newer one
	defer a.reloading.Unlock()
	docs, version, err := a.Store.ReadDocuments(ctx)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	tenants, providers, err := decodeDocuments(docs)
	if err != nil {
		return err
	}
	directory, err := otp.NewDirectory(tenants, providers)
	if err != nil {
		return fmt.Errorf("the stored configuration has mistakes: %w", err)
	}
	err = a.openCarriers(providers)
	a.beginAlerts(tenants)
	a.Service.SetDirectory(directory)
	a.configured.Store(version)
	return err
}

// carrier is an open provider with the configuration that it was made of.
type carrier struct {
	made     [sha256.Size]byte
	provider delivery.Provider
}

// made is the digest of a provider's configuration with its secrets in clear,
// so that sealing them anew is no change.
func (a *App) made(p otp.Provider) (digest [sha256.Size]byte, err error) {
	if p.Settings, err = config.OpenSettings(a.Service.Ring(), p, ProviderSecrets(p.Type)); err != nil {
		return digest, err
	}
	body, err := json.Marshal(p)
	return sha256.Sum256(body), err
}

// openCarriers puts providers in force. Those whose configuration is as before
// stay as they are, so that a change elsewhere cuts no connection.
func (a *App) openCarriers(providers []otp.Provider) error {
	next, inForce := map[string]carrier{}, map[string]delivery.Provider{}
	if a.o.Dev {
		inForce[devInbox] = a.devPort
	}
	var errs []error
	for _, p := range providers {
		made, err := a.made(p)
		c := a.carriers[p.Name]
		if c.made != made && err == nil {
			c.made = made
			c.provider, err = a.openProvider(p)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("provider %s: %w", p.Name, err))
			continue
		}
		next[p.Name], inForce[p.Name] = c, c.provider
	}
	a.carriers = next
	a.Courier.SetProviders(inForce)
	return errors.Join(errs...)
}

func decodeDocuments(docs []store.Document) (tenants []otp.Tenant, providers []otp.Provider, err error) {
	for _, d := range docs {
		switch d.Kind {
		case kindTenant:
			var t otp.Tenant
			if err := json.Unmarshal(d.Body, &t); err != nil {
				return nil, nil, fmt.Errorf("stored tenant %s: %w", d.Name, err)
			}
			tenants = append(tenants, t)
		case kindProvider:
			var p otp.Provider
			if err := json.Unmarshal(d.Body, &p); err != nil {
				return nil, nil, fmt.Errorf("stored provider %s: %w", d.Name, err)
			}
			providers = append(providers, p)
		}
	}
	return tenants, providers, nil
}

var errOtherRing = errors.New("this database was made with another key ring; give the server the key file that it was first started with")

// checkRing refuses a ring whose index key is not the one that the database
// was used with: every look-up would miss.
func (a *App) checkRing(ctx context.Context, ring *otp.Ring) error {
	docs, version, err := a.Store.ReadDocuments(ctx)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	mine := ring.Fingerprint()
	for _, d := range docs {
		if d.Kind != kindRing {
			continue
		}
		var known string
		if err := json.Unmarshal(d.Body, &known); err != nil || known != mine {
			return errOtherRing
		}
		return nil
	}
	body, err := json.Marshal(mine)
	if err != nil {
		return err
	}
	_, err = a.Store.WriteDocuments(ctx, version, []store.Document{{Kind: kindRing, Name: "fingerprint", Body: body}})
	if errors.Is(err, store.ErrStale) {
		return a.checkRing(ctx, ring) // another server was quicker; compare with it
	}
	return err
}

package app

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"

	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/otp"
)

// KeyState is a key of the ring and what needs it.
type KeyState struct {
	otp.KeyInfo

	State string   `json:"state"` // coming, in use, old
	Needs []string `json:"needs"` // what still needs an old one
}

// KeyStates tells of each key whether it is in use, and of old ones what still
// needs them. Errors: Unavailable, Internal.
func (a *App) KeyStates(ctx context.Context) (all []KeyState, err error) {
	ring, now := a.Service.Ring(), a.Clock.Now()
	for _, k := range ring.Keys() {
		s := KeyState{KeyInfo: k, State: "old", Needs: []string{}}
		switch {
		case ring.InUse(now, k.Use, k.ID):
			s.State = "in use"
		case k.From.After(now):
			s.State = "coming"
		default:
			if s.Needs, err = a.keyNeeds(ctx, k.Use, k.ID); err != nil {
				return nil, err
			}
		}
		all = append(all, s)
	}
	return all, nil
}

// keyNeeds tells what still needs a key.
func (a *App) keyNeeds(ctx context.Context, use otp.Use, id string) ([]string, error) {
	needs, err := a.Service.KeyNeeds(ctx, use, id)
	if err != nil {
		return nil, err
	}
	now, _, err := a.current(ctx)
	if err != nil {
		return nil, err
	}
	if use == otp.UseSeal || use == "" {
		needs = append(needs, config.SealedUnder(id, now, ProviderSecrets)...)
	}
	return nonNil(needs), nil
}

// RetireKey takes an old key out of the ring's file once nothing needs it.
// Use may be "" when no other key has the id.
// Errors: NotFound, Unavailable; any other says why the key has to stay.
func (a *App) RetireKey(ctx context.Context, use otp.Use, id string) (*otp.Ring, error) {
	a.rotating.Lock()
	defer a.rotating.Unlock()
	data, err := os.ReadFile(a.o.KeysFile)
	if err != nil {
		return nil, err
	}
	ring, err := otp.ParseRing(data) // the file may have keys that this server has not read yet
	if err != nil {
		return nil, err
	}
	if err := a.checkRing(ctx, ring); err != nil {
		return nil, err
	}
	a.Service.SetRing(ring)
	next, err := ring.Retire(a.Clock.Now(), use, id)
	if err != nil {
		return nil, err
	}
	if _, err := a.ResealNow(ctx); err != nil { // the loop may not have come to it yet
		return nil, err
	}
	needs, err := a.keyNeeds(ctx, use, id)
	if err != nil {
		return nil, err
	}
	if len(needs) > 0 {
		return nil, errors.New("still needed by: " + strings.Join(needs, "; "))
	}
	if data, err = next.MarshalJSON(); err != nil {
		return nil, err
	}
	if err := replaceFile(a.o.KeysFile, append(data, '\n')); err != nil {
		return nil, err
	}
	a.Service.SetRing(next)
	a.log.Info("a key was taken out of the ring", "key", id)
	return next, nil
}

// adminKeyStatus answers GET /admin/keys/status.
func (a *App) adminKeyStatus(w http.ResponseWriter, r *http.Request) {
	all, err := a.KeyStates(r.Context())
	if err != nil {
		a.adminRefuse(w, err)
		return
	}
	adminAnswer(w, map[string]any{"keys": all})
}

// adminRetire answers POST /admin/keys/retire.
func (a *App) adminRetire(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Key string  `json:"key"`
		Use otp.Use `json:"use"`
	}
	if !adminBodyInto(w, r, &asked, `give {"key":"1c8b9f65"}`, &asked.Key) {
		return
	}
	tell(r.Context(), "", "key %q", asked.Key)
	ring, err := a.RetireKey(r.Context(), asked.Use, asked.Key)
	if err != nil {
		a.adminRefuse(w, err)
		return
	}
	adminAnswer(w, map[string]any{"keys": ring.Keys()})
}

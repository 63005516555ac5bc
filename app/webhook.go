package app

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	"github.com/aldaba-otp/aldaba/internal/egress"
)

// webhookKey is how many bytes the key of a fresh webhook secret has.
const webhookKey = 32

// NewWebhookSecret draws a secret in the form of Standard Webhooks 1.0.0.
func NewWebhookSecret() (string, error) {
	key := make([]byte, webhookKey)
	if _, err := rand.Read(key); err != nil {
		return "", fmt.Errorf("draw a secret: %w", err)
	}
	return "whsec_" + base64.StdEncoding.EncodeToString(key), nil
}

// checkWebhookURL judges the address of a tenant's webhook by this server's
// networks. Its error names the rule alone: the operator has the address before
// him, and path and query are often secrets.
func (a *App) checkWebhookURL(raw string) error {
	err := egress.CheckURL(raw, a.o.WebhookAllow...)
	var refused *egress.Error
	if errors.As(err, &refused) {
		return errors.New(refused.What)
	}
	return err
}

// Enabled is the answer to switching a webhook on again.
type Enabled struct {
	WasOff bool `json:"was_off"`
}

// adminEnableWebhook lets a webhook hear again that was switched off.
func (a *App) adminEnableWebhook(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Tenant string `json:"tenant"`
		URL    string `json:"url"`
	}
	if !adminBodyInto(w, r, &asked, `give {"tenant":"NAME","url":"https://..."}`, &asked.Tenant, &asked.URL) {
		return
	}
	tell(r.Context(), asked.Tenant, "")
	was, err := a.Service.SwitchOn(r.Context(), asked.Tenant, asked.URL)
	if err != nil {
		a.adminRefuse(w, err)
		return
	}
	adminAnswer(w, Enabled{was})
}

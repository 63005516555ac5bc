package app

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/aldaba-otp/aldaba/internal/httpx"
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
// networks.
func (a *App) checkWebhookURL(raw string) error { return webhookURLFault(raw, a.o.WebhookAllow) }

// webhookURLFault judges the form of a webhook's URL when it is configured; the
// name in it is resolved when it is called. It may be plain http only where the
// operator's own networks are open to webhooks.
func webhookURLFault(raw string, allow []netip.Prefix) error {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.Opaque != "" {
		return errors.New("must be a URL such as https://app.example.com/hooks")
	}
	address, err := netip.ParseAddr(u.Hostname())
	mine := err == nil && slices.ContainsFunc(allow, func(p netip.Prefix) bool { return p.Contains(address) })
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || len(allow) == 0):
		return errors.New("must begin with https://; plain http is for networks that the server's webhooks.allow names")
	case u.User != nil || strings.Contains(raw, "#"):
		return errors.New("must have no user, password and fragment")
	case err == nil && !mine && (!address.IsGlobalUnicast() || address.IsPrivate()):
		return errors.New("must be a public address, or in a network that the server's webhooks.allow names")
	}
	return nil
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
	body, err := httpx.ReadBody(w, r, 4<<10)
	if err == nil {
		err = strictJSON(body, &asked)
	}
	if err != nil || asked.Tenant == "" || asked.URL == "" {
		httpx.WriteProblem(w, httpx.Problem{Status: http.StatusBadRequest, Detail: `give {"tenant":"NAME","url":"https://..."}`})
		return
	}
	was, err := a.Service.SwitchOn(r.Context(), asked.Tenant, asked.URL)
	if err != nil {
		a.adminRefuse(w, err)
		return
	}
	adminAnswer(w, Enabled{was})
}

// strictJSON refuses members that are not known.
func strictJSON(body []byte, into any) error {
	strict := json.NewDecoder(bytes.NewReader(body))
	strict.DisallowUnknownFields()
	return strict.Decode(into)
}

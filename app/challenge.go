package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/aldaba-otp/aldaba/internal/challenge"
	"github.com/aldaba-otp/aldaba/internal/egress"
	"github.com/aldaba-otp/aldaba/internal/hook"
	"github.com/aldaba-otp/aldaba/otp"
)

// challenges fills the core's port: it asks vendors and applications about
// tokens, in the public network and in the operator's own.
type challenges struct {
	client *egress.Client
	log    *slog.Logger
}

// maxAsked is how long one call takes at most; the core's patience is as long.
const maxAsked = 5 * time.Second

func newChallenges(allow []netip.Prefix, log *slog.Logger) *challenges {
	return &challenges{egress.New(egress.Options{Allow: allow, Timeout: maxAsked}), log}
}

// Passed implements [otp.Challenges].
func (c *challenges) Passed(ctx context.Context, p otp.PassedToken) (bool, error) {
	passed, err := c.ask(ctx, p)
	if err != nil {
		c.log.Warn("nobody could be asked whether a challenge was passed; it counts as not passed",
			"tenant", p.Tenant, "type", p.Challenge.Type, "why", whyNotAsked(err))
	}
	return passed && err == nil, err
}

var errNoSecret = errors.New("its secret cannot be opened with this key ring; apply the challenge anew")

func (c *challenges) ask(ctx context.Context, p otp.PassedToken) (bool, error) {
	if p.Challenge.Secret == "" {
		return false, errNoSecret
	}
	q := challenge.Question{
		URL: p.Challenge.URL, Secret: p.Challenge.Secret, SiteKey: p.Challenge.SiteKey, Token: p.Token, Client: p.Client, Tenant: p.Tenant,
	}
	switch p.Challenge.Type {
	case otp.Turnstile:
		return challenge.Turnstile(ctx, c.client, q)
	case otp.HCaptcha:
		return challenge.HCaptcha(ctx, c.client, q)
	case otp.ChallengeWebhook:
		return challenge.Application(ctx, c.post, q)
	}
	return false, fmt.Errorf("challenge: there is no type %s", p.Challenge.Type)
}

// post implements [challenge.Post] by Standard Webhooks.
func (c *challenges) post(ctx context.Context, url, secret, id string, payload []byte) (int, []byte, error) {
	answer, err := hook.Post(ctx, c.client, url, hook.Secrets{Current: secret}, id, time.Now(), payload)
	return answer.Status, answer.Body, err
}

// whyNotAsked is the reason for the log: no part of a URL, a secret or a token.
func whyNotAsked(err error) string {
	if why, ours := strings.CutPrefix(err.Error(), "challenge: "); ours {
		return why
	}
	if errors.Is(err, errNoSecret) {
		return err.Error()
	}
	return reason(err)
}

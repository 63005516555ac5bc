// Package smtp is a provider that hands messages to a mail relay by SMTP
// (RFC 5321): over TLS unless told otherwise, with a small pool of
// connections, DKIM signatures and a reading of the relay's refusals.
//
// It is not a mail server: it has no queue, looks up no MX record, and reads
// no delivery status notification. What a relay has taken is the relay's.
package smtp

import (
	"context"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
)

// Type returns the gallery's entry.
func Type() delivery.Type {
	return delivery.Type{Name: "smtp", Secrets: []string{"password", "dkim.key"}, Open: func(s delivery.Settings) (delivery.Provider, error) {
		return open(s)
	}}
}

// provider is one relay.
type provider struct {
	composer composer
	pool     *pool
	timeout  time.Duration // of one Send as a whole
}

// Send implements [delivery.Provider]. A kept connection that turns out to be
// broken is replaced by a new one, once, as long as the relay cannot have
// taken the message: until the final dot it must not (RFC 5321 section 3.8).
func (p *provider) Send(ctx context.Context, m delivery.Message) (delivery.Receipt, error) {
	l, err := p.composer.compose(m)
	if err != nil {
		return delivery.Receipt{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	if err := p.pool.acquire(ctx); err != nil {
		return delivery.Receipt{}, err
	}
	defer p.pool.release()
	if s := p.pool.kept(); s != nil {
		receipt, f := p.carry(ctx, s, l)
		if f == nil || f.final || !f.broken() || ctx.Err() != nil {
			return receipt, f.verdict(ctx)
		}
	}
	s, f := p.pool.relay.connect(ctx)
	if f != nil {
		return delivery.Receipt{}, f.verdict(ctx)
	}
	receipt, f := p.carry(ctx, s, l)
	return receipt, f.verdict(ctx)
}

// carry hands a letter over on a connection, and keeps or closes that.
func (p *provider) carry(ctx context.Context, s *session, l *letter) (delivery.Receipt, *failure) {
	reply, f := s.carry(ctx, l)
	if f != nil && f.broken() {
		s.kill()
		return delivery.Receipt{}, f
	}
	p.pool.keep(s)
	if f != nil {
		return delivery.Receipt{}, f
	}
	id := queueID(reply)
	if id == "" {
		id = l.id
	}
	return delivery.Receipt{IDs: []string{id}}, nil
}

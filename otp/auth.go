package otp

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Scopes of native API keys.
const (
	ScopeSend  = "send"  // start, resend, cancel, keep contacts
	ScopeCheck = "check" // judge codes
	ScopeRead  = "read"  // look up
)

// Caller is an authenticated application.
type Caller struct {
	Tenant   string
	Identity string // of its credential, for the journal
	Scopes   []string
	NoCredit bool
}

// May reports whether the caller has a scope; one without any has all.
func (c Caller) May(scope string) bool {
	return len(c.Scopes) == 0 || slices.Contains(c.Scopes, scope)
}

var errCredentials = &Error{Kind: Unauthenticated, Message: "wrong or missing credentials"}

// Authenticate finds the caller behind a credential: an identity with its
// password or key, or a native API key alone.
//
// Errors: Unauthenticated, Throttled (too many different wrong passwords for
// one login), Unavailable (ctx ended while waiting for a password's turn).
func (s *Service) Authenticate(ctx context.Context, kind CredentialType, identity, secret string) (Caller, error) {
	if secret == "" || identity == "" && kind != APIKey {
		return Caller{}, errCredentials
	}
	name, hash := identity, ""
	if !kind.HasPassword() {
		hash = s.Ring().HashKey(kind, identity, secret)
	}
	if kind == APIKey {
		name = hash
	}
	for _, ref := range s.Directory().credentials[credentialKey{kind, name}] {
		ok, err := s.proves(ctx, ref.credential, secret, hash)
		if err != nil {
			return Caller{}, err
		}
		if ok {
			return callerOf(ref), nil
		}
	}
	return Caller{}, errCredentials
}

func (s *Service) proves(ctx context.Context, c *Credential, secret, hash string) (bool, error) {
	if c.Type.HasPassword() {
		return s.guard.verify(ctx, string(c.Type)+" "+c.Identity, c.Hash, secret)
	}
	return subtle.ConstantTimeCompare([]byte(c.Hash), []byte(hash)) == 1, nil
}

func callerOf(ref credentialRef) Caller {
	identity := ref.credential.Identity
	if ref.credential.Type == APIKey {
		identity = "key " + ref.credential.Hash[:min(8, len(ref.credential.Hash))]
	}
	return Caller{Tenant: ref.tenant.Name, Identity: identity, Scopes: ref.credential.Scopes, NoCredit: ref.credential.NoCredit}
}

// Vouch returns the caller of a token that was issued to an identity before,
// as long as its credential stands.
func (s *Service) Vouch(kind CredentialType, identity string) (Caller, error) {
	refs := s.Directory().credentials[credentialKey{kind, identity}]
	if len(refs) == 0 {
		return Caller{}, errCredentials
	}
	return callerOf(refs[0]), nil
}

// HashKey returns the form of an API key that is kept: an HMAC under the
// ring's index key, so that it can be looked up and never computed without
// the ring.
func (r *Ring) HashKey(kind CredentialType, identity, key string) string {
	sum := r.mac("credential", string(kind), identity, key)
	return hex.EncodeToString(sum[:])
}

// The bounds of password checks: each costs some 20 ms and 19 MiB.
const (
	evaluatedAtOnce = 2
	wrongRemembered = time.Minute
	wrongAllowed    = 20
	verifiedKept    = 10_000
)

// passwordGuard bounds and remembers the evaluation of passwords.
type passwordGuard struct {
	passwords Passwords
	now       func() time.Time
	turns     chan struct{}

	mu       sync.Mutex
	verified map[[32]byte]struct{}
	logins   map[string]*loginGuard
}

// loginGuard is what is remembered of one login.
type loginGuard struct {
	wrong   map[[32]byte]time.Time // password digests and when they were wrong
	running map[[32]byte]*evaluation
}

// evaluation is one check that several callers wait for.
type evaluation struct {
	done chan struct{}
	ok   bool
	err  error
}

func newPasswordGuard(p Passwords, now func() time.Time) *passwordGuard {
	return &passwordGuard{
		passwords: p, now: now, turns: make(chan struct{}, evaluatedAtOnce),
		verified: make(map[[32]byte]struct{}), logins: make(map[string]*loginGuard),
	}
}

// verify tells whether the password fits the hash of a login.
func (g *passwordGuard) verify(ctx context.Context, login, hash, password string) (bool, error) {
	digest := sha256.Sum256([]byte(hash + "\x00" + password)) // the hash brings its salt
	e, mine, err := g.enter(login, digest)
	if e == nil {
		return err == nil && !mine, err
	}
	if mine {
		go g.evaluate(e, login, hash, password, digest)
	}
	select {
	case <-e.done:
		return e.ok, e.err
	case <-ctx.Done():
		return false, &Error{Kind: Unavailable, Message: "too many passwords are being checked", RetryAfter: time.Second, Cause: ctx.Err()}
	}
}

// enter answers what is known (no evaluation; mine then says "wrong") or joins
// or opens an evaluation.
func (g *passwordGuard) enter(login string, digest [32]byte) (e *evaluation, mine bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.verified[digest]; ok {
		return nil, false, nil
	}
	l := g.login(login)
	if _, wrong := l.wrong[digest]; wrong {
		return nil, true, nil
	}
	if e := l.running[digest]; e != nil {
		return e, false, nil
	}
	if len(l.wrong)+len(l.running) >= wrongAllowed {
		return nil, false, &Error{Kind: Throttled, Message: "too many wrong passwords", Rule: "wrong_passwords_per_login", RetryAfter: wrongRemembered}
	}
	e = &evaluation{done: make(chan struct{})}
	l.running[digest] = e
	return e, true, nil
}

// login returns the memory of a login without what is too old.
func (g *passwordGuard) login(name string) *loginGuard {
	l := g.logins[name]
	if l == nil {
		l = &loginGuard{wrong: make(map[[32]byte]time.Time), running: make(map[[32]byte]*evaluation)}
		g.logins[name] = l
	}
	border := g.now().Add(-wrongRemembered)
	for digest, at := range l.wrong {
		if at.Before(border) {
			delete(l.wrong, digest)
		}
	}
	return l
}

// ask calls the port. What fails or panics there has proven nothing.
func (g *passwordGuard) ask(hash, password string) (ok bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			ok, err = false, &Error{Kind: Internal, Message: "a password could not be checked", Cause: fmt.Errorf("otp: the check panicked: %v", p)}
		}
	}()
	if ok, err = g.passwords.Verify(hash, password); err != nil {
		return false, &Error{Kind: Internal, Message: "a password could not be checked", Cause: err}
	}
	return ok, nil
}

// evaluate waits for its turn and tells everybody.
func (g *passwordGuard) evaluate(e *evaluation, login, hash, password string, digest [32]byte) {
	g.turns <- struct{}{}
	ok, err := g.ask(hash, password)
	<-g.turns
	g.mu.Lock()
	l := g.login(login)
	delete(l.running, digest)
	switch {
	case err != nil:
	case ok:
		if len(g.verified) >= verifiedKept {
			clear(g.verified)
		}
		g.verified[digest] = struct{}{}
	default:
		l.wrong[digest] = g.now()
	}
	g.mu.Unlock()
	e.ok, e.err = ok, err
	close(e.done)
}

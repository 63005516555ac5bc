package otp

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Scopes of credentials.
const (
	ScopeSend  = "send"  // start, resend, cancel
	ScopeCheck = "check" // judge codes
	ScopeRead  = "read"  // look up
	ScopeAdmin = "admin" // the tenant's own management calls: keep and delete contacts
)

// Scopes lists the scopes that the server knows.
func Scopes() []string { return []string{ScopeSend, ScopeCheck, ScopeRead, ScopeAdmin} }

// Caller is an authenticated application.
type Caller struct {
	Tenant   string
	Identity string // of its credential, for the journal
	Scopes   []string
	NoCredit bool
	// Credential tells the credential from others of the same identity; it is
	// what [Service.Vouch] asks for. It is no secret.
	Credential string
}

// May reports whether the caller has a scope; one without any has all.
func (c Caller) May(scope string) bool {
	return len(c.Scopes) == 0 || slices.Contains(c.Scopes, scope)
}

// NamesScopes reports whether any of the caller's scopes is one of this server's
// own: an OAuth 2.0 client may have scopes of other names alone.
func (c Caller) NamesScopes() bool {
	return slices.ContainsFunc(c.Scopes, func(s string) bool { return slices.Contains(Scopes(), s) })
}

var errCredentials = &Error{Kind: Unauthenticated, Message: "wrong or missing credentials"}

// Authenticate finds the caller behind a credential: an identity with its
// password or key, or a native API key alone. One that is unknown, wrong,
// expired, revoked or shown from a source that it is not good for is answered
// alike. The source is that of [WithSource].
//
// Errors: Unauthenticated, Throttled (too many different wrong credentials from
// one source, or wrong passwords for one login), Unavailable (ctx ended while
// waiting for a password's turn).
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
	refs := s.Directory().credentials[credentialKey{kind, name}]
	source, limited := sourceOf(ctx)
	now := s.o.Now()
	known := knownFrom(refs, source)
	if limited && !known {
		// Who has shown a right credential from here keeps its door: others
		// behind the same address cannot close it.
		if wait := s.sources.Blocked(source, now); wait > 0 {
			return Caller{}, &Error{Kind: Throttled, Message: "too many wrong credentials", Rule: "wrong_credentials_per_source", RetryAfter: wait}
		}
	}
	ref, looked, err := s.proven(ctx, refs, shown{secret, hash, source, known, now})
	if !looked && kind.HasPassword() {
		err = s.feign(ctx, kind, identity, secret)
	}
	if err != nil {
		return Caller{}, err
	}
	if ref == nil {
		if limited {
			s.sources.Failed(source, now, string(kind)+"\x00"+identity+"\x00"+secret)
		}
		return Caller{}, errCredentials
	}
	ref.use.note(source, now)
	return callerOf(*ref), nil
}

// shown is what a caller shows, and how.
type shown struct {
	secret, hash string
	source       netip.Addr
	known        bool // the source has shown a right one before
	now          time.Time
}

// proven returns the credential that fits, nil when none does, and whether any
// was looked at. Those that are not good now, or not from here, are not: they
// take as long as one that does not exist.
func (s *Service) proven(ctx context.Context, refs []credentialRef, c shown) (found *credentialRef, looked bool, fault error) {
	for i := range refs {
		if !refs[i].credential.admits(c.source, c.now) {
			continue
		}
		looked = true
		ok, err := s.proves(ctx, refs[i].credential, c)
		if err != nil {
			fault = err // another one of this identity may fit all the same
		}
		if ok {
			return &refs[i], true, nil
		}
	}
	return nil, looked, fault
}

func (s *Service) proves(ctx context.Context, c *Credential, by shown) (bool, error) {
	if !c.Type.HasPassword() {
		return subtle.ConstantTimeCompare([]byte(c.Hash), []byte(by.hash)) == 1, nil
	}
	// Strangers use up the tries of strangers, never those of a source that has
	// shown a right password.
	login := string(c.Type) + " " + c.Identity
	if by.known {
		login = "known " + login
	}
	return s.guard.verify(ctx, login, c.Hash, by.secret)
}

func callerOf(ref credentialRef) Caller {
	return Caller{
		Tenant: ref.tenant.Name, Identity: ref.identity, Scopes: ref.credential.Scopes, NoCredit: ref.credential.NoCredit, Credential: ref.mark,
	}
}

// Vouch returns the caller of a token that was issued to an identity before, as
// long as the credential that it was issued for stands and is good from here.
// An empty credential is that of a token which does not tell: any of the
// identity will do.
func (s *Service) Vouch(ctx context.Context, kind CredentialType, identity, credential string) (Caller, error) {
	source, _ := sourceOf(ctx)
	now := s.o.Now()
	refs := s.Directory().credentials[credentialKey{kind, identity}]
	for i := range refs {
		if (credential == "" || credential == refs[i].mark) && refs[i].credential.admits(source, now) {
			refs[i].use.note(source, now)
			return callerOf(refs[i]), nil
		}
	}
	return Caller{}, errCredentials
}

// HashKey returns the form of an API key that is kept: an HMAC under the
// ring's index key, so that it can be looked up and never computed without
// the ring.
func (r *Ring) HashKey(kind CredentialType, identity, key string) string {
	sum := r.mac("credential", string(kind), identity, key)
	var digits [2 * len(sum)]byte
	hex.Encode(digits[:], sum[:])
	return string(digits[:])
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
	most      int // logins that are remembered; 0 for all

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
		g.forget()
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

// forget makes room for one more login, where they are bounded: any that nobody
// waits for may go.
func (g *passwordGuard) forget() {
	for name, l := range g.logins {
		if g.most == 0 || len(g.logins) < g.most {
			return
		}
		if len(l.running) == 0 {
			delete(g.logins, name)
		}
	}
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

package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aldaba-otp/aldaba/api"
	"github.com/aldaba-otp/aldaba/app/config"
	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/delivery/inbox"
	"github.com/aldaba-otp/aldaba/internal/address"
	"github.com/aldaba-otp/aldaba/internal/clock"
	"github.com/aldaba-otp/aldaba/internal/httpx"
	"github.com/aldaba-otp/aldaba/internal/metrics"
	"github.com/aldaba-otp/aldaba/internal/tracing"
	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// Options are the settings of a server.
type Options struct {
	Listen   string // of the dialects; port 0 picks one
	Database string // sqlite:PATH or postgres://...
	// MustExist refuses a database that would have to be made: who works on
	// one that is there must not get an empty one for a name that is wrong.
	MustExist bool
	KeysFile  string // the key ring; it is read again when it changes
	TLSCert   string // PEM files; both or none
	TLSKey    string

	PublicURL   string        // where carriers and browsers reach Listen, without a slash at its end; "" when not known
	ReceiptLife time.Duration // of receipts of approvals; 0 is the core's default
	// WebhookAllow are networks in which webhooks of tenants may be, also
	// without TLS; see [config.Server].
	WebhookAllow []netip.Prefix

	// Mounts are more paths at which the dialects answer.
	Mounts []config.Mount
	// Proxies are the operator's own, before the dialects' listener.
	Proxies httpx.Proxies

	AdminListen string // "" for no admin listener
	AdminToken  string // of an owner; "" when AdminTokens has all
	AdminTokens []config.AdminToken
	// AdminTLSCert and AdminTLSKey are PEM files; plain HTTP without them.
	AdminTLSCert, AdminTLSKey string

	DrainDelay   time.Duration // between not ready and closing the listener
	DrainTimeout time.Duration // for requests under way

	Writers  int // group-commit writers on PostgreSQL
	MaxBatch int // steps a transaction; 0 is the default, 1 shows what group commit gains

	// Dev opens /dev/, gives tenants without routes the inbox and admits short
	// API keys.
	Dev bool
	// Traces tells where spans go; none are made unless its Sample is set.
	Traces config.Traces
	// Clock is the server's; a new one when nil.
	Clock *clock.Clock
	Log   *slog.Logger
}

// App is a whole server.
type App struct {
	Service *otp.Service
	Store   *store.Writer
	Courier *delivery.Courier
	Inbox   *inbox.Inbox
	Clock   *clock.Clock

	devPort  *inbox.Port // of tenants without routes, in `aldaba dev`
	o        Options
	self     otp.ID
	log      *slog.Logger
	keys     *ringFile
	dialects []api.Dialect
	metrics  *metrics.Set
	tracer   *tracing.Tracer   // nil without traces
	tongues  map[string]string // dialects by the patterns of their routes

	listener net.Listener
	public   *http.Server
	adminOn  net.Listener
	admin    *http.Server

	operators *operators

	// keepClock saves the clock's offset; nil when it is never turned.
	keepClock  func() error
	sweeper    *otp.Sweeper
	sweeping   sync.Mutex
	reloading  sync.Mutex
	carriers   map[string]carrier // in force, by name; under reloading
	rotating   sync.Mutex
	configured atomic.Int64 // version of the configuration in force, -1 before any
	ready      atomic.Bool
	ctx        context.Context
	cancel     context.CancelFunc
	loops      sync.WaitGroup
	failed     chan error
}

// New opens the database, checks that the key ring is the one it was used
// with, and loads the configuration. It listens to nothing yet.
func New(ctx context.Context, o Options) (*App, error) {
	a := &App{o: o, Clock: o.Clock, log: o.Log, failed: make(chan error, 4)}
	if a.Clock == nil {
		a.Clock = clock.New(0)
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	a.configured.Store(-1)
	var err error
	if a.keys, err = readRing(o.KeysFile); err != nil {
		return nil, err
	}
	db, err := openEngine(ctx, o)
	if err != nil {
		return nil, err
	}
	opts := db.options
	a.metrics = metrics.New(metrics.Options{Version: Version(), State: a.state})
	opts.MaxBatch, opts.Now, opts.Offset, opts.Log = o.MaxBatch, time.Now, a.Clock.Offset, a.log
	opts.Observe = func(c store.Committed) { a.metrics.Batch(c.Steps, c.Took.Seconds()) }
	a.Store = store.NewWriter(db.engine, opts)
	err = a.assemble(ctx)
	if err != nil {
		a.stopTraces(ctx)
		return nil, errors.Join(err, a.Store.Close())
	}
	return a, nil
}

// assemble makes the core and everything around it.
func (a *App) assemble(ctx context.Context) error {
	if err := a.checkRing(ctx, a.keys.ring); err != nil {
		return err
	}
	if _, err := rand.Read(a.self[:]); err != nil {
		return err
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.Inbox = inbox.New(a.Clock)
	a.devPort = a.Inbox.Port()
	if err := a.startTraces(ctx); err != nil {
		return err
	}
	a.Courier = delivery.New(delivery.Options{
		Clock: a.Clock, Log: a.log, Tell: a.newTeller(), Observe: a.observeTry, Around: a.traceTry(),
	})
	name := ""
	if a.o.Dev {
		name = devInbox
	}
	a.Service = otp.New(otp.Options{
		Store: a.tracedStore(), Ring: a.keys.ring, Observe: a.observe, Courier: a.Courier, Addresses: Addresses{address.NewPlans()}, Passwords: Passwords{}, Languages: &languages{},
		Challenges: newChallenges(a.o.WebhookAllow, a.log), Configuration: tenantLists{a},
		Now: a.Clock.Now, Server: a.self, Inbox: name,
		Issuer: a.o.PublicURL, ReceiptLife: a.o.ReceiptLife,
	})
	a.sweeper = a.Service.NewSweeper()
	var err error
	if a.dialects, err = mounted(dialects(api.NewHost(a.Service)), a.o.Mounts); err != nil {
		return err
	}
	a.tongues = tongues(a.dialects)
	return a.reload(ctx)
}

// devInbox is the provider of tenants without routes in `aldaba dev`.
const devInbox = "inbox"

// Start listens and works until Stop.
func (a *App) Start(ctx context.Context) error {
	if err := a.Store.Beat(ctx, a.self); err != nil {
		return fmt.Errorf("announce this server in the database: %w", err)
	}
	if err := a.lookAround(ctx); err != nil {
		return fmt.Errorf("look for other servers on the database: %w", err)
	}
	mux, err := httpx.NewMux(a.routes(), httpx.NotFound)
	if err != nil {
		return err
	}
	if a.listener, err = net.Listen("tcp", a.o.Listen); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	options := httpx.ServerOptions{Handler: a.around(mux, a.source()), Log: a.log}
	if options.TLS, err = certificate("tls", a.o.TLSCert, a.o.TLSKey); err != nil {
		return err
	}
	a.public = httpx.Server(options)
	if err := a.startAdmin(); err != nil {
		return err
	}
	a.Courier.Start(a.Service)
	for _, loop := range []func(){a.beat, a.watchFleet, a.watchConfiguration, a.watchRing, a.reseal, a.sweep, a.watchStore, a.keepUses, a.keepPulse} {
		a.loops.Go(loop)
	}
	a.loops.Go(func() { a.serve(a.public, a.listener, options.TLS != nil) })
	a.warnOfTests()
	a.ready.Store(true)
	return nil
}

// around puts the standard middlewares around a mux.
func (a *App) around(mux *httpx.Mux, source func(*http.Request) context.Context) http.Handler {
	standard := httpx.Standard(httpx.Options{Log: a.log, Refuse: mux.Refuse, Context: source})
	return httpx.Chain(mux, httpx.WithWatch(a.watch), standard)
}

// source tells the core where requests come from, so that who guesses
// credentials waits. In `aldaba dev` nobody does: a test suite is one source.
func (a *App) source() func(*http.Request) context.Context {
	if a.o.Dev {
		return nil
	}
	return api.Source(a.o.Proxies)
}

// serve runs one listener and reports when it fails.
func (a *App) serve(s *http.Server, l net.Listener, secure bool) {
	var err error
	if secure {
		err = s.ServeTLS(l, "", "")
	} else {
		err = s.Serve(l)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		a.fail(fmt.Errorf("serve: %w", err))
	}
}

func (a *App) fail(err error) {
	select {
	case a.failed <- err:
	default:
	}
}

// Addr returns the address of the dialects' listener, once it has started.
func (a *App) Addr() string { return a.listener.Addr().String() }

// AdminAddr returns the address of the admin listener, or "".
func (a *App) AdminAddr() string {
	if a.adminOn == nil {
		return ""
	}
	return a.adminOn.Addr().String()
}

// Dialects returns the mounted dialects, for the start-up text.
func (a *App) Dialects() []api.Dialect { return a.dialects }

// Failed tells of a failure that the server cannot outlive.
func (a *App) Failed() <-chan error { return a.failed }

// Stop drains: it says that it is not ready, waits for balancers to notice,
// lets requests and messages under way come to their end, and closes the
// database.
func (a *App) Stop(ctx context.Context) error {
	served := a.ready.Swap(false)
	if served && a.o.DrainDelay > 0 {
		select {
		case <-time.After(a.o.DrainDelay):
		case <-ctx.Done():
		}
	}
	errs := a.drain(ctx)
	if served {
		// Messages get their own time: slow requests must not use it up.
		limit, cancel := a.drainLimit(ctx)
		defer cancel()
		a.Courier.Stop(limit)
	}
	a.cancel()
	a.loops.Wait()
	if served {
		a.lastPulse(ctx)
	}
	if err := a.Store.Leave(context.WithoutCancel(ctx), a.self); err != nil {
		// The others notice all the same, when it is silent for a while.
		a.log.Warn("take leave of the other servers", "error", err)
	}
	errs = append(errs, a.Store.Close())
	a.stopTraces(ctx)
	return errors.Join(errs...)
}

// drainLimit bounds one part of draining.
func (a *App) drainLimit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, cmp.Or(a.o.DrainTimeout, 15*time.Second))
}

// drain closes the listeners and lets requests under way come to their end, or
// cuts them off when they take too long.
func (a *App) drain(ctx context.Context) (errs []error) {
	ctx, cancel := a.drainLimit(ctx)
	defer cancel()
	for _, s := range []*http.Server{a.public, a.admin} {
		if s == nil {
			continue
		}
		if err := s.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("requests were cut off: %w", err), s.Close())
		}
	}
	for _, l := range []net.Listener{a.listener, a.adminOn} { // opened by a start that failed
		if l != nil {
			_ = l.Close()
		}
	}
	return errs
}

package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/aldaba-otp/aldaba/delivery"
	"github.com/aldaba-otp/aldaba/internal/tracing"
	"github.com/aldaba-otp/aldaba/otp"
)

// startTraces begins to make spans, if they are to go anywhere.
func (a *App) startTraces(ctx context.Context) error {
	if a.o.Traces.Sample == 0 {
		return nil
	}
	var err error
	a.tracer, err = tracing.New(ctx, tracing.Options{
		Endpoint: a.o.Traces.Endpoint, Sample: a.o.Traces.Sample, Version: Version(), Instance: a.self.String(), Log: a.log, Now: time.Now,
	})
	if err != nil {
		return err
	}
	a.log = slog.New(tracing.LogHandler(a.log.Handler()))
	return nil
}

// tracesGrace is what the last spans get at the end.
const tracesGrace = 2 * time.Second

// stopTraces sends the last spans. They are not worth a failed end.
func (a *App) stopTraces(ctx context.Context) {
	if a.tracer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tracesGrace)
	defer cancel()
	if err := a.tracer.Stop(ctx); err != nil {
		a.log.Warn("the last traces were lost", "error", err)
	}
}

// tracedStore is the store, with a span around each step of a traced request.
func (a *App) tracedStore() otp.Store {
	if a.tracer == nil {
		return a.Store
	}
	return tracedStore{a.Store, a.tracer}
}

type tracedStore struct {
	otp.Store
	tracer *tracing.Tracer
}

// Do implements [otp.Store].
func (s tracedStore) Do(ctx context.Context, step otp.Step) error {
	if !tracing.Traced(ctx) {
		return s.Store.Do(ctx, step)
	}
	ctx, decided, end := s.tracer.Step(ctx)
	decide := step.Decide
	step.Decide = func(now time.Time, st *otp.State) error {
		decided()
		return decide(now, st)
	}
	err := s.Store.Do(ctx, step)
	end(err)
	return err
}

// traceTry returns the courier's hook, or nil without traces.
func (a *App) traceTry() func(context.Context, delivery.Try, *otp.Message) (context.Context, func(error)) {
	if a.tracer == nil {
		return nil
	}
	return func(ctx context.Context, t delivery.Try, m *otp.Message) (context.Context, func(error)) {
		ctx, end := a.tracer.Call(ctx, tracing.Call{
			Provider: t.Provider, Tenant: t.Tenant, Channel: t.Channel, Country: t.Country,
			Verification: m.Verification.String(), Attempt: m.Attempt + 1, Waited: t.Waited,
		})
		return ctx, func(err error) {
			result := "taken"
			if err != nil {
				result = delivery.ClassOf(err).String()
			}
			end(result)
		}
	}
}

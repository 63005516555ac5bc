package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"

	"github.com/aldaba-otp/aldaba/app"
	"github.com/aldaba-otp/aldaba/app/config"
)

// runProfiled is `aldaba serve` with a CPU profile of its whole life and a heap
// profile at the end.
func runProfiled(configuration, prefix string) (err error) {
	data, err := os.ReadFile(configuration)
	if err != nil {
		return err
	}
	settings, err := config.ParseServer(configuration, data, config.Environment{})
	if err != nil {
		return err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(settings.Log.Level)); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log, flush := app.NewLog(os.Stderr, level)
	defer func() { _ = flush() }() // nobody is left to tell
	a, err := app.New(ctx, app.FromConfig(settings, log))
	if err != nil {
		return err
	}
	cpu, err := os.Create(prefix + ".cpu")
	if err != nil {
		return err
	}
	if err := errors.Join(pprof.StartCPUProfile(cpu), a.Start(ctx)); err != nil {
		return err
	}
	<-ctx.Done()
	pprof.StopCPUProfile()
	heap, err := os.Create(prefix + ".heap")
	if err != nil {
		return err
	}
	return errors.Join(cpu.Close(), pprof.Lookup("allocs").WriteTo(heap, 0), heap.Close(), a.Stop(context.Background()))
}

// profiled does the work, with a profile of the generator beside those of the
// servers.
func (w *world) profiled(work func() error) error {
	if w.profile == "" {
		return work()
	}
	file, err := os.Create(w.profile + "/generator.cpu")
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	err = work()
	pprof.StopCPUProfile()
	return errors.Join(err, file.Close())
}

package appliance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// stage is a part of the box that runs.
type stage struct {
	name string
	run  func(ctx context.Context) error // blocks until ctx ends, then finishes what it holds
}

// running is a stage that has been started.
type running struct {
	stage
	cancel context.CancelFunc
	done   chan error // one result; so it needs one place
}

// run starts the stages from the last to the first and stops them from the first to the last, each only when the one
// before it has finished: so what the first still holds goes all the way down. It returns when all have finished,
// because ctx ended or because one of them ended by itself, which none may.
func run(ctx context.Context, log *slog.Logger, stages []stage) error {
	fell := make(chan string, len(stages)) // a place for each stage, so that none waits to tell that it ended
	started := make([]running, len(stages))
	for i := len(stages) - 1; i >= 0; i-- {
		started[i] = start(ctx, stages[i], fell)
	}
	var fault error
	select {
	case <-ctx.Done():
	case name := <-fell:
		fault = fmt.Errorf("%s ended by itself: %w", name, errFell)
		log.LogAttrs(ctx, slog.LevelError, "a part ended by itself", slog.String("part", name))
	}
	// What is logged and waited for from here on must not be cut short by the very end that caused it.
	ctx = context.WithoutCancel(ctx)
	errs := []error{fault}
	for _, r := range started {
		began := time.Now()
		r.cancel()
		if err := <-r.done; err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.name, err))
		}
		log.LogAttrs(ctx, slog.LevelInfo, "stopped", slog.String("part", r.name), slog.Duration("took", time.Since(began)))
	}
	return errors.Join(errs...)
}

// errFell reports that a part stopped though nobody asked it to.
var errFell = errors.New("appliance: a part that should run until the end did not")

// start runs a stage under a context of its own: it does not end with ctx, but when its turn to stop has come.
func start(ctx context.Context, s stage, fell chan<- string) running {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() {
		err := s.run(own)
		done <- err
		if own.Err() == nil {
			fell <- s.name
		}
	}()
	return running{stage: s, cancel: cancel, done: done}
}

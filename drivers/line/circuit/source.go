package circuit

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"linekeep/drivers/line"
)

// errRunsOnce reports a second Run.
var errRunsOnce = errors.New("line source: Run runs once")

// Tap is one circuit, or one channel of a card, as its driver hears it.
type Tap interface {
	// Begin says when the source's Run began, before any Run.
	Begin(start time.Time)
	// Run listens until ctx ends.
	Run(ctx context.Context)
}

// Source is any number of taps read together, each by a goroutine of Run's. It is a line.Source.
type Source[T Tap] struct {
	Taps  []T
	Heard []line.Line // in the order of the configuration
	ran   atomic.Bool
}

// Lines are the lines in the order of the configuration.
func (s *Source[T]) Lines() []line.Line { return s.Heard }

// Run listens until ctx ends.
func (s *Source[T]) Run(ctx context.Context) error {
	if !s.ran.CompareAndSwap(false, true) {
		return errRunsOnce
	}
	start := time.Now()
	for _, t := range s.Taps {
		t.Begin(start)
	}
	var taps sync.WaitGroup
	for _, t := range s.Taps {
		taps.Go(func() { t.Run(ctx) })
	}
	taps.Wait()
	return nil
}

// Port is something of a tap that is read by a descriptor.
type Port interface {
	// FD is its descriptor, negative while it is closed.
	FD() int
}

// Poll waits for the open ones of a tap's ports.
type Poll[P Port] struct {
	Events int16 // of poll(2): what is waited for
	Stale  bool  // ports were opened or closed
	polled []P   // of fds
	fds    []unix.PollFd
}

// Wait sleeps until something has come, or for a Tick, and gives the ports that have something and are still open.
func (w *Poll[P]) Wait(ports []P, poll func([]unix.PollFd, time.Duration) error) iter.Seq[P] {
	if w.Stale {
		w.Stale = false
		w.polled, w.fds = w.polled[:0], w.fds[:0]
		for _, p := range ports {
			if p.FD() >= 0 {
				w.polled = append(w.polled, p)
				w.fds = append(w.fds, unix.PollFd{Fd: int32(p.FD()), Events: w.Events})
			}
		}
	}
	for i := range w.fds {
		w.fds[i].Revents = 0
	}
	if err := poll(w.fds, Tick); err != nil {
		for i := range w.fds { // find out by reading
			w.fds[i].Revents = unix.POLLIN
		}
	}
	return func(yield func(P) bool) {
		for i := range w.fds {
			if w.fds[i].Revents != 0 && w.polled[i].FD() >= 0 && !yield(w.polled[i]) {
				return
			}
		}
	}
}

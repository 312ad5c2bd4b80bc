// Package linetest is the contract suite that every line driver passes, real or simulated.
//
// Stage: [line] -> call -> encode -> seal -> store -> search -> release.
//
//	In:    a Rig: a line.Source that has not run yet, and what can be done to it from outside
//	Out:   a test for each promise written on line.Source and line.Line
//	Owner: each test runs the source in one goroutine of its own and waits for it to end
//	Full:  the suite starves a reader on purpose, and wants to be told what it lost
package linetest

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"linekeep/drivers/line"
)

// Rig is one freshly opened source with the handles a test needs. Its lines must give sound (silence will
// do) as soon as Run begins.
type Rig struct {
	Source line.Source

	// Pass lets d of the source's time go by. Left nil it waits on the time package, which is right for real
	// hardware and inside RunVirtual; a source on a clock of its own gives its own.
	Pass func(d time.Duration)

	// RingFrames is how many unread frames a line keeps, if more than line.RingFrames.
	RingFrames int

	// Unplug takes the hardware away and Replug brings it back; both nil where that cannot happen.
	Unplug, Replug func()

	// Signals promises at least one event of the hardware on the first line in the first two seconds.
	Signals bool
}

// Run checks every promise against a driver that lives in real time. It takes about 15 s.
func Run(t *testing.T, open func(t *testing.T) Rig) {
	t.Helper()
	run(t, open, func(t *testing.T, body func(t *testing.T)) {
		t.Helper()
		leaks := goleak.IgnoreCurrent()
		t.Cleanup(func() { goleak.VerifyNone(t, leaks) }) // the last of the cleanups, after Run was ended
		body(t)
	})
}

// RunVirtual checks every promise in virtual time: each test is a bubble of testing/synctest, open is called
// inside it, and the source takes its time from package time. A goroutine left behind fails the bubble.
func RunVirtual(t *testing.T, open func(t *testing.T) Rig) {
	t.Helper()
	run(t, open, func(t *testing.T, body func(t *testing.T)) {
		t.Helper()
		synctest.Test(t, body)
	})
}

func run(t *testing.T, open func(t *testing.T) Rig, within func(*testing.T, func(*testing.T))) {
	t.Helper()
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			within(t, func(t *testing.T) {
				rig := open(t)
				if rig.Pass == nil {
					rig.Pass = pass
				}
				rig.RingFrames = max(rig.RingFrames, line.RingFrames)
				if p.needs != nil && !p.needs(rig) {
					t.Logf("not promised by this driver: nothing to check")
					return
				}
				p.check(t, rig)
			})
		})
	}
}

// pass waits on the time package, virtual or real.
func pass(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// begin runs the source until the returned stop is called, which returns what Run returned. The test fails
// if Run ends before, or takes longer than stopWithin to end.
func begin(t *testing.T, rig Rig) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1) // one: Run returns once, and must not wait for us
	go func() { ended <- rig.Source.Run(ctx) }()
	stopped := false
	stop = func() error {
		t.Helper()
		if stopped {
			return nil
		}
		stopped = true
		select {
		case err := <-ended:
			t.Errorf("Run returned %v before its context ended", err)
			cancel()
			return err
		default:
		}
		cancel()
		timer := time.NewTimer(stopWithin)
		defer timer.Stop()
		select {
		case err := <-ended:
			return err
		case <-timer.C:
			buf := make([]byte, 1<<16)
			t.Fatalf("Run still going %v after its context ended\n%s", stopWithin, buf[:runtime.Stack(buf, true)])
			return nil
		}
	}
	t.Cleanup(func() {
		if err := stop(); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	return stop
}

// stopWithin is how long Run may take to end: a kernel driver that hangs in a read gives up after 10 s, a
// healthy one in milliseconds. Anything longer than 5 s here is a hang.
const stopWithin = 5 * time.Second

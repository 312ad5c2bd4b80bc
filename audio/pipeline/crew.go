package pipeline

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"linekeep/audio/call"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// alone is how much work one worker does before another is woken: a burst of encoding may last half a tick, which
// keeps what is heard on its way to the vault within a second. Two that encode at once are the faster ones, but take
// 6 % more CPU for the same packets (two virtual processors here), and their wake-ups.
const alone = segment.Tick / 2

const (
	// readFrames is how many frames are read at once: what a poll finds, five times over.
	readFrames = 16
	// yieldAfter is how long a worker encodes without a look at the Go scheduler. Its monitor takes the processor away
	// from a goroutine that has spent 10 ms without one, mostly in C, and then watches closely: measured, 15 % more CPU
	// for the same packets. A look wakes another thread for nothing, so not after each frame either.
	yieldAfter = 5 * time.Millisecond
)

// scratch is what a worker needs while it has a lane.
type scratch struct {
	frames      [readFrames]line.Frame
	events      [line.EventQueue]line.Event
	transitions []call.Transition
	yielded     time.Time
}

func (sc *scratch) yield() {
	if now := time.Now(); now.Sub(sc.yielded) > yieldAfter {
		runtime.Gosched()
		sc.yielded = now
	}
}

// crew is the fixed set of workers. The goroutine that polls is one of them; the others sleep until they are needed.
type crew struct {
	work    time.Duration // how long one worker would have needed for the newest burst
	lanes   []*lane
	workers []*scratch
	// wake has room for every sleeper: waking never waits for one that is slow to get up.
	wake chan job
	next atomic.Int64
	busy sync.WaitGroup
}

// job is one poll of all lanes.
type job struct {
	now    time.Time
	encode bool
}

func newCrew(workers int, lanes []*lane) *crew {
	workers = max(1, min(workers, len(lanes)))
	c := &crew{lanes: lanes, wake: make(chan job, workers)}
	for range workers {
		c.workers = append(c.workers, new(scratch))
	}
	return c
}

// poll has every lane polled once, each by one worker, and returns when all are done. Only encoding is worth waking
// another for; how many depends on how much there was the last time.
func (c *crew) poll(now time.Time, encode bool) {
	j := job{now, encode}
	c.next.Store(0)
	woken := 0
	if encode {
		woken = c.helpers()
	}
	begin := time.Now()
	c.busy.Add(woken)
	for range woken {
		c.wake <- j
	}
	c.do(c.workers[0], j)
	c.busy.Wait()
	if encode {
		c.work = time.Since(begin) * time.Duration(1+woken)
	}
}

func (c *crew) helpers() int { return min(len(c.workers)-1, int(c.work/alone)) }

// sleep is the life of a worker that is not the polling goroutine. It ends when wake is closed.
func (c *crew) sleep(worker int) {
	for j := range c.wake {
		c.do(c.workers[worker], j)
		c.busy.Done()
	}
}

func (c *crew) do(sc *scratch, j job) {
	sc.yielded = time.Now()
	for {
		i := int(c.next.Add(1)) - 1
		if i >= len(c.lanes) {
			return
		}
		c.lanes[i].poll(sc, j.now, j.encode)
	}
}

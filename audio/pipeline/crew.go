package pipeline

import (
	"sync"
	"sync/atomic"
	"time"
)

// crew is the fixed set of workers. The goroutine that polls is one of them; the others sleep between two polls.
type crew struct {
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

// poll has every lane polled once, each by one worker, and returns when all are done.
func (c *crew) poll(now time.Time, encode bool) {
	j := job{now, encode}
	c.next.Store(0)
	sleepers := len(c.workers) - 1
	c.busy.Add(sleepers)
	for range sleepers {
		c.wake <- j
	}
	c.work(c.workers[0], j)
	c.busy.Wait()
}

// sleep is the life of a worker that is not the polling goroutine. It ends when wake is closed.
func (c *crew) sleep(worker int) {
	for j := range c.wake {
		c.work(c.workers[worker], j)
		c.busy.Done()
	}
}

func (c *crew) work(sc *scratch, j job) {
	for {
		i := int(c.next.Add(1)) - 1
		if i >= len(c.lanes) {
			return
		}
		c.lanes[i].poll(sc, j.now, j.encode)
	}
}

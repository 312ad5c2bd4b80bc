package pipeline

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"linekeep/audio/segment"
)

// committer hands the groups to the sink, one after the other.
type committer struct {
	sink  Sink
	clock func() time.Time
	lost  func(b *batch, cause segment.Cause) // counts the sound of a group as lost
	owed  owed
	owing atomic.Bool // something is owed: a group is due even if no line has anything to say

	stored     atomic.Uint64
	lastStored atomic.Pointer[time.Time]
	failed     trouble
}

// run commits until the queue is closed and empty.
func (c *committer) run(ctx context.Context, queue <-chan *batch, free chan<- *batch) {
	for b := range queue {
		c.commit(ctx, b)
		b.clear()
		free <- b
	}
	if c.owed.any() {
		// The last group was refused, and no other follows. Once more; if that fails too, the vault closes the
		// recordings at its next start, as after a power cut.
		c.commit(ctx, &batch{segment.Group{At: c.clock()}})
	}
}

func (c *committer) commit(ctx context.Context, b *batch) {
	c.owed.pay(b)
	if err := c.sink.Commit(ctx, &b.Group); err != nil {
		cause := causeOf(err)
		c.failed.note(err)
		c.lost(b, cause)
		c.owed.lose(b, cause, false)
	} else {
		now := c.clock()
		c.lastStored.Store(&now)
		c.stored.Add(1)
	}
	c.owing.Store(c.owed.any())
}

// causeOf is what the gap is called that an error of the sink leaves.
func causeOf(err error) segment.Cause {
	var says interface{ Cause() segment.Cause }
	if errors.As(err, &says) && says.Cause() != 0 {
		return says.Cause()
	}
	return segment.CauseStore
}

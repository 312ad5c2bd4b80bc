package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

var (
	errRunsOnce  = errors.New("pipeline: has run already")
	errQueueFull = errors.New("pipeline: the queue to the vault is full")
)

// Run records until ctx ends. Then it reads what the lines still hold, ends the calls that are up, and hands
// everything to the sink, however long that takes. When it returns, all that was heard is stored or counted as
// lost, and no goroutine of ours is left.
func (p *Pipeline) Run(ctx context.Context) error {
	if p.ran.Swap(true) {
		return errRunsOnce
	}
	var g errgroup.Group
	// What was heard before the stop is stored after it: so the sink is not told of the stop.
	sinking := context.WithoutCancel(ctx)
	g.Go(func() error {
		p.committer.run(sinking, p.queue, p.free)
		return nil
	})
	for i := 1; i < len(p.crew.workers); i++ {
		g.Go(func() error {
			p.crew.sleep(i)
			return nil
		})
	}
	p.record(ctx)
	p.finish(sinking)
	close(p.crew.wake)
	close(p.queue)
	return g.Wait()
}

// record polls and cuts until ctx ends.
func (p *Pipeline) record(ctx context.Context) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			tick := now.Sub(last) >= segment.Tick
			p.crew.poll(p.clock(), tick)
			if !tick {
				continue
			}
			last = now
			if p.cut(); !p.building.empty() || p.committer.owing.Load() {
				p.pass(ctx)
			}
			p.report(ctx, now)
		}
	}
}

// cut moves what all calls have into the group that is built.
func (p *Pipeline) cut() {
	b := p.building
	b.At = p.clock()
	for _, l := range p.lanes {
		l.cutFailed(b)
		for _, r := range []*recording{&l.recs[1-l.now], &l.recs[l.now]} {
			if r.waiting {
				r.cut(b)
			}
		}
	}
	p.owed.pay(b)
}

// pass puts the group that is built into the queue, or drops it: the lines do not wait for the vault.
func (p *Pipeline) pass(ctx context.Context) {
	select {
	case p.queue <- p.building:
		p.building = <-p.free // there is one: see batches
	default:
		p.dropped.note(errQueueFull)
		p.countLost(p.building, segment.CauseQueue)
		p.owed.lose(p.building, segment.CauseQueue, true)
		p.building.clear()
		for _, l := range p.lanes {
			l.restart()
		}
	}
}

// finish takes in what the lines still hold and hands over all there is. Nothing is dropped any more: it waits.
func (p *Pipeline) finish(ctx context.Context) {
	for settled := false; !settled; {
		p.crew.poll(p.clock(), true)
		for _, l := range p.lanes {
			if l.caughtUp {
				l.stop(p.crew.workers[0])
				l.publish(p.clock())
			}
		}
		p.cut()
		if !p.building.empty() {
			p.queue <- p.building
			p.building = <-p.free
		}
		settled = !slices.ContainsFunc(p.lanes, func(l *lane) bool { return !l.settled() })
	}
	p.reported = time.Time{}
	p.report(ctx, time.Now())
}

// countLost counts the sound of a group that is lost, for its lines. Both parties of a line lose it at once.
func (p *Pipeline) countLost(b *batch, cause segment.Cause) {
	for i := range b.Segments {
		s := &b.Segments[i]
		if s.Party != segment.Caller {
			l := p.lanes[(uint64(s.Call)-1)%uint64(len(p.lanes))]
			l.board.lose(cause, line.Samples(s.Packets())*line.FrameSamples)
		}
	}
}

// report logs what went wrong since the last time.
func (p *Pipeline) report(ctx context.Context, now time.Time) {
	if now.Sub(p.reported) < logEvery {
		return
	}
	p.reported = now
	if news := p.committer.failed.news(); news != nil {
		p.log.LogAttrs(ctx, slog.LevelError, "groups not stored", news...)
	}
	if news := p.dropped.news(); news != nil {
		p.log.LogAttrs(ctx, slog.LevelError, "groups dropped", news...)
	}
	if news := p.refused.news(); news != nil {
		p.log.LogAttrs(ctx, slog.LevelError, "encoder refused sound", news...)
	}
}

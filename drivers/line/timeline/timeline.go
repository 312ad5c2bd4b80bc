// Package timeline is what drivers of real hardware have in common: it cuts their sound into a line's frames, and finds the place of sound
// in time.
//
// Stage: [line] -> call -> encode -> seal -> store -> search -> release.
//
//	In:    samples, losses and events of one line, in order
//	Out:   the reading half of a line.Line, and how late sound is
//	Owner: no goroutine. One goroutine of a driver feeds a Timeline, another one reads it; nothing is ever locked
//	Full:  a Timeline keeps so many frames as it was made for, and line.EventQueue events; past that the newest is dropped and told
package timeline

import (
	"sync/atomic"
	"time"

	"linekeep/drivers/line"
)

// SampleTime is how long a sample of a line lasts: 125 µs.
const SampleTime = time.Second / line.RateHz

// causes is how many causes a driver tells apart.
const causes = line.CauseReader + 1

// Timeline is a line's sound, cut into frames, and its events, waiting to be read. Info, Read, ReadEvents and Close are the reader's; the
// rest is the feeder's.
type Timeline struct {
	info line.Info

	frames     []line.Frame
	head, tail atomic.Uint64
	events     [line.EventQueue]line.Event
	eventHead  atomic.Uint64
	eventTail  atomic.Uint64
	ended      atomic.Bool
	closed     atomic.Bool

	// The feeder's own.
	pos    line.Position // of the next sample that will be part of a frame
	newest line.Position // where the newest frame begins
	fill   int           // samples in part
	part   [line.MaxChannels][line.FrameSamples]int16
	lost   line.Samples         // before part, not told yet
	by     [causes]line.Samples // lost, by cause
	heard  time.Time            // of the frame before
}

var _ line.Line = (*Timeline)(nil)

// New makes the timeline of a line that keeps so many unread frames, line.RingFrames at least.
func New(info line.Info, frames int) *Timeline {
	return &Timeline{info: info, frames: make([]line.Frame, frames)}
}

// Info implements line.Line.
func (t *Timeline) Info() line.Info { return t.info }

// Read implements line.Line.
func (t *Timeline) Read(frames []line.Frame) (int, error) {
	if t.closed.Load() {
		return 0, line.ErrClosed
	}
	ended := t.ended.Load() // before head: what was written before the end must still be read
	tail := t.tail.Load()
	n := min(len(frames), int(t.head.Load()-tail))
	if n == 0 && ended && t.head.Load() == tail {
		return 0, line.ErrGone
	}
	for i := range n {
		frames[i] = t.frames[(tail+uint64(i))%uint64(len(t.frames))]
	}
	t.tail.Store(tail + uint64(n))
	return n, nil
}

// ReadEvents implements line.Line.
func (t *Timeline) ReadEvents(events []line.Event) (int, error) {
	if t.closed.Load() {
		return 0, line.ErrClosed
	}
	ended := t.ended.Load()
	tail := t.eventTail.Load()
	n := min(len(events), int(t.eventHead.Load()-tail))
	if n == 0 && ended && t.eventHead.Load() == tail {
		return 0, line.ErrGone
	}
	for i := range n {
		events[i] = t.events[(tail+uint64(i))%line.EventQueue]
	}
	t.eventTail.Store(tail + uint64(n))
	return n, nil
}

// Close implements line.Line.
func (t *Timeline) Close() error {
	t.closed.Store(true)
	return nil
}

// End says that nothing more will come.
func (t *Timeline) End() { t.ended.Store(true) }

// Out is the place up to which everything has been told, or is about to be: where the next sample lies.
func (t *Timeline) Out() line.Position { return t.pos + t.lost + line.Samples(t.fill) }

// Newest is where the newest frame begins: an event before it would come too late.
func (t *Timeline) Newest() line.Position { return t.newest }

// Tell queues an event, and says whether there was room for it.
func (t *Timeline) Tell(e line.Event) bool {
	head := t.eventHead.Load()
	if head-t.eventTail.Load() == line.EventQueue {
		return false
	}
	t.events[head%line.EventQueue] = e
	t.eventHead.Store(head + 1)
	return true
}

// Empty says that no samples wait for the rest of their frame.
func (t *Timeline) Empty() bool { return t.fill == 0 }

// Part is where the next samples of a channel belong, up to the end of the frame.
func (t *Timeline) Part(channel int) []int16 { return t.part[channel][t.fill:] }

// Add takes over n samples that the feeder has put into the Parts of all channels, and says whether the frame is whole: then Push it.
func (t *Timeline) Add(n int) (whole bool) {
	t.fill += n
	return t.fill == line.FrameSamples
}

// Lose says that n samples are missing here. Sound that does not fill a frame is lost with them: frames have one
// length, and less than 20 ms at the edge of a gap is better told as lost than filled up with silence.
func (t *Timeline) Lose(n line.Samples, cause line.Cause) {
	n += line.Samples(t.fill)
	t.fill = 0
	t.lost += n
	t.by[cause] += n
}

// Mark gives the reader a frame that only tells what was lost so far, if anything was.
func (t *Timeline) Mark(heard time.Time) {
	if t.lost > 0 && t.fill == 0 {
		t.Push(heard)
	}
}

// Push gives the reader the frame that is whole, or one without sound, after what was lost. A reader that is too far behind loses it too.
func (t *Timeline) Push(heard time.Time) {
	head := t.head.Load()
	if head-t.tail.Load() == uint64(len(t.frames)) {
		t.Lose(0, line.CauseReader)
		return
	}
	if heard.Before(t.heard) {
		heard = t.heard
	}
	f := &t.frames[head%uint64(len(t.frames))]
	f.Start, f.Heard, f.Lost, f.Cause, f.Len = t.pos+t.lost, heard, t.lost, t.cause(), t.fill
	if t.fill > 0 {
		f.Samples = t.part
	}
	t.newest, t.pos = f.Start, f.Start+line.Samples(t.fill)
	t.fill, t.lost, t.by, t.heard = 0, 0, [causes]line.Samples{}, heard
	t.head.Store(head + 1)
}

// cause is why most of what is lost was lost.
func (t *Timeline) cause() line.Cause {
	most := line.CauseNone
	for c, n := range t.by {
		if n > t.by[most] {
			most = line.Cause(c)
		}
	}
	return most
}

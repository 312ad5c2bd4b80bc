// Package circuit puts the sound and the signals of digital taps together to lines: the two directions of a circuit, each
// heard by a device of its own, on one timeline.
//
// Stage: [line] -> call -> encode -> seal -> store -> search -> release.
//
//	In:    pieces of G.711 sound of each direction with the time they came at; signals; what went wrong
//	Out:   a line.Line
//	Owner: no goroutine. One goroutine of a driver feeds a Line, another one reads it; nothing is ever locked
//	Full:  a line keeps RingFrames frames and line.EventQueue events for a late reader; past that the newest is dropped and
//	       told. Of each direction 8 s are kept that wait for the other
//
// A frame carries both directions, so what is missing in one is told as lost in both: half a conversation that looks
// whole would be worse than a gap that says so.
//
// The two devices have clocks of their own. Each direction's samples are counted, and the count is compared with the
// monotonic clock, as drivers/line/alsa does: that tells how much was lost at a known break, finds breaks that nobody
// told of, and brings two clocks that drift apart together again.
package circuit

import (
	"slices"
	"sync/atomic"
	"time"

	"linekeep/drivers/line"
)

// RingFrames is how many unread frames a Line keeps: 5.12 s. A digital card's driver keeps some 3 s for a stalled box, which come
// all at once when it goes on; the contract's 2.56 s could not take them.
const RingFrames = 2 * line.RingFrames

// Line is a line that a driver feeds. What the contract's reader calls may be called by another goroutine than the rest.
type Line struct {
	info   line.Info
	period int64 // of sound that the device gives at once, in ns

	frames     [RingFrames]line.Frame
	head, tail atomic.Uint64
	events     [line.EventQueue]line.Event
	eventHead  atomic.Uint64
	eventTail  atomic.Uint64
	ended      atomic.Bool
	closed     atomic.Bool
	counts     counters

	// The feeder's own.
	start   time.Time
	sides   []side
	begun   bool // the timeline has its origin
	barred  bool // by Bar
	down    bool
	away    bool // down, and its loss is being told: what comes is thrown away until all sides give sound
	looked  int64
	apart   int64         // when the two directions were last in step
	pos     line.Position // of the next sample that will be part of a frame
	newest  line.Position // where the newest frame begins: an event before it would come too late
	fill    int           // samples in part
	part    [line.MaxChannels][line.FrameSamples]int16
	lost    line.Samples    // before part, not told yet
	by      [4]line.Samples // lost, by cause
	heard   time.Time       // of the frame before
	told    line.Event      // the last event
	held    bool
	heldAt  line.Position
	pending []line.Event // told while held
}

var _ line.Line = (*Line)(nil)

// New makes a line of a device that gives period of sound at once. Its law must be A-law or µ-law.
func New(info line.Info, period time.Duration) *Line {
	l := &Line{info: info, period: int64(period), sides: make([]side, info.Channels), pending: make([]line.Event, 0, line.EventQueue)}
	for i := range l.sides {
		l.sides[i].init(time.Duration(l.period))
	}
	return l
}

// Counts are what a line has been through since Begin, for health.
type Counts struct {
	Up         bool
	Gaps       uint64 // places where sound was lost
	Slips      uint64 // of these, where the two directions' clocks had drifted apart
	EventsLost uint64 // events that nobody read in time
}

type counters struct {
	up                      atomic.Bool
	gaps, slips, eventsLost atomic.Uint64
}

// Counts may be called by any goroutine.
func (l *Line) Counts() Counts {
	return Counts{Up: l.counts.up.Load(), Gaps: l.counts.gaps.Load(), Slips: l.counts.slips.Load(), EventsLost: l.counts.eventsLost.Load()}
}

// Info implements line.Line.
func (l *Line) Info() line.Info { return l.info }

// Read implements line.Line.
func (l *Line) Read(frames []line.Frame) (int, error) {
	if l.closed.Load() {
		return 0, line.ErrClosed
	}
	ended := l.ended.Load() // before head: what was written before the end must still be read
	tail := l.tail.Load()
	n := min(len(frames), int(l.head.Load()-tail))
	if n == 0 && ended && l.head.Load() == tail {
		return 0, line.ErrGone
	}
	for i := range n {
		frames[i] = l.frames[(tail+uint64(i))%RingFrames]
	}
	l.tail.Store(tail + uint64(n))
	return n, nil
}

// ReadEvents implements line.Line.
func (l *Line) ReadEvents(events []line.Event) (int, error) {
	if l.closed.Load() {
		return 0, line.ErrClosed
	}
	ended := l.ended.Load()
	tail := l.eventTail.Load()
	n := min(len(events), int(l.eventHead.Load()-tail))
	if n == 0 && ended && l.eventHead.Load() == tail {
		return 0, line.ErrGone
	}
	for i := range n {
		events[i] = l.events[(tail+uint64(i))%line.EventQueue]
	}
	l.eventTail.Store(tail + uint64(n))
	return n, nil
}

// Close implements line.Line.
func (l *Line) Close() error {
	l.closed.Store(true)
	return nil
}

// Begin says when the source's Run began. It comes before everything else of the feeder.
func (l *Line) Begin(start time.Time) { l.start = start }

// End takes what is left and says that nothing more will come.
func (l *Line) End(now time.Time) {
	l.look(now, true)
	l.Unhold(now)
	if l.lost > 0 && l.fill == 0 {
		l.push(0, now)
	}
	l.ended.Store(true)
}

// Down says whether the line is told as down.
func (l *Line) Down() bool { return l.down }

// Place is where on the timeline now is: no earlier than what has been told.
func (l *Line) Place(now time.Time) line.Position {
	p := max(l.out(), l.told.At)
	if l.begun {
		p = max(p, line.Samples((int64(now.Sub(l.start))-l.sides[0].usual())/int64(sampleTime)))
	}
	return p
}

// Tell queues an event at the place of its Heard, which is now if it is zero, or behind what is held.
func (l *Line) Tell(now time.Time, e line.Event) {
	if !e.Heard.IsZero() && e.Heard.Before(now) {
		now = e.Heard
	}
	l.tellAt(l.Place(now), now, e)
}

func (l *Line) tellAt(at line.Position, now time.Time, e line.Event) {
	e.At, e.Heard = at, now
	if l.held {
		if len(l.pending) < cap(l.pending) {
			l.pending = append(l.pending, e)
		} else {
			l.counts.eventsLost.Add(1)
		}
		return
	}
	l.queue(e)
}

func (l *Line) queue(e line.Event) {
	head := l.eventHead.Load()
	if head-l.eventTail.Load() == line.EventQueue {
		l.counts.eventsLost.Add(1)
		return
	}
	e.At = max(e.At, l.told.At, l.newest)
	if e.Heard.Before(l.told.Heard) {
		e.Heard = l.told.Heard
	}
	l.told = e
	l.events[head%line.EventQueue] = e
	l.eventHead.Store(head + 1)
}

// Hold keeps back all sound that begins after now, and all events, until Unhold: what happened now can then still be told at
// its place. A receiver that is put down may be a short press of the hook, and only time tells them apart.
func (l *Line) Hold(now time.Time) {
	if !l.held {
		l.heldAt, l.held = l.Place(now), true
	}
}

// Unhold lets everything go on, after the events told first: these are placed where Hold was.
func (l *Line) Unhold(now time.Time, first ...line.Event) {
	if !l.held {
		return
	}
	l.held = false
	for _, e := range first {
		l.tellAt(l.heldAt, now, e)
	}
	for _, e := range l.pending {
		l.queue(e)
	}
	l.pending = l.pending[:0]
	l.join(now)
}

// out is the place up to which everything has been told, or is about to be.
func (l *Line) out() line.Position { return l.pos + l.lost + line.Samples(l.fill) }

// lose says that n samples are missing here. Sound that does not fill a frame is lost with them: frames have one
// length, and less than 20 ms at the edge of a gap is better told as lost than filled up with silence.
func (l *Line) lose(n line.Samples, cause line.Cause) {
	n += line.Samples(l.fill)
	l.fill = 0
	l.lost += n
	l.by[cause] += n
}

// cause is why most of what is lost was lost.
func (l *Line) cause() line.Cause {
	most := slices.Max(l.by[:])
	return line.Cause(slices.Index(l.by[:], most))
}

// push puts a frame of n samples into the ring, after what was lost. A full ring loses it too.
func (l *Line) push(n int, heard time.Time) {
	head := l.head.Load()
	if head-l.tail.Load() == RingFrames {
		l.fill = n
		l.lose(0, line.CauseReader)
		return
	}
	if heard.Before(l.heard) {
		heard = l.heard
	}
	f := &l.frames[head%RingFrames]
	f.Start, f.Heard, f.Lost, f.Cause, f.Len = l.pos+l.lost, heard, l.lost, line.CauseNone, n
	if l.lost > 0 {
		f.Cause = l.cause()
	}
	if n > 0 {
		f.Samples = l.part
	}
	l.newest, l.pos = f.Start, f.Start+line.Samples(n)
	l.fill, l.lost, l.by, l.heard = 0, 0, [4]line.Samples{}, heard
	l.head.Store(head + 1)
}

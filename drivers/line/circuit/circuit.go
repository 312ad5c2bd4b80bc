// Package circuit puts the sound and the signals of digital taps together to lines: the two directions of a circuit, each
// heard by a device of its own, on one timeline.
//
// Stage: [line] -> call -> encode -> seal -> store -> search -> release.
//
//	In:    pieces of G.711 sound of each direction with the time they came at; signals; what went wrong
//	Out:   a line.Line
//	Owner: Source.Run has a goroutine for each tap; a Line has none. One goroutine of a driver feeds a Line, another one reads it; nothing is ever locked
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
	"sync/atomic"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/timeline"
)

// RingFrames is how many unread frames a Line keeps: 5.12 s. A digital card's driver keeps some 3 s for a stalled box, which come
// all at once when it goes on; the contract's 2.56 s could not take them.
const RingFrames = 2 * line.RingFrames

// Line is a line that a driver feeds. What the contract's reader calls may be called by another goroutine than the rest.
type Line struct {
	*timeline.Timeline
	period int64 // of sound that the device gives at once, in ns
	counts counters

	// The feeder's own.
	start   time.Time
	sides   []side
	begun   bool // the timeline has its origin
	barred  bool // by Bar
	down    bool
	away    bool // down, and its loss is being told: what comes is thrown away until all sides give sound
	looked  int64
	apart   int64      // when the two directions were last in step
	told    line.Event // the last event
	held    bool
	heldAt  line.Position
	pending []line.Event // told while held
}

var _ line.Line = (*Line)(nil)

// New makes a line of a device that gives period of sound at once. Its law must be A-law or µ-law.
func New(info line.Info, period time.Duration) *Line {
	l := &Line{Timeline: timeline.New(info, RingFrames), period: int64(period), sides: make([]side, info.Channels), pending: make([]line.Event, 0, line.EventQueue)}
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

// Begin says when the source's Run began. It comes before everything else of the feeder.
func (l *Line) Begin(start time.Time) { l.start = start }

// End takes what is left and says that nothing more will come.
func (l *Line) End(now time.Time) {
	l.look(now, true)
	l.Unhold(now)
	l.Mark(now)
	l.Timeline.End()
}

// Down says whether the line is told as down.
func (l *Line) Down() bool { return l.down }

// Place is where on the timeline now is: no earlier than what has been told.
func (l *Line) Place(now time.Time) line.Position {
	p := max(l.Out(), l.told.At)
	if l.begun {
		p = max(p, line.Samples((int64(now.Sub(l.start))-l.sides[0].Usual())/int64(timeline.SampleTime)))
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
	e.At = max(e.At, l.told.At, l.Newest())
	if e.Heard.Before(l.told.Heard) {
		e.Heard = l.told.Heard
	}
	if !l.Timeline.Tell(e) {
		l.counts.eventsLost.Add(1)
		return
	}
	l.told = e
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

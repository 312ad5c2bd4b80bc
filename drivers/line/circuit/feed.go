package circuit

import (
	"math"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/timeline"
)

const (
	// Tick is how often a driver calls Look.
	Tick = line.FramePeriod
	// stallAfter is how long after a piece is due a side is called silent.
	stallAfter = 100 * time.Millisecond
	// firstAfter is how long a device may take from Run's beginning to its first sound, over a piece's length.
	firstAfter = 400 * time.Millisecond
	// awayLag is how far the loss told while a side is silent stays behind the clock, over a piece's length: a device that was only
	// late brings sound from then, and that must not have been told as lost.
	awayLag = 150 * time.Millisecond
	// markEvery is how much loss is told at once: with a look every 20 ms, at least every 100 ms.
	markEvery = 60 * time.Millisecond
	// slipBy is how far two directions may drift apart before they are brought together with a gap: less than what listeners
	// notice between two people who talk. Cards that take their clock from the network never do.
	slipBy = 60 * time.Millisecond
	// slipAfter is how long they must be apart: what came late, or in one go, is forgotten by then.
	slipAfter = 10 * time.Second
)

// Sound takes a piece of one direction: channel 0 is the office's side. cause says what is known to be missing before it.
func (l *Line) Sound(channel int, at time.Time, codes []byte, cause line.Cause) {
	l.sides[channel].take(int64(at.Sub(l.start)), codes, cause)
}

// Counted says that a direction's device counts its samples itself: what is missing is told with the sound, and sound that comes
// late is never taken for a loss.
func (l *Line) Counted(channel int) { l.sides[channel].told = true }

// Alive says that a direction's device is well, though it gives nothing.
func (l *Line) Alive(channel int, now time.Time) {
	s := &l.sides[channel]
	s.last = max(s.last, int64(now.Sub(l.start)))
}

// Cut says that a direction is interrupted: its device was closed. What comes next follows a break.
func (l *Line) Cut(channel int) {
	s := &l.sides[channel]
	s.broken, s.last = line.CauseGone, 0
}

// Bar says that what comes is not what is on the line, or that its signals cannot be heard, until the line is barred no
// more: an alarm, or a D channel that is not open.
func (l *Line) Bar(now time.Time, barred bool) {
	if barred == l.barred {
		return
	}
	if barred {
		l.look(now, true)
		l.goDown(now)
		l.leave()
	}
	l.barred = barred
}

// Look moves what has come to the reader, and tells what is missing. A driver calls it every Tick.
func (l *Line) Look(now time.Time) { l.look(now, false) }

func (l *Line) look(now time.Time, sure bool) {
	at := int64(now.Sub(l.start))
	if !l.begun {
		l.origin()
	}
	if l.away && !l.ready(at) {
		for i := range l.sides {
			l.sides[i].drop(line.CauseGone)
		}
	} else if l.begun {
		if l.away = false; l.ready(at) {
			l.together(at)
		}
		l.settle(sure)
		l.join(now)
	}
	if held := at-l.looked > 3*int64(Tick); !held && !sure { // held up ourselves, we know nothing of the device
		l.watch(now, at)
	}
	if l.down && !sure {
		l.mark(now, at)
	}
	l.looked = at
}

// origin begins the timeline at the first sample that all sides have. It waits for a second piece of each: the first may
// have come late, and the parties would stay that much apart.
func (l *Line) origin() {
	var begin int64
	for i := range l.sides {
		s := &l.sides[i]
		if n := s.pieces.n; n < 2 || s.pieces.at(n-1).at-s.pieces.at(0).at < int64(min(knownFor, time.Duration(l.period)/2)) {
			return
		}
		begin = max(begin, s.firstAt())
	}
	for i := range l.sides {
		s := &l.sides[i]
		s.pos = -line.Samples((begin - s.firstAt() + int64(timeline.SampleTime)/2) / int64(timeline.SampleTime))
		s.Restart(begin)
		s.pieces.at(0).cause = line.CauseNone
	}
	l.begun = true
	l.counts.up.Store(true)
}

// firstAt is when the first sample of the oldest piece was heard.
func (s *side) firstAt() int64 {
	n, first := 0, int64(math.MaxInt64)
	for i := range s.pieces.n {
		p := s.pieces.at(i)
		n += p.n
		first = min(first, p.at-int64(n)*int64(timeline.SampleTime))
	}
	return first
}

// settle finds the place of what has come.
func (l *Line) settle(sure bool) {
	for i := range l.sides {
		for s := &l.sides[i]; ; {
			known, lost := s.judge(sure)
			if !known {
				break
			}
			s.place(lost)
		}
	}
}

// together closes the gap between two clocks that have drifted apart.
func (l *Line) together(at int64) {
	if len(l.sides) < 2 {
		return
	}
	apart := l.sides[1].Usual() - l.sides[0].Usual()
	behind := &l.sides[1]
	if apart < 0 {
		apart, behind = -apart, &l.sides[0]
	}
	if apart <= int64(slipBy) {
		l.apart = at
	}
	if at-l.apart < int64(slipAfter) || behind.pieces.n == 0 {
		return
	}
	l.apart = at
	behind.slip(line.Samples(apart / int64(timeline.SampleTime)))
	l.counts.slips.Add(1)
}

// join makes frames of what all sides have.
func (l *Line) join(now time.Time) {
	clk := clock{now: now, at: int64(now.Sub(l.start)), usual: l.sides[0].Usual()}
	for {
		n, from, cause := l.common()
		if n == 0 {
			return
		}
		if missing := from - l.Out(); missing > 0 {
			l.gap(missing, cause)
		}
		if l.down {
			l.goUp(now)
		}
		if l.held && l.Empty() && l.Out() >= l.heldAt {
			return
		}
		n = min(n, len(l.Part(0)))
		for c := range l.sides {
			l.copy(c, n)
		}
		if l.Add(n) {
			l.Push(clk.heard(l.Out()))
		}
	}
}

// common is how many samples all sides have, from which place, and why something is missing before that. Sound that is there
// on one side only, next to what is missing on the other, is thrown away.
func (l *Line) common() (n int, from line.Position, cause line.Cause) {
	from = l.Out()
	for again := true; again; {
		again = false
		for i := range l.sides {
			s := &l.sides[i]
			s.skipTo(from)
			if s.runs.n == 0 {
				return 0, from, cause
			}
			if r := s.runs.at(0); r.pos > from {
				from, cause, again = r.pos, max(r.cause, line.CauseOverrun), true
			}
		}
	}
	n = line.FrameSamples
	for i := range l.sides {
		n = min(n, l.sides[i].runs.at(0).n)
	}
	return n, from, cause
}

func (l *Line) copy(channel, n int) {
	s, part := &l.sides[channel], l.Part(channel)
	for i := range n {
		part[i] = int16(*s.sound.at(i))
	}
	s.skip(n)
}

func (l *Line) gap(n line.Samples, cause line.Cause) {
	if l.down {
		cause = line.CauseGone
	}
	l.Lose(n, cause)
	l.counts.gaps.Add(1)
}

// ready says whether the line can be heard.
func (l *Line) ready(at int64) bool { return !l.barred && !l.silent(at) }

// silent says whether a side gives nothing any more.
func (l *Line) silent(at int64) bool {
	for i := range l.sides {
		s := &l.sides[i]
		if s.last == 0 && (l.begun || at > l.period+int64(firstAfter)) {
			return true
		}
		if s.last != 0 && at-s.last > l.period+int64(stallAfter) {
			return true
		}
	}
	return false
}

// watch tells a line as down that gives nothing.
func (l *Line) watch(now time.Time, at int64) {
	if l.down || !l.silent(at) {
		return
	}
	if l.begun {
		l.settle(true)
		l.join(now)
	}
	l.goDown(now)
}

func (l *Line) goDown(now time.Time) {
	if l.down {
		return
	}
	l.Unhold(now)
	if !l.begun { // it never gave anything: all since Run began is lost
		for i := range l.sides {
			l.sides[i].Restart(0)
		}
		l.begun = true
		l.leave()
	}
	l.down = true
	l.counts.up.Store(false)
	l.tellAt(max(l.Out(), l.told.At), now, line.Event{Kind: line.Down})
}

func (l *Line) goUp(now time.Time) {
	l.down = false
	l.counts.up.Store(true)
	l.tellAt(max(l.Out(), l.told.At), now, line.Event{Kind: line.Up})
}

// leave throws away what comes, until the line can be heard again.
func (l *Line) leave() {
	l.away = true
	for i := range l.sides {
		l.sides[i].drop(line.CauseGone)
	}
}

// mark tells the loss so far of a line that is down. Until then its device may only have been late.
func (l *Line) mark(now time.Time, at int64) {
	usual := l.sides[0].Usual()
	missing := line.Samples((at-l.period-int64(awayLag)-usual)/int64(timeline.SampleTime)) - l.Out()
	if missing < line.In(markEvery) || l.ready(at) {
		return
	}
	if !l.away {
		l.leave()
	}
	l.Lose(missing, line.CauseGone)
	l.Push(now)
}

// clock says when a place was heard, seen from one look.
type clock struct {
	now   time.Time
	at    int64 // now, in ns since Run began
	usual int64
}

func (c clock) heard(p line.Position) time.Time {
	return c.now.Add(time.Duration(min(0, int64(p)*int64(timeline.SampleTime)+c.usual-c.at)))
}

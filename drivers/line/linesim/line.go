package linesim

import (
	"sync"
	"time"

	"linekeep/drivers/line"
)

// markEvery is how long a stretch of loss a frame of Len 0 tells while the plug is out: the contract asks for 100 ms.
const markEvery = line.RateHz / 10

// eventRing is how many unread events a line keeps: the contract's least.
const eventRing = line.EventQueue

// simLine is one line. Its state moves only when somebody reads it, or pulls the plug.
type simLine struct {
	info  line.Info
	clock func() time.Time

	mu     sync.Mutex
	begin  time.Time // of Run; zero before
	end    time.Time // of Run; zero while it runs
	closed bool
	pulled bool          // by Unplug
	pos    line.Position // everything before it is in the ring, or was lost
	told   line.Position // no event lies before it
	round  int           // that pos lies in
	next   int           // event of it
	down   bool
	lost   line.Samples // since the newest frame in the ring
	cause  line.Cause
	frames fifo[mark]
	events fifo[line.Event]
	ahead  *player // at pos
	sound  *player // at the oldest unread frame
}

// mark is an unread frame without its sound, which is worked out when it is read.
type mark struct {
	start line.Position
	lost  line.Samples
	cause line.Cause
	len   line.Samples
}

func newLine(script *Script, sounds *Sounds, seed uint64, clock func() time.Time) *simLine {
	return &simLine{
		info: line.Info{Name: "simulated " + script.name, Channels: script.channels, Law: script.law,
			Signals: script.signals != noSignals},
		clock:  clock,
		frames: newFIFO[mark](line.RingFrames),
		events: newFIFO[line.Event](eventRing),
		ahead:  newPlayer(script, sounds, seed),
		sound:  newPlayer(script, sounds, seed),
	}
}

func (l *simLine) Info() line.Info { return l.info }

func (l *simLine) start(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begin = at
}

func (l *simLine) stop(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cutShort(at)
	l.end = at
}

func (l *simLine) plug(in bool, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cutShort(now)
	l.pulled = !in
	l.advance(now)
}

// Close ends reading.
func (l *simLine) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return nil
}

// Read gives what has come since the last Read.
func (l *simLine) Read(frames []line.Frame) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, line.ErrClosed
	}
	l.advance(l.clock())
	if !l.end.IsZero() && l.frames.n == 0 {
		if l.lost == 0 {
			return 0, line.ErrGone
		}
		l.push(0) // the last loss has no frame to go with
	}
	n := 0
	for ; n < len(frames) && l.frames.n > 0; n++ {
		l.fill(&frames[n], l.frames.pop())
	}
	return n, nil
}

func (l *simLine) fill(f *line.Frame, m mark) {
	*f = line.Frame{Start: m.start, Heard: l.at(m.start + m.len), Lost: m.lost, Cause: m.cause, Len: int(m.len)}
	for channel := range l.info.Channels {
		l.sound.channel(channel, m.start, f.Samples[channel][:m.len])
	}
}

// ReadEvents gives what was signalled since the last ReadEvents.
func (l *simLine) ReadEvents(events []line.Event) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, line.ErrClosed
	}
	l.advance(l.clock())
	if !l.end.IsZero() && l.events.n == 0 {
		return 0, line.ErrGone
	}
	n := 0
	for ; n < len(events) && l.events.n > 0; n++ {
		events[n] = l.events.pop()
	}
	return n, nil
}

// at is the moment of a place on the timeline.
func (l *simLine) at(pos line.Position) time.Time { return l.begin.Add(pos.Duration()) }

// piece is what comes next on the line: 20 ms of sound, or a loss.
type piece struct {
	to    line.Position
	cause line.Cause // CauseNone: sound
}

// advance moves the line on to now.
func (l *simLine) advance(now time.Time) {
	if l.begin.IsZero() || !l.end.IsZero() {
		return
	}
	due := line.In(now.Sub(l.begin))
	for {
		p := l.upcoming()
		l.plugged(p)
		l.signal(min(p.to, due+1))
		if p.to > due {
			return
		}
		l.commit(p)
	}
}

// cutShort moves the line on to now, to the sample where a loss is under way.
func (l *simLine) cutShort(now time.Time) {
	l.advance(now)
	if l.begin.IsZero() || !l.end.IsZero() {
		return
	}
	if p := l.upcoming(); p.cause != line.CauseNone {
		l.commit(piece{line.In(now.Sub(l.begin)), p.cause})
	}
}

// upcoming is the piece at pos.
func (l *simLine) upcoming() piece {
	if l.ahead.seek(l.pos); l.ahead.round != l.round {
		l.round, l.next = l.ahead.round, 0
	}
	if l.pulled {
		return piece{l.pos + markEvery, line.CauseGone}
	}
	for _, h := range l.ahead.plan.holes {
		if h.from <= l.pos && l.pos < h.to {
			to := h.to
			if h.cause == line.CauseGone {
				to = min(to, l.pos+markEvery)
			}
			return piece{to, h.cause}
		}
	}
	return piece{l.pos + line.FrameSamples, line.CauseNone}
}

// plugged tells Down and Up.
func (l *simLine) plugged(p piece) {
	if away := p.cause == line.CauseGone; away != l.down {
		l.down = away
		kind := line.Up
		if away {
			kind = line.Down
		}
		l.tell(line.Event{Kind: kind, At: max(l.pos, l.told)})
	}
}

// signal tells the events that lie before a place, or passes over them if there is nobody to hear them.
func (l *simLine) signal(before line.Position) {
	for ; l.next < len(l.ahead.plan.events) && l.ahead.plan.events[l.next].At < before; l.next++ {
		if !l.down {
			l.tell(l.ahead.plan.events[l.next])
		}
	}
}

// tell queues an event. When nobody has read for eventRing of them, the newest is dropped, as a driver would.
func (l *simLine) tell(e line.Event) {
	e.Heard = l.at(e.At)
	if l.events.push(e) {
		l.told = e.At
	}
}

// commit moves over a piece that has passed.
func (l *simLine) commit(p piece) {
	n := p.to - l.pos
	l.pos = p.to
	switch {
	case n <= 0:
	case p.cause == line.CauseNone && !l.frames.full():
		l.push(n)
	case p.cause == line.CauseNone:
		l.lose(n, line.CauseReader)
	default:
		l.lose(n, p.cause)
		if p.cause == line.CauseGone && !l.frames.full() {
			l.push(0)
		}
	}
}

func (l *simLine) lose(n line.Samples, cause line.Cause) {
	if l.lost == 0 {
		l.cause = cause
	}
	l.lost += n
}

func (l *simLine) push(n line.Samples) {
	l.frames.push(mark{start: l.pos - n, lost: l.lost, cause: l.cause, len: n})
	l.lost, l.cause = 0, line.CauseNone
}

// fifo is a ring of the size it was made with.
type fifo[T any] struct {
	ring    []T
	from, n int
}

func newFIFO[T any](size int) fifo[T] { return fifo[T]{ring: make([]T, size)} }

func (f *fifo[T]) full() bool { return f.n == len(f.ring) }

// push says whether there was room.
func (f *fifo[T]) push(v T) bool {
	if f.full() {
		return false
	}
	f.ring[(f.from+f.n)%len(f.ring)] = v
	f.n++
	return true
}

// pop takes the oldest, of which there must be one.
func (f *fifo[T]) pop() T {
	v := f.ring[f.from]
	f.from, f.n = (f.from+1)%len(f.ring), f.n-1
	return v
}

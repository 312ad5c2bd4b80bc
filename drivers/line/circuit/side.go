package circuit

import (
	"math"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/timeline"
)

const (
	// keep is how many samples of one direction are kept: 8 s, more than any card's driver keeps for us (3.2 s of DAHDI) and what
	// the other direction may be behind.
	keep = 1 << 16
	// keepPieces is how many pieces that may be: mISDN's smallest is 64 samples.
	keepPieces = 1 << 10
	// lateFor is how long it must stay behind. Sound that is only late catches up as soon as we get the
	// processor; half a second of it was seen in a machine that had a tenth of one.
	lateFor = 1200 * time.Millisecond
	// knownFor is the same where a break is known of: long enough for a second piece to have come, which may be less late.
	knownFor = 60 * time.Millisecond
)

// piece is sound as the device gave it.
type piece struct {
	at    int64 // when it came, in ns since Run began
	n     int
	cause line.Cause // why something is missing before it, if that is known
}

// run is sound whose place is known.
type run struct {
	pos   line.Position
	n     int
	cause line.Cause // of what is missing before it
}

// side is one direction of a line: pieces wait in it until their place is known, and runs until the other side has the same.
type side struct {
	timeline.Lateness
	sound  ring[byte] // of the runs, then of the pieces
	runs   ring[run]
	pieces ring[piece]
	broken line.Cause // of the next piece

	pos  line.Position // of the next sample, counting the lost ones
	told bool          // what is missing is always told: by Counted
	last int64         // when sound came last; 0 = not since it was cut
	wait int64         // how long sound must stay late to be called lost
}

func (s *side) init(period time.Duration) {
	s.sound, s.runs, s.pieces = newRing[byte](keep), newRing[run](keepPieces), newRing[piece](keepPieces)
	s.wait = int64(max(lateFor, 4*period))
}

// end is the time of the end of n samples more.
func (s *side) end(n int) int64 { return (int64(s.pos) + int64(n)) * int64(timeline.SampleTime) }

// take keeps a piece. A side that is full loses it.
func (s *side) take(at int64, codes []byte, cause line.Cause) {
	if cause == line.CauseNone {
		cause = s.broken
	}
	s.broken = line.CauseNone
	s.last = max(s.last, at)
	if s.sound.free() < len(codes) || s.pieces.free() == 0 || s.runs.free() == 0 {
		s.broken = max(cause, line.CauseOverrun)
		return
	}
	s.sound.push(codes...)
	s.pieces.push(piece{at: at, n: len(codes), cause: cause})
}

// drop throws everything away that waits.
func (s *side) drop(cause line.Cause) {
	s.sound.clear()
	s.runs.clear()
	s.pieces.clear()
	s.broken = cause
}

// judge looks at the oldest waiting piece: whether its place is known now, and how much is missing before it. sure says
// that no more will come.
func (s *side) judge(sure bool) (known bool, lost line.Samples) {
	if s.pieces.n == 0 {
		return false, 0
	}
	first, last := s.pieces.at(0), s.pieces.at(s.pieces.n-1)
	broken := first.cause != line.CauseNone
	if !broken && s.told || !broken && first.at-s.end(first.n)-s.Usual() <= int64(timeline.LateBy) {
		return true, 0
	}
	late, breaks := s.leastLate()
	waited := last.at - first.at
	switch {
	case broken && (sure || breaks || waited >= int64(knownFor)):
		return true, max(0, line.Samples(late/int64(timeline.SampleTime)))
	case broken:
		return false, 0
	case late <= int64(timeline.LateBy):
		return true, 0
	case sure, breaks: // it may have been only late; if not, the break that follows takes in what was lost here
		return true, 0
	case waited >= s.wait:
		return true, line.Samples(late / int64(timeline.SampleTime))
	}
	return false, 0
}

// leastLate is the least lateness of the waiting pieces up to the next known break, over what is usual.
func (s *side) leastLate() (late int64, breaks bool) {
	n, least := 0, int64(math.MaxInt64)
	for i := range s.pieces.n {
		p := s.pieces.at(i)
		if breaks = i > 0 && p.cause != line.CauseNone; breaks {
			break
		}
		n += p.n
		least = min(least, p.at-s.end(n))
	}
	return least - s.Usual(), breaks
}

// place makes a run of the oldest waiting piece.
func (s *side) place(lost line.Samples) {
	p := s.pieces.pop()
	cause := line.CauseNone
	if s.pos += lost; lost > 0 {
		cause = max(p.cause, line.CauseOverrun)
	}
	if r := s.lastRun(); r != nil && lost == 0 && r.pos+line.Samples(r.n) == s.pos {
		r.n += p.n
	} else {
		s.runs.push(run{pos: s.pos, n: p.n, cause: cause})
	}
	s.pos += line.Samples(p.n)
	s.Learn(p.at, p.at-s.end(0))
}

func (s *side) lastRun() *run {
	if s.runs.n == 0 {
		return nil
	}
	return s.runs.at(s.runs.n - 1)
}

// slip moves the side forward: its clock has fallen behind the other side's.
func (s *side) slip(n line.Samples) {
	s.pos += n
	s.Forward(n)
}

// skip throws away samples of placed sound.
func (s *side) skip(n int) {
	s.sound.skip(n)
	r := s.runs.at(0)
	r.pos, r.n, r.cause = r.pos+line.Samples(n), r.n-n, line.CauseNone
	if r.n == 0 {
		s.runs.pop()
	}
}

// skipTo throws away placed sound that lies before pos.
func (s *side) skipTo(pos line.Position) {
	for s.runs.n > 0 && s.runs.at(0).pos < pos {
		r := s.runs.at(0)
		s.skip(int(min(line.Samples(r.n), pos-r.pos)))
	}
}

// ring is a queue that never grows.
type ring[T any] struct {
	buf     []T
	from, n int
}

func newRing[T any](size int) ring[T] { return ring[T]{buf: make([]T, size)} }

func (r *ring[T]) free() int { return len(r.buf) - r.n }

func (r *ring[T]) at(i int) *T { return &r.buf[(r.from+i)%len(r.buf)] }

func (r *ring[T]) push(values ...T) {
	at := (r.from + r.n) % len(r.buf)
	n := copy(r.buf[at:], values)
	copy(r.buf, values[n:])
	r.n += len(values)
}

func (r *ring[T]) pop() T {
	v := r.buf[r.from]
	r.skip(1)
	return v
}

func (r *ring[T]) skip(n int) { r.from, r.n = (r.from+n)%len(r.buf), r.n-n }

func (r *ring[T]) clear() { r.from, r.n = 0, 0 }

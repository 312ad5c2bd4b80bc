package timeline

import (
	"slices"
	"time"

	"linekeep/drivers/line"
)

const (
	// LateBy is how far behind the clock sound must stay to be called lost. Less cannot be told from the lateness of a wake-up. A device
	// that loses 1 ms again and again looks like a slow clock and is not found out.
	LateBy = 10 * time.Millisecond
	// followFor is how far back the best arrival is remembered. A clock 1000 parts per million off, five times what
	// a crystal is allowed, moves 4 ms in that time: far less than LateBy.
	followFor = 4 * time.Second
	// followParts is in how many parts that time is kept.
	followParts = 8
)

// Lateness follows how late a device's sound comes that comes without delay. Late is the time of arrival less the time of all sound up to
// there. Sound can be late, never early, so the least lateness of the last seconds is the true one (plus what the device always takes),
// and follows its drifting clock. A loss raises it for good; a stalled thread only until it has caught up.
type Lateness struct {
	least [followParts]int64 // ns, in each part of the last followFor
	since int64              // when the newest part began
}

// Usual is the lateness of sound that came without delay, in ns.
func (l *Lateness) Usual() int64 { return slices.Min(l.least[:]) }

// Restart sets the usual lateness.
func (l *Lateness) Restart(usual int64) {
	for i := range l.least {
		l.least[i] = usual
	}
}

// Learn takes the lateness of sound that came at a time, both in ns.
func (l *Lateness) Learn(at, late int64) {
	if at-l.since > int64(followFor)/followParts {
		copy(l.least[1:], l.least[:])
		l.since, l.least[0] = at, late
	}
	l.least[0] = min(l.least[0], late)
}

// Forward takes in that the device's sound was moved forward by n samples.
func (l *Lateness) Forward(n line.Samples) {
	for i := range l.least {
		l.least[i] -= int64(n.Duration())
	}
}

package alsa

import (
	"math"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/timeline"
)

const (
	// lateFor is how long it must stay behind. Sound that is only late catches up as soon as the audio thread gets
	// the processor: the longest stall seen on a loaded two-core machine was 130 ms.
	lateFor = 400 * time.Millisecond
	// knownFor is the same where a break is known of, after an overrun or an opening: a few periods, for
	// one of them to have come without delay and tell how long the break was.
	knownFor = 60 * time.Millisecond
	// awayLag is how far the loss told while a device is away stays behind the clock: a device that comes back
	// brings sound from one period and some wake-ups ago, and that must not have been told as lost.
	awayLag = 75 * time.Millisecond
)

// gaps finds out how much sound is missing by comparing what came with the monotonic clock.
//
// For each chunk, late = time of arrival - time of all sound accounted for up to its end; see timeline.Lateness. So a chunk that is late is held back until one after it is in time (then nothing was lost
// before it) or the wait is over (then the least lateness since is the loss, and it lies before this
// chunk: the first one that never saw its time again). All times are ns since Run began.
type gaps struct {
	counted int64 // the time of all sound accounted for: heard, and told as lost
	frames  int64 // sound frames since the rate was last set, not yet in counted
	rateHz  int64
	known   bool // whether the lateness has been set
	timeline.Lateness
}

// setRate says how long the frames of the next chunks are.
func (g *gaps) setRate(rateHz int) {
	g.counted = g.heardUpTo()
	g.frames, g.rateHz = 0, int64(rateHz)
}

// heardUpTo is the time of all sound accounted for.
func (g *gaps) heardUpTo() int64 {
	if g.frames == 0 {
		return g.counted
	}
	return g.end(0)
}

// judge looks at the oldest waiting chunk: whether it can be passed on now, and what was lost before it.
// sure says that no more chunks will come. broken says that a break lies before the oldest chunk in any case.
func (g *gaps) judge(r *ring, broken, sure bool) (pass bool, lost line.Samples) {
	n := r.waiting()
	if n == 0 {
		return false, 0
	}
	first, last := r.peek(0), r.peek(n-1)
	broken = broken || first.overrun || first.dropped > 0
	if !g.known { // the very first sound: what it arrives at is the beginning
		g.restart(first.at - g.end(first.frames))
		return true, 0
	}
	if !broken && first.at-g.end(first.frames)-g.Usual() <= int64(timeline.LateBy) {
		return true, 0
	}
	late, breaks := g.leastLate(r, n)
	waited := time.Duration(last.at - first.at)
	switch {
	case broken && (sure || waited >= knownFor):
		return true, max(0, toSamples(late))
	case broken:
		return false, 0
	case late <= int64(timeline.LateBy):
		return true, 0
	case sure, breaks: // it may have been only late; if not, the break that follows takes in what was lost here
		return true, 0
	case waited >= lateFor:
		return true, toSamples(late)
	}
	return false, 0
}

// leastLate is the least lateness of the oldest n chunks, over what is usual. Only chunks up to the
// next known break count: sound after it says nothing of what was lost before it.
func (g *gaps) leastLate(r *ring, n int) (late int64, breaks bool) {
	var frames int
	least := int64(math.MaxInt64)
	for i := range n {
		c := r.peek(i)
		if breaks = i > 0 && (c.overrun || c.dropped > 0); breaks {
			break
		}
		frames += c.frames
		least = min(least, c.at-g.end(frames))
	}
	return least - g.Usual(), breaks
}

// end is the time of all sound accounted for if frames more are.
func (g *gaps) end(frames int) int64 {
	return g.counted + (g.frames+int64(frames))*int64(time.Second)/g.rateHz
}

// passed accounts for a chunk and learns from its lateness.
func (g *gaps) passed(c chunk) {
	g.frames += int64(c.frames)
	if g.frames >= g.rateHz { // whole seconds apart: a count of frames times 10⁹ overflows after two days
		g.counted += g.frames / g.rateHz * int64(time.Second)
		g.frames %= g.rateHz
	}
	g.Learn(c.at, c.at-g.heardUpTo())
}

// lost accounts for n lost samples.
func (g *gaps) lost(n line.Samples) { g.counted += int64(n) * int64(timeline.SampleTime) }

// restart sets the usual lateness.
func (g *gaps) restart(usual int64) {
	g.known = true
	g.Restart(usual)
}

// missing is how much sound is missing at now if nothing more comes, as far as can be told.
func (g *gaps) missing(now int64) line.Samples {
	return max(0, toSamples(now-int64(awayLag)-g.Usual()-g.heardUpTo()))
}

func toSamples(ns int64) line.Samples { return line.Samples(ns / int64(timeline.SampleTime)) }

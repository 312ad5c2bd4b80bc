package pipeline

import (
	"time"

	"linekeep/drivers/line"
)

// slot is one frame of a line that is not encoded yet, as linear sound. What was lost lies before start.
type slot struct {
	lost   line.Samples
	cause  line.Cause
	start  line.Position
	len    line.Samples // line.FrameSamples, or 0 for a slot that only tells a loss
	heard  time.Time
	paused bool
	peak   [line.MaxChannels]byte
	pcm    [line.MaxChannels][line.FrameSamples]int16
}

func (s *slot) end() line.Position { return s.start + s.len }

// history is the ring of what a line said last: pre-roll while nothing is recorded, lookback while something is.
type history struct {
	slots []slot
	first int
	n     int
}

func newHistory(frames int) history { return history{slots: make([]slot, frames)} }

func (h *history) free() int      { return len(h.slots) - h.n }
func (h *history) oldest() *slot  { return &h.slots[h.first] }
func (h *history) at(i int) *slot { return &h.slots[(h.first+i)%len(h.slots)] }

// push takes the next slot; its samples are those of long ago until they are overwritten.
func (h *history) push() *slot {
	h.n++
	return h.at(h.n - 1)
}

func (h *history) pop() {
	h.first = (h.first + 1) % len(h.slots)
	h.n--
}

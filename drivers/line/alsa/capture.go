package alsa

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"linekeep/drivers/line/alsa/decimate"
)

// opener prepares to open a device, as often as it takes.
type opener func(d Device) card

// card is a device that can be opened. One goroutine uses it.
type card interface {
	// open starts capturing. Its error is for people; whatever it is, the device is tried again.
	open(start time.Time, counts *counters) (*capture, error)
	// shut stops the capture. When it returns no more sound comes from it.
	shut()
	// free gives back what open keeps for the next time.
	free()
}

// format is how a device gives its sound.
type format struct {
	rateHz      int
	channels    int
	sampleBytes int // 2, 3 or 4, little endian, signed
}

func (f format) frameBytes() int { return f.channels * f.sampleBytes }

// periodFrames is 20 ms in the device's own frames: miniaudio takes the period at the rate of the device, and a
// period of 160 on a 48 kHz card gave 300 wake-ups a second.
func (f format) periodFrames() int { return f.rateHz / 50 }

// periods is how many of them the card's buffer holds: 640 ms. With 80 ms a stall of 300 ms lost sound, with this none.
const periods = 32

// maxChunkBytes is the most that miniaudio passes on at once: the buffer on its stack.
const maxChunkBytes = 4096

// capture is one opening of a device, shared by the audio thread, the minder and the pump.
type capture struct {
	format
	ring   *ring
	filter *decimate.Filter // to 8 kHz; nil where that is the rate
	start  time.Time
	opened int64 // ns since start
	counts *counters
	// starving says whether the audio thread would run if it were let: then sound is late and the device is well.
	starving func() bool

	last    atomic.Int64 // ns since start, when sound came last; 0 = not yet
	thread  atomic.Int32 // the audio thread
	overran atomic.Bool  // ALSA told of an overrun since the last sound
	errors  atomic.Int32 // errors that ALSA told of since the last sound
	closed  atomic.Bool  // no more sound will come
}

func newCapture(f format, start time.Time, counts *counters) *capture {
	c := &capture{format: f, ring: newRing(f.frameBytes(), f.rateHz), start: start, counts: counts, opened: int64(time.Since(start))}
	c.starving = c.threadRuns
	return c
}

// data is the callback. It runs on the audio thread and does nothing but copy and stamp.
//
// A frame count that cannot be is thrown away: when a stream is stopped while a read of it fails, miniaudio passes
// the negative error on as a count (ma_device_read__alsa returns it with MA_SUCCESS), four thousand million frames.
func (c *capture) data(sound []byte, frames uint32) {
	n := int(frames)
	if n <= 0 || n*c.frameBytes() > maxChunkBytes || len(sound) != n*c.frameBytes() {
		c.counts.refused.Add(1)
		return
	}
	at := int64(time.Since(c.start))
	if c.thread.Load() == 0 {
		c.thread.Store(int32(syscall.Gettid()))
	}
	c.ring.push(at, sound, n, c.overran.Swap(false))
	c.errors.Store(0)
	c.last.Store(at)
	c.counts.callbacks.Add(1)
}

// logged is told every line that miniaudio logs, on whatever thread. It only counts: the pump does the rest.
func (c *capture) logged(message string) {
	switch {
	case strings.Contains(message, "EPIPE"):
		c.overran.Store(true)
		c.counts.overruns.Add(1)
	case strings.Contains(message, "POLLERR"): // and not in an overrun: the stream is dead
		c.errors.Add(1)
	}
}

// threadRuns asks the kernel for the state of the audio thread. While it waits for the device it sleeps. A thread that
// spins on a dead device runs too, but logs errors.
func (c *capture) threadRuns() bool {
	thread := c.thread.Load()
	if thread == 0 {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/stat", thread))
	if err != nil {
		return false // it has ended
	}
	_, state, found := strings.Cut(string(stat), ") ")
	return found && strings.HasPrefix(state, "R")
}

// counters count what a device has been through. Any goroutine may add and read.
type counters struct {
	up                                                       atomic.Bool
	opens, callbacks, overruns, refused, logLines, gaps, cut atomic.Uint64
}

func (c *counters) stats(name string) Stats {
	return Stats{
		Device: name, Up: c.up.Load(), Opens: c.opens.Load(), Callbacks: c.callbacks.Load(), Overruns: c.overruns.Load(),
		Refused: c.refused.Load(), LogLines: c.logLines.Load(), Gaps: c.gaps.Load(),
	}
}

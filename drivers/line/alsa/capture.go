package alsa

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

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
	hurried bool         // the pump's own
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
		c.thread.Store(int32(unix.Gettid()))
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

// audioNice is the niceness of an audio thread: nine times the share of an ordinary one when processors are short. Not real
// time: the busy loops of a hub pulled out with four cards on it would leave nothing to the pump that ends them.
const audioNice = -10

// hurry gives the audio thread more right to the processor, once.
func (c *capture) hurry() {
	if thread := c.thread.Load(); thread > 0 && !c.hurried {
		c.hurried = true
		// Refused without CAP_SYS_NICE: then sound comes later when processors are short, and is no less safe otherwise.
		_ = unix.Setpriority(unix.PRIO_PROCESS, int(thread), audioNice)
	}
}

// threadRuns asks the kernel what holds the audio thread up. While it waits for the device it is in poll, or in an ioctl that reads.
// While it waits for us it runs or could run, or is in futex: a thread of C that calls into Go needs one of Go's
// processors, and malgo's lock. A thread that spins on a dead device runs too, but logs errors.
func (c *capture) threadRuns() bool {
	thread := c.thread.Load()
	if thread <= 0 {
		return false
	}
	return runs(func(file string) ([]byte, error) {
		return os.ReadFile(fmt.Sprintf("/proc/self/task/%d/%s", thread, file))
	})
}

// runs reads what the kernel says of a thread: the number of its system call; or, of a process that may not be dumped and
// is not root's, whose own files these then are not, the name of the kernel's function that it sleeps in, "0" if it does not.
func runs(read func(file string) ([]byte, error)) bool {
	call, err := read("syscall")
	if errors.Is(err, fs.ErrPermission) {
		at, err := read("wchan")
		return err == nil && (string(at) == "0" || strings.HasPrefix(string(at), "futex_"))
	}
	if err != nil {
		return false // it has ended
	}
	number, _, _ := strings.Cut(string(call), " ")
	return strings.HasPrefix(number, "running") || number == strconv.Itoa(unix.SYS_FUTEX)
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

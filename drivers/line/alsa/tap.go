package alsa

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"linekeep/drivers/line"
)

// tap is one line: sound channels of a device, cut into frames, waiting to be read. The pump writes, one
// reader reads; nothing here is ever locked.
type tap struct {
	info     line.Info
	channels []int

	frames     [line.RingFrames]line.Frame
	head, tail atomic.Uint64
	events     [line.EventQueue]line.Event
	eventHead  atomic.Uint64
	eventTail  atomic.Uint64
	ended      atomic.Bool
	closed     atomic.Bool

	// The pump's own.
	pos   line.Position // of the next sample that will be part of a frame
	fill  int           // samples in part
	part  [line.MaxChannels][line.FrameSamples]int16
	lost  line.Samples    // before part, not told yet
	by    [4]line.Samples // lost, by cause
	heard time.Time       // of the frame before
}

func newTap(device string, channels []int) *tap {
	var names []string
	for _, c := range channels {
		names = append(names, fmt.Sprint(c+1))
	}
	return &tap{channels: channels, info: line.Info{
		Name:     device + " channel " + strings.Join(names, "+"),
		Channels: len(channels),
		Law:      line.S16,
	}}
}

// Info implements line.Line.
func (t *tap) Info() line.Info { return t.info }

// Read implements line.Line.
func (t *tap) Read(frames []line.Frame) (int, error) {
	if t.closed.Load() {
		return 0, line.ErrClosed
	}
	ended := t.ended.Load() // before head: what was written before the end must still be read
	tail := t.tail.Load()
	n := min(len(frames), int(t.head.Load()-tail))
	if n == 0 && ended && t.head.Load() == tail {
		return 0, line.ErrGone
	}
	for i := range n {
		frames[i] = t.frames[(tail+uint64(i))%line.RingFrames]
	}
	t.tail.Store(tail + uint64(n))
	return n, nil
}

// ReadEvents implements line.Line.
func (t *tap) ReadEvents(events []line.Event) (int, error) {
	if t.closed.Load() {
		return 0, line.ErrClosed
	}
	ended := t.ended.Load()
	tail := t.eventTail.Load()
	n := min(len(events), int(t.eventHead.Load()-tail))
	if n == 0 && ended && t.eventHead.Load() == tail {
		return 0, line.ErrGone
	}
	for i := range n {
		events[i] = t.events[(tail+uint64(i))%line.EventQueue]
	}
	t.eventTail.Store(tail + uint64(n))
	return n, nil
}

// Close implements line.Line.
func (t *tap) Close() error {
	t.closed.Store(true)
	return nil
}

// end says that nothing more will come.
func (t *tap) end() { t.ended.Store(true) }

// tell queues an event at the place where the next sample would be. Down and Up come in turns, so a reader
// that takes none for 32 absences loses the newest; what it then sees last is still a true pair.
func (t *tap) tell(kind line.Kind, heard time.Time) {
	head := t.eventHead.Load()
	if head-t.eventTail.Load() == line.EventQueue {
		return
	}
	t.events[head%line.EventQueue] = line.Event{Kind: kind, At: t.pos + line.Samples(t.fill) + t.lost, Heard: heard}
	t.eventHead.Store(head + 1)
}

// lose says that n samples are missing here. Sound that does not fill a frame is lost with them: frames
// have one length, and less than 20 ms at the edge of a gap is better told as lost than filled up with silence.
func (t *tap) lose(n line.Samples, cause line.Cause) {
	n += line.Samples(t.fill)
	t.fill = 0
	t.lost += n
	t.by[cause] += n
}

// cause is why most of what is lost was lost.
func (t *tap) cause() line.Cause {
	most := line.CauseNone
	for c, n := range t.by {
		if n > t.by[most] {
			most = line.Cause(c)
		}
	}
	return most
}

// mark gives the reader a frame that only tells what was lost so far.
func (t *tap) mark(heard time.Time) {
	if t.lost > 0 && t.fill == 0 {
		t.push(0, heard)
	}
}

// push puts a frame of n samples into the ring, after what was lost. A full ring loses it too.
func (t *tap) push(n int, heard time.Time) {
	head := t.head.Load()
	if head-t.tail.Load() == line.RingFrames {
		t.fill = n
		t.lose(0, line.CauseReader)
		return
	}
	if heard.Before(t.heard) {
		heard = t.heard
	}
	f := &t.frames[head%line.RingFrames]
	f.Start, f.Heard, f.Lost, f.Cause, f.Len = t.pos+t.lost, heard, t.lost, t.cause(), n
	if n > 0 {
		f.Samples = t.part
	}
	t.pos = f.Start + line.Samples(n)
	t.fill, t.lost, t.by, t.heard = 0, 0, [4]line.Samples{}, heard
	t.head.Store(head + 1)
}

// take adds samples of the line's sound channels.
func (t *tap) take(sound [][]int16, clock clock) {
	for from, n := 0, len(sound[t.channels[0]]); from < n; {
		k := min(n-from, line.FrameSamples-t.fill)
		for i, c := range t.channels {
			copy(t.part[i][t.fill:], sound[c][from:from+k])
		}
		t.fill += k
		from += k
		if t.fill == line.FrameSamples {
			t.push(line.FrameSamples, clock.heard(t.pos+t.lost+line.FrameSamples))
		}
	}
}

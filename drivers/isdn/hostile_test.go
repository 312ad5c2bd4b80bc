package isdn_test

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"linekeep/drivers/isdn"
	"linekeep/drivers/isdn/isdntest"
	"linekeep/drivers/isdn/q921"
	"linekeep/drivers/line"
)

// mutants are the frames of all scripts, over and over, some of them spoilt.
type mutants struct {
	r      *rand.Rand
	frames []isdn.Frame
	at     line.Position
}

func newMutants(seed uint64) *mutants {
	m := &mutants{r: rand.New(rand.NewPCG(seed, 931))}
	for _, s := range isdntest.Scripts() {
		m.frames = append(m.frames, s.Wire().Frames...)
	}
	return m
}

// next is another frame: a bit flipped, an octet changed, cut off, grown, two joined, lost, doubled or from the wrong side.
func (m *mutants) next() isdn.Frame {
	f := m.frames[m.r.IntN(len(m.frames))]
	b := append([]byte(nil), f.Data...)
	for range m.r.IntN(4) {
		at := m.r.IntN(len(b))
		switch m.r.IntN(6) {
		case 0:
			b[at] ^= 1 << m.r.IntN(8)
		case 1:
			b[at] = uint8(m.r.Uint32())
		case 2:
			b = b[:at+1]
		case 3:
			b = append(b, uint8(m.r.Uint32()), uint8(m.r.Uint32()))
		case 4:
			other := m.frames[m.r.IntN(len(m.frames))].Data
			b = append(b[:at+1:at+1], other[m.r.IntN(len(other)):]...)
		case 5:
			f.From = f.From.Other()
		}
	}
	m.at += line.Samples(m.r.IntN(2000))
	return isdn.Frame{From: f.From, At: m.at, Heard: time.Unix(0, 0).Add(m.at.Duration()), Data: b}
}

// TestSpoiltFramesChangeNothingForGood: 10,000 of them, and the tracker keeps its promises and follows the next call.
func TestSpoiltFramesChangeNothingForGood(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	m := newMutants(seed)
	tracker, err := isdn.New(isdn.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	var events []isdn.Event
	for range 10_000 {
		events = tracker.Frame(m.next(), events)
	}
	if err := isdntest.Check(events); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
	counts := tracker.Counts()
	if counts.Frames != 10_000 || counts.Undecodable == 0 || counts.Calls < counts.Ended || int(counts.Calls-counts.Ended) != tracker.Up() {
		t.Errorf("seed %d: %+v, %d up", seed, counts, tracker.Up())
	}
	t.Logf("%+v", counts)
	// Whatever it believes now, a restart and a new link make all well.
	w := isdntest.Primary()
	w.At = m.at + 200*line.RateHz
	w.Establish(q921.Network, 0)
	w.Restart(q921.Network, 0, isdntest.Indicator(7))
	c := isdntest.Call{Wire: w, Maker: q921.Network, Ref: 3000}
	c.Ring(isdntest.Slot(1, true))
	c.Take()
	c.Hangup(q921.Network, 16)
	before := len(events)
	for _, f := range w.Frames {
		events = tracker.Frame(f, events)
	}
	all := isdntest.Outcomes(events[before:])
	const want = "in ch1 office=960456 remote=01632960123 rang answered clearing(remote 16) released(16 remote)"
	if last := all[len(all)-1]; last.String() != want {
		t.Errorf("seed %d: the call after it: %v, want %s", seed, last, want)
	}
	if tracker.Up() != 0 {
		t.Errorf("seed %d: %d calls are up after a restart of the interface", seed, tracker.Up())
	}
}

// TestMemoryStaysWithinItsLimits whatever comes: frames that begin calls and never end them, on all terminals.
func TestMemoryStaysWithinItsLimits(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	m := newMutants(seed)
	tracker, err := isdn.New(isdn.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	limits := isdn.Limits()
	var events []isdn.Event
	var most isdn.Sizes
	for range 100_000 {
		f := m.next()
		if len(f.Data) > 8 && m.r.IntN(2) == 0 {
			f.Data[1] = uint8(m.r.Uint32()) | 1 // another terminal
			f.Data[6] = uint8(m.r.Uint32())     // another call
		}
		if m.r.IntN(2) == 0 { // and little time passes
			m.at -= min(m.at, 1900)
		}
		events = tracker.Frame(f, events[:0])
		s := tracker.Sizes()
		most.Calls, most.Pending = max(most.Calls, s.Calls), max(most.Pending, s.Pending)
		most.Terminals, most.Early = max(most.Terminals, s.Terminals), max(most.Early, s.Early)
		if s.Calls > limits.Calls || s.Pending > limits.Pending || s.Terminals > limits.Terminals || s.Early > limits.Early {
			t.Fatalf("seed %d: keeps %+v, limits %+v", seed, s, limits)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	grown := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("at most %+v of %+v; %d kB kept", most, limits, grown/1024)
	if most.Calls < limits.Calls || most.Early == 0 {
		t.Errorf("seed %d: the limit was not tried: at most %+v", seed, most)
	}
	if grown > 2<<20 {
		t.Errorf("seed %d: %d bytes kept after 100,000 frames, want at most 2 MB", seed, grown)
	}
	runtime.KeepAlive(tracker)
}

// FuzzTracker: any octets, as frames of either side at any pace, keep the contract of events.
func FuzzTracker(f *testing.F) {
	for _, s := range isdntest.Scripts() {
		var b []byte
		for _, frame := range s.Wire().Frames {
			b = append(b, uint8(len(frame.Data))<<1|uint8(frame.From), 4)
			b = append(b, frame.Data...)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tracker, err := isdn.New(isdn.DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		var events []isdn.Event
		var at line.Position
		for len(b) > 2 {
			n := min(int(b[0]>>1), len(b)-2)
			at += line.Samples(b[1]) * line.Samples(b[1]) * 10
			events = tracker.Frame(isdn.Frame{From: q921.Side(b[0] & 1), At: at, Data: b[2 : 2+n]}, events)
			b = b[2+n:]
		}
		events = tracker.Advance(at+line.RateHz, time.Time{}, events)
		if err := isdntest.Check(events); err != nil {
			t.Error(err)
		}
		if c := tracker.Counts(); int(c.Calls-c.Ended) != tracker.Up() {
			t.Errorf("%+v, %d up", c, tracker.Up())
		}
	})
}

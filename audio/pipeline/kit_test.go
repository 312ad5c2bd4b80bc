package pipeline

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"linekeep/audio/call"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// heard is a frame of a fake line, told when its time has come.
type heard struct {
	line.Frame
	due time.Duration
}

// fakeLine plays a prepared list of frames and events in the time of the test. Every frame carries its own place and
// channel in its first samples, so a packet tells which frame it was made of.
type fakeLine struct {
	info   line.Info
	start  time.Time
	frames []heard
	events []line.Event
	ends   bool // ErrGone when all is read

	mu   sync.Mutex
	next int
	told int
}

func (l *fakeLine) Info() line.Info { return l.info }
func (l *fakeLine) Close() error    { return nil }

func (l *fakeLine) Read(frames []line.Frame) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Since(l.start)
	n := 0
	for n < len(frames) && l.next < len(l.frames) && l.frames[l.next].due <= now {
		frames[n] = l.frames[l.next].Frame
		frames[n].Heard = l.start.Add(l.frames[l.next].due)
		n++
		l.next++
	}
	if n == 0 && l.ends && l.next == len(l.frames) {
		return 0, line.ErrGone
	}
	return n, nil
}

func (l *fakeLine) ReadEvents(events []line.Event) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := line.In(time.Since(l.start))
	n := 0
	for n < len(events) && l.told < len(l.events) && l.events[l.told].At <= now {
		events[n] = l.events[l.told]
		n++
		l.told++
	}
	return n, nil
}

// say adds sound of the given length, loud or quiet.
func (l *fakeLine) say(loud bool, d time.Duration) *fakeLine {
	for range line.In(d) / line.FrameSamples {
		l.add(0, line.CauseNone, true, loud)
	}
	return l
}

// lose adds a loss that is told by a frame of its own.
func (l *fakeLine) lose(n line.Samples, cause line.Cause) *fakeLine {
	l.add(n, cause, false, false)
	return l
}

func (l *fakeLine) end() line.Position {
	if len(l.frames) == 0 {
		return 0
	}
	f := &l.frames[len(l.frames)-1].Frame
	return f.Start + line.Samples(f.Len)
}

func (l *fakeLine) add(lost line.Samples, cause line.Cause, sound, loud bool) {
	f := line.Frame{Start: l.end() + lost, Lost: lost, Cause: cause}
	if sound {
		f.Len = line.FrameSamples
		for c := range l.info.Channels {
			stamp(f.Samples[c][:], f.Start, c, loud)
		}
	}
	l.frames = append(l.frames, heard{Frame: f, due: (f.Start + line.Samples(f.Len)).Duration()})
}

func stamp(pcm []int16, at line.Position, channel int, loud bool) {
	if loud {
		for i := range pcm {
			pcm[i] = int16(8000 - 16000*(i&1))
		}
		pcm[0] = int16(0x4000 + channel)
	} else {
		// Quiet, but its place is told all the same: in steps that stay under the level.
		for i := range 32 {
			pcm[8+i] = int16(at >> i & 1)
		}
		pcm[0] = int16(0x40 + channel)
		return
	}
	pcm[1], pcm[2] = int16(at), int16(at>>16)
}

// stampCodec is an encoder whose packets are the stamps of the frames. It refuses what refuse says.
type stampCodec struct {
	refuse func() bool
	resets int
}

func (c *stampCodec) Reset() error { c.resets++; return nil }

func (c *stampCodec) Encode(pcm []int16, packet []byte) (int, error) {
	if c.refuse != nil && c.refuse() {
		return 0, errors.New("refused")
	}
	b := append(packet[:0], 0x08)
	switch {
	case pcm[0] >= 0x4000:
		b = append(b, byte(pcm[0]), 1)
		b = binary.BigEndian.AppendUint32(b, uint32(uint16(pcm[2]))<<16|uint32(uint16(pcm[1])))
	case pcm[0] >= 0x40:
		at := uint32(0)
		for i := range 32 {
			at |= uint32(pcm[8+i]) << i
		}
		b = append(b, byte(pcm[0]-0x40), 0)
		b = binary.BigEndian.AppendUint32(b, at)
	default:
		b = append(b, 0xFF) // silence: a tail
	}
	return len(b), nil
}

// kept is one recording as a sink has it.
type kept struct {
	opening segment.Opening
	closing *segment.Closing
	pieces  map[segment.Party][]segment.Piece
	at      map[segment.Party]line.Samples
	last    map[segment.Party]bool
}

// memSink keeps everything, and checks what every sink may rely on.
type memSink struct {
	t      testing.TB
	commit func(g *segment.Group) error // says what Commit returns, and may take its time

	mu     sync.Mutex
	calls  map[segment.Call]*kept
	order  []segment.Call
	groups int
}

func newMemSink(t testing.TB) *memSink {
	return &memSink{t: t, calls: make(map[segment.Call]*kept)}
}

func (s *memSink) Commit(_ context.Context, g *segment.Group) error {
	var err error
	if s.commit != nil {
		err = s.commit(g)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// An opening is kept even if the group is not.
	for _, o := range g.Openings {
		if s.calls[o.Call] != nil || o.Call == 0 {
			s.t.Errorf("call %d opened twice", o.Call)
		}
		s.calls[o.Call] = &kept{opening: o, pieces: make(map[segment.Party][]segment.Piece),
			at: make(map[segment.Party]line.Samples), last: make(map[segment.Party]bool)}
		s.order = append(s.order, o.Call)
	}
	if err != nil {
		return err
	}
	s.groups++
	for i := range g.Segments {
		s.take(&g.Segments[i])
	}
	for _, c := range g.Closings {
		k := s.calls[c.Call]
		if k == nil || k.closing != nil {
			s.t.Errorf("call %d closed, but not open", c.Call)
			continue
		}
		k.closing = &c
	}
	return nil
}

func (s *memSink) take(seg *segment.Segment) {
	if err := seg.Check(); err != nil {
		s.t.Errorf("segment at %d: %v", seg.Start, err)
	}
	k := s.calls[seg.Call]
	if k == nil || k.closing != nil || k.last[seg.Party] {
		s.t.Errorf("segment of call %d, which is not open", seg.Call)
		return
	}
	if seg.Start != k.at[seg.Party] {
		s.t.Errorf("call %d %v: segment at %d, expected %d", seg.Call, seg.Party, seg.Start, k.at[seg.Party])
	}
	for p := range seg.Pieces() {
		p.Packet = slices.Clone(p.Packet)
		k.pieces[seg.Party] = append(k.pieces[seg.Party], p)
	}
	k.at[seg.Party] = seg.Start + seg.Len
	k.last[seg.Party] = seg.Last
}

// quick is a call configuration with short times, so that tests have many calls.
func quick() call.Config {
	cfg := call.Defaults()
	cfg.Hold, cfg.PreRoll, cfg.MinSound = 500*time.Millisecond, 200*time.Millisecond, 40*time.Millisecond
	return cfg
}

// run records lines for d of the bubble's time, doing things on the way.
func run(t testing.TB, lines []LineConfig, sink Sink, enc func() (Encoder, error), d time.Duration, doing func(*Pipeline)) *Pipeline {
	t.Helper()
	for i := range lines {
		if f, ok := lines[i].Line.(*fakeLine); ok {
			f.start = time.Now()
		}
	}
	p, err := New(Config{NewEncoder: enc, Workers: 2}, lines, sink, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	if doing != nil {
		doing(p)
	} else {
		wait(d)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	return p
}

// wait lets the time of the bubble pass.
func wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func stampEncoder() (Encoder, error) { return new(stampCodec), nil }

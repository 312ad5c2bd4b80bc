package linetest_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/linetest"
)

// steady is the smallest source that keeps the contract: silence on two lines, at the pace of package time.
type steady struct {
	lines []line.Line
	ran   atomic.Bool
	away  atomic.Bool
}

func newSteady() *steady {
	return &steady{lines: []line.Line{&steadyLine{}, &steadyLine{}}}
}

func (s *steady) Lines() []line.Line { return s.lines }

func (s *steady) Run(ctx context.Context) error {
	if !s.ran.CompareAndSwap(false, true) {
		return errors.New("steady: Run twice")
	}
	defer func() {
		for _, l := range s.lines {
			l.(*steadyLine).end()
		}
	}()
	tick := time.NewTicker(line.FramePeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			for _, l := range s.lines {
				l.(*steadyLine).push(time.Now(), s.away.Load())
			}
		}
	}
}

type steadyLine struct {
	mu     sync.Mutex
	ring   [line.RingFrames]line.Frame
	n      int
	events []line.Event
	down   bool
	pos    line.Position
	lost   line.Samples
	gone   bool
	closed bool
}

func (l *steadyLine) Info() line.Info { return line.Info{Name: "steady", Channels: 1} }

func (l *steadyLine) push(now time.Time, away bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	cause, n := line.CauseReader, line.FrameSamples
	if away != l.down {
		kind := map[bool]line.Kind{true: line.Down, false: line.Up}[away]
		l.events = append(l.events, line.Event{Kind: kind, At: l.pos, Heard: now})
		l.down = away
	}
	if away {
		l.lost += line.FrameSamples
		cause, n = line.CauseGone, 0
		l.pos += line.FrameSamples
	}
	if l.n == len(l.ring) {
		l.lost += line.Samples(n)
		l.pos += line.Samples(n)
		return
	}
	if l.lost == 0 {
		cause = line.CauseNone
	}
	l.ring[l.n] = line.Frame{Start: l.pos, Heard: now, Lost: l.lost, Cause: cause, Len: n}
	l.pos += line.Samples(n)
	l.n++
	l.lost = 0
}

func (l *steadyLine) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
}

func (l *steadyLine) Read(frames []line.Frame) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return 0, line.ErrClosed
	case l.gone && l.n == 0:
		return 0, line.ErrGone
	}
	n := copy(frames, l.ring[:l.n])
	l.n = copy(l.ring[:], l.ring[n:l.n])
	return n, nil
}

func (l *steadyLine) ReadEvents(events []line.Event) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return 0, line.ErrClosed
	case l.gone && len(l.events) == 0:
		return 0, line.ErrGone
	}
	n := copy(events, l.events)
	l.events = l.events[n:]
	return n, nil
}

func (l *steadyLine) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return nil
}

func openSteady(*testing.T) linetest.Rig {
	s := newSteady()
	return linetest.Rig{
		Source: s,
		Unplug: func() { s.away.Store(true) },
		Replug: func() { s.away.Store(false) },
	}
}

func TestTheSuitePassesTheSmallestSourceInVirtualTime(t *testing.T) {
	linetest.RunVirtual(t, openSteady)
}

func TestTheTimelineNoticesEachBrokenPromise(t *testing.T) {
	now := time.Now()
	good := func() []line.Frame {
		return []line.Frame{
			{Start: 0, Heard: now, Len: line.FrameSamples},
			{Start: 160, Heard: now, Len: line.FrameSamples},
			{Start: 420, Heard: now, Len: 0, Lost: 100, Cause: line.CauseGone},
			{Start: 430, Heard: now, Len: line.FrameSamples, Lost: 10, Cause: line.CauseGone},
		}
	}
	var tl linetest.Timeline
	if err := tl.Take(good()); err != nil {
		t.Fatalf("a good timeline: %v", err)
	}
	if len(tl.Gaps) != 1 || tl.Gaps[0] != (linetest.Gap{At: 320, Lost: 110, Cause: line.CauseGone}) {
		t.Errorf("gaps %+v, want one of 110 at 320", tl.Gaps)
	}
	if tl.Heard != 480 || tl.End != 590 || tl.LostSamples() != 110 {
		t.Errorf("heard %d, end %d, lost %d", tl.Heard, tl.End, tl.LostSamples())
	}
	for name, spoil := range map[string]func([]line.Frame){
		"overlap":            func(f []line.Frame) { f[1].Start-- },
		"hole":               func(f []line.Frame) { f[1].Start++ },
		"loss without cause": func(f []line.Frame) { f[2].Cause = line.CauseNone },
		"cause without loss": func(f []line.Frame) { f[1].Cause = line.CauseOverrun },
		"odd length":         func(f []line.Frame) { f[0].Len = 80 },
		"empty frame":        func(f []line.Frame) { f[2].Lost = 0 },
		"negative loss":      func(f []line.Frame) { f[2].Lost = -1 },
		"no time":            func(f []line.Frame) { f[0].Heard = time.Time{} },
		"no monotonic time":  func(f []line.Frame) { f[0].Heard = now.Round(0) },
		"time goes back":     func(f []line.Frame) { f[1].Heard = now.Add(-1) },
	} {
		frames := good()
		spoil(frames)
		var tl linetest.Timeline
		if err := tl.Take(frames); err == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}

func TestTheTimelineNoticesAnEventThatCameTooLate(t *testing.T) {
	now := time.Now()
	var tl linetest.Timeline
	frames := []line.Frame{{Start: 0, Heard: now, Len: line.FrameSamples}, {Start: 160, Heard: now, Len: line.FrameSamples}}
	event := []line.Event{{Kind: line.Seized, At: 100, Heard: now}}
	if err := errors.Join(tl.Take(frames), tl.TakeEvents(event)); err != nil {
		t.Errorf("an event read right after its frames: %v", err)
	}
	tl = linetest.Timeline{}
	if err := errors.Join(tl.Take(frames), tl.TakeEvents(nil)); err != nil {
		t.Fatal(err)
	}
	if err := tl.TakeEvents(event); err == nil {
		t.Errorf("an event one look too late was not noticed")
	}
}

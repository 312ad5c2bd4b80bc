package linetest

import (
	"errors"
	"testing"
	"time"

	"linekeep/drivers/line"
)

// reader reads one line as the pipeline does, and checks everything it is given.
type reader struct {
	Timeline
	t      *testing.T
	l      line.Line
	frames []line.Frame
	events []line.Event
}

func newReader(t *testing.T, l line.Line) *reader {
	return &reader{t: t, l: l, frames: make([]line.Frame, 16), events: make([]line.Event, line.EventQueue)}
}

// read takes everything that has come.
func (r *reader) read() {
	r.t.Helper()
	for {
		n, err := r.l.Read(r.frames)
		if err != nil {
			r.t.Fatalf("%s: Read: %v", r.l.Info().Name, err)
		}
		now := time.Now()
		r.take(r.frames[:n])
		if n > 0 && r.heard.After(now) {
			r.t.Fatalf("%s: a frame was heard %v after it was read", r.l.Info().Name, r.heard.Sub(now))
		}
		m, err := r.l.ReadEvents(r.events)
		if err != nil {
			r.t.Fatalf("%s: ReadEvents: %v", r.l.Info().Name, err)
		}
		if err := r.TakeEvents(r.events[:m]); err != nil {
			r.t.Fatalf("%s: %v", r.l.Info().Name, err)
		}
		if n < len(r.frames) {
			return
		}
	}
}

func (r *reader) take(frames []line.Frame) {
	r.t.Helper()
	if err := r.Take(frames); err != nil {
		r.t.Fatalf("%s: %v", r.l.Info().Name, err)
	}
}

// listen reads for d of the source's time.
func (r *reader) listen(rig Rig, d time.Duration) {
	r.t.Helper()
	for ; d > 0; d -= look {
		rig.Pass(min(d, look))
		r.read()
	}
}

// until reads until done, which must not take longer than patience.
func (r *reader) until(rig Rig, what string, done func() bool) {
	r.t.Helper()
	for left := patience; ; left -= look {
		if r.read(); done() {
			return
		}
		if left <= 0 {
			r.t.Fatalf("%s: waited %v for %s", r.l.Info().Name, patience, what)
		}
		rig.Pass(look)
	}
}

// listen reads l for d of the source's time, after its first sound.
func listen(t *testing.T, rig Rig, l line.Line, d time.Duration) *Timeline {
	t.Helper()
	r := newReader(t, l)
	r.until(rig, "the first sound", func() bool { return r.Timeline.Frames > 0 })
	r.listen(rig, d)
	return &r.Timeline
}

// wantErr reads frames and events and expects want from both, twice.
func wantErr(t *testing.T, l line.Line, want error) {
	t.Helper()
	for range 2 {
		if n, err := l.Read(make([]line.Frame, 4)); n != 0 || !errors.Is(err, want) {
			t.Errorf("Read: %d, %v, want 0 and %v", n, err, want)
		}
		if n, err := l.ReadEvents(make([]line.Event, 4)); n != 0 || !errors.Is(err, want) {
			t.Errorf("ReadEvents: %d, %v, want 0 and %v", n, err, want)
		}
	}
}

// drainEvents reads events until there are none.
func drainEvents(t *testing.T, l line.Line) {
	t.Helper()
	for event := make([]line.Event, 1); ; {
		switch n, err := l.ReadEvents(event); {
		case n == 0:
			return
		case err != nil:
			t.Errorf("ReadEvents: %d, %v", n, err)
			return
		}
	}
}

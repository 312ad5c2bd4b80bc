//go:build cgo

package alsa_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/alsa"
	"linekeep/drivers/line/alsa/alsatest"
	"linekeep/drivers/line/linetest"
)

// rig is a source that runs, and a listener on each of its lines.
type rig struct {
	t      *testing.T
	source *alsa.Source
	ears   []*ear
	stop   func()
}

// ear reads one line and keeps what it heard.
type ear struct {
	linetest.Timeline
	line   line.Line
	sound  [line.MaxChannels][]int16 // everything heard, one piece after the other
	pieces []piece
	took   func(*line.Frame) // in place of keeping it, if set
}

// piece is a stretch of sound without a gap.
type piece struct {
	at   line.Position // on the timeline
	from int           // in sound
	n    int
}

func run(t *testing.T, devices ...alsa.Device) *rig {
	t.Helper()
	r := &rig{t: t, source: open(t, devices...)}
	for _, l := range r.source.Lines() {
		r.ears = append(r.ears, &ear{line: l})
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1) // one: Run returns once
	go func() { ended <- r.source.Run(ctx) }()
	stopped := false
	r.stop = func() {
		t.Helper()
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		r.listen(0)
	}
	t.Cleanup(r.stop)
	return r
}

// listen reads all lines for d.
func (r *rig) listen(d time.Duration) {
	r.t.Helper()
	end := time.Now().Add(d)
	r.until("", func() bool { return !time.Now().Before(end) })
}

// until reads all lines until done.
func (r *rig) until(what string, done func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(3 * line.FramePeriod)
	defer tick.Stop()
	for {
		for _, e := range r.ears {
			e.read(r.t)
		}
		if done() {
			return
		}
		if <-tick.C; what != "" && time.Now().After(deadline) {
			r.t.Fatalf("waited too long for %s", what)
		}
	}
}

func (e *ear) read(t *testing.T) {
	t.Helper()
	var frames [32]line.Frame
	var events [8]line.Event
	for {
		n, err := e.line.Read(frames[:])
		if err != nil {
			break // the end of a run; the suite checks which error
		}
		if err := e.Take(frames[:n]); err != nil {
			t.Fatalf("%s: %v", e.line.Info().Name, err)
		}
		for i := range frames[:n] {
			e.keep(&frames[i])
		}
		m, err := e.line.ReadEvents(events[:])
		if err == nil {
			if err := e.TakeEvents(events[:m]); err != nil {
				t.Fatalf("%s: %v", e.line.Info().Name, err)
			}
		}
		if n < len(frames) {
			break
		}
	}
}

func (e *ear) keep(f *line.Frame) {
	if e.took != nil {
		e.took(f)
		return
	}
	if f.Len == 0 {
		return
	}
	if f.Lost > 0 || len(e.pieces) == 0 || e.pieces[len(e.pieces)-1].end() != f.Start {
		e.pieces = append(e.pieces, piece{at: f.Start, from: len(e.sound[0])})
	}
	for c := range e.line.Info().Channels {
		e.sound[c] = append(e.sound[c], f.Samples[c][:f.Len]...)
	}
	e.pieces[len(e.pieces)-1].n += f.Len
}

func (p piece) end() line.Position { return p.at + line.Samples(p.n) }

// heard waits for the first sound of every line.
func (r *rig) heard() {
	r.t.Helper()
	r.until("the first sound", func() bool {
		for _, e := range r.ears {
			if e.Frames == 0 {
				return false
			}
		}
		return true
	})
}

func (r *rig) stats(i int) alsa.Stats { return r.source.Stats(nil)[i] }

// processCPU is the processor time of this process so far.
func processCPU(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// tap puts one device on a bench of its own and starts it.
func tap(t *testing.T, d alsatest.Device) (*alsatest.Plug, alsatest.Sound) {
	t.Helper()
	bench := alsatest.New(t)
	rate := d.RateHz
	if rate == 0 {
		rate = line.RateHz
	}
	sound := alsatest.Sound{Channels: max(1, d.Channels), Frames: minute * rate}
	d.Name, d.File = "tap", sound.Write(t, max(16, d.Bits))
	plug := bench.Add(d)
	bench.Start()
	return plug, sound
}

// nearly is how well a gap is measured: half a period, under which sound cannot be told from late sound.
const nearly = 80

// stalled is from when on a card that gives nothing is told as away, in samples: 80 ms.
const stalled = 640

// compare checks that everything heard is the card's sound, sample by sample and in the right place, with so many gaps. A
// gap in the wrong place would leave a piece of sound that is nowhere in the card's.
func (e *ear) compare(t *testing.T, sound alsatest.Sound, gaps int, cause line.Cause) {
	t.Helper()
	if got := len(e.pieces) - 1; got != gaps {
		t.Errorf("%s: %d gaps, want %d: %+v", e.line.Info().Name, got, gaps, e.Gaps)
	}
	var end int64 // in the card's sound
	var at line.Position
	for i, p := range e.pieces {
		told := p.at - at
		place, ok := sound.Find(0, e.sound[0][p.from:p.from+line.FrameSamples], end+int64(told), 4000)
		if !ok {
			t.Fatalf("%s: piece %d at %d is not in the card's sound near %d", e.line.Info().Name, i, p.at, end+int64(told))
		}
		if i > 0 {
			t.Logf("gap %d at %d: told as %d, was %d", i, at, told, place-end)
		}
		if off := place - end - int64(told); off > nearly || off < -nearly {
			t.Errorf("%s: gap %d at %d told as %d samples, was %d", e.line.Info().Name, i, at, told, place-end)
		}
		for c := range e.line.Info().Channels {
			for k, v := range e.sound[c][p.from : p.from+p.n] {
				if want := sound.At(c, place+int64(k)); v != want {
					t.Fatalf("%s: piece %d, channel %d, sample %d of %d is %d, want %d", e.line.Info().Name, i, c, k, p.n, v, want)
				}
			}
		}
		end, at = place+int64(p.n), p.end()
	}
	for _, g := range e.Gaps {
		if g.Cause == line.CauseGone && g.Lost >= stalled {
			continue // the machine kept the card's thread waiting besides: that is told first
		}
		if g.Cause != cause {
			t.Errorf("%s: gap at %d told as %v, want %v", e.line.Info().Name, g.At, g.Cause, cause)
		}
	}
}

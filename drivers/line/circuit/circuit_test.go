package circuit

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/linetest"
)

// wire feeds a line from two devices, in time that the test lets pass.
type wire struct {
	t    *testing.T
	l    *Line
	tl   linetest.Timeline
	born time.Time
	now  time.Duration
	dev  [2]device
	gaps []gap
	end  line.Position
	next [2]int64

	frames [RingFrames]line.Frame
	events [line.EventQueue]line.Event
}

// device gives samples that tell where they belong.
type device struct {
	period time.Duration
	speed  float64
	late   func(piece int) time.Duration
	lose   map[int]int // samples lost before a piece, without a word
	mute   bool
	pieces int
	place  int64
	due    time.Duration
	cause  line.Cause
}

// gap is a place where what was told, or what was there, is not simply the next.
type gap struct {
	told line.Samples
	was  [2]int64
}

func newWire(t *testing.T, period time.Duration) *wire {
	w := &wire{t: t, l: New(line.Info{Name: "wire", Channels: 2, Law: line.ALaw}, period), born: time.Now()}
	for i := range w.dev {
		w.dev[i] = device{period: period, speed: 1, due: 3*time.Millisecond + period}
	}
	w.l.Begin(w.born)
	return w
}

func sample(side int, i int64) byte {
	x := uint64(i*2+int64(side)) * 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	return byte(x >> 33)
}

// pass lets d go by, 4 ms at a time.
func (w *wire) pass(d time.Duration) {
	for end := w.now + d; w.now < end; w.now += 4 * time.Millisecond {
		for side := range w.dev {
			w.give(side)
		}
		if w.now%Tick == 0 {
			w.l.Look(w.born.Add(w.now))
			w.read()
		}
	}
}

func (w *wire) give(side int) {
	d := &w.dev[side]
	for {
		if n := d.lose[d.pieces]; n > 0 {
			d.place += int64(n)
			d.due += time.Duration(float64(line.Samples(n).Duration()) / d.speed)
			delete(d.lose, d.pieces)
		}
		due := d.due
		if d.late != nil {
			due += d.late(d.pieces)
		}
		if w.now < due {
			return
		}
		b := make([]byte, line.In(d.period))
		for i := range b {
			b[i] = sample(side, d.place+int64(i))
		}
		d.place += int64(len(b))
		d.due += time.Duration(float64(d.period) / d.speed)
		d.pieces++
		if !d.mute {
			w.l.Sound(side, w.born.Add(w.now), b, d.cause)
			d.cause = line.CauseNone
		}
	}
}

func (w *wire) read() {
	frames, events := w.frames[:], w.events[:]
	n, err := w.l.Read(frames)
	m, err2 := w.l.ReadEvents(events)
	if err := errors.Join(err, err2, w.tl.Take(frames[:n]), w.tl.TakeEvents(events[:m])); err != nil && !errors.Is(err, line.ErrGone) {
		w.t.Errorf("at %v: %v", w.now, err)
	}
	for i := range frames[:n] {
		if frames[i].Len > 0 {
			w.frame(&frames[i])
		}
	}
}

// frame finds out where the frame belongs.
func (w *wire) frame(f *line.Frame) {
	g, first := gap{told: f.Start - w.end}, w.end == 0 // what lies before the first frame is no gap
	w.end = f.Start + line.FrameSamples
	for side := range w.next {
		at := w.next[side]
		for ; at < w.next[side]+8*line.RateHz && !has(f, side, at); at++ {
		}
		g.was[side], w.next[side] = at-w.next[side], at+line.FrameSamples
	}
	if g != (gap{}) && !first {
		w.gaps = append(w.gaps, g)
	}
}

func has(f *line.Frame, side int, at int64) bool {
	for i := range int64(line.FrameSamples) {
		if f.Samples[side][i] != int16(sample(side, at+i)) {
			return false
		}
	}
	return true
}

func (w *wire) kinds() (k []line.Kind) {
	for _, e := range w.tl.Events {
		k = append(k, e.Kind)
	}
	return k
}

func near(a, b int64, by int64) bool { return a-b <= by && b-a <= by }

func TestSoundThatIsOnlyLateIsNotLost(t *testing.T) {
	for _, stall := range []time.Duration{20, 90, 150, 200} {
		w := newWire(t, 100*time.Millisecond)
		for side := range w.dev {
			w.dev[side].late = func(piece int) time.Duration {
				return max(0, stall*time.Millisecond-time.Duration((piece+side*3)%20)*100*time.Millisecond)
			}
		}
		w.pass(20 * time.Second)
		if len(w.gaps) != 0 || w.tl.LostSamples() != 0 || w.tl.Heard < line.In(19*time.Second) {
			t.Errorf("late by %d ms: gaps %+v, lost %v, %v heard", stall, w.gaps, w.tl.Lost, w.tl.Heard.Duration())
		}
	}
}

func TestWhatIsMissingOnOneSideIsToldAsLostInBoth(t *testing.T) {
	w := newWire(t, 20*time.Millisecond)
	w.pass(4 * time.Second)
	w.dev[1].lose = map[int]int{w.dev[1].pieces + 2: 4000} // half a second, and the kernel tells
	w.pass(40 * time.Millisecond)
	w.dev[1].cause = line.CauseOverrun
	w.pass(4 * time.Second)
	if len(w.gaps) != 1 || !near(int64(w.gaps[0].told), 4000, 2*line.FrameSamples) {
		t.Fatalf("gaps %+v, want one of 4000", w.gaps)
	}
	if g := w.gaps[0]; g.was[0] != int64(g.told) || !near(g.was[1], int64(g.told), 80) {
		t.Errorf("gap %+v: both directions should lack what was told", g)
	}
	if apart := w.next[0] - w.next[1]; !near(apart, 0, 80) {
		t.Errorf("the parties are %d samples apart afterwards", apart)
	}
}

func TestLossesWithoutAWordAreFound(t *testing.T) {
	w := newWire(t, 20*time.Millisecond)
	rng := rand.New(rand.NewPCG(1, 2))
	var want []int64
	for side := range w.dev {
		w.dev[side].late = func(int) time.Duration { return time.Duration(rng.IntN(6)) * time.Millisecond }
		w.dev[side].lose = map[int]int{}
	}
	for p := 100; p < 2900; p += 100 {
		n := 200 + rng.IntN(700)
		w.dev[p/100%2].lose[p] = n
		want = append(want, int64(n))
	}
	w.pass(62 * time.Second)
	if len(w.gaps) != len(want) {
		t.Fatalf("%d gaps, want %d: %+v", len(w.gaps), len(want), w.gaps[:min(5, len(w.gaps))])
	}
	for i, g := range w.gaps {
		if !near(int64(g.told), want[i], 2*line.FrameSamples) {
			t.Errorf("gap %d: %d told, %d were lost", i, g.told, want[i])
		}
	}
	if apart := w.next[0] - w.next[1]; !near(apart, 0, 600) {
		t.Errorf("the parties are %d samples apart at last", apart)
	}
}

func TestClocksThatDriftApartAreBroughtTogether(t *testing.T) {
	for _, ppm := range []float64{-500, -50, 50, 500} {
		w := newWire(t, 20*time.Millisecond)
		w.dev[1].speed = 1 + ppm/1e6
		w.pass(10 * time.Minute)
		slips := int(w.l.Counts().Slips)
		if most := int(600 * max(ppm, -ppm) / 1e6 / slipBy.Seconds()); slips > most || slips < most-1 {
			t.Errorf("%v ppm: %d slips in ten minutes, want %d", ppm, slips, most)
		}
		if len(w.gaps) != slips || w.tl.Heard < line.In(598*time.Second) {
			t.Errorf("%v ppm: %d gaps, %v heard", ppm, len(w.gaps), w.tl.Heard.Duration())
		}
	}
}

func TestASideThatFallsSilentIsDownAndComesBack(t *testing.T) {
	for _, long := range []time.Duration{250, 700, 3000} {
		w := newWire(t, 100*time.Millisecond)
		w.pass(5 * time.Second)
		w.dev[1].mute = true
		w.pass(long * time.Millisecond)
		w.dev[1].mute = false
		w.pass(5 * time.Second)
		if k := w.kinds(); !slices.Equal(k, []line.Kind{line.Down, line.Up}) {
			t.Fatalf("silent for %d ms: events %v", long, k)
		}
		if late := w.tl.Events[0].At.Duration() - 5*time.Second; late > 50*time.Millisecond || late < -250*time.Millisecond {
			t.Errorf("Down %v from where the silence began", late)
		}
		for _, g := range w.gaps {
			if !near(g.was[0], int64(g.told), 80) || !near(g.was[1], int64(g.told), 80) {
				t.Errorf("silent for %d ms: gap %+v", long, g)
			}
		}
		if len(w.gaps) != 1 || w.tl.Lost[line.CauseGone] != w.tl.LostSamples() {
			t.Errorf("gaps %+v, lost %v", w.gaps, w.tl.Lost)
		}
	}
}

func TestWhatIsHeldBackIsToldInItsPlaceAndNothingIsLost(t *testing.T) {
	w := newWire(t, 20*time.Millisecond)
	w.pass(3 * time.Second)
	at := w.l.Place(w.born.Add(w.now))
	w.l.Hold(w.born.Add(w.now))
	w.pass(400 * time.Millisecond)
	w.l.Tell(w.born.Add(w.now), line.Event{Kind: line.Ringing})
	w.pass(500 * time.Millisecond)
	if w.tl.End > at+line.FrameSamples || len(w.tl.Events) != 0 {
		t.Errorf("held at %d, read up to %d, events %v", at, w.tl.End, w.kinds())
	}
	w.l.Unhold(w.born.Add(w.now), line.Event{Kind: line.Released})
	w.pass(2 * time.Second)
	if k := w.kinds(); !slices.Equal(k, []line.Kind{line.Released, line.Ringing}) || w.tl.Events[0].At != at || w.tl.Events[1].At < at+line.In(380*time.Millisecond) {
		t.Errorf("events %+v, want Released at %d and Ringing after", w.tl.Events, at)
	}
	if len(w.gaps) != 0 || w.tl.LostSamples() != 0 {
		t.Errorf("gaps %+v", w.gaps)
	}
}

func TestABarredLineIsDownWhateverComes(t *testing.T) {
	w := newWire(t, 20*time.Millisecond)
	w.pass(3 * time.Second)
	w.l.Hold(w.born.Add(w.now))
	w.l.Bar(w.born.Add(w.now), true)
	w.pass(2 * time.Second)
	w.l.Bar(w.born.Add(w.now), false)
	w.pass(2 * time.Second)
	if k := w.kinds(); !slices.Equal(k, []line.Kind{line.Down, line.Up}) || w.l.Down() {
		t.Errorf("events %v", k)
	}
	if lost := w.tl.Lost[line.CauseGone].Duration(); lost < 1950*time.Millisecond || lost > 2200*time.Millisecond {
		t.Errorf("%v lost while barred for 2 s", lost)
	}
}

func TestWhenEndedWhatIsLeftIsRead(t *testing.T) {
	w := newWire(t, 100*time.Millisecond)
	w.pass(time.Second)
	w.dev[0].mute = true
	w.pass(2 * time.Second)
	w.l.End(w.born.Add(w.now))
	w.read()
	if _, err := w.l.Read(make([]line.Frame, 1)); !errors.Is(err, line.ErrGone) {
		t.Errorf("Read at the end: %v", err)
	}
	if w.tl.End < line.In(2700*time.Millisecond) {
		t.Errorf("the timeline ends at %v", w.tl.End.Duration())
	}
}

// TestWhateverComesTheTimelineHolds feeds everything at random; the timeline is checked at each read.
func TestWhateverComesTheTimelineHolds(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 9))
		w := newWire(t, []time.Duration{8, 20, 100}[seed%3]*time.Millisecond)
		for side := range w.dev {
			w.dev[side].speed = 1 + (rng.Float64()-0.5)/200
			w.dev[side].late = func(int) time.Duration { return time.Duration(rng.ExpFloat64() * 20 * float64(time.Millisecond)) }
		}
		for range 200 {
			now := w.born.Add(w.now)
			switch side := rng.IntN(2); rng.IntN(9) {
			case 0:
				w.dev[side].mute = !w.dev[side].mute
			case 1:
				w.l.Cut(side)
			case 2:
				w.dev[side].cause = line.CauseOverrun
			case 3:
				w.l.Hold(now)
			case 4:
				w.l.Unhold(now, line.Event{Kind: line.Released})
			case 5:
				w.l.Tell(now, line.Event{Kind: line.Seized})
			case 6:
				w.l.Bar(now, rng.IntN(3) == 0)
			default:
				w.dev[side].lose = map[int]int{w.dev[side].pieces: rng.IntN(9000)}
			}
			w.pass(time.Duration(rng.IntN(120)) * 4 * time.Millisecond)
		}
		w.l.End(w.born.Add(w.now))
		w.read()
		if late := w.now - w.tl.End.Duration(); late > time.Second {
			t.Errorf("seed %d: the timeline ends %v behind", seed, late)
		}
	}
}

package misdn

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/circuit"
	"linekeep/drivers/line/linetest"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// bus is a circuit of two cards: 0 hears the office, 1 the network.
func bus(t *testing.T, name string, pri bool) *model {
	m := newModel(t)
	m.add(0, name+".1", pri, 1000)
	m.add(1, name+".2", pri, 2000)
	return m
}

func lines(name string, isdn bool, slots ...int) (all []LineConfig) {
	for _, slot := range slots {
		all = append(all, LineConfig{Device: Device{name + ".1", name + ".2"}, Slot: slot, ISDN: isdn, Law: line.ALaw})
	}
	return all
}

func source(t *testing.T, m *model, d circuit.DChannel, cfg []LineConfig) *Source {
	t.Helper()
	c := Config{Lines: cfg}
	if d != nil {
		c.DChannel = func(string) circuit.DChannel { return d }
	}
	s, err := newSource(c, m, discard())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCardsKeepTheContract(t *testing.T) {
	for _, name := range []string{"hfc-s0", "l1oip-s0"} {
		t.Run(name, func(t *testing.T) {
			linetest.RunVirtual(t, func(t *testing.T) linetest.Rig {
				m := bus(t, name, false)
				return linetest.Rig{Source: source(t, m, nil, lines(name, true, 1, 2)), RingFrames: circuit.RingFrames,
					Unplug: func() { m.remove(1) },
					Replug: func() { m.add(1, name+".2", false, 2000) }}
			})
		})
	}
}

func TestAPRIKeepsTheContract(t *testing.T) {
	linetest.RunVirtual(t, func(t *testing.T) linetest.Rig {
		m := bus(t, "hfc-e1", true)
		return linetest.Rig{Source: source(t, m, nil, lines("hfc-e1", true, 1, 17, 31)), RingFrames: circuit.RingFrames,
			Unplug: func() { m.activate(0, false) }, Replug: func() { m.activate(0, true) }}
	})
}

// heard is a line read to the end.
type heard struct {
	linetest.Timeline
	sound [2][]byte // gaps as zeros
}

func (h *heard) kinds() (k []line.Kind) {
	for _, e := range h.Events {
		k = append(k, e.Kind)
	}
	return k
}

// run reads the lines of a source while script runs, in a bubble.
func run(t *testing.T, open func(t *testing.T) (*model, *Source), script func(m *model)) (all []*heard, s *Source) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var m *model
		m, s = open(t)
		all = nil
		for range s.Lines() {
			all = append(all, &heard{})
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		go func() {
			script(m)
			cancel()
		}()
		frames, events := make([]line.Frame, circuit.RingFrames), make([]line.Event, line.EventQueue)
		for open := true; open; {
			time.Sleep(3 * line.FramePeriod)
			for i, l := range s.Lines() {
				n, err := l.Read(frames)
				k, err2 := l.ReadEvents(events)
				open = !errors.Is(err, line.ErrGone) || !errors.Is(err2, line.ErrGone)
				if err := errors.Join(all[i].Take(frames[:n]), all[i].TakeEvents(events[:k])); err != nil {
					t.Error(err)
				}
				for f := range frames[:n] {
					all[i].add(&frames[f])
				}
			}
		}
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return all, s
}

func (h *heard) add(f *line.Frame) {
	for side := range h.sound {
		h.sound[side] = append(h.sound[side], make([]byte, f.Lost)...)
		for _, x := range f.Samples[side][:f.Len] {
			h.sound[side] = append(h.sound[side], byte(x))
		}
	}
}

// place finds a stretch of sound on a side; -1 if it is not there.
func (h *heard) place(side int, b []byte) int {
	return strings.Index(string(h.sound[side]), string(b))
}

func codes(source int, from int64, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = code(source, from+int64(i))
	}
	return b
}

func TestAllChannelsOfAPRIAreHeardBitByBitAndPartiesAreNotSwapped(t *testing.T) {
	var slots []int
	for slot := 1; slot <= 31; slot++ {
		if slot != 16 {
			slots = append(slots, slot)
		}
	}
	all, _ := run(t, func(t *testing.T) (*model, *Source) {
		m := bus(t, "hfc-e1", true)
		return m, source(t, m, nil, lines("hfc-e1", true, slots...))
	}, func(*model) { time.Sleep(10 * time.Second) })
	for i, h := range all {
		a := h.place(0, codes(999+slots[i], 8000, 64000))
		b := h.place(1, codes(1999+slots[i], 8000, 64000))
		if a < 0 || a != b || h.LostSamples() != 0 || len(h.Events) != 0 {
			t.Errorf("channel %d: the parties' sound at %d and %d, lost %v, events %v", slots[i], a, b, h.Lost, h.kinds())
		}
	}
}

// talk sends a card's packets of a call: speech, with pieces between that are all idle and are left out.
func talk(m *model, id, channel, src int, base uint32, skip func(piece int) bool, pieces int) {
	tick := time.NewTicker(line.FramePeriod)
	defer tick.Stop()
	for i := range pieces {
		<-tick.C
		if !skip(i) {
			m.send(id, channel, data, base+uint32(i*160), turned(src, int64(i*160), 160))
		}
	}
}

func TestIdleThatIsLeftOutIsSilenceAndNotLoss(t *testing.T) {
	skip := func(i int) bool { return i > 50 && i <= 150 || i > 200 && i <= 203 }
	all, s := run(t, func(t *testing.T) (*model, *Source) {
		m := bus(t, "l1oip-s0", false)
		return m, source(t, m, nil, lines("l1oip-s0", true, 1, 2))
	}, func(m *model) {
		time.Sleep(3 * time.Second)
		done := make(chan struct{})
		go func() { talk(m, 1, 1, 77, 1<<32-4000, skip, 400); close(done) }()
		talk(m, 0, 1, 66, 123456, func(i int) bool { return i%100 == 99 }, 400)
		<-done
		time.Sleep(2 * time.Second)
	})
	for i, h := range all {
		if h.LostSamples() != 0 || len(h.Events) != 0 || h.Heard < line.In(12500*time.Millisecond) {
			t.Errorf("line %d: lost %v, events %v, %v heard", i, h.Lost, h.kinds(), h.Heard.Duration())
		}
	}
	h := all[0]
	first := h.place(1, codes(77, 0, 51*160))
	second := h.place(1, codes(77, 151*160, 50*160))
	third := h.place(1, codes(77, 204*160, 196*160))
	if first < 0 || third-first != 204*160 {
		t.Errorf("speech at %d, %d and %d", first, second, third)
	}
	// After two seconds of idle the clock places it, which the two ends need not have in step.
	if off := second - first - 151*160; second < 0 || off < -80 || off > 80 {
		t.Errorf("speech after a silence is %d samples from its place", off)
	}
	for i, x := range h.sound[1][first+51*160 : second] {
		if x != idle {
			t.Fatalf("sample %d of the silence is %#x", i, x)
		}
	}
	if at := h.place(0, codes(66, 0, 99*160)); at < 0 || at-first > 400 || first-at > 400 {
		t.Errorf("the office's speech begins at %d, the other's at %d", at, first)
	}
	for _, c := range s.Stats(nil)[0].Channels {
		if c.Late != 0 || c.Odd != 0 {
			t.Errorf("%+v", c)
		}
	}
}

func TestASenderThatBeginsAnewIsHeardOn(t *testing.T) {
	all, s := run(t, func(t *testing.T) (*model, *Source) {
		m := bus(t, "l1oip-s0", false)
		return m, source(t, m, nil, lines("l1oip-s0", false, 2))
	}, func(m *model) {
		never := func(int) bool { return false }
		talk(m, 0, 2, 5, 90000, never, 100)
		talk(m, 0, 2, 6, 0, never, 100)
		time.Sleep(time.Second)
	})
	h := all[0]
	a, b := h.place(0, codes(5, 0, 16000)), h.place(0, codes(6, 800, 15200))
	if a < 0 || b < 0 || b-a-16800 > 320 || b-a-16800 < -320 {
		t.Errorf("the first at %d, the second at %d", a, b)
	}
	if odd := s.Stats(nil)[0].Channels[2].Odd; odd != 1 {
		t.Errorf("%d jumps counted, want 1", odd)
	}
}

func TestPiecesLostByAFullQueueAreFoundByTheClock(t *testing.T) {
	all, _ := run(t, func(t *testing.T) (*model, *Source) {
		m := bus(t, "hfc-s0", false)
		return m, source(t, m, nil, lines("hfc-s0", false, 1))
	}, func(m *model) {
		time.Sleep(5 * time.Second)
		m.do(func() { m.cards[1].mute = true }) // for less than a stall
		time.Sleep(96 * time.Millisecond)
		m.do(func() { m.cards[1].mute = false })
		time.Sleep(5 * time.Second)
	})
	h := all[0]
	if lost := h.Lost[line.CauseOverrun]; lost < 700 || lost > 1100 || len(h.Gaps) != 1 {
		t.Errorf("lost %v, gaps %+v, want one of 768", h.Lost, h.Gaps)
	}
}

func TestPacketsThatComeLateAreNotLost(t *testing.T) {
	all, _ := run(t, func(t *testing.T) (*model, *Source) {
		m := bus(t, "l1oip-s0", false)
		return m, source(t, m, nil, lines("l1oip-s0", false, 1))
	}, func(m *model) {
		time.Sleep(time.Second)
		for i := range 400 { // every second all packets of 250 ms come at once
			m.send(0, 1, data, uint32(i*160), turned(7, int64(i*160), 160))
			if i%50 < 37 {
				time.Sleep(20 * time.Millisecond)
			} else if i%50 == 37 {
				time.Sleep(260 * time.Millisecond)
			}
		}
		time.Sleep(time.Second)
	})
	if h := all[0]; h.LostSamples() != 0 || len(h.Events) != 0 || h.place(0, codes(7, 0, 64000)) < 0 {
		t.Errorf("lost %v, events %v, the speech is at %d", h.Lost, h.kinds(), h.place(0, codes(7, 0, 64000)))
	}
}

func TestPacketsThatComeVeryLateAreAllHeard(t *testing.T) {
	all, s := run(t, func(t *testing.T) (*model, *Source) {
		m := bus(t, "l1oip-s0", false)
		return m, source(t, m, nil, lines("l1oip-s0", false, 1))
	}, func(m *model) {
		never := func(int) bool { return false }
		talk(m, 0, 1, 7, 0, never, 100)
		time.Sleep(900 * time.Millisecond) // longer than idle waits
		for i := 100; i < 145; i++ {
			m.send(0, 1, data, uint32(i*160), turned(7, int64(i*160), 160))
		}
		time.Sleep(2 * time.Second)
	})
	h := all[0]
	first, rest := h.place(0, codes(7, 0, 16000)), h.place(0, codes(7, 17600, 5600))
	if first < 0 || rest < 0 || len(h.Events) != 0 {
		t.Errorf("the parts of the speech are at %d and %d; lost %v, events %v", first, rest, h.Lost, h.kinds())
	}
	if late := s.Stats(nil)[0].Channels[2].Late; late == 0 {
		t.Error("none was counted as late")
	}
}

// told is a D channel that remembers.
type told struct {
	frames [2][]string
	lost   [2]int
	up     []bool
}

func (d *told) Carrier(up bool, _ time.Time) { d.up = append(d.up, up) }

func (d *told) Frame(f circuit.Frame) []circuit.Told {
	d.frames[f.From] = append(d.frames[f.From], string(f.Bytes))
	return []circuit.Told{{Channel: 2, Event: line.Event{Kind: line.Seized, Direction: line.Incoming}}}
}
func (*told) Tick(time.Time) []circuit.Told { return nil }
func (d *told) Lost(from line.Side, _ time.Time) []circuit.Told {
	d.lost[from]++
	return nil
}

func TestTheDChannelIsHeardAndTheLinkIsUpAndDown(t *testing.T) {
	d := &told{}
	all, s := run(t, func(t *testing.T) (*model, *Source) {
		m := bus(t, "l1oip-s0", false)
		m.cards[0].active, m.cards[1].active = false, false // the bus rests
		return m, source(t, m, d, lines("l1oip-s0", true, 1, 2))
	}, func(m *model) {
		time.Sleep(time.Second)
		m.activate(0, true)
		m.activate(1, true)
		time.Sleep(time.Second)
		m.send(1, 0, data, 7, []byte{2, 0xFF, 3, 8, 1, 1, 5})
		m.send(0, 0, 0x2001, 7, []byte("another program's own request"))
		m.send(0, 0, data, 8, []byte{0, 0x81, 0x73})
		time.Sleep(time.Second)
		m.activate(1, false)
		time.Sleep(2 * time.Second)
		m.activate(1, true)
		time.Sleep(time.Second)
	})
	if !slices.Equal(d.frames[line.Remote], []string{"\x02\xff\x03\x08\x01\x01\x05"}) || !slices.Equal(d.frames[line.Office], []string{"\x00\x81\x73"}) {
		t.Errorf("frames %q", d.frames)
	}
	if want := []line.Kind{line.Down, line.Up, line.Seized, line.Seized, line.Down, line.Up}; !slices.Equal(all[1].kinds(), want) {
		t.Errorf("events %v, want %v", all[1].kinds(), want)
	}
	if want := []line.Kind{line.Down, line.Up, line.Down, line.Up}; !slices.Equal(all[0].kinds(), want) {
		t.Errorf("events %v, want %v", all[0].kinds(), want)
	}
	if !slices.Equal(d.up, []bool{true, false, true}) {
		t.Errorf("carrier %v", d.up)
	}
	if at := all[0].Events[0].At; at != 0 {
		t.Errorf("Down at %d, want from the beginning", at)
	}
	if c := s.Stats(nil)[0].Channels[1]; c.Rests != 1 || c.Frames != 1 {
		t.Errorf("%+v", c)
	}
}

func TestTheCardsAreOpenedAsWhatTheyHear(t *testing.T) {
	for _, pri := range []bool{false, true} {
		var m *model
		run(t, func(t *testing.T) (*model, *Source) {
			m = bus(t, "hfc", pri)
			return m, source(t, m, nil, lines("hfc", true, 1))
		}, func(*model) { time.Sleep(time.Second) })
		want := [2]int{protoNTS0, protoTES0}
		if pri {
			want = [2]int{protoNTE1, protoTEE1}
		}
		if got := [2]int{m.cards[0].dProto, m.cards[1].dProto}; got != want {
			t.Errorf("protocols %#x, want %#x", got, want)
		}
	}
}

func TestWhatCannotBeHeardSaysWhy(t *testing.T) {
	all, s := run(t, func(t *testing.T) (*model, *Source) {
		m := bus(t, "hfc-s0", false)
		return m, source(t, m, nil, lines("hfc-s0", true, 1, 17))
	}, func(m *model) {
		time.Sleep(2 * time.Second)
		m.do(func() {
			if m.binds > 20 {
				m.t.Errorf("%d attempts in 2 s", m.binds)
			}
		})
	})
	if !slices.Equal(all[1].kinds(), []line.Kind{line.Down}) || len(all[0].Events) != 0 {
		t.Errorf("events %v and %v", all[0].kinds(), all[1].kinds())
	}
	var why []string
	for _, c := range s.Stats(nil)[0].Channels {
		why = append(why, c.Why)
	}
	if !slices.Contains(why, `card "hfc-s0.1" has no B channel 17`) {
		t.Errorf("why: %q", why)
	}
}

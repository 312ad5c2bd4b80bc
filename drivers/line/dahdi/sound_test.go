package dahdi

import (
	"slices"
	"strings"
	"testing"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/circuit"
)

// openPRI opens slots of a tapped E1; slot n hears source 1000+n-1 of the office, 2000+n-1 of the remote side.
func openPRI(signals Signals, of ...int) func(t *testing.T) (*model, *Source, [][2]int) {
	return func(t *testing.T) (*model, *Source, [][2]int) {
		m := pri(t)
		var sources [][2]int
		for _, slot := range of {
			sources = append(sources, [2]int{999 + slot, 1999 + slot})
		}
		return m, source(t, m, slots(signals, of...)...), sources
	}
}

func allSlots() (all []int) {
	for slot := 1; slot <= 31; slot++ {
		if slot != 16 {
			all = append(all, slot)
		}
	}
	return all
}

func TestAllChannelsOfACircuitAreHeardBitByBitAndPartiesAreNotSwapped(t *testing.T) {
	ears, _, s := hearing(t, openPRI(ISDN, allSlots()...), func(*model) { sleep(20 * time.Second) })
	for _, e := range ears {
		if len(e.breaks) != 0 || e.LostSamples() != 0 {
			t.Errorf("%s: breaks %+v, lost %v, want none", e.l.Info().Name, e.breaks, e.Lost)
		}
		if e.Heard < line.In(19700*time.Millisecond) {
			t.Errorf("%s: %v heard of 20 s", e.l.Info().Name, e.Heard.Duration())
		}
		if apart := e.place[0] - e.place[1]; apart != 0 {
			t.Errorf("%s: the parties are %d samples apart", e.l.Info().Name, apart)
		}
		if len(e.Events) != 0 {
			t.Errorf("%s: events %v on a line where nothing happens", e.l.Info().Name, e.kinds())
		}
	}
	if info := ears[0].l.Info(); info.Channels != 2 || info.Law != line.ALaw || !info.Signals {
		t.Errorf("a line describes itself as %+v", info)
	}
	for _, c := range s.Stats(nil)[0].Channels {
		if c.Opens != 1 || c.Overruns != 0 || c.Why != "the tap has ended" {
			t.Errorf("%s: %+v", c.Name, c)
		}
	}
}

func TestAStallOfThreeSecondsLosesNothing(t *testing.T) {
	ears, _, _ := hearing(t, openPRI(None, 1, 31), func(m *model) {
		for range 5 {
			sleep(2 * time.Second)
			m.do(func() { m.frozen = 3 * time.Second })
			sleep(4 * time.Second)
		}
	})
	for _, e := range ears {
		if len(e.breaks) != 0 || e.LostSamples() != 0 {
			t.Errorf("breaks %+v, lost %v, want none", e.breaks, e.Lost)
		}
	}
}

func TestAnOverrunIsToldAtItsPlace(t *testing.T) {
	for _, stall := range []time.Duration{3300, 3500, 4250, 9000} {
		ears, _, s := hearing(t, openPRI(None, 1, 31), func(m *model) {
			sleep(10 * time.Second)
			m.do(func() { m.frozen = stall * time.Millisecond })
			sleep(20 * time.Second)
		})
		for _, e := range ears {
			if len(e.breaks) != 1 {
				t.Fatalf("stall of %d ms: breaks %+v, want one", stall, e.breaks)
			}
			b := e.breaks[0]
			// All 32 buffers of the kernel are heard first; frames around the gap are whole, so it lies where the sound breaks.
			if b.at < line.In(13*time.Second) || b.at > line.In(13500*time.Millisecond) {
				t.Errorf("stall of %d ms: the gap is at %v", stall, b.at.Duration())
			}
			for c, really := range b.really {
				if off := int64(b.told) - really; off > 80 || off < -80 {
					t.Errorf("stall of %d ms: %d told as lost, %d are in direction %d", stall, b.told, really, c)
				}
			}
			if e.Lost[line.CauseOverrun] != e.LostSamples() {
				t.Errorf("stall of %d ms: lost %v, want all as overrun", stall, e.Lost)
			}
			if len(e.Events) != 0 {
				t.Errorf("stall of %d ms: events %v: the device was well", stall, e.kinds())
			}
		}
		for _, c := range s.Stats(nil)[0].Channels {
			if c.Overruns != 1 {
				t.Errorf("stall of %d ms: %s counted %d overruns", stall, c.Name, c.Overruns)
			}
		}
	}
}

func TestInterruptsThatACardMissedAreAGapOfTheRightLength(t *testing.T) {
	ears, _, _ := hearing(t, openPRI(None, 1, 31), func(m *model) {
		sleep(10 * time.Second)
		m.do(func() {
			m.spans[4].lose = int64(time.Since(m.born)/time.Millisecond) + 61
			m.spans[4].misses += 61
		})
		sleep(10 * time.Second)
	})
	for _, e := range ears {
		if len(e.breaks) != 1 || e.breaks[0].told < 300 || e.breaks[0].told > 900 || e.Lost[line.CauseOverrun] != e.LostSamples() {
			t.Fatalf("breaks %+v, lost %v, want one of some 60 ms", e.breaks, e.Lost)
		}
		if apart := e.place[0] - e.place[1]; apart > 80 || apart < -80 {
			t.Errorf("the parties are %d samples apart afterwards", apart)
		}
	}
}

func TestAnAlarmIsDownAndItsSoundIsNotKept(t *testing.T) {
	for _, alarm := range []int{alarmRed, alarmYellow, alarmBlue} {
		var from, to time.Time
		ears, _, s := hearing(t, openPRI(ISDN, 1, 31), func(m *model) {
			sleep(5 * time.Second)
			from = time.Now()
			m.do(func() { m.spans[4].alarms = alarm }) // sound goes on coming
			sleep(3 * time.Second)
			to = time.Now()
			m.do(func() { m.spans[4].alarms = 0 })
			sleep(3 * time.Second)
		})
		for _, e := range ears {
			if k := e.kinds(); !slices.Equal(k, []line.Kind{line.Down, line.Up}) {
				t.Fatalf("events %v, want Down and Up", k)
			}
			if late := e.Events[0].Heard.Sub(from); late > 150*time.Millisecond {
				t.Errorf("Down came %v after the alarm", late)
			}
			if late := e.Events[1].Heard.Sub(to); late > 500*time.Millisecond {
				t.Errorf("Up came %v after the alarm", late)
			}
			if lost := e.Lost[line.CauseGone].Duration(); lost < 2700*time.Millisecond || lost > 3600*time.Millisecond {
				t.Errorf("%v lost in an alarm of 3 s", lost)
			}
			for c, really := range e.breaks[0].really {
				if off := int64(e.breaks[0].told) - really; off > 80 || off < -80 {
					t.Errorf("%d told as lost, %d are in direction %d", e.breaks[0].told, really, c)
				}
			}
		}
		if a := s.Stats(nil)[0].Spans[1].Alarms; a != "" {
			t.Errorf("alarms %q after the alarm", a)
		}
	}
}

func TestASpanThatReturnsUnderOtherNumbersIsHeardAgain(t *testing.T) {
	ears, _, _ := hearing(t, openPRI(ISDN, 1, 31), func(m *model) {
		sleep(5 * time.Second)
		m.remove(3)
		sleep(2 * time.Second)
		m.addSpan(3, 200, 1000, e1()...)
		sleep(4 * time.Second)
	})
	for _, e := range ears {
		if k := e.kinds(); !slices.Equal(k, []line.Kind{line.Down, line.Up}) {
			t.Fatalf("events %v, want Down and Up", k)
		}
		if e.Heard < line.In(7*time.Second) {
			t.Errorf("%v heard of 9 s", e.Heard.Duration())
		}
	}
}

func TestASpanWithoutAClockIsClosedSoThatItCanBeTakenOut(t *testing.T) {
	_, m, _ := hearing(t, openPRI(ISDN, 1), func(m *model) {
		sleep(5 * time.Second)
		m.do(func() { m.spans[3].mute, m.spans[4].mute = true, true })
		for range 100 {
			sleep(20 * time.Millisecond)
			open := false
			m.do(func() { open = m.chans[63].file != nil || m.chans[78].file != nil })
			if !open {
				m.do(func() { m.opens = 1 })
				return
			}
		}
	})
	if m.opens != 1 {
		t.Error("a channel that gives nothing was not closed within 2 s")
	}
}

func TestAChannelThatSomebodyElseHasIsDownAloneUntilItIsFree(t *testing.T) {
	ears, _, s := hearing(t, func(t *testing.T) (*model, *Source, [][2]int) {
		m, s, sources := openPRI(ISDN, 1, 2)(t)
		m.chans[94].file = &mFile{}
		return m, s, sources
	}, func(m *model) {
		sleep(5 * time.Second)
		m.do(func() { m.chans[94].file = nil })
		sleep(5 * time.Second)
	})
	if k := ears[0].kinds(); !slices.Equal(k, []line.Kind{line.Down, line.Up}) || ears[0].Heard < line.In(3500*time.Millisecond) {
		t.Errorf("events %v, %v heard, want Down and Up", k, ears[0].Heard.Duration())
	}
	if ears[0].Events[0].At != 0 || ears[0].Lost[line.CauseGone] < line.In(5*time.Second) {
		t.Errorf("Down at %d, lost %v, want everything until it was free", ears[0].Events[0].At, ears[0].Lost)
	}
	if len(ears[1].Events) != 0 || ears[1].LostSamples() != 0 {
		t.Errorf("the other line: events %v, lost %v", ears[1].kinds(), ears[1].Lost)
	}
	if c := s.Stats(nil)[0].Channels[1]; c.Opens != 1 {
		t.Errorf("%+v", c)
	}
}

func TestNothingThereIsLookedForWithGrowingPauses(t *testing.T) {
	ears, m, _ := hearing(t, func(t *testing.T) (*model, *Source, [][2]int) {
		m, s, sources := openPRI(ISDN, 1)(t)
		m.absent = true
		return m, s, sources
	}, func(m *model) {
		sleep(10 * time.Second)
		m.do(func() { m.absent = false })
		sleep(2 * time.Second)
	})
	if e := ears[0]; !slices.Equal(e.kinds(), []line.Kind{line.Down, line.Up}) || e.Lost[line.CauseGone] < line.In(10*time.Second) {
		t.Errorf("events %v, lost %v", e.kinds(), e.Lost)
	}
	if m.opens > 10 {
		t.Errorf("%d files opened", m.opens)
	}
}

// told is a D channel that remembers, and rings slot 31 at each frame.
type told struct {
	frames [2][]string
	lost   [2]int
	ticks  int
	up     []bool
}

func (d *told) Frame(f circuit.Frame) []circuit.Told {
	d.frames[f.From] = append(d.frames[f.From], string(f.Bytes))
	return []circuit.Told{{Channel: 31, Event: line.Event{Kind: line.Seized, Direction: line.Outgoing}}, {Channel: 9, Event: line.Event{Kind: line.Seized}}}
}
func (d *told) Carrier(up bool, _ time.Time)  { d.up = append(d.up, up) }
func (d *told) Tick(time.Time) []circuit.Told { d.ticks++; return nil }
func (d *told) Lost(from line.Side, _ time.Time) []circuit.Told {
	d.lost[from]++
	return nil
}

func TestTheDChannelIsHeardInBothDirectionsAndItsEventsReachTheirLine(t *testing.T) {
	d := &told{}
	var at time.Time
	ears, _, s := hearing(t, func(t *testing.T) (*model, *Source, [][2]int) {
		m := pri(t)
		s, err := newSource(Config{Lines: slots(ISDN, 1, 31), DChannel: func(string) circuit.DChannel { return d }}, m, discard())
		if err != nil {
			t.Fatal(err)
		}
		return m, s, [][2]int{{1000, 2000}, {1030, 2030}}
	}, func(m *model) {
		sleep(3 * time.Second)
		at = time.Now()
		m.frame(78, "\x02\x01\x7f")
		m.frame(109, "\x00\x01\x7f\x00")
		m.frame(109, "\x00\x01\x01\x02")
		sleep(time.Second)
		m.event(78, eventBadFCS)
		m.event(109, eventAbort)
		m.do(func() { m.chans[78].file.receive([]byte{2, 1, 0x7f, 0, 0, 0}) }) // damaged, and the kernel said nothing
		sleep(time.Second)
	})
	if len(d.frames[line.Office]) != 1 || d.frames[line.Office][0] != "\x02\x01\x7f" {
		t.Errorf("from the office: %q", d.frames[line.Office])
	}
	if !slices.Equal(d.frames[line.Remote], []string{"\x00\x01\x7f\x00", "\x00\x01\x01\x02"}) {
		t.Errorf("from the remote side: %q", d.frames[line.Remote])
	}
	if d.lost != [2]int{2 + 1, 1 + 1} || d.ticks < 100 { // and once when each was closed
		t.Errorf("told of losses %v times, %d ticks", d.lost, d.ticks)
	}
	if !slices.Equal(d.up, []bool{true}) {
		t.Errorf("carrier %v", d.up)
	}
	if len(ears[0].Events) != 0 || len(ears[1].Events) != 3 {
		t.Fatalf("events %v and %v, want three on slot 31", ears[0].kinds(), ears[1].kinds())
	}
	for _, e := range ears[1].Events {
		if off := (e.At - ears[1].truth(at)).Duration().Abs(); off > 25*time.Millisecond {
			t.Errorf("told %v away from its place", off)
		}
	}
	for _, c := range s.Stats(nil)[0].Channels {
		switch c.Name {
		case "span 3 D channel":
			if c.Frames != 1 || c.BadFCS != 2 {
				t.Errorf("%+v", c)
			}
		case "span 4 D channel":
			if c.Frames != 2 || c.Aborts != 1 {
				t.Errorf("%+v", c)
			}
		}
	}
}

func TestLinesWhoseDChannelCannotBeHeardAreDown(t *testing.T) {
	ears, _, s := hearing(t, func(t *testing.T) (*model, *Source, [][2]int) {
		m, s, sources := openPRI(ISDN, 1)(t)
		m.chans[78].sig = sigClear
		return m, s, sources
	}, func(*model) { sleep(2 * time.Second) })
	if e := ears[0]; len(e.Events) != 1 || e.Events[0].Kind != line.Down || e.Heard != 0 {
		t.Errorf("events %v, %v heard, want Down", e.kinds(), e.Heard.Duration())
	}
	why := ""
	for _, c := range s.Stats(nil)[0].Channels {
		why += c.Why
	}
	if want := "span 3 has no D channel (dchan= in DAHDI's system.conf)"; !strings.Contains(why, want) {
		t.Errorf("why: %q, want %q", why, want)
	}
}

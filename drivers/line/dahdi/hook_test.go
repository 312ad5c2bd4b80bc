package dahdi

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"linekeep/drivers/line"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// step is what a channel shows from a moment on.
type step struct {
	ms      int
	channel int // 1 hears the office, 2 the remote side
	bits    int
}

const (
	onHook, offHook     = 0x5, 0xF // of a telephone
	idle, ring, current = 0x5, 0x0, 0xF
	free, seized        = 0x0, 0xF // of a tie line
)

func TestHooksTellCallsAtTheirPlace(t *testing.T) {
	for _, c := range []struct {
		name    string
		signals Signals
		steps   []step
		want    string // KIND@ms
	}{
		{name: "two rings, answered, hung up", signals: Loop,
			steps: []step{{3000, 2, ring}, {3400, 2, idle}, {3600, 2, ring}, {4000, 2, idle}, {6000, 2, ring}, {6300, 1, offHook}, {6310, 2, idle}, {20000, 1, onHook}},
			want:  "ringing in@3000 ringing in@3600 ringing in@6000 seized in@6300 answered@6300 released@20000"},
		{name: "answered in the pause between rings", signals: Loop,
			steps: []step{{3000, 2, ring}, {3400, 2, idle}, {5000, 1, offHook}, {9000, 1, onHook}},
			want:  "ringing in@3000 seized in@5000 answered@5000 released@9000"},
		{name: "outgoing, with presses of the hook", signals: Loop,
			steps: []step{{3000, 1, offHook}, {5000, 1, onHook}, {5750, 1, offHook}, {7000, 1, onHook}, {7090, 1, offHook}, {12000, 1, onHook}},
			want:  "seized out@3000 released@12000"},
		{name: "a dialling disc's breaks are no hang-up", signals: Loop,
			steps: []step{{3000, 1, offHook}, {4000, 1, onHook}, {4066, 1, offHook}, {4100, 1, onHook}, {4166, 1, offHook}, {9000, 1, onHook}},
			want:  "seized out@3000 released@9000"},
		{name: "the exchange takes the current away; the receiver is put down later", signals: Loop,
			steps: []step{{3000, 1, offHook}, {8000, 2, current}, {8500, 2, idle}, {15000, 1, onHook}, {20000, 1, offHook}, {22000, 1, onHook}},
			want:  "seized out@3000 released@8000 seized out@20000 released@22000"},
		{name: "a short dip of the current is none", signals: Loop,
			steps: []step{{3000, 1, offHook}, {8000, 2, current}, {8100, 2, idle}, {9000, 1, onHook}},
			want:  "seized out@3000 released@9000"},
		{name: "not answered, then an outgoing call", signals: Loop,
			steps: []step{{3000, 2, ring}, {3400, 2, idle}, {14000, 1, offHook}, {16000, 1, onHook}},
			want:  "ringing in@3000 seized out@14000 released@16000"},
		{name: "only the neighbour's bits", signals: Loop,
			steps: []step{{3000, 1, 0xF5}, {4000, 2, 0x05}, {5000, 1, 0x35}}, want: ""},
		{name: "a call that is on when the tap begins", signals: Loop,
			steps: []step{{0, 1, offHook}, {8000, 1, onHook}, {10000, 1, offHook}, {12000, 1, onHook}},
			want:  "released@8000 seized out@10000 released@12000"},
		{name: "a second receiver is lifted within a hang-up's doubt", signals: Loop,
			steps: []step{{3000, 1, offHook}, {5000, 1, onHook}, {6500, 1, offHook}, {8000, 1, onHook}},
			want:  "seized out@3000 released@5000 seized out@6500 released@8000"},
		{name: "tie line, outgoing, with a wink", signals: EandM,
			steps: []step{{3000, 1, seized}, {3200, 2, seized}, {3400, 2, free}, {6000, 2, seized}, {15000, 2, free}, {16500, 1, free}},
			want:  "seized out@3000 answered@6400 released@15000"},
		{name: "tie line, incoming, never answered", signals: EandM,
			steps: []step{{3000, 2, seized}, {9000, 2, free}}, want: "seized in@3000 released@9000"},
		{name: "tie line, incoming, our wink, hung up here", signals: EandM,
			steps: []step{{3000, 2, seized}, {3100, 1, seized}, {3300, 1, free}, {5000, 1, seized}, {9000, 1, free}, {11000, 2, free}, {14000, 1, seized}, {16000, 1, free}},
			want:  "seized in@3000 answered@5400 released@9000 seized out@14000 released@16000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ears, m, _ := hearing(t, func(t *testing.T) (*model, *Source, [][2]int) {
				m := newModel(t)
				m.addSpan(1, 1, 1, 0x8000)
				m.addSpan(2, 2, 2, 0x8000)
				m.chans[1].rxBits, m.chans[2].rxBits = onHook, idle
				if c.signals == EandM {
					m.chans[1].rxBits, m.chans[2].rxBits = free, free
				}
				if c.steps[0].ms == 0 {
					m.chans[c.steps[0].channel].rxBits = c.steps[0].bits
				}
				return m, source(t, m, LineConfig{Device: Device{Kind: Channel, Office: 1, Remote: 2}, Signals: c.signals, Law: line.ALaw}), [][2]int{{1, 2}}
			}, func(m *model) {
				for _, s := range c.steps {
					sleep(time.Until(m.born.Add(time.Duration(s.ms) * time.Millisecond)))
					m.do(func() { m.chans[s.channel].rxBits = s.bits })
				}
				sleep(3 * time.Second)
			})
			wantEvents(t, ears[0], m, c.want)
			if len(ears[0].breaks) != 0 {
				t.Errorf("breaks %+v: what was held back must not be lost", ears[0].breaks)
			}
		})
	}
}

// wantEvents compares events with KIND DIRECTION@ms, and their places with where the sound of that moment is.
func wantEvents(t *testing.T, e *ear, m *model, want string) {
	t.Helper()
	var got []string
	fields := strings.Fields(strings.ReplaceAll(want, " in@", "_in@"))
	fields = strings.Fields(strings.ReplaceAll(strings.Join(fields, " "), " out@", "_out@"))
	for i, x := range e.Events {
		name := x.Kind.String()
		if x.Direction != line.Unknown {
			name += "_" + x.Direction.String()
		}
		got = append(got, name)
		if i >= len(fields) {
			continue
		}
		kind, at, _ := strings.Cut(fields[i], "@")
		var ms int
		fmt.Sscan(at, &ms)
		true := e.truth(m.born.Add(time.Duration(ms) * time.Millisecond))
		if off := (x.At - true).Duration(); kind != name || off < -15*time.Millisecond || off > 30*time.Millisecond {
			t.Errorf("event %d: %s, %v away from %s", i, name, off, fields[i])
		}
	}
	if len(got) != len(fields) {
		t.Errorf("events %v, want %v", got, fields)
	}
}

func TestAnAnalogueCardTellsRingAndReceiver(t *testing.T) {
	ears, m, _ := hearing(t, func(t *testing.T) (*model, *Source, [][2]int) {
		m := newModel(t)
		m.addSpan(1, 1, 1, 0x2004)
		m.chans[1].rxHook = 0
		return m, source(t, m, LineConfig{Device: Device{Kind: Channel, Office: 1}, Signals: Loop, Law: line.ALaw}), [][2]int{{1, 1}}
	}, func(m *model) {
		set := func(ms, hook, alarms int) {
			sleep(time.Until(m.born.Add(time.Duration(ms) * time.Millisecond)))
			m.do(func() { m.chans[1].rxHook, m.chans[1].alarms = hook, alarms })
		}
		set(3000, rxRing, 0)
		set(4000, 0, 0)
		set(5000, 0, alarmRed) // the voltage falls below the threshold: somebody has answered
		m.event(1, eventPolarity)
		set(9000, 0, 0)
		sleep(3 * time.Second)
	})
	wantEvents(t, ears[0], m, "ringing in@3000 seized in@5000 answered@5000 released@9000")
	if info := ears[0].l.Info(); info.Channels != 1 || !info.Signals {
		t.Errorf("the line describes itself as %+v", info)
	}
}

func TestAnAnalogueLineWithoutBatteryIsDown(t *testing.T) {
	ears, _, s := hearing(t, func(t *testing.T) (*model, *Source, [][2]int) {
		m := newModel(t)
		m.addSpan(1, 1, 1, 0x2004)
		return m, source(t, m, LineConfig{Device: Device{Kind: Channel, Office: 1}, Law: line.ALaw}), [][2]int{{1, 1}}
	}, func(m *model) {
		sleep(3 * time.Second)
		m.do(func() { m.chans[1].alarms = alarmRed })
		m.event(1, eventPolarity)
		sleep(2 * time.Second)
	})
	if e := ears[0]; len(e.Events) != 1 || e.Events[0].Kind != line.Down {
		t.Errorf("events %v, want Down", e.kinds())
	}
	if st := s.Stats(nil)[0]; st.Channels[0].Polarity != 1 || st.Spans[0].Alarms != "no battery" {
		t.Errorf("%+v", st)
	}
}

func TestChannelsThatAnotherProgramHasOpenAreCopied(t *testing.T) {
	ears, m, _ := hearing(t, func(t *testing.T) (*model, *Source, [][2]int) {
		m := newModel(t)
		m.addSpan(1, 125, 7, 0x1020)
		m.addSpan(2, 133, 8, 0x2004)
		m.chans[125].rxBits, m.chans[133].rxBits = onHook, idle
		m.chans[125].file, m.chans[133].file = &mFile{}, &mFile{}
		return m, source(t, m, LineConfig{Device: Device{Kind: Monitor, Office: 125, Remote: 133}, Signals: Loop, Law: line.ALaw}), [][2]int{{7, 8}}
	}, func(m *model) {
		sleep(3 * time.Second)
		m.do(func() { m.chans[125].rxBits = offHook })
		sleep(3 * time.Second)
	})
	wantEvents(t, ears[0], m, "seized out@3000")
	if e := ears[0]; len(e.breaks) != 0 || e.Heard < line.In(5500*time.Millisecond) {
		t.Errorf("breaks %+v, %v heard", e.breaks, e.Heard.Duration())
	}
}

func TestDevicesAreReadAndFaultsNameTheirField(t *testing.T) {
	for text, want := range map[string]Device{
		"span 3+4": {Span, 3, 4}, "channel 5": {Channel, 5, 0}, " channel 141 + 149": {Channel, 141, 149}, "monitor 125+133": {Monitor, 125, 133},
	} {
		if got, err := ParseDevice(text); err != nil || got != want {
			t.Errorf("ParseDevice(%q): %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "span", "span 3", "span 3+3", "span 0+4", "span 3+999", "channel 3+", "channel 3+x", "pseudo 3", "channel -1", "channel 5000"} {
		if d, err := ParseDevice(text); err == nil {
			t.Errorf("ParseDevice(%q): %v, no error", text, d)
		}
	}
	good := slots(ISDN, 1)[0]
	for want, spoil := range map[string]func(*LineConfig){
		"lines[0].device: ":  func(l *LineConfig) { l.Device.Remote = 0 },
		"lines[0].slot: ":    func(l *LineConfig) { l.Slot = 32 },
		"lines[0].law: ":     func(l *LineConfig) { l.Law = line.S16 },
		"lines[0].flash: ":   func(l *LineConfig) { l.Flash = time.Minute },
		"lines[0].signals: ": func(l *LineConfig) { l.Signals = "pulse" },
	} {
		l := good
		spoil(&l)
		if err := (Config{Lines: []LineConfig{l}}).Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := (Config{Lines: []LineConfig{good, good}}).Validate(); err == nil || !strings.Contains(err.Error(), "lines[1].device: span 3 slot 1 is lines[0]'s already") {
		t.Errorf("one input twice: %v", err)
	}
	if err := (Config{}).Validate(); err == nil {
		t.Error("no lines: no error")
	}
}

package dahdi

import (
	"log/slog"
	"testing"

	"linekeep/drivers/line"
	"linekeep/drivers/line/circuit"
	"linekeep/drivers/line/linetest"
)

// pri is a circuit tapped by spans 3 and 4, whose first channels are 63 and 94.
func pri(t *testing.T) *model {
	m := newModel(t)
	m.addSpan(3, 63, 1000, e1()...)
	m.addSpan(4, 94, 2000, e1()...)
	return m
}

func slots(signals Signals, of ...int) (all []LineConfig) {
	for _, slot := range of {
		all = append(all, LineConfig{Device: Device{Kind: Span, Office: 3, Remote: 4}, Slot: slot, Signals: signals, Law: line.ALaw})
	}
	return all
}

func source(t *testing.T, m *model, lines ...LineConfig) *Source {
	t.Helper()
	s, err := newSource(Config{Lines: lines}, m, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSpansKeepTheContract(t *testing.T) {
	linetest.RunVirtual(t, func(t *testing.T) linetest.Rig {
		m := pri(t)
		return linetest.Rig{Source: source(t, m, slots(ISDN, 1, 17, 31)...), RingFrames: circuit.RingFrames,
			Unplug: func() { m.remove(4) },
			Replug: func() { m.addSpan(4, 94, 2000, e1()...) }}
	})
}

func TestMonitorsKeepTheContract(t *testing.T) {
	linetest.RunVirtual(t, func(t *testing.T) linetest.Rig {
		m := newModel(t)
		m.addSpan(1, 1, 1, 0x1020, 0x2004)
		for n := range m.chans {
			m.chans[n].rxBits = 5
		}
		m.chans[1].rxBits = 0x55 // the neighbour's in the upper half
		s := source(t, m, LineConfig{Device: Device{Kind: Monitor, Office: 1, Remote: 2}, Law: line.ALaw},
			LineConfig{Device: Device{Kind: Channel, Office: 1}, Law: line.MuLaw})
		return linetest.Rig{Source: s, RingFrames: circuit.RingFrames,
			Unplug: func() { m.do(func() { m.spans[1].mute, m.spans[1].alarms = true, alarmRed }) },
			Replug: func() { m.do(func() { m.spans[1].mute, m.spans[1].alarms = false, 0 }) }}
	})
}

func TestAnalogueLinesKeepTheContract(t *testing.T) {
	linetest.RunVirtual(t, func(t *testing.T) linetest.Rig {
		m := newModel(t)
		m.addSpan(1, 1, 1, 0x8000)
		m.addSpan(2, 2, 2, 0x8000)
		m.chans[1].rxBits, m.chans[2].rxBits = 0x15, 0x00 // on-hook, and ringing
		s := source(t, m, LineConfig{Device: Device{Kind: Channel, Office: 1, Remote: 2}, Signals: Loop, Law: line.ALaw})
		return linetest.Rig{Source: s, RingFrames: circuit.RingFrames, Signals: true}
	})
}

package call

import (
	"testing"
	"time"

	"linekeep/audio/pcm"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// FuzzWhateverALineDoes feeds a machine anything and holds it to what it promises for any input at all.
func FuzzWhateverALineDoes(f *testing.F) {
	f.Add([]byte("\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00"), false, false)
	f.Add([]byte("\x03\x01\x01\x40\x41\x42\x43\x44\x45\x46\x47\x80\x81\x82"), true, false)
	f.Add([]byte("\x01\x01\x46\x80\xff\xff\x01\x47\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"), false, false)
	f.Add([]byte("\x41\x01\x43\x01\x01\x46\x00\x41\x00\x46"), true, true)
	f.Fuzz(func(t *testing.T, script []byte, signals, answers bool) {
		w := watcher{t: t, m: machineOf(short(), line.Info{Channels: 1, Signals: signals, Answers: answers}), signals: signals}
		for _, b := range script {
			w.step(b)
		}
		w.take(w.m.Stop(nil), Heard{Start: w.pos})
		if w.open {
			t.Errorf("a recording is still open after Stop")
		}
		w.covered()
		if c := w.m.Counts(); c.Began != c.Ended || c.Began != uint64(len(w.spans)) || c.Missed != w.failed {
			t.Errorf("counts %+v, but %d recordings, and %d calls that came to nothing", c, len(w.spans), w.failed)
		}
	})
}

type span struct{ from, to line.Position }

type watcher struct {
	t       *testing.T
	m       *Machine
	signals bool
	pos     line.Position
	lost    line.Samples
	run     []span // loud frames that follow each other
	sounds  []span // runs that were no click
	open    bool
	spans   []span
	failed  uint64
}

// step reads a byte as the next thing that happens: a frame (0 quiet, odd loud), a loss, or an event near pos.
func (w *watcher) step(b byte) {
	switch {
	case b < 0x40:
		h := Heard{Start: w.pos + w.lost, Lost: w.lost, Len: line.FrameSamples, Level: [2]pcm.DBFS{-70, 0}}
		if b&1 == 1 {
			h.Level[0] = -30
		}
		w.feed(h)
	case b < 0x80:
		at := w.pos + line.Position(b>>3&7)*100 - 300
		w.m.Event(line.Event{Kind: line.Kind(b & 15), At: at, Digit: '1', Number: "07700900123"})
	default:
		w.lost += line.Samples(b&0x7f) * 7
		if b&1 == 1 {
			w.feed(Heard{Start: w.pos + w.lost, Lost: w.lost})
		}
	}
}

func (w *watcher) feed(h Heard) {
	before := w.pos
	w.pos, w.lost = h.Start+h.Len, 0
	loud := h.Len > 0 && h.Level[0] > -45
	if h.Lost > 0 || !loud {
		w.run = w.run[:0]
	}
	if loud {
		w.run = append(w.run, span{h.Start, w.pos})
		if len(w.run) == 2 {
			w.sounds = append(w.sounds, w.run...)
		} else if len(w.run) > 2 {
			w.sounds = append(w.sounds, w.run[len(w.run)-1])
		}
	}
	for _, t := range w.m.Frame(h, nil) {
		if t.Kind == Begin && t.At < before-short().History() {
			w.t.Errorf("begins at %d, further back than a reader at %d keeps", t.At, before)
		}
		w.take([]Transition{t}, h)
	}
	if _, up := w.m.Up(); up != w.open {
		w.t.Errorf("Up says %v", up)
	}
}

func (w *watcher) take(all []Transition, h Heard) {
	for _, t := range all {
		switch t.Kind {
		case Known:
			if !w.open {
				w.t.Error("something is known of a recording that is not open")
			}
			continue
		case Failed:
			if w.open {
				w.t.Error("a call came to nothing while another is recorded")
			}
			w.failed++
			continue
		}
		last := line.Position(0)
		if len(w.spans) > 0 {
			last = w.spans[len(w.spans)-1].to
		}
		switch {
		case t.Kind == Begin && w.open, t.Kind == End && !w.open:
			w.t.Fatalf("two transitions %v after each other", t.Kind)
		case t.Kind == Begin:
			if t.At < last || t.At > w.pos {
				w.t.Errorf("begins at %d; the recording before it ended at %d and the line is at %d", t.At, last, w.pos)
			}
			w.spans = append(w.spans, span{from: t.At})
		default:
			s := &w.spans[len(w.spans)-1]
			s.to = t.At
			if t.At > h.Start && t.At != h.Start+h.Len {
				w.t.Errorf("ends at %d, inside the frame %d+%d", t.At, h.Start, h.Len)
			}
			if s.to < s.from || s.to-s.from > line.In(short().MaxLength) {
				w.t.Errorf("a recording from %d to %d", s.from, s.to)
			}
		}
		w.open = t.Kind == Begin
	}
}

// covered checks that all sound lies in recordings, where sound is all there is to go by.
func (w *watcher) covered() {
	if w.signals {
		return
	}
	i := 0
	for _, sound := range w.sounds {
		for at := sound.from; at < sound.to; {
			for i < len(w.spans) && w.spans[i].to <= at {
				i++
			}
			if i == len(w.spans) || w.spans[i].from > at {
				w.t.Fatalf("sound at %d is in no recording: %v", at, w.spans)
			}
			at = w.spans[i].to
		}
	}
}

func TestAFrameAllocatesNothing(t *testing.T) {
	m := machineOf(short(), line.Info{Channels: 2})
	out := make([]Transition, 0, 4)
	at := line.Position(0)
	if got := testing.AllocsPerRun(1000, func() {
		h := Heard{Start: at, Len: line.FrameSamples, Level: [2]pcm.DBFS{-20, -70}}
		if at/line.FrameSamples%50 > 25 {
			h.Level[0] = -60
		}
		at += line.FrameSamples
		out = m.Frame(h, out[:0])
	}); got != 0 {
		t.Errorf("%v allocations per frame, want 0", got)
	}
	if m.Counts().Ended == 0 {
		t.Error("no call was in it")
	}
}

func TestAHeldCallOfAnHourStaysOne(t *testing.T) {
	m, err := New(Defaults(), line.Info{Channels: 2, Signals: true})
	if err != nil {
		t.Fatal(err)
	}
	m.Event(line.Event{Kind: line.Seized, At: 0})
	var all []Transition
	const frames = 9 * 3600 * 50
	for i := range line.Samples(frames) {
		all = m.Frame(Heard{Start: i * frame, Len: frame, Level: [2]pcm.DBFS{-70, -70}}, all)
	}
	all = m.Stop(all)
	want := []line.Position{0, 4 * 3600 * line.RateHz, 4 * 3600 * line.RateHz, 8 * 3600 * line.RateHz, 8 * 3600 * line.RateHz, frames * frame}
	if len(all) != len(want) {
		t.Fatalf("%d transitions, want %d", len(all), len(want))
	}
	for i, at := range want {
		if all[i].At != at {
			t.Errorf("transition %d at %d, want %d", i, all[i].At, at)
		}
	}
	if all[2].Trigger != segment.ByLength || all[1].Reason != segment.EndLength || all[5].Reason != segment.EndStop {
		t.Errorf("got %v", all)
	}
	if c := m.Counts(); c.Seen != 1 || c.Began != 3 {
		t.Errorf("counts %+v: one seizure, three recordings", c)
	}
}

func TestMoreEventsThanAnyLineSendsAreCounted(t *testing.T) {
	m := machineOf(short(), line.Info{Channels: 1, Signals: true})
	for range maxQueued + 3 {
		m.Event(line.Event{Kind: line.Ringing, At: 1 << 40})
	}
	if got := m.Counts().EventsLost; got != 3 {
		t.Errorf("EventsLost = %d, want 3", got)
	}
}

func TestASeizureOutOfALossBeginsInIt(t *testing.T) {
	m := machineOf(short(), line.Info{Channels: 1, Signals: true})
	quiet := [line.MaxChannels]pcm.DBFS{-70, -70}
	m.Frame(Heard{Start: 0, Len: frame, Level: quiet}, nil)
	m.Event(line.Event{Kind: line.Seized, At: 250})
	m.Event(line.Event{Kind: line.Released, At: 333})
	all := m.Frame(Heard{Start: 1000, Lost: 840, Len: frame, Level: quiet}, nil)
	if len(all) != 2 || all[0].At != 0 || all[1].At != 333 {
		t.Errorf("got %v, want a recording from 0, the pre-roll, to 333", all)
	}
}

func TestConfigFaultsNameTheirField(t *testing.T) {
	if err := Defaults().Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	for field, spoil := range map[string]func(*Config){
		"Level":     func(c *Config) { c.Level = 3 },
		"Hold":      func(c *Config) { c.Hold = 0 },
		"PreRoll":   func(c *Config) { c.PreRoll = -time.Second },
		"MinSound":  func(c *Config) { c.MinSound = 0 },
		"MaxLength": func(c *Config) { c.MaxLength = time.Second },
	} {
		c := Defaults()
		spoil(&c)
		err := c.Validate()
		if err == nil || len(err.Error()) < len(field) || err.Error()[:len(field)] != field {
			t.Errorf("%s: got %v", field, err)
		}
	}
	if _, err := New(Config{}, line.Info{Channels: 1}); err == nil {
		t.Error("an empty Config is accepted")
	}
	if _, err := New(Defaults(), line.Info{}); err == nil {
		t.Error("a line without channels is accepted")
	}
}

func BenchmarkFrame(b *testing.B) {
	m := machineOf(Defaults(), line.Info{Channels: 2})
	out := make([]Transition, 0, 4)
	var at line.Position
	b.ReportAllocs()
	for b.Loop() {
		h := Heard{Start: at, Len: frame, Level: [2]pcm.DBFS{pcm.DBFS(-20 - at/(frame*300)%2*40), -70}}
		at += frame
		out = m.Frame(h, out[:0])
	}
}

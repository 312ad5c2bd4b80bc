package linesim

import (
	"testing"
	"testing/fstest"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/linetest"
)

// FuzzWhoeverReads plays a script with holes to a reader of any pace, with somebody at the plug, and holds the line to
// the contract and to the script: what is told as heard is what was said there.
func FuzzWhoeverReads(f *testing.F) {
	f.Add([]byte("\x03\x03\x03\x03\x80\x03\x03\x81\x03\x03\xff\xff\xff\x03"), uint64(1))
	f.Add([]byte("\x01\x02\x80\x04\x81\x05\x80\x80\x81\x7f\x7f\x7f\x7f\x01\x01\x01\xc3\xc3"), uint64(2))
	const script = `line "a" signals=digital
idle 100ms..900ms
lose 137ms after=200ms..2s
unplug 10ms..1500ms after=1s
lose 1ms after=1s..3s
call in number=07700900123
ring 1
answer
pause 1s..4s
keys 1234567890
hangup
loop`
	f.Fuzz(func(t *testing.T, actions []byte, seed uint64) {
		s, err := Parse("fuzz", []byte(script))
		if err != nil {
			t.Fatal(err)
		}
		sounds, err := LoadSounds(fstest.MapFS{})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		now := begin
		l := newLine(s, sounds, seed, func() time.Time { return now })
		l.start(begin)
		r := playedReader{t: t, l: l, truth: newPlayer(s, sounds, seed)}
		for _, a := range actions {
			switch {
			case a == 0x80 || a == 0x81:
				l.plug(a == 0x81, now)
			case a > 0xC0: // reads too few
				r.read(int(a & 7))
			default:
				now = now.Add(time.Duration(a) * 7 * time.Millisecond)
				r.read(300)
			}
		}
		l.stop(now)
		for l.frames.n > 0 || l.lost > 0 {
			r.read(300)
		}
		if due := line.In(now.Sub(begin)); r.End > due || r.End <= due-line.FrameSamples {
			t.Errorf("told up to %d of %d", r.End, due)
		}
	})
}

type playedReader struct {
	linetest.Timeline
	t     *testing.T
	l     *simLine
	truth *player
}

func (r *playedReader) read(most int) {
	frames, events := make([]line.Frame, most), make([]line.Event, most)
	n, err := r.l.Read(frames)
	if err != nil {
		r.t.Fatalf("Read: %v", err)
	}
	if err := r.Take(frames[:n]); err != nil {
		r.t.Fatal(err)
	}
	m, err := r.l.ReadEvents(events)
	if err != nil && m == 0 && r.l.end.IsZero() {
		r.t.Fatalf("ReadEvents: %v", err)
	}
	if most > line.EventQueue { // one who leaves events lying gets them late, as promised to nobody
		if err := r.TakeEvents(events[:m]); err != nil {
			r.t.Fatal(err)
		}
	}
	var want [line.FrameSamples]int16
	for i := range frames[:n] {
		for channel := range r.l.info.Channels {
			r.truth.channel(channel, frames[i].Start, want[:frames[i].Len])
			if frames[i].Len > 0 && frames[i].Samples[channel] != want {
				r.t.Fatalf("channel %d at %d is not what was said", channel, frames[i].Start)
			}
		}
	}
}

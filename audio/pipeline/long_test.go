package pipeline

import (
	"context"
	"encoding/binary"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"linekeep/audio/call"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// endlessLine never falls silent. It makes its frames when they are read.
type endlessLine struct {
	start time.Time
	next  line.Position
}

func (l *endlessLine) Info() line.Info                      { return line.Info{Channels: 1} }
func (l *endlessLine) Close() error                         { return nil }
func (l *endlessLine) ReadEvents([]line.Event) (int, error) { return 0, nil }
func (l *endlessLine) Read(frames []line.Frame) (n int, _ error) {
	for now := line.In(time.Since(l.start)); n < len(frames) && l.next+line.FrameSamples <= now; n++ {
		f := &frames[n]
		*f = line.Frame{Start: l.next, Len: line.FrameSamples}
		stamp(f.Samples[0][:], l.next, 0, true)
		l.next += line.FrameSamples
		f.Heard = l.start.Add(l.next.Duration())
	}
	return n, nil
}

// walkSink follows one line's recordings without keeping them.
type walkSink struct {
	t       *testing.T
	pos     line.Position // on the line, of the next packet
	call    segment.Call
	lengths []line.Samples
	wrong   atomic.Int64
}

func (s *walkSink) Commit(_ context.Context, g *segment.Group) error {
	for i := range g.Segments {
		for p := range g.Segments[i].Pieces() {
			if p.Tail {
				continue
			}
			if p.Packet == nil || line.Position(binary.BigEndian.Uint32(p.Packet[3:])) != s.pos {
				s.wrong.Add(1)
			}
			s.pos += p.Len
		}
	}
	for _, o := range g.Openings {
		if o.Continues != s.call {
			s.t.Errorf("call %d continues %d, expected %d", o.Call, o.Continues, s.call)
		}
		s.call = o.Call
	}
	for _, c := range g.Closings {
		s.lengths = append(s.lengths, c.Length)
	}
	return nil
}

func TestAfterFourHoursARecordingGoesOnInAnotherOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, sink := &endlessLine{start: time.Now()}, &walkSink{t: t}
		lines := []LineConfig{{ID: "off the hook", Line: l, Call: call.Defaults()}}
		run(t, lines, sink, stampEncoder, 4*time.Hour+10*time.Second, nil)
		want := []line.Samples{line.In(4 * time.Hour), line.In(10 * time.Second)}
		if len(sink.lengths) != 2 || sink.lengths[0] != want[0] || sink.lengths[1] != want[1] {
			t.Errorf("lengths %v, expected %v", sink.lengths, want)
		}
		if n := sink.wrong.Load(); n != 0 || sink.pos != want[0]+want[1] {
			t.Errorf("%d packets missing, doubled or at the wrong place; %d samples of %d", n, sink.pos, want[0]+want[1])
		}
	})
}

package pipeline

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"linekeep/audio/call"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// freeCodec costs next to nothing, so that what is measured is all that is not the codec.
type freeCodec struct{}

func (freeCodec) Reset() error { return nil }

func (freeCodec) Encode(_ []int16, packet []byte) (int, error) {
	return copy(packet, "\x0860 bytes, as a packet of speech at 24 kbit/s has, or nearly so"), nil
}

// eagerLine has a frame whenever it is asked.
type eagerLine struct {
	endlessLine
	left int
}

func (l *eagerLine) Info() line.Info { return line.Info{Channels: 2, Law: line.ALaw} }

func (l *eagerLine) Read(frames []line.Frame) (n int, _ error) {
	for ; n < len(frames) && l.left > 0; n++ {
		f := &frames[n]
		f.Start, f.Lost, f.Len = l.next, 0, line.FrameSamples
		f.Samples[0][5], f.Samples[1][7] = int16(l.left), 0x55
		l.next += line.FrameSamples
		f.Heard = l.start.Add(l.next.Duration())
		l.left--
	}
	return n, nil
}

// BenchmarkFrame is one frame of two parties from the line into a group, without the codec: law, levels, call machine,
// history, tracks, cut.
func BenchmarkFrame(b *testing.B) {
	l := &eagerLine{endlessLine: endlessLine{start: time.Now()}}
	p, err := New(Config{NewEncoder: func() (Encoder, error) { return freeCodec{}, nil }, Workers: 1},
		[]LineConfig{{ID: "a", Line: l, Call: call.Defaults()}}, nothing{}, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	frames := 0
	for b.Loop() {
		l.left++
		if frames++; frames%3 == 0 { // as many as a poll finds
			p.crew.poll(l.start, false)
		}
		if frames%24 == 0 { // a tick
			p.crew.poll(l.start, true)
			p.cut()
			p.building.clear()
		}
	}
}

// BenchmarkGroup is handing over a group of 64 tracks, as a busy box does twice a second.
func BenchmarkGroup(b *testing.B) {
	from, to := newBatch(32, 64), newBatch(32, 64)
	for i := range 64 {
		t := newTrack()
		t.begin(segment.Call(1+i/2), segment.Party(i%2))
		for range 25 {
			if err := t.packet(freeCodec{}, make([]int16, line.FrameSamples), 100); err != nil {
				b.Fatal(err)
			}
		}
		from.add(&t.seg)
	}
	c := &committer{sink: nothing{}, clock: time.Now}
	b.ReportAllocs()
	for b.Loop() {
		for i := range from.Segments {
			to.add(&from.Segments[i])
		}
		c.commit(context.Background(), to)
		to.clear()
	}
}

package circuit

import (
	"testing"
	"time"

	"linekeep/drivers/line"
)

// BenchmarkSecond is a second of a line with both directions, from the pieces to the frames that are read.
func BenchmarkSecond(b *testing.B) {
	l := New(line.Info{Name: "bench", Channels: 2, Law: line.ALaw}, 100*time.Millisecond)
	start := time.Now()
	l.Begin(start)
	codes, frames := make([]byte, 800), make([]line.Frame, RingFrames)
	b.ReportAllocs()
	now := time.Duration(0)
	for b.Loop() {
		for range 50 {
			now += Tick
			if now%(100*time.Millisecond) == 0 {
				l.Sound(0, start.Add(now), codes, line.CauseNone)
				l.Sound(1, start.Add(now), codes, line.CauseNone)
			}
			l.Look(start.Add(now))
		}
		if _, err := l.Read(frames); err != nil {
			b.Fatal(err)
		}
	}
}

package alsa

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/alsa/decimate"
)

// BenchmarkCallbackToFrame is the way of 20 ms of two channels from the callback, through the pump, to a reader.
func BenchmarkCallbackToFrame(b *testing.B) {
	for _, rate := range []int{8000, 48000} {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			d := newDevice(Device{Name: "bench"}, slog.New(slog.DiscardHandler))
			start := time.Now()
			d.begin(start)
			c := newCapture(format{rateHz: rate, channels: 2, sampleBytes: 2}, start, &d.counts)
			if rate != line.RateHz {
				f, err := decimate.NewFilter(rate)
				if err != nil {
					b.Fatal(err)
				}
				c.filter = f
			}
			c.thread.Store(-1)
			d.next.Store(c)
			sound := make([]byte, c.periodFrames()*c.frameBytes())
			frames := make([]line.Frame, 2)
			read := 0
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				// The sound's own time, not the benchmark's, so that none of it is early or late.
				at := int64(i+1) * int64(line.FramePeriod)
				c.ring.push(at, sound, c.periodFrames(), false)
				c.last.Store(at)
				d.pump(b.Context(), start.Add(time.Duration(at)), false)
				for _, t := range d.taps {
					n, err := t.Read(frames)
					if err != nil {
						b.Fatal(err)
					}
					read += n
				}
			}
			if read < 2*b.N-4 {
				b.Errorf("%d frames came out of %d periods of two lines", read, b.N)
			}
		})
	}
}

// BenchmarkCallback is what the audio thread spends in Go for 20 ms of two channels.
func BenchmarkCallback(b *testing.B) {
	c := newCapture(format{rateHz: 8000, channels: 2, sampleBytes: 2}, time.Now(), &counters{})
	sound := make([]byte, c.periodFrames()*c.frameBytes())
	b.ReportAllocs()
	for b.Loop() {
		c.data(sound, 160)
		c.ring.pop()
	}
}

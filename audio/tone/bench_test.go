//go:build cgo

package tone_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"linekeep/audio/opus"
	"linekeep/audio/tone"
	"linekeep/drivers/line"
)

// most is what listening to a channel may cost of what encoding it costs. Measured with libspandsp 0.0.6: an eighth.
const most = 0.25

// BenchmarkTone prints, for make bench, what all detectors of one channel cost per 20 ms of real speech against the encoder, as
// the pipeline sets it, in the same run: each round does both, so that a busy machine slows both.
func BenchmarkTone(b *testing.B) {
	sound := speech(b, "en_US_f_Allison")[:120*line.RateHz]
	frames := len(sound) / line.FrameSamples
	d := detector(b, tone.Defaults())
	enc, err := opus.NewEncoder(opus.Defaults())
	if err != nil {
		b.Fatal(err)
	}
	packet, events := make([]byte, 1275), make([]tone.Event, 8)
	var heard, encoded, ratio []float64
	for b.Loop() {
		for range 5 {
			began := time.Now()
			for i := range frames {
				d.Feed(sound[i*line.FrameSamples:][:line.FrameSamples])
				d.Poll(events)
			}
			tones := time.Since(began)
			began = time.Now()
			for i := range frames {
				if _, err := enc.Encode(sound[i*line.FrameSamples:][:line.FrameSamples], packet); err != nil {
					b.Fatal(err)
				}
			}
			sealed := time.Since(began)
			heard = append(heard, tones.Seconds()*1e6/float64(frames))
			encoded = append(encoded, sealed.Seconds()*1e6/float64(frames))
			ratio = append(ratio, tones.Seconds()/sealed.Seconds())
		}
	}
	met := "yes"
	if median(ratio) > most {
		met = "NO"
	}
	fmt.Printf("all tones of one channel against encoding it (%.1f of %.1f µs per 20 ms) | %.2f | %.2f | %s\n", median(heard), median(encoded), median(ratio), most, met)
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

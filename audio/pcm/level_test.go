package pcm

import (
	"math"
	"testing"

	"linekeep/drivers/line"
)

func sine(amplitude, dc float64) []int16 {
	s := make([]int16, line.FrameSamples)
	for i := range s {
		s[i] = int16(math.Round(dc + amplitude*math.Sin(2*math.Pi*1000*float64(i)/line.RateHz)))
	}
	return s
}

func TestLevels(t *testing.T) {
	click := make([]int16, line.FrameSamples)
	click[80] = 1
	square := make([]int16, line.FrameSamples)
	for i := range square {
		square[i] = int16(-32768 + i%2*65535)
	}
	for _, tt := range []struct {
		name      string
		samples   []int16
		rms, peak DBFS
	}{
		{"a full-scale sine is 3 dB below a square wave", sine(32767, 0), -3.01, 0},
		{"half of it is 6 dB less", sine(16384, 0), -9.03, -6.02},
		{"the loudest there is", square, 0, 0},
		{"the least there is", click, -112.4, -90.31},
		{"a DC offset is no sound, but it is a peak", sine(0, 3277), Silence, -20},
		{"sound on a DC offset is heard as it is", sine(1036, 8192), -33.01, -10.99},
		{"digital silence", make([]int16, 160), Silence, Silence},
		{"no samples", nil, Silence, Silence},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Measure(tt.samples)
			if math.Abs(float64(got.RMS-tt.rms)) > 0.05 || math.Abs(float64(got.Peak-tt.peak)) > 0.05 {
				t.Errorf("RMS %v peak %v, want %v and %v", got.RMS, got.Peak, tt.rms, tt.peak)
			}
		})
	}
	if s := DBFS(-45.04).String(); s != "-45.0 dBFS" {
		t.Errorf("written as %q", s)
	}
	if r := DBFS(-20).Ratio(); math.Abs(r-0.1) > 1e-9 || Silence.Ratio() != 0 {
		t.Errorf("-20 dBFS is %v of full scale", r)
	}
}

func TestAFrameThroughG711AllocatesNothing(t *testing.T) {
	samples := sine(10000, 0)
	got := testing.AllocsPerRun(100, func() {
		Compress(line.ALaw, samples)
		Expand(line.ALaw, samples)
		Compress(line.MuLaw, samples)
		Expand(line.MuLaw, samples)
		Measure(samples)
	})
	if got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
	if off := math.Abs(float64(Measure(samples).RMS - Measure(sine(10000, 0)).RMS)); off > 0.1 {
		t.Errorf("twice through G.711 it is %.2f dB off", off)
	}
	before := sine(10000, 0)
	Expand(line.S16, before)
	Compress(line.S16, before)
	for i, s := range sine(10000, 0) {
		if before[i] != s {
			t.Fatal("linear sound was changed")
		}
	}
}

func BenchmarkEncodeALaw160(b *testing.B)  { benchmark(b, func(s []int16) { Compress(line.ALaw, s) }) }
func BenchmarkEncodeMuLaw160(b *testing.B) { benchmark(b, func(s []int16) { Compress(line.MuLaw, s) }) }
func BenchmarkDecodeALaw160(b *testing.B)  { benchmark(b, func(s []int16) { Expand(line.ALaw, s) }) }
func BenchmarkMeasure160(b *testing.B)     { benchmark(b, func(s []int16) { Measure(s) }) }

func benchmark(b *testing.B, do func([]int16)) {
	from := sine(10000, 0)
	samples := make([]int16, len(from))
	b.ReportAllocs()
	for b.Loop() {
		copy(samples, from) // 5 ns; the work is done in place
		do(samples)
	}
}

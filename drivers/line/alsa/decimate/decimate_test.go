package decimate_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"linekeep/drivers/line/alsa/decimate"
)

var rates = []int{44100, 48000}

// tone is 200 ms of a sine at -3 dB of full scale.
func tone(rateHz int, hz float64) []int16 {
	s := make([]int16, rateHz/5)
	for i := range s {
		s[i] = int16(math.Round(23170 * math.Sin(2*math.Pi*hz*float64(i)/float64(rateHz))))
	}
	return s
}

func convert(t testing.TB, rateHz int, in []int16) []int16 {
	t.Helper()
	f, err := decimate.NewFilter(rateHz)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]int16, f.MaxOut(len(in)))
	return out[:f.NewDecimator().Convert(out, in)]
}

// gainDB is how much of a tone is left, the filter's first 40 ms left out, which leaves whole turns of all multiples of 25 Hz.
func gainDB(t testing.TB, rateHz int, hz float64) float64 {
	t.Helper()
	rms := func(s []int16) float64 {
		var sum float64
		for _, v := range s {
			sum += float64(v) * float64(v)
		}
		return math.Sqrt(sum / float64(len(s)))
	}
	out := convert(t, rateHz, tone(rateHz, hz))
	return 20 * math.Log10(max(rms(out[320:]), 1e-3)/(23170/math.Sqrt2))
}

func TestSoundAboveTheTelephoneBandDoesNotFoldBackAboveMinus60dB(t *testing.T) {
	for _, rate := range rates {
		worst, at := -200.0, 0.0
		for hz := 4000.0; hz < float64(rate)/2; hz += 75 {
			if g := gainDB(t, rate, hz); g > worst {
				worst, at = g, hz
			}
		}
		t.Logf("%d Hz: worst alias %.1f dB, of a tone at %.0f Hz", rate, worst, at)
		if worst > -60 {
			t.Errorf("%d Hz: a tone at %.0f Hz comes through at %.1f dB, want less than -60", rate, at, worst)
		}
	}
}

func TestTheTelephoneBandIsFlat(t *testing.T) {
	for _, rate := range rates {
		low, high := 200.0, -200.0
		for hz := 50.0; hz <= 3400; hz += 50 {
			g := gainDB(t, rate, hz)
			low, high = min(low, g), max(high, g)
		}
		t.Logf("%d Hz: 50 to 3400 Hz within %+.3f and %+.3f dB", rate, low, high)
		if low < -0.05 || high > 0.05 {
			t.Errorf("%d Hz: gain between %+.3f and %+.3f dB, want within 0.05", rate, low, high)
		}
	}
}

func TestAnEvenInputStaysEvenAndExact(t *testing.T) {
	for _, rate := range rates {
		in := make([]int16, rate)
		for i := range in {
			in[i] = 12345
		}
		for i, v := range convert(t, rate, in)[100:] {
			if v != 12345 {
				t.Fatalf("%d Hz: sample %d of an even input is %d, want 12345", rate, i+100, v)
			}
		}
	}
}

func TestAsMuchSoundComesOutAsWentIn(t *testing.T) {
	for _, rate := range rates {
		for _, seconds := range []int{1, 3} {
			if got := len(convert(t, rate, make([]int16, rate*seconds))); got != decimate.RateHz*seconds {
				t.Errorf("%d s at %d Hz gave %d samples, want %d", seconds, rate, got, decimate.RateHz*seconds)
			}
		}
	}
}

func TestPiecesOfAnyLengthGiveTheSameSound(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, rate := range rates {
		in := make([]int16, rate/2)
		for i := range in {
			in[i] = int16(rng.IntN(1<<16) - 1<<15)
		}
		want := convert(t, rate, in)
		f, err := decimate.NewFilter(rate)
		if err != nil {
			t.Fatal(err)
		}
		d := f.NewDecimator()
		var got []int16
		for rest := in; len(rest) > 0; {
			piece := rest[:min(len(rest), 1+rng.IntN(3000))]
			out := make([]int16, f.MaxOut(len(piece)))
			got = append(got, out[:d.Convert(out, piece)]...)
			rest = rest[len(piece):]
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d Hz: sound cut into pieces differs from the whole", rate)
		}
	}
}

func TestFullScaleIsClippedNotWrapped(t *testing.T) {
	for _, rate := range rates {
		in := make([]int16, rate)
		for i := range in { // a square wave overshoots in any sharp filter
			in[i] = math.MaxInt16
			if i/200%2 == 1 {
				in[i] = math.MinInt16
			}
		}
		out := convert(t, rate, in)
		if !slices.Contains(out, math.MaxInt16) || !slices.Contains(out, math.MinInt16) {
			t.Errorf("%d Hz: full scale is never reached", rate)
		}
		turns := 0
		for i := 41; i < len(out); i++ { // past the filter's first ringing
			if (out[i] < 0) != (out[i-1] < 0) {
				turns++
			}
		}
		if edges := (rate - 1) / 200; turns < edges-1 || turns > edges { // a wrap would add two for each
			t.Errorf("%d Hz: the sign turns %d times, want once for each of %d edges", rate, turns, edges)
		}
	}
}

func TestRatesThatCannotBeConvertedAreRefused(t *testing.T) {
	for _, rate := range []int{-1, 0, 8000, 44101, 1 << 20} {
		if _, err := decimate.NewFilter(rate); err == nil {
			t.Errorf("a filter for %d Hz was made", rate)
		}
	}
}

func TestConvertAllocatesNothing(t *testing.T) {
	for _, rate := range rates {
		f, err := decimate.NewFilter(rate)
		if err != nil {
			t.Fatal(err)
		}
		d, in := f.NewDecimator(), make([]int16, rate/50)
		out := make([]int16, f.MaxOut(len(in)))
		if n := testing.AllocsPerRun(100, func() { d.Convert(out, in) }); n != 0 {
			t.Errorf("%d Hz: %v allocations for 20 ms", rate, n)
		}
	}
}

func BenchmarkConvert20ms(b *testing.B) {
	for _, rate := range rates {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			f, err := decimate.NewFilter(rate)
			if err != nil {
				b.Fatal(err)
			}
			d, in := f.NewDecimator(), tone(rate, 1000)[:rate/50]
			out := make([]int16, f.MaxOut(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				d.Convert(out, in)
			}
		})
	}
}

package peaks

import (
	"math"
	"testing"

	"linekeep/audio/pcm"
)

func TestTheCodingOnDisk(t *testing.T) {
	for _, v := range []struct {
		peak pcm.DBFS
		code byte
	}{
		{0, 255}, {-6, 239}, {-30, 175}, {-45, 135}, {-90.309, 14}, {pcm.Silence, 0}, {pcm.DBFS(math.Inf(-1)), 0},
		{pcm.DBFS(math.NaN()), 0}, {-0.18, 255}, {-0.19, 254}, {-95.7, 1}, {3, 255},
	} {
		if got := Of(v.peak); got != v.code {
			t.Errorf("Of(%v) = %d, want %d", v.peak, got, v.code)
		}
	}
}

func TestEveryPeakOfSixteenBitsComesBackWithinHalfAStep(t *testing.T) {
	for sample := 1; sample <= 32768; sample++ {
		peak := pcm.DBFS(20 * math.Log10(float64(sample)/32768))
		if off := math.Abs(float64(Level(Of(peak)) - peak)); off > 0.1876 {
			t.Fatalf("sample %d: %.3f dB off", sample, off)
		}
	}
	for code := range 256 {
		if got := Of(Level(byte(code))); int(got) != code {
			t.Errorf("code %d comes back as %d", code, got)
		}
	}
}

func TestColumnsLoseNoPeak(t *testing.T) {
	codes := make([]byte, 1000)
	codes[617] = 200
	for _, width := range []int{1, 2, 7, 360, 999, 1000, 1280, 5000} {
		columns := make([]Column, width)
		Columns(columns, codes)
		var top byte
		for _, c := range columns {
			top = max(top, c.Peak)
			if c.Mean > c.Peak {
				t.Errorf("width %d: mean %d over peak %d", width, c.Mean, c.Peak)
			}
		}
		if top != 200 {
			t.Errorf("width %d: the only sound is drawn as %d", width, top)
		}
	}
	columns := []Column{{1, 1}}
	Columns(columns, nil)
	if columns[0] != (Column{}) {
		t.Error("no packets leave a column as it was")
	}
}

func BenchmarkOf(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Of(-31.7)
	}
}

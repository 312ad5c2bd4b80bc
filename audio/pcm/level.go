package pcm

import (
	"fmt"
	"math"
)

// DBFS is a level in decibels below full scale: 0 is the largest 16-bit value held for the whole frame.
// RMS is not raised by 3 dB for sines as AES17 does, so that a figure of ours is the figure of sox and ffmpeg,
// which an installer has at hand; a full-scale sine is therefore -3.0 dBFS RMS and 0.0 dBFS peak.
type DBFS float64

// Silence is the level of a frame of equal samples: lower than anything 16 bits can hold, which ends at -90.3
// for the peak, and about -112 for the RMS of a frame with a single 1 in it.
const Silence DBFS = -120

const fullScale = 32768.0

func (l DBFS) String() string { return fmt.Sprintf("%.1f dBFS", float64(l)) }

// Level is how loud one channel of a frame is.
type Level struct {
	RMS  DBFS // about the mean: a sound card's DC offset is no sound
	Peak DBFS // the largest distance from zero, DC included, because that is what clips
}

// Measure is the level of linear samples. No samples are silence.
func Measure(samples []int16) Level {
	if len(samples) == 0 {
		return Level{RMS: Silence, Peak: Silence}
	}
	// 160 squares of 2^15 need 38 bits and a whole second 43, so no frame of any length overflows.
	var sum, squares int
	var low, high int16
	for _, s := range samples {
		v := int(s)
		sum += v
		squares += v * v
		low, high = min(low, s), max(high, s)
	}
	n := float64(len(samples))
	mean := float64(sum) / n
	return Level{
		RMS:  decibels(math.Sqrt(max(0, float64(squares)/n-mean*mean)) / fullScale),
		Peak: decibels(float64(max(int(high), -int(low))) / fullScale),
	}
}

// Ratio is the level as a share of full scale: 1 for 0 dBFS.
func (l DBFS) Ratio() float64 {
	if l <= Silence {
		return 0
	}
	return math.Pow(10, float64(l)/20)
}

func decibels(ratio float64) DBFS {
	if ratio <= 0 {
		return Silence
	}
	return max(Silence, DBFS(20*math.Log10(ratio)))
}

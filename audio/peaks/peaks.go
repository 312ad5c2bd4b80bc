// Package peaks keeps what a drawn waveform needs: one byte for each 20 ms packet of a party track.
//
// Stage: line -> call -> [encode] -> seal -> store -> search -> release.
//
//	In:    the peak of a packet's samples in dBFS (audio/pcm)
//	Out:   one byte of code, stored beside the packet; columns for a display of any width
//	Owner: pure functions; no state, no goroutine, no allocation
//	Full:  cannot fill
//
// The coding is on disk (segment.Segment.Peaks) and never changes:
//
//	0         no sound: digital silence, or a packet that was lost
//	1 to 255  255 + (peak in dBFS) * 8/3, rounded to the nearest, so a step is 0.375 dB:
//	          255 is 0 dBFS, 239 is -6, 175 is -30, 135 is -45, 14 is one bit of 16 (-90.3)
//
// Only the peak is kept. A loudness beside it would cost half the bits of each, and what it is drawn for, the body of
// the waveform below its outline, comes out of the mean of the peaks as soon as a column holds more than one packet.
package peaks

import (
	"math"

	"linekeep/audio/pcm"
)

const stepsPerDecibel = 8.0 / 3

// Of is the code of a packet whose loudest sample is at peak.
func Of(peak pcm.DBFS) byte {
	if !(peak > pcm.Silence) { // NaN too
		return 0
	}
	return byte(min(255, max(1, 255+math.Round(float64(peak)*stepsPerDecibel))))
}

// Level is the level a code stands for, at most 0.19 dB off the one it was made of.
func Level(code byte) pcm.DBFS {
	if code == 0 {
		return pcm.Silence
	}
	return pcm.DBFS((float64(code) - 255) / stepsPerDecibel)
}

// Column is what one column of a display shows, in codes.
type Column struct {
	Peak byte // the loudest packet: nothing heard is ever drawn as silence
	Mean byte // the mean on the decibel scale: the body of the waveform
}

// Columns fills dst, the columns of a display, with the codes of a track. Where there are fewer packets than columns,
// a packet fills several.
func Columns(dst []Column, codes []byte) {
	clear(dst)
	n := len(codes)
	if n == 0 {
		return
	}
	for i := range dst {
		from := i * n / len(dst)
		to := max(from+1, (i+1)*n/len(dst))
		sum := 0
		for _, code := range codes[from:to] {
			dst[i].Peak = max(dst[i].Peak, code)
			sum += int(code)
		}
		dst[i].Mean = byte((sum + (to-from)/2) / (to - from))
	}
}

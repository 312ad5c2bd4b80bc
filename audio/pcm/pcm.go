// Package pcm turns the samples of a line into linear sound and says how loud it is.
//
// Stage: line -> [call] -> encode -> seal -> store -> search -> release.
//
//	In:    samples of a frame as the line spoke them: linear, or G.711 A-law or µ-law codes
//	Out:   linear 16-bit samples in the same place, and their level in dBFS
//	Owner: pure functions over the caller's buffers; no state, no goroutine, no allocation
//	Full:  cannot fill
package pcm

import "linekeep/drivers/line"

// Expand turns samples in the given law into linear ones, in place. Only the low byte of a G.711 sample counts.
func Expand(law line.Law, samples []int16) {
	switch law {
	case line.ALaw:
		for i, s := range samples {
			samples[i] = alawLinear[byte(s)]
		}
	case line.MuLaw:
		for i, s := range samples {
			samples[i] = mulawLinear[byte(s)]
		}
	case line.S16:
	}
}

// Compress is the way back: linear samples become codes of the given law, in place, in the low byte. Simulators use it.
func Compress(law line.Law, samples []int16) {
	switch law {
	case line.ALaw:
		for i, s := range samples {
			samples[i] = int16(EncodeALaw(s))
		}
	case line.MuLaw:
		for i, s := range samples {
			samples[i] = int16(EncodeMuLaw(s))
		}
	case line.S16:
	}
}

//go:build rig

package box

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
)

const rateHz = 8000

// speech is a sound that an encoder for speech keeps well and that is like itself at one place only: a tone with harmonics that
// glides, in syllables.
func speech(n int) []int16 {
	pcm := make([]int16, n)
	phase := 0.0
	for i := range pcm {
		s := float64(i) / rateHz
		phase += 2 * math.Pi * (180 + 60*math.Sin(2*math.Pi*0.31*s) + 12*s) / rateHz
		loud := 0.55 + 0.45*math.Sin(2*math.Pi*(2.3+0.2*s)*s)
		v := math.Sin(phase) + 0.6*math.Sin(2*phase) + 0.4*math.Sin(3*phase) + 0.2*math.Sin(5*phase)
		pcm[i] = int16(6000 * loud * v)
	}
	return pcm
}

func bytesOf(pcm []int16) []byte {
	var b []byte
	for _, v := range pcm {
		b = binary.LittleEndian.AppendUint16(b, uint16(v))
	}
	return b
}

// samplesOf takes the first channel out of a WAV of 16 bits at 8 kHz.
func samplesOf(wav []byte) ([]int16, error) {
	at := bytes.Index(wav, []byte("data"))
	if len(wav) < 44 || at < 0 || binary.LittleEndian.Uint32(wav[24:]) != rateHz || binary.LittleEndian.Uint16(wav[34:]) != 16 {
		return nil, errors.New("not a WAV of 16 bits at 8 kHz")
	}
	step := 2 * int(binary.LittleEndian.Uint16(wav[22:]))
	var pcm []int16
	for b := wav[at+8:]; len(b) >= step; b = b[step:] {
		pcm = append(pcm, int16(binary.LittleEndian.Uint16(b)))
	}
	return pcm, nil
}

// likeness is the greatest correlation of want with a piece of heard, from 0 to 1, and where that piece begins.
func likeness(heard, want []int16) (best float64, at int) {
	const coarse = 32 // of the samples, every so many say where to look
	for place := 0; place+len(want) <= len(heard); place++ {
		if c := correlation(heard[place:], want, coarse); c > best {
			best, at = c, place
		}
	}
	best = 0
	for place := max(0, at-8); place <= at+8 && place+len(want) <= len(heard); place++ {
		best = max(best, correlation(heard[place:], want, 1))
	}
	return best, at
}

func correlation(a, b []int16, step int) float64 {
	var ab, aa, bb float64
	for i := 0; i < len(b); i += step {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

package linesim

import (
	"math/bits"

	"linekeep/drivers/line"
)

// compress turns linear samples into codes of the law, as the far end of a digital line does. It is written apart from
// audio/pcm, which a driver may not import; a test there holds the two to the same codes.
func compress(law line.Law, samples []int16) {
	for i, s := range samples {
		switch law {
		case line.ALaw:
			samples[i] = int16(aLaw(s))
		case line.MuLaw:
			samples[i] = int16(muLaw(s))
		case line.S16:
		}
	}
}

// aLaw is table 1 of ITU-T G.711: sign, segment, step, every other bit turned.
func aLaw(s int16) byte {
	sign, size := byte(0xD5), int(s)>>4
	if s < 0 {
		sign, size = 0x55, ^size
	}
	if size < 32 {
		return sign ^ byte(size)
	}
	segment := bits.Len(uint(size)) - 4
	return sign ^ byte(segment<<4|size>>(segment-1)&15)
}

// muLaw is table 2 of ITU-T G.711: a bias of 33 in 14 bits, then sign, segment, step, all bits turned.
func muLaw(s int16) byte {
	sign, size := byte(0xFF), int(s)
	if s < 0 {
		sign, size = 0x7F, -size
	}
	size = min(size+33<<2, 0x7FFF)
	segment := bits.Len(uint(size)) - 8
	return sign ^ byte(segment<<4|size>>(segment+3)&15)
}

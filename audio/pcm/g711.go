package pcm

import "math/bits"

// The decoding tables of ITU-T G.711 (11/88), scaled to 16 bits: the 13-bit values of A-law shifted by 3, the
// 14-bit values of µ-law by 2, as every 16-bit decoder does. Filled once, never changed.
var (
	alawLinear  = tableOf(expandALaw)
	mulawLinear = tableOf(expandMuLaw)
)

func tableOf(expand func(code byte) int16) (t [256]int16) {
	for code := range t {
		t[code] = expand(byte(code))
	}
	return t
}

// DecodeALaw is the linear value of an A-law code.
func DecodeALaw(code byte) int16 { return alawLinear[code] }

// DecodeMuLaw is the linear value of a µ-law code.
func DecodeMuLaw(code byte) int16 { return mulawLinear[code] }

// expandALaw follows table 1a of G.711: even bits inverted, a sign bit that is 1 for positive values, three bits of
// segment, four of step; the value is the middle of the step.
func expandALaw(code byte) int16 {
	code ^= 0x55
	segment, step := code>>4&7, int16(code&15)
	value := step<<4 + 8
	if segment > 0 {
		value = (value + 0x100) << (segment - 1)
	}
	if code&0x80 == 0 {
		return -value
	}
	return value
}

const mulawBias = 0x84 // 33 of the 14-bit scale: makes every segment begin at a power of two

// expandMuLaw follows table 2a of G.711: all bits inverted, sign, segment, step.
func expandMuLaw(code byte) int16 {
	code = ^code
	value := (int16(code&15)<<3+mulawBias)<<(code>>4&7) - mulawBias
	if code&0x80 != 0 {
		return -value
	}
	return value
}

// EncodeALaw is the A-law code for a linear sample.
func EncodeALaw(sample int16) byte {
	sign := byte(0xD5)
	value := int(sample) >> 4 // 12 bits of size: the step of the lowest segment is 16
	if value < 0 {
		sign, value = 0x55, ^value
	}
	if value < 32 {
		return sign ^ byte(value)
	}
	segment := bits.Len(uint(value)) - 4
	return sign ^ byte(segment<<4|value>>(segment-1)&15)
}

// EncodeMuLaw is the µ-law code for a linear sample. What is louder than the table is its loudest code.
func EncodeMuLaw(sample int16) byte {
	sign := byte(0xFF)
	value := int(sample)
	if value < 0 {
		sign, value = 0x7F, -value
	}
	value = min(value+mulawBias, 0x7FFF)
	segment := bits.Len(uint(value)) - 8
	return sign ^ byte(segment<<4|value>>(segment+3)&15)
}

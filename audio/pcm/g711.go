package pcm

import (
	"math"
	"math/bits"
)

// The tables of ITU-T G.711 (11/88), scaled to 16 bits: the 13-bit values of A-law shifted by 3, the 14-bit values of
// µ-law by 2, as every 16-bit decoder does. Filled once, never changed. The codes are for sizes without their sign, in
// steps of the lowest segment: 6 KB, and twice as fast as finding the segment of each sample.
//
//nolint:gochecknoglobals // constants in all but name: Go has no constant arrays, and a table made anew costs more than it saves
var (
	alawLinear  = linearOf(expandALaw)
	mulawLinear = linearOf(expandMuLaw)
	alawCodes   = codesOf[[2048]byte](compressALaw)
	mulawCodes  = codesOf[[4096]byte](compressMuLaw)
)

func linearOf(expand func(code byte) int16) (t [256]int16) {
	for code := range t {
		t[code] = expand(byte(code))
	}
	return t
}

func codesOf[T [2048]byte | [4096]byte](compress func(size int) byte) (t T) {
	for size := range len(t) {
		t[size] = compress(size)
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
	sign := sample >> 15             // 0 or -1
	size := uint16(sample^sign) >> 4 // G.711 has no zero: -1 is the smallest negative value
	return alawCodes[size] ^ byte(sign)&0x80
}

// compressALaw finds the positive code of a size in steps of 16.
func compressALaw(size int) byte {
	const positive = 0xD5
	if size < 32 {
		return positive ^ byte(size)
	}
	segment := bits.Len(uint(size)) - 4
	return positive ^ byte(segment<<4|size>>(segment-1)&15)
}

// EncodeMuLaw is the µ-law code for a linear sample. What is louder than the table is its loudest code.
func EncodeMuLaw(sample int16) byte {
	sign := int(sample) >> 15
	size := min((int(sample)^sign)-sign+mulawBias, math.MaxInt16) >> 3
	return mulawCodes[size] ^ byte(sign)&0x80
}

// compressMuLaw finds the positive code of a biased size in steps of 8.
func compressMuLaw(size int) byte {
	segment := max(0, bits.Len(uint(size))-5)
	return 0xFF ^ byte(segment<<4|size>>segment&15)
}

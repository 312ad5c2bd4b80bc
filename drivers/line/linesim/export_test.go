package linesim

import "linekeep/drivers/line"

// Compress shows the codes to the tests that compare them with audio/pcm's.
func Compress(law line.Law, s int16) byte {
	one := []int16{s}
	compress(law, one)
	return byte(one[0])
}

// ParseWAV shows the reader of files to the tests that try to break it.
func ParseWAV(file []byte) ([]int16, error) { return parseWAV(file) }

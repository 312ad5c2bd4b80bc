package alsa

// pick appends sound channel c of interleaved frames to dst, as 16 bits. Wider samples lose their low bits, which on a
// telephone line are noise.
func (f format) pick(dst []int16, frames []byte, c int) []int16 {
	step, top := f.frameBytes(), f.sampleBytes-2
	for i := c*f.sampleBytes + top; i+1 < len(frames); i += step {
		dst = append(dst, int16(uint16(frames[i])|uint16(frames[i+1])<<8))
	}
	return dst
}

package talk

import (
	"math/rand/v2"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// Opus is a Payload of noise that begins as a mono packet of 20 ms does (RFC 6716, 3.1).
func Opus(p segment.Party, at line.Samples, packet []byte) {
	noise := rand.New(rand.NewPCG(uint64(p), uint64(at)))
	for i := range packet {
		packet[i] = byte(noise.Uint32())
	}
	packet[0] = 1 << 3
}

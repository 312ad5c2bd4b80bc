package ogg

import (
	"encoding/binary"
	"fmt"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// Silence20 is 20 ms of digital silence, as libopus in narrowband speech mode encodes it once it has heard nothing
// else for a while. It fills gaps: players do not agree on what to do with a hole in the positions, and a recording
// with a hole would not last as long as the call did.
func Silence20() []byte { return []byte{0x08, 0x07, 0xc6, 0xb3, 0x0e, 0xc6} }

// Silence10 is 10 ms of it.
func Silence10() []byte { return []byte{0x00, 0x07, 0xc0, 0x8f, 0xa8, 0xc0} }

// opusHead is the identification header, RFC 7845 5.1.
func opusHead(streams int) []byte {
	le := binary.LittleEndian
	b := append([]byte("OpusHead"), 1, byte(streams))
	b = le.AppendUint16(b, uint16(PreSkip))
	b = le.AppendUint32(b, line.RateHz) // what it was recorded at, for information
	b = le.AppendUint16(b, 0)           // no gain
	if streams == 1 {
		return append(b, 0) // mapping family 0: one stream, mono
	}
	// Family 1, the order of Vorbis: left and right are streams 0 and 1, none of them coupled.
	return append(b, 1, 2, 0, 0, 1)
}

// opusTags is the comment header, RFC 7845 5.2. The vendor is whoever made the file.
func opusTags(comments []string) []byte {
	const vendor = "linekeep"
	le := binary.LittleEndian
	b := le.AppendUint32([]byte("OpusTags"), uint32(len(vendor)))
	b = append(b, vendor...)
	b = le.AppendUint32(b, uint32(len(comments)))
	for _, c := range comments {
		b = le.AppendUint32(b, uint32(len(c)))
		b = append(b, c...)
	}
	return b
}

// frameSamples is how long the frames of each of the 32 configurations of RFC 6716 3.1 last, at 8 kHz: four for
// each band of the speech mode (10 to 60 ms), two for each of the hybrid mode (10, 20), four for each of the
// music mode (2.5 to 20).
//
//nolint:gochecknoglobals // a constant in all but name: Go has no constant arrays
var frameSamples = [32]line.Samples{
	80, 160, 320, 480, 80, 160, 320, 480, 80, 160, 320, 480,
	80, 160, 80, 160,
	20, 40, 80, 160, 20, 40, 80, 160, 20, 40, 80, 160, 20, 40, 80, 160,
}

// samplesOf is how long a packet lasts. Only packets of one frame are taken (code 0, RFC 6716 3.2.2), since our
// encoder makes no others; so their framing is one length.
func samplesOf(packet []byte) (line.Samples, error) {
	if len(packet) < 1 || len(packet) > segment.MaxPacket || packet[0]&3 != 0 {
		return 0, fmt.Errorf("%w: %d bytes", ErrPacket, len(packet))
	}
	return frameSamples[packet[0]>>3], nil
}

// selfDelimited appends a packet of one frame in the framing of RFC 6716 appendix B: its length stands behind
// its first byte, so that another packet can follow. Lengths over 251 take two bytes (3.2.1).
func selfDelimited(dst, packet []byte) []byte {
	dst = append(dst, packet[0])
	n := len(packet) - 1
	if n < 252 {
		dst = append(dst, byte(n))
	} else {
		first := 252 + n&3
		dst = append(dst, byte(first), byte((n-first)/4))
	}
	return append(dst, packet[1:]...)
}

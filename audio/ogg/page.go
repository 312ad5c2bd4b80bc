package ogg

import (
	"encoding/binary"
	"io"
)

const (
	// maxLacing is how many lacing values a page can have (RFC 3533 6): a packet takes one for each 255 bytes
	// of it, and one more.
	maxLacing = 255
	headLen   = 27
	// serial names the stream. There is one in a file, so any number will do; a random one would only make two
	// copies of a recording differ.
	serial = 1

	pageFirst = 0x02 // flag: the stream begins
	pageLast  = 0x04 // flag: the stream ends
)

// crcTable is for the checksum of RFC 3533 6: polynomial 04c11db7, most significant bit first, starting at 0.
// The library's crc32 counts from the other end. Filled once, never changed.
//
//nolint:gochecknoglobals // a constant in all but name: Go has no constant arrays
var crcTable = newCRCTable()

func newCRCTable() (t [256]uint32) {
	for i := range t {
		r := uint32(i) << 24
		for range 8 {
			if r&(1<<31) != 0 {
				r = r<<1 ^ 0x04c11db7
			} else {
				r <<= 1
			}
		}
		t[i] = r
	}
	return t
}

// pageWriter puts packets into pages. A packet never lies across two.
type pageWriter struct {
	w      io.Writer
	number uint32
	lacing []byte
	body   []byte
	out    []byte
}

func newPageWriter(w io.Writer) pageWriter {
	return pageWriter{
		w:      w,
		lacing: make([]byte, 0, maxLacing),
		body:   make([]byte, 0, maxLacing*255),
		out:    make([]byte, 0, headLen+maxLacing+maxLacing*255),
	}
}

func (p *pageWriter) fits(packet int) bool { return len(p.lacing)+packet/255+1 <= maxLacing }

func (p *pageWriter) add(packet []byte) {
	for range len(packet) / 255 {
		p.lacing = append(p.lacing, 255)
	}
	p.lacing = append(p.lacing, byte(len(packet)%255))
	p.body = append(p.body, packet...)
}

// write sends the page off; position is where the sound in it ends, in 48 kHz samples.
func (p *pageWriter) write(flags byte, position int64) error {
	le := binary.LittleEndian
	out := append(p.out[:0], "OggS\x00"...)
	out = append(out, flags)
	out = le.AppendUint64(out, uint64(position))
	out = le.AppendUint32(out, serial)
	out = le.AppendUint32(out, p.number)
	out = le.AppendUint32(out, 0) // the checksum is made with 0 in its place
	out = append(out, byte(len(p.lacing)))
	out = append(out, p.lacing...)
	out = append(out, p.body...)
	var crc uint32
	for _, b := range out {
		crc = crc<<8 ^ crcTable[byte(crc>>24)^b]
	}
	le.PutUint32(out[headLen-5:], crc)
	p.number++
	p.lacing, p.body = p.lacing[:0], p.body[:0]
	_, err := p.w.Write(out)
	return err
}

package recording

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/vault/keys"
)

// ChunkLength is how much of a party track stands in one value of a month's folder: about 180 KB at 24 kbit/s.
const ChunkLength = line.Samples(60 * line.RateHz)

// The layout is in vault/FORMAT.md, section 10.
const (
	chunkMagic = "LKchnk"
	chunkEntry = 4 + 1 + 3 + 8 + 4 + 4
	// maxEntries bounds what a chunk may claim: a tick of 20 ms, far below any real one, makes 3,000.
	maxEntries = 1 << 14
)

// Sealed is a sealed segment as it stands in a chunk.
type Sealed struct {
	Seq   uint32
	Last  bool
	Gap   bool // sound is missing in it
	Start line.Samples
	Len   line.Samples
	Body  []byte // ciphertext
}

// Chunk is the segments of one party track whose first samples lie in the same minute of the recording.
type Chunk struct {
	ID       keys.ID
	Party    segment.Party
	Number   uint32 // the minute, from 0
	Segments []Sealed
}

// ChunkOf says in which chunk a segment stands. It follows from where the segment starts alone, so a chunk that
// is built a second time holds the same.
func ChunkOf(start line.Samples) uint32 { return uint32(max(start, 0) / ChunkLength) }

const (
	entryLast = 1 << 0
	entryGap  = 1 << 1
)

// Append writes the chunk.
func (c *Chunk) Append(b []byte) []byte {
	b = append(b, chunkMagic...)
	b = binary.BigEndian.AppendUint16(b, formVersion)
	b = c.ID.Append(b)
	b = append(b, byte(c.Party), 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, c.Number)
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.Segments)))
	for i := range c.Segments {
		s := &c.Segments[i]
		var flags byte
		if s.Last {
			flags |= entryLast
		}
		if s.Gap {
			flags |= entryGap
		}
		b = binary.BigEndian.AppendUint32(b, s.Seq)
		b = append(b, flags, 0, 0, 0)
		b = binary.BigEndian.AppendUint64(b, uint64(s.Start))
		b = binary.BigEndian.AppendUint32(b, uint32(s.Len))
		b = binary.BigEndian.AppendUint32(b, uint32(len(s.Body)))
	}
	for i := range c.Segments {
		b = append(b, c.Segments[i].Body...)
	}
	return b
}

// ParseChunk reads a chunk. The bodies are parts of b.
func ParseChunk(b []byte) (Chunk, error) {
	var c Chunk
	s := cryptobyte.String(b)
	var magic []byte
	var ver uint16
	var party uint8
	var zero, count uint32
	if !s.ReadBytes(&magic, len(chunkMagic)) || string(magic) != chunkMagic || !s.ReadUint16(&ver) || ver != formVersion ||
		!readID(&s, &c.ID) || !s.ReadUint8(&party) || !s.ReadUint24(&zero) || zero != 0 || !s.ReadUint32(&c.Number) ||
		!s.ReadUint32(&count) || count > maxEntries || int(count)*chunkEntry > len(s) {
		return Chunk{}, fmt.Errorf("chunk: %w", ErrForm)
	}
	c.Party = segment.Party(party)
	c.Segments = make([]Sealed, count)
	sizes := make([]uint32, count)
	for i := range c.Segments {
		var start uint64
		var length, reserved uint32
		var flags uint8
		if !s.ReadUint32(&c.Segments[i].Seq) || !s.ReadUint8(&flags) || !s.ReadUint24(&reserved) || reserved != 0 || flags > entryLast|entryGap ||
			!s.ReadUint64(&start) || !s.ReadUint32(&length) || !s.ReadUint32(&sizes[i]) {
			return Chunk{}, fmt.Errorf("chunk: %w", ErrForm)
		}
		c.Segments[i].Last, c.Segments[i].Gap = flags&entryLast != 0, flags&entryGap != 0
		c.Segments[i].Start, c.Segments[i].Len = line.Samples(start), line.Samples(length)
	}
	for i := range c.Segments {
		if !s.ReadBytes(&c.Segments[i].Body, int(sizes[i])) {
			return Chunk{}, fmt.Errorf("chunk: %w", ErrForm)
		}
	}
	if !s.Empty() {
		return Chunk{}, fmt.Errorf("chunk: %w", ErrForm)
	}
	return c, nil
}

// Part is what the manifest says of a chunk.
func (c *Chunk) Part(encoded []byte) Part {
	p := Part{Number: c.Number, Size: uint32(len(encoded)), Segments: uint32(len(c.Segments)), Hash: sha256.Sum256(encoded)}
	for i := range c.Segments {
		p.Gaps = p.Gaps || c.Segments[i].Gap
	}
	if n := len(c.Segments); n > 0 {
		p.Start, p.End = c.Segments[0].Start, c.Segments[n-1].Start+c.Segments[n-1].Len
		p.Last = c.Segments[n-1].Last
		p.FirstSeq, p.LastSeq = c.Segments[0].Seq, c.Segments[n-1].Seq
	}
	return p
}

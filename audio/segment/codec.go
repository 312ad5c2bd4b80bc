package segment

import (
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/drivers/line"
)

// The plaintext of a segment, vault/FORMAT.md section 8. Call is not in it: it is a number of one run of the
// program, and the record around the segment says which recording it belongs to.
const (
	codecMagic   = 'S'
	codecVersion = 1
	flagLast     = 0x01
	headLen      = 2 + 1 + 1 + 8 + 4 + 8 + 2 + 2 // magic and version, flags, party, start, length, heard, counts
	gapLen       = 4 + 4 + 1
)

// Append puts the plaintext of s behind dst. A segment that Check refuses has no plaintext that Decode would
// take; the caller checks where s does not come from the pipeline.
func Append(dst []byte, s *Segment) []byte {
	var flags byte
	if s.Last {
		flags |= flagLast
	}
	var heard int64 // µs of Unix time; 0 is "not known", since nothing was recorded in 1970
	if !s.Heard.IsZero() {
		heard = s.Heard.UnixMicro()
	}
	be := binary.BigEndian
	dst = append(dst, codecMagic, codecVersion, flags, byte(s.Party))
	dst = be.AppendUint64(dst, uint64(s.Start))
	dst = be.AppendUint32(dst, uint32(s.Len))
	dst = be.AppendUint64(dst, uint64(heard))
	dst = be.AppendUint16(dst, uint16(len(s.Sizes)))
	dst = be.AppendUint16(dst, uint16(len(s.Gaps)))
	for _, size := range s.Sizes {
		dst = be.AppendUint16(dst, size)
	}
	for _, g := range s.Gaps {
		dst = be.AppendUint32(dst, uint32(g.At-s.Start))
		dst = be.AppendUint32(dst, uint32(g.Len))
		dst = append(dst, byte(g.Cause))
	}
	dst = append(dst, s.Peaks...)
	return append(dst, s.Data...)
}

// Decode reads the plaintext of one segment and nothing after it; what it takes, Append gives back byte for
// byte. Peaks and Data of the segment are parts of b. Every error is ErrInvalid.
func Decode(b []byte) (Segment, error) {
	var s Segment
	in := cryptobyte.String(b)
	var magic, version, flags, party uint8
	var start, heard uint64
	var length uint32
	var sizes, gaps uint16
	if !in.ReadUint8(&magic) || !in.ReadUint8(&version) || !in.ReadUint8(&flags) || !in.ReadUint8(&party) ||
		!in.ReadUint64(&start) || !in.ReadUint32(&length) || !in.ReadUint64(&heard) ||
		!in.ReadUint16(&sizes) || !in.ReadUint16(&gaps) {
		return s, invalid("%d bytes are too few", len(b))
	}
	switch {
	case magic != codecMagic || version != codecVersion:
		return s, invalid("magic and version %02x %02x", magic, version)
	case int64(heard) < 0:
		return s, invalid("heard before 1970")
	case flags&^flagLast != 0:
		return s, invalid("flags %02x", flags)
	case int(sizes) > MaxPackets+MaxGaps+1 || gaps > MaxGaps:
		return s, invalid("%d packets, %d gaps", sizes, gaps)
	}
	s = Segment{Party: Party(party), Start: line.Samples(start), Len: line.Samples(length), Last: flags&flagLast != 0}
	if heard != 0 {
		s.Heard = time.UnixMicro(int64(heard)).UTC()
	}
	if err := s.decodeBody(in, int(sizes), int(gaps)); err != nil {
		return Segment{}, err
	}
	if err := s.Check(); err != nil {
		return Segment{}, fmt.Errorf("decode: %w", err)
	}
	return s, nil
}

func (s *Segment) decodeBody(in cryptobyte.String, sizes, gaps int) error {
	if len(in) < 2*sizes+gapLen*gaps {
		return invalid("cut short")
	}
	if sizes > 0 {
		s.Sizes = make([]uint16, sizes)
	}
	for i := range s.Sizes {
		in.ReadUint16(&s.Sizes[i])
	}
	if gaps > 0 {
		s.Gaps = make([]Gap, gaps)
	}
	for i := range s.Gaps {
		var at, length uint32
		var cause uint8
		in.ReadUint32(&at)
		in.ReadUint32(&length)
		in.ReadUint8(&cause)
		s.Gaps[i] = Gap{At: s.Start + line.Samples(at), Len: line.Samples(length), Cause: Cause(cause)}
	}
	packets := s.Packets()
	if len(in) < packets {
		return invalid("cut short")
	}
	if packets > 0 {
		s.Peaks, s.Data = in[:packets:packets], in[packets:]
		return nil
	}
	if len(in) > 0 {
		s.Data = in // a lone tail
	}
	return nil
}

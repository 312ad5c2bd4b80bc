package segment

import (
	"errors"
	"fmt"
	"iter"

	"linekeep/drivers/line"
)

const (
	// PacketSamples is what one packet covers: 20 ms.
	PacketSamples = line.FrameSamples
	// Lookahead is how far the sound of a decoded packet lies behind the packet's place, in samples: libopus
	// in speech mode at 8 kHz (opus_encoder.c: Fs/250 + Fs/400). The first Lookahead samples after each gap
	// are the encoder's silence, and the last ones before a gap come out of the Tail that follows.
	Lookahead line.Samples = 52
	// Tail marks, in Sizes, a packet that has no time of its own: it holds the last Lookahead samples of the
	// packets before it, which the encoder still had when the sound stopped. It stands just before a gap,
	// or at the very end of a track. It has no peak.
	Tail uint16 = 0x8000
	// MaxGaps bounds the gaps of a segment. The pipeline puts off what would exceed it.
	MaxGaps = 64
	// MaxLen bounds a segment with its gaps: the longest outage one segment can tell of, 149 hours.
	MaxLen line.Samples = 1<<32 - 1
)

// ErrInvalid reports a segment that contradicts itself.
var ErrInvalid = errors.New("segment: invalid")

// Piece is one packet, tail or gap of a segment.
type Piece struct {
	At     line.Samples // from the start of the recording
	Len    line.Samples // 0 for a tail
	Packet []byte       // nil for a gap
	Tail   bool
	Cause  Cause // of a gap
}

// Pieces gives the parts of s in order. A segment that Check refuses gives no more than it has.
func (s *Segment) Pieces() iter.Seq[Piece] {
	return func(yield func(Piece) bool) {
		at, data, gaps := s.Start, s.Data, s.Gaps
		gap := func() bool {
			g := gaps[0]
			gaps = gaps[1:]
			at += g.Len
			return yield(Piece{At: g.At, Len: g.Len, Cause: g.Cause})
		}
		for _, size := range s.Sizes {
			tail := size&Tail != 0
			for !tail && len(gaps) > 0 && gaps[0].At <= at {
				if !gap() {
					return
				}
			}
			n := min(int(size&^Tail), len(data))
			p := Piece{At: at, Packet: data[:n:n], Tail: tail}
			if !tail {
				p.Len = PacketSamples
			}
			data, at = data[n:], at+p.Len
			if !yield(p) {
				return
			}
		}
		for len(gaps) > 0 {
			if !gap() {
				return
			}
		}
	}
}

// Packets is how many packets of s have a time of their own: all but the tails.
func (s *Segment) Packets() int {
	n := 0
	for _, size := range s.Sizes {
		if size&Tail == 0 {
			n++
		}
	}
	return n
}

// Check reports the first contradiction in s. What it passes has exactly one reading: packets and gaps follow
// each other without a hole, and 160 samples for each packet with the gaps make Len.
func (s *Segment) Check() error {
	packets := s.Packets()
	switch {
	case s.Start < 0 || s.Len < 0 || s.Len > MaxLen || s.Start > 1<<62:
		return invalid("start %d, length %d", s.Start, s.Len)
	case s.Len == 0 && !s.Last:
		return invalid("empty, and not the last")
	case s.Party > Both:
		return invalid("party %d", s.Party)
	case packets > MaxPackets || len(s.Gaps) > MaxGaps || len(s.Sizes)-packets > MaxGaps+1:
		return invalid("%d packets, %d tails, %d gaps", packets, len(s.Sizes)-packets, len(s.Gaps))
	case len(s.Peaks) != packets:
		return invalid("%d peaks for %d packets", len(s.Peaks), packets)
	}
	data := 0
	for _, size := range s.Sizes {
		n := int(size &^ Tail)
		if n < 1 || n > MaxPacket {
			return invalid("a packet of %d bytes", n)
		}
		data += n
	}
	if data != len(s.Data) {
		return invalid("%d bytes of packets, sizes say %d", len(s.Data), data)
	}
	return s.checkOrder()
}

// checkOrder walks s: every gap begins where the piece before it ends, and a tail ends what was sounding.
func (s *Segment) checkOrder() error {
	at, tail := s.Start, false
	for p := range s.Pieces() {
		gap := p.Packet == nil
		switch {
		case p.At != at:
			return invalid("gap at %d, expected %d", p.At, at)
		case gap && (p.Len < 1 || p.Len > MaxLen || p.Cause == Cause(line.CauseNone)):
			return invalid("gap of %d, cause %d", p.Len, p.Cause)
		case tail && !gap:
			return invalid("sound after a tail at %d", at)
		}
		at, tail = at+p.Len, p.Tail
	}
	if tail && !s.Last {
		return invalid("a tail with nothing after it")
	}
	if at != s.Start+s.Len {
		return invalid("pieces end at %d, length says %d", at, s.Start+s.Len)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

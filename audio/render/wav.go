package render

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"math"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// Decoder decodes one track; *opus.Decoder does.
type Decoder interface {
	// Decode gives the 160 samples of a packet, segment.Lookahead behind those it was made of.
	Decode(packet []byte, pcm []int16) (int, error)
	// Reset forgets all sound before.
	Reset() error
}

const wavHead = 44

// WAV writes the tracks as one WAV file of exactly the given length: linear 16-bit samples at 8 kHz, one track as
// mono, two as stereo, office left. Every sample stands at its place.
func WAV(w io.Writer, length line.Samples, newDecoder func() (Decoder, error), tracks []Track) error {
	tracks, err := arrange(length, tracks)
	if err != nil {
		return err
	}
	channels := len(tracks)
	size := int64(length) * int64(channels) * 2
	if size > math.MaxUint32-wavHead {
		return fmt.Errorf("write WAV: %v is longer than the format can say", length.Duration())
	}
	var readers []*reader
	for _, t := range tracks {
		dec, err := newDecoder()
		if err != nil {
			return fmt.Errorf("write WAV: %w", err)
		}
		r := newReader(t, dec)
		defer r.stop()
		readers = append(readers, r)
	}
	out := bufio.NewWriterSize(w, 64<<10)
	writeHead(out, channels, uint32(size))
	if err := interleave(out, readers, length); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write WAV: %w", err)
	}
	return nil
}

// writeHead writes the header. A bufio.Writer keeps its first error for Flush.
func writeHead(out *bufio.Writer, channels int, size uint32) {
	le := binary.LittleEndian
	b := append(make([]byte, 0, wavHead), "RIFF"...)
	b = le.AppendUint32(b, size+wavHead-8)
	b = append(b, "WAVEfmt "...)
	b = le.AppendUint32(b, 16) // length of what follows up to "data"
	b = le.AppendUint16(b, 1)  // linear
	b = le.AppendUint16(b, uint16(channels))
	b = le.AppendUint32(b, line.RateHz)
	b = le.AppendUint32(b, uint32(line.RateHz*2*channels))
	b = le.AppendUint16(b, uint16(2*channels))
	b = le.AppendUint16(b, 16)
	b = append(b, "data"...)
	b = le.AppendUint32(b, size)
	//nolint:errcheck // kept by the bufio.Writer
	out.Write(b)
}

func interleave(out *bufio.Writer, readers []*reader, length line.Samples) error {
	var pcm [2][segment.PacketSamples]int16
	block := make([]byte, 0, 4*segment.PacketSamples)
	for length > 0 {
		n := min(length, segment.PacketSamples)
		for i, r := range readers {
			if err := r.read(pcm[i][:n]); err != nil {
				return fmt.Errorf("write WAV: %w", err)
			}
		}
		block = block[:0]
		for s := range n {
			for i := range readers {
				block = binary.LittleEndian.AppendUint16(block, uint16(pcm[i][s]))
			}
		}
		if _, err := out.Write(block); err != nil {
			return fmt.Errorf("write WAV: %w", err)
		}
		length -= n
	}
	return nil
}

// reader decodes a track into samples that follow each other without end.
type reader struct {
	pull    func() (segment.Piece, error, bool)
	stop    func()
	dec     Decoder
	buf     [segment.PacketSamples]int16
	sound   []int16      // decoded, not yet read: part of buf
	silence line.Samples // to be read after it
	owed    line.Samples // how far sound is behind the packets it came from
	began   bool         // dec has decoded something
	fresh   bool         // the next packet begins a stretch of sound
}

func newReader(t Track, dec Decoder) *reader {
	r := &reader{dec: dec, fresh: true}
	r.pull, r.stop = iter.Pull2(t.pieces())
	return r
}

// read fills pcm.
func (r *reader) read(pcm []int16) error {
	for len(pcm) > 0 {
		switch {
		case len(r.sound) > 0:
			n := copy(pcm, r.sound)
			r.sound, pcm = r.sound[n:], pcm[n:]
		case r.silence > 0:
			n := min(line.Samples(len(pcm)), r.silence)
			clear(pcm[:n])
			r.silence, pcm = r.silence-n, pcm[n:]
		default:
			if err := r.advance(); err != nil {
				return err
			}
		}
	}
	return nil
}

// advance takes in the next piece.
func (r *reader) advance() error {
	p, err, ok := r.pull()
	switch {
	case err != nil:
		return err
	case !ok:
		r.silence = math.MaxInt64 // whatever the length still asks for
		return nil
	case p.Packet == nil:
		// A gap without a tail before it follows sound that was lost in part: what the decoder owes is not known.
		r.silence, r.owed, r.fresh = r.owed+p.Len, 0, true
		return nil
	}
	if r.fresh && r.began {
		if err := r.dec.Reset(); err != nil {
			return err
		}
	}
	n, err := r.dec.Decode(p.Packet, r.buf[:])
	if err != nil || n != len(r.buf) {
		return fmt.Errorf("packet at %d: %d samples: %w", p.At, n, err)
	}
	r.began = true
	switch {
	case p.Tail:
		r.sound, r.owed, r.fresh = r.buf[:r.owed], 0, true
	case r.fresh:
		r.sound, r.owed, r.fresh = r.buf[segment.Lookahead:], segment.Lookahead, false
	default:
		r.sound = r.buf[:]
	}
	return nil
}

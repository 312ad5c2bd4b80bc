//go:build cgo

package opus

import (
	"errors"
	"fmt"

	hraban "github.com/hraban/opus"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// ErrLength reports sound that is not one frame of line.FrameSamples, or a buffer too short for one.
var ErrLength = errors.New("opus: not one frame of 20 ms")

// Encoder encodes one party track.
type Encoder struct {
	cfg Config
	enc *hraban.Encoder
}

// NewEncoder makes an encoder at the beginning of a track. Its state is 43 KB of Go memory.
func NewEncoder(cfg Config) (*Encoder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	enc, err := hraban.NewEncoder(line.RateHz, 1, hraban.AppVoIP)
	if err != nil {
		return nil, fmt.Errorf("make encoder: %w", err)
	}
	err = errors.Join(enc.SetBitrate(cfg.Bitrate), enc.SetComplexity(cfg.Complexity), enc.SetDTX(cfg.DTX))
	if err != nil {
		return nil, fmt.Errorf("set up encoder: %w", err)
	}
	return &Encoder{cfg: cfg, enc: enc}, nil
}

// Encode puts one frame into packet and says how long the packet is. What the packet gives back when it is
// decoded lies segment.Lookahead samples behind the frame. It allocates nothing.
func (e *Encoder) Encode(pcm []int16, packet []byte) (int, error) {
	if len(pcm) != line.FrameSamples || len(packet) == 0 {
		return 0, ErrLength
	}
	// The binding tells libopus cap(packet), not len(packet): without the third index it would write
	// over whatever follows in the same array.
	room := min(len(packet), segment.MaxPacket)
	n, err := e.enc.Encode(pcm, packet[:room:room])
	if err != nil {
		return 0, fmt.Errorf("encode: %w", err)
	}
	return n, nil
}

// Reset forgets all sound before. The next packet can be decoded by a decoder that has heard nothing.
func (e *Encoder) Reset() error {
	if err := e.enc.Reset(); err != nil {
		return fmt.Errorf("reset encoder: %w", err)
	}
	return nil
}

// Decoder decodes one party track.
type Decoder struct{ dec *hraban.Decoder }

// NewDecoder makes a decoder at the beginning of a track.
func NewDecoder() (*Decoder, error) {
	d := new(Decoder)
	return d, d.Reset()
}

// Decode gives the sound of one packet, which lies segment.Lookahead samples behind that which was encoded,
// and says how many samples it is. It allocates nothing.
func (d *Decoder) Decode(packet []byte, pcm []int16) (int, error) {
	if len(pcm) < line.FrameSamples {
		return 0, ErrLength
	}
	n, err := d.dec.Decode(packet, pcm[:len(pcm):len(pcm)])
	if err != nil {
		return 0, fmt.Errorf("decode: %w", err)
	}
	return n, nil
}

// Reset forgets all sound before, as after a gap. The binding has no reset of a decoder, so this makes a
// new one, of 18 KB: gaps are rare.
func (d *Decoder) Reset() error {
	dec, err := hraban.NewDecoder(line.RateHz, 1)
	if err != nil {
		return fmt.Errorf("make decoder: %w", err)
	}
	d.dec = dec
	return nil
}

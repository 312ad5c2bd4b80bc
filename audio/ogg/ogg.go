// Package ogg writes Opus packets as Ogg files that any player opens (RFC 3533, RFC 7845).
//
// Stage: store -> search -> [release].
//
//	In:    Opus packets of one party, or of two parties side by side, and the length of the recording
//	Out:   an Ogg stream with pages of one second, on an io.Writer
//	Owner: no goroutine; a Writer holds one page
//	Full:  a page that has no room for a packet is written first
//
// Two mono party tracks become one file that plays as stereo, office left and caller right, without decoding
// anything: channel mapping family 1 with two uncoupled streams (RFC 7845 5.1.1), the first packet of each
// pair in self-delimiting framing (RFC 6716 appendix B). The headers say nothing about the call.
package ogg

import (
	"errors"
	"fmt"
	"io"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

const (
	// RateHz is the clock of every Opus file's positions, whatever the sound was recorded at (RFC 7845 4).
	RateHz = 48_000
	// PreSkip is the codec's delay in that clock: a player drops this much at the beginning.
	PreSkip = segment.Lookahead * scale

	scale = RateHz / line.RateHz
	// pageSamples is how much sound a page holds before the next packet opens another one: 1 s, the longest
	// that RFC 7845 6 advises. Measured: 2.6 % over the packets, where a page for each packet costs 44 %.
	pageSamples line.Samples = line.RateHz
	// maxPacket is one Ogg packet: two Opus packets, the first with its length of up to two bytes.
	maxPacket = 2*segment.MaxPacket + 2
)

// The ways a Writer can refuse.
var (
	// ErrPacket reports bytes that are not an Opus packet of one frame, or two packets that do not last equally long.
	ErrPacket = errors.New("ogg: not an Opus packet of one frame")
	// ErrLength reports packets that do not reach the length, or reach far beyond it.
	ErrLength = errors.New("ogg: packets and length do not agree")
	// ErrClosed reports a packet after Close.
	ErrClosed = errors.New("ogg: writer closed")
)

// Writer writes one file. After its first error it does nothing but return that error.
type Writer struct {
	page    pageWriter
	streams int
	samples line.Samples // in all packets so far, at line.RateHz
	fresh   line.Samples // of those, in the page that is being filled
	packet  []byte       // where two packets are put together
	err     error
}

// NewWriter begins a file with 1 or 2 streams. Comments stand in its header as they are, "NAME=value"; they must
// fit a page, and nothing is put there that the caller did not ask for.
func NewWriter(w io.Writer, streams int, comments ...string) (*Writer, error) {
	if streams < 1 || streams > 2 {
		return nil, fmt.Errorf("begin ogg file: %d streams", streams)
	}
	o := &Writer{page: newPageWriter(w), streams: streams, packet: make([]byte, 0, maxPacket)}
	for i, header := range [][]byte{opusHead(streams), opusTags(comments)} {
		if !o.page.fits(len(header)) {
			return nil, fmt.Errorf("begin ogg file: %d bytes of comments do not fit a page", len(header))
		}
		o.page.add(header)
		flags := byte(0)
		if i == 0 {
			flags = pageFirst
		}
		if err := o.page.write(flags, 0); err != nil {
			return nil, fmt.Errorf("begin ogg file: %w", err)
		}
	}
	return o, nil
}

// Mono writes the next packet of a file with one stream. It allocates nothing.
func (o *Writer) Mono(packet []byte) error {
	n, err := samplesOf(packet)
	if err == nil && o.streams != 1 {
		err = fmt.Errorf("%w: one packet for %d streams", ErrPacket, o.streams)
	}
	return o.add(packet, n, err)
}

// Stereo writes the next packets of a file with two streams, which last equally long. It allocates nothing.
func (o *Writer) Stereo(left, right []byte) error {
	n, err := samplesOf(left)
	m, errRight := samplesOf(right)
	switch {
	case err == nil && errRight != nil:
		err = errRight
	case err == nil && (n != m || o.streams != 2):
		err = fmt.Errorf("%w: %d and %d samples for %d streams", ErrPacket, n, m, o.streams)
	}
	if err == nil {
		o.packet = append(selfDelimited(o.packet[:0], left), right...)
	}
	return o.add(o.packet, n, err)
}

func (o *Writer) add(packet []byte, samples line.Samples, err error) error {
	switch {
	case o.err != nil:
		return o.err
	case err != nil:
		return err
	}
	// A full page is written when the next packet comes, not before: so the last page of a file always holds
	// a packet, as the end mark needs one (RFC 7845 4).
	if o.fresh >= pageSamples || !o.page.fits(len(packet)) {
		if o.err = o.flush(0, o.samples); o.err != nil {
			return o.err
		}
	}
	o.page.add(packet)
	o.samples += samples
	o.fresh += samples
	return nil
}

// Close ends the file so that it plays for exactly length. The packets must last for length and the codec's
// delay, so the recording's tail, or a packet of silence, is among them; what they have beyond that is cut off
// by the position of the last page (RFC 7845 4.4). It does not close the io.Writer.
func (o *Writer) Close(length line.Samples) error {
	if o.err != nil {
		return o.err
	}
	end := length + segment.Lookahead
	if length < 0 || end > o.samples || end <= o.samples-o.fresh {
		return fmt.Errorf("%w: %d samples in packets for a length of %d", ErrLength, o.samples, length)
	}
	if o.err = o.flush(pageLast, end); o.err != nil {
		return o.err
	}
	o.err = ErrClosed
	return nil
}

func (o *Writer) flush(flags byte, end line.Samples) error {
	o.fresh = 0
	if err := o.page.write(flags, int64(end)*scale); err != nil {
		return fmt.Errorf("write ogg page: %w", err)
	}
	return nil
}

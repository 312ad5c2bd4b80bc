package pipeline

import (
	"errors"
	"slices"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

const (
	// maxTrackGaps is how many gaps a track takes between two cuts. As many again are for what did not fit into
	// the queue before it, and for what was not stored before that (owed): together no more than a segment takes.
	maxTrackGaps = segment.MaxGaps / 3
	// usualBytes is where the buffer of a track begins: a tick of packets at 24 kbit/s is 1.6 KB, and an encoder
	// is always offered room for its largest packet.
	usualBytes = 4 << 10
)

var errEmptyPacket = errors.New("pipeline: the encoder gave no bytes")

// track is one party's side of a recording: a segment under construction.
type track struct {
	seg      segment.Segment
	at       line.Samples // where the track ends now
	sounding bool         // the encoder still holds the last segment.Lookahead samples
}

func newTrack() track {
	return track{seg: segment.Segment{
		Sizes: make([]uint16, 0, segment.MaxPackets),
		Data:  make([]byte, 0, usualBytes),
		Peaks: make([]byte, 0, segment.MaxPackets),
		Gaps:  make([]segment.Gap, 0, maxTrackGaps),
	}}
}

// begin starts the track of another recording in the buffers of the last.
func (t *track) begin(call segment.Call, party segment.Party) {
	*t = track{seg: segment.Segment{Sizes: t.seg.Sizes, Data: t.seg.Data, Peaks: t.seg.Peaks, Gaps: t.seg.Gaps, Call: call, Party: party}}
	t.empty()
}

// empty starts the next segment of the track, after this one was cut.
func (t *track) empty() {
	s := &t.seg
	s.Start, s.Len, s.Last = t.at, 0, false
	s.Sizes, s.Data, s.Peaks, s.Gaps = s.Sizes[:0], s.Data[:0], s.Peaks[:0], s.Gaps[:0]
}

// room says whether a frame with a loss before it still fits: one packet, two gaps.
func (t *track) room() bool {
	return len(t.seg.Peaks) < segment.MaxPackets && len(t.seg.Gaps) <= maxTrackGaps-2
}

// packet encodes a frame. When that fails, its place becomes a gap.
func (t *track) packet(enc Encoder, pcm []int16, peak byte) error {
	if err := t.encode(enc, pcm, 0); err != nil {
		t.sounding = false // the encoder was reset: the end of what it held is lost with the frame
		return errors.Join(err, t.gap(enc, line.FrameSamples, segment.CauseEncoder))
	}
	t.seg.Peaks = append(t.seg.Peaks, peak)
	t.sounding = true
	t.grow(line.FrameSamples)
	return nil
}

// gap leaves n samples out. The sound before it is whole: its tail is written first.
func (t *track) gap(enc Encoder, n line.Samples, cause segment.Cause) error {
	err := t.tail(enc)
	s := &t.seg
	if i := len(s.Gaps) - 1; i >= 0 && s.Gaps[i].Cause == cause && s.Gaps[i].At+s.Gaps[i].Len == t.at {
		s.Gaps[i].Len += n
	} else {
		s.Gaps = append(s.Gaps, segment.Gap{At: t.at, Len: n, Cause: cause})
	}
	t.grow(n)
	return err
}

func (t *track) grow(n line.Samples) {
	t.at += n
	t.seg.Len += n
}

// tail brings out what the encoder still holds, and resets it, so that the sound after a gap, or the next
// recording, can be decoded by itself.
func (t *track) tail(enc Encoder) error {
	if !t.sounding {
		return nil
	}
	t.sounding = false
	var silence [line.FrameSamples]int16
	return errors.Join(t.encode(enc, silence[:], segment.Tail), enc.Reset())
}

func (t *track) encode(enc Encoder, pcm []int16, mark uint16) error {
	s := &t.seg
	used := len(s.Data)
	s.Data = slices.Grow(s.Data, segment.MaxPacket) // allocates only when a track is louder than ever before
	n, err := enc.Encode(pcm, s.Data[used:used+segment.MaxPacket])
	if err == nil && n < 1 {
		err = errEmptyPacket
	}
	if err != nil {
		return errors.Join(err, enc.Reset())
	}
	s.Data = s.Data[:used+n]
	s.Sizes = append(s.Sizes, uint16(n)|mark)
	return nil
}

package pipeline

import (
	"slices"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

const (
	// maxOwed bounds the tracks that are owed to the vault. It is reached when the disk fails and calls go on
	// coming: 512 calls of two parties. The oldest that ended is then given up; the vault closes its recording
	// at the next start, as after a power cut.
	maxOwed = 1024
	// maxOwedGaps bounds the gaps of one of them; see maxTrackGaps. Past it the last one grows, and takes the
	// cause of the loss that swallowed it.
	maxOwedGaps = segment.MaxGaps / 3
)

// owed is what the vault must be told and could not: the stretches of groups that were dropped or not stored, and
// the closings in them. It goes out with the next group. There is one before the queue, for what did not fit into
// it, and one behind it, for what the sink did not store: so each sees the groups in the order of the recording.
type owed struct {
	tracks   []segment.Segment // without packets: only Call, Party, Start, Len, Gaps, Heard, Last
	openings []segment.Opening
	closings []segment.Closing
}

func (o *owed) any() bool { return len(o.tracks)+len(o.openings)+len(o.closings) > 0 }

// lose takes over what of b must not be forgotten. The sound becomes a gap; a gap that was in it keeps its cause.
// Openings are kept only where the sink has not seen them.
func (o *owed) lose(b *batch, cause segment.Cause, openings bool) {
	if openings {
		o.openings = append(o.openings, b.Openings...)
	}
	o.closings = append(o.closings, b.Closings...)
	for i := range b.Segments {
		s := &b.Segments[i]
		t := o.track(s)
		for p := range s.Pieces() {
			switch {
			case p.Tail:
				continue // its sound is gone with the rest
			case p.Packet != nil:
				p.Cause = cause
			}
			if n := len(t.Gaps); n == maxOwedGaps && p.Cause != t.Gaps[n-1].Cause {
				p.Cause, t.Gaps[n-1].Cause = cause, cause
			}
			owe(t, p.Len, p.Cause)
		}
		t.Heard, t.Last = s.Heard, s.Last
	}
}

// track finds what is owed of the track of s, or begins it.
func (o *owed) track(s *segment.Segment) *segment.Segment {
	for i := range o.tracks {
		if t := &o.tracks[i]; t.Call == s.Call && t.Party == s.Party {
			return t
		}
	}
	if len(o.tracks) >= maxOwed {
		oldest := slices.IndexFunc(o.tracks, func(t segment.Segment) bool { return t.Last })
		o.forget(o.tracks[max(0, oldest)].Call)
	}
	o.tracks = append(o.tracks, segment.Segment{Call: s.Call, Party: s.Party, Start: s.Start})
	return &o.tracks[len(o.tracks)-1]
}

func (o *owed) forget(call segment.Call) {
	o.tracks = slices.DeleteFunc(o.tracks, func(t segment.Segment) bool { return t.Call == call })
	o.openings = slices.DeleteFunc(o.openings, func(x segment.Opening) bool { return x.Call == call })
	o.closings = slices.DeleteFunc(o.closings, func(x segment.Closing) bool { return x.Call == call })
}

func owe(t *segment.Segment, n line.Samples, cause segment.Cause) {
	i := len(t.Gaps) - 1
	switch {
	case i >= 0 && t.Gaps[i].Cause == cause:
		t.Gaps[i].Len += n
	default:
		t.Gaps = append(t.Gaps, segment.Gap{At: t.Start + t.Len, Len: n, Cause: cause})
	}
	t.Len += n
}

// pay puts all that is owed into b: before what b has of the same track, and by itself where b has nothing of it.
func (o *owed) pay(b *batch) {
	if !o.any() {
		return
	}
	b.Openings = slices.Insert(b.Openings, 0, o.openings...)
	b.Closings = slices.Insert(b.Closings, 0, o.closings...)
	for i := range o.tracks {
		t := &o.tracks[i]
		s := b.find(t.Call, t.Party)
		if s == nil {
			b.add(t)
			continue
		}
		if len(s.Sizes) > 0 && s.Sizes[0]&segment.Tail != 0 { // it ends sound that is gone
			s.Data = slices.Delete(s.Data, 0, int(s.Sizes[0]&^segment.Tail))
			s.Sizes = slices.Delete(s.Sizes, 0, 1)
		}
		s.Gaps = slices.Insert(s.Gaps, 0, t.Gaps...)
		s.Start, s.Len = t.Start, t.Len+s.Len
	}
	o.tracks, o.openings, o.closings = o.tracks[:0], o.openings[:0], o.closings[:0]
}

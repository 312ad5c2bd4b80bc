package pipeline

import (
	"time"

	"linekeep/audio/call"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// recording is a call on its way to the vault. A lane has two: one may wait for the cut, ended, while the next has begun.
type recording struct {
	open    bool // sound is added
	waiting bool // something of it is not cut yet
	opening segment.Opening
	closing segment.Closing
	begun   bool // the opening is cut
	tracks  [line.MaxChannels]track
	parties []segment.Party // one for each channel
}

// partiesOf are the party tracks of a line, by its channels.
func partiesOf(channels int) []segment.Party {
	if channels == 1 {
		return []segment.Party{segment.Both}
	}
	return []segment.Party{segment.Office, segment.Caller}
}

func newRecording(parties []segment.Party) recording {
	r := recording{parties: parties}
	for i := range parties {
		r.tracks[i] = newTrack()
	}
	return r
}

func (r *recording) begin(o segment.Opening) {
	r.open, r.waiting, r.begun = true, true, false
	r.opening, r.closing = o, segment.Closing{}
	for i, party := range r.parties {
		r.tracks[i].begin(o.Call, party)
	}
}

func (r *recording) end(at time.Time, reason segment.Reason, facts call.Facts) {
	r.open = false
	r.closing = closing(r.opening.Call, at, reason, facts)
	r.closing.Length = r.tracks[0].at
}

func (r *recording) room() bool {
	for i := range r.parties {
		if !r.tracks[i].room() {
			return false
		}
	}
	return true
}

// cut moves what there is into b, and says whether the recording is through with it.
func (r *recording) cut(b *batch) {
	if !r.begun {
		b.Openings = append(b.Openings, r.opening)
		r.begun = true
	}
	for i := range r.parties {
		t := &r.tracks[i]
		t.seg.Last = !r.open
		if t.seg.Len > 0 || len(t.seg.Sizes) > 0 || t.seg.Last {
			b.add(&t.seg)
		}
		t.empty()
	}
	if !r.open {
		b.Closings = append(b.Closings, r.closing)
		r.waiting = false
	}
}

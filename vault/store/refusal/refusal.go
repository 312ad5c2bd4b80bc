// Package refusal counts, by line, what a store could not take of calls.
//
//	In:    calls that wait to begin, and their sound and their ends
//	Out:   All, a value that never changes once it is given out
//	Owner: plain values; no goroutine
//	Full:  an entry for each line there is
package refusal

import (
	"maps"
	"slices"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// Waiting is a call that has begun and is not stored yet, for want of room or of a key.
type Waiting struct {
	Opening segment.Opening
	Told    bool // the log knows
}

// Wait keeps an opening; its memory stays the caller's.
func Wait(o segment.Opening) *Waiting {
	o.Parties = slices.Clone(o.Parties)
	return &Waiting{Opening: o}
}

// Count is what was not stored of one line, since the start.
type Count struct {
	Calls uint64       // of which nothing was; excluded ones, and further recordings of a call, are not counted
	Lost  line.Samples // sound of calls that waited
}

// All are the counts by the ids of the lines.
type All map[string]Count

// Sound counts a segment that came while its call waited. Both parties lose it at once, so it counts once.
func (a All) Sound(w *Waiting, s *segment.Segment) All {
	if w == nil || s.Party == segment.Caller {
		return a
	}
	return a.plus(w.Opening.Line, Count{Lost: line.Samples(s.Packets()) * line.FrameSamples})
}

// End counts a call that ended while it waited.
func (a All) End(w *Waiting, c *segment.Closing) All {
	if w.Opening.Continues != 0 || c.Reason == segment.EndExcluded {
		return a
	}
	return a.plus(w.Opening.Line, Count{Calls: 1})
}

// plus gives the counts with more of a line; a itself stays as it was.
func (a All) plus(id string, more Count) All {
	all := maps.Clone(a)
	if all == nil {
		all = make(All)
	}
	c := all[id]
	all[id] = Count{Calls: c.Calls + more.Calls, Lost: c.Lost + more.Lost}
	return all
}

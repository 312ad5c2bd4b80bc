package pipeline

import (
	"time"

	"linekeep/audio/call"
	"linekeep/audio/rule"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// drain encodes and lets go what is old enough. It stops early where a recording has no room until the next cut.
func (l *lane) drain(sc *scratch) {
	for l.step() {
		sc.yield()
	}
}

// step moves done to the next place where something changes, and says whether it could.
func (l *lane) step() bool {
	next := l.pos // of the transition ahead
	if len(l.marks) > 0 {
		next = l.marks[0].At
		if next <= l.done {
			return l.turn()
		}
	}
	if l.history.n == 0 {
		return false
	}
	s := l.history.oldest()
	switch {
	case !l.due(s.end()):
		return false
	case l.done < s.start:
		return l.skip(min(s.start, next), s)
	case len(l.marks) > 0 && l.marks[0].Kind == call.Begin && next < s.end():
		return l.turn() // the recording begins with the whole of the frame that its beginning lies in
	case s.len > 0 && !l.frame(s):
		return false
	}
	l.done = s.end()
	l.history.pop()
	return true
}

// due says whether sound up to end need not be held back any longer: for the lookback while there is, or soon will
// be, a recording, and otherwise for the pre-roll. A full history holds nothing back.
func (l *lane) due(end line.Position) bool {
	keep := l.keep
	if l.recs[l.now].open || len(l.marks) > 0 {
		keep = l.lookback
	}
	return end <= l.pos-keep || l.ending || l.history.free() == 0
}

// turn carries out the next transition, at done.
func (l *lane) turn() bool {
	m := &l.marks[0]
	at := l.timeAt(l.done)
	switch m.Kind {
	case call.Begin:
		if l.recs[1-l.now].waiting {
			return false // two have ended since the last cut
		}
		if !l.keeps(m) {
			break
		}
		before := l.recs[l.now].opening.Call
		l.now = 1 - l.now
		l.recs[l.now].begin(l.opening(m, at, before))
	case call.End:
		if r := &l.recs[l.now]; r.open {
			for i := range r.parties {
				l.noteEncoder(r.tracks[i].tail(l.encoders[i]))
			}
			r.end(at, m.Reason, m.Call)
			l.board.end()
		}
		l.left, l.facts = rule.Record, call.Facts{}
		if m.Reason != segment.EndLength {
			l.asked.Store(false)
		}
	}
	*m = call.Transition{} // what it knows of the call is personal
	l.marks = append(l.marks[:0], l.marks[1:]...)
	return true
}

func (l *lane) opening(m *call.Transition, at time.Time, before segment.Call) segment.Opening {
	o := segment.Opening{
		Call: segment.Call(l.calls*l.lanes + l.index + 1), Line: l.id, Class: l.class, Start: at,
		Trigger: m.Trigger, Direction: m.Call.Direction, Parties: partiesOf(l.info.Channels),
	}
	l.calls++
	if m.Trigger == segment.ByLength || m.Trigger == segment.ByRetrieve && l.recs[1-l.now].closing.Reason == segment.EndHeld {
		o.Continues = before
	}
	return o
}

// skip moves done over what was lost before s, up to a place.
func (l *lane) skip(to line.Position, s *slot) bool {
	r := &l.recs[l.now]
	if r.open {
		if !r.room() {
			return false
		}
		for i := range r.parties {
			l.noteEncoder(r.tracks[i].gap(l.encoders[i], to-l.done, segment.Cause(s.cause)))
			r.tracks[i].seg.Heard = l.timeAt(to)
		}
	}
	l.done = to
	return true
}

// frame records one frame, if anything is recorded.
func (l *lane) frame(s *slot) bool {
	r := &l.recs[l.now]
	switch {
	case !r.open:
		return true
	case !r.room():
		return false
	}
	failed := false
	for i := range r.parties {
		t, enc := &r.tracks[i], l.encoders[i]
		var err error
		if s.paused {
			err = t.gap(enc, s.len, segment.CausePaused)
		} else {
			err = t.packet(enc, s.pcm[i][:], s.peak[i])
			failed = failed || err != nil
		}
		l.noteEncoder(err)
		t.seg.Heard = s.heard
	}
	if s.paused {
		l.board.lose(segment.CausePaused, s.len)
	}
	if failed {
		l.board.lose(segment.CauseEncoder, s.len)
	}
	return true
}

func (l *lane) noteEncoder(err error) {
	if err != nil {
		l.refused.note(err)
	}
}

// restart makes the sound that comes next decodable by itself, after what came before it was dropped.
func (l *lane) restart() {
	r := &l.recs[l.now]
	for i := range r.parties {
		if r.open && r.tracks[i].sounding {
			r.tracks[i].sounding = false
			l.noteEncoder(l.encoders[i].Reset())
		}
	}
}

// timeAt is when the sound at a place was heard.
func (l *lane) timeAt(p line.Position) time.Time {
	if l.history.n > 0 {
		s := l.history.oldest()
		return s.heard.Add(-(s.end() - p).Duration())
	}
	return l.heard.Add(-(l.pos - p).Duration())
}

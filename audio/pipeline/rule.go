package pipeline

import (
	"slices"
	"time"

	"linekeep/audio/call"
	"linekeep/audio/rule"
	"linekeep/audio/segment"
)

// maxFailed is how many calls may come to nothing between two cuts: a line has one at a time, and each takes longer than a tick.
const maxFailed = 32

// failure is a call that came to nothing, on its way to the vault: an entry without sound.
type failure struct {
	opening segment.Opening
	closing segment.Closing
}

// note takes in what the machine found. What begins and ends recordings waits until the encoder has come to its place.
func (l *lane) note(found []call.Transition) {
	for i := range found {
		switch t := &found[i]; t.Kind {
		case call.Known:
			l.learn(t.Call)
		case call.Failed:
			l.fail(t)
		default:
			l.marks = append(l.marks, *t)
		}
	}
}

// learn judges the call that is up anew. What is learnt while its beginning is still held back is judged with it.
func (l *lane) learn(f call.Facts) {
	for i := range slices.Backward(l.marks) {
		if m := &l.marks[i]; m.Kind == call.Begin {
			m.Call = f
			return
		}
	}
	r := &l.recs[l.now]
	switch v := l.rule.Of(f, l.asked.Load()); {
	case l.left != rule.Record:
		l.facts = f
	case r.open && v != rule.Record:
		l.exclude(v)
	}
}

// keeps says whether a recording begins; if not, why is counted.
func (l *lane) keeps(m *call.Transition) bool {
	l.left = l.rule.Of(m.Call, l.asked.Load())
	if l.left != rule.Record {
		l.facts = m.Call
		if m.First {
			l.board.leave(l.left, again(m))
		}
		return false
	}
	l.board.begin(m)
	return true
}

// again says that a call was up before it was seen here: it may have been counted already.
func again(m *call.Transition) bool {
	return m.First && (m.Trigger == segment.ByRestart || m.Trigger == segment.ByReconnect)
}

// open is how many calls were seen of which nothing has become yet.
func (l *lane) open() uint64 {
	n := uint64(0)
	if l.machine.Waits() {
		n++
	}
	for i := range l.marks {
		if m := &l.marks[i]; m.Kind == call.Begin && m.First {
			n++
		}
	}
	return n
}

// exclude ends the recording of a call that should not have been one: a number is known by now. What of it is not cut is let
// go here; the vault erases the rest, which is only ciphertext under a key that goes.
func (l *lane) exclude(v rule.Verdict) {
	r := &l.recs[l.now]
	for i := range r.parties {
		t := &r.tracks[i]
		t.empty()
		t.sounding = false
		l.noteEncoder(l.encoders[i].Reset())
	}
	if r.begun {
		r.end(l.timeAt(l.done), segment.EndExcluded, call.Facts{Direction: r.opening.Direction})
	} else {
		r.open, r.waiting = false, false // nothing of it has left this lane
	}
	l.left = v
	l.board.exclude(v)
}

// grant begins a recording that somebody asked for, where the line is now.
func (l *lane) grant() {
	if l.left != rule.NotAsked || !l.asked.Load() || len(l.marks) > 0 {
		return // with marks ahead its end may be among them; then the next poll sees to it
	}
	if _, up := l.machine.Up(); up {
		l.marks = append(l.marks, call.Transition{Kind: call.Begin, At: l.pos, Trigger: segment.ByRequest, Call: l.facts})
	}
}

// fail makes the entry of a call that came to nothing.
func (l *lane) fail(t *call.Transition) {
	if v := l.rule.Of(t.Call, false); v != rule.Record {
		l.board.leave(v, false)
		return
	}
	if len(l.failed) == maxFailed {
		l.board.unfiled()
		return
	}
	m := call.Transition{Trigger: segment.BySignal, Call: t.Call}
	o := l.opening(&m, l.timeAt(t.At), 0)
	o.Parties = nil
	l.board.next.Entries++
	l.failed = append(l.failed, failure{o, closing(o.Call, l.heard, t.Reason, t.Call)})
}

func closing(c segment.Call, at time.Time, reason segment.Reason, f call.Facts) segment.Closing {
	return segment.Closing{Call: c, End: at, Reason: reason, Direction: f.Direction, Number: f.Number, Extension: f.Extension,
		Answered: f.Answered, Silent: f.Silent}
}

// cutFailed moves the entries without sound into b.
func (l *lane) cutFailed(b *batch) {
	for i := range l.failed {
		b.Openings = append(b.Openings, l.failed[i].opening)
		b.Closings = append(b.Closings, l.failed[i].closing)
	}
	clear(l.failed) // what it knows of the calls is personal
	l.failed = l.failed[:0]
}

// leave counts a call that is not recorded. What is counted here is shown all at once, by publish: so the sums agree at every moment.
func (b *board) leave(v rule.Verdict, again bool) {
	b.next.Left[v%Verdicts]++
	if again {
		b.next.Again++
	}
}

// begin counts a recording. The first of a call counts the call; one that was asked for takes it from those not asked for.
func (b *board) begin(m *call.Transition) {
	b.next.Began++
	asked := m.Trigger == segment.ByRequest
	if m.First || asked {
		b.next.Calls++
	}
	if asked {
		b.next.Left[rule.NotAsked]--
	}
	if again(m) {
		b.next.Again++
	}
}

// exclude counts a call that was recorded and is not to be.
func (b *board) exclude(v rule.Verdict) {
	b.next.Calls--
	b.next.Left[v%Verdicts]++
	b.next.Ended++
}

func (b *board) end() { b.next.Ended++ }

// unfiled counts a call that came to nothing and has no entry.
func (b *board) unfiled() { b.next.Unfiled++ }

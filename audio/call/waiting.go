package call

import (
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// spokenFor is how long the office must be heard on a call that nobody is known to have answered before it is recorded:
// longer than a cough or the click of a handset, shorter than a sentence. What was said is in the pre-roll.
const spokenFor = line.RateHz / 2 * line.Samples(1)

// answered begins the recording where the line tells the answer, also of a call whose seizure was not seen.
func (m *Machine) answered(e line.Event) {
	if m.answers && !m.open.up {
		if !m.open.waiting {
			m.counts.Seen++
			m.sure = true
			m.open = recording{waiting: true, begin: e.At, digitAt: m.pos, call: Facts{Direction: e.Direction}}
		}
		m.take(e.At, segment.BySignal)
	}
	m.open.call.Answered = m.open.up
}

// spoken begins the recording of a call that waits for its answer once the office has been heard for spokenFor: people
// speak to somebody, so the answer was not to be seen. What the other side sends before it are tones and announcements.
func (m *Machine) spoken(h Heard) {
	if m.channels < 2 || h.Level[line.Office] <= m.level {
		return
	}
	if m.open.spoke += h.Len; m.open.spoke >= spokenFor {
		m.take(m.pos, segment.BySound)
	}
}

// take begins the recording of the call that waits.
func (m *Machine) take(at line.Position, trigger segment.Trigger) {
	before := m.open
	m.begin(at, trigger)
	begin, sounded := m.open.begin, before.sounded
	m.open = before
	m.open.up, m.open.waiting, m.open.begin, m.open.sounded = true, false, begin, sounded
	m.out[len(m.out)-1].Call = m.open.facts()
}

// fail ends a call that waits for its answer.
func (m *Machine) fail(reason segment.Reason) {
	if !m.open.waiting {
		return
	}
	m.counts.Missed++
	m.out = append(m.out, Transition{Kind: Failed, At: m.open.begin, Reason: reason, Call: m.open.facts()})
	m.open = recording{}
}

// rangFor tells of a call that rang and was not answered.
func (m *Machine) rangFor() {
	if !m.ring.on {
		return
	}
	m.counts.Missed++
	m.counts.Seen++ // nothing but the bell has told of it
	r := &m.ring
	m.out = append(m.out, Transition{Kind: Failed, At: m.ring.began, Reason: segment.EndMissed, Call: Facts{Direction: max(r.direction, line.Incoming),
		Number: r.number, Extension: r.extension, Withheld: r.withheld}})
}

// retrieved begins a recording of a call that was held, or that waited for a channel: its numbers are told again. One that
// was seized here is not seen twice.
func (m *Machine) retrieved(e line.Event) {
	if m.open.up {
		return // told twice
	}
	m.fail(segment.EndMissed)
	m.sure = true
	known := e.Call != 0 && e.Call == m.held
	if !known {
		m.counts.Seen++
	}
	m.held = 0
	m.begin(e.At, segment.ByRetrieve)
	m.open.call.Answered, m.open.call.Direction = known, e.Direction
	m.out[len(m.out)-1].Call, m.out[len(m.out)-1].First = m.open.call, !known
}

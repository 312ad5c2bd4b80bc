package call

import (
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// dialPause ends dialling: nobody takes longer between two digits of a number (an exchange gives up after 10 to 15 s,
// ITU-T Q.931 timer T302), and no menu asks for a card number sooner.
const dialPause = 10 * line.Samples(line.RateHz)

// apply carries out an event that pos has reached.
func (m *Machine) apply(e line.Event) {
	switch e.Kind {
	case line.Down:
		m.away = true
		m.unsettle()
		m.rangFor()
		m.ring = ring{}
		return
	case line.Up:
		m.away = false
		return
	}
	if !m.signals {
		return // a line that says it has no signals is not believed when it sends one
	}
	switch e.Kind {
	case line.Seized:
		m.seized(e)
	case line.Ringing:
		m.ringing(e)
	case line.Answered:
		m.answered(e)
	case line.Numbered:
		m.numbered(e)
	case line.Digit:
		m.digit(e)
	case line.Noted:
		m.noted(e)
	case line.Held:
		m.sure = true
		m.end(m.pos, segment.EndHeld)
		m.fail(segment.EndHeld) // a call held before its answer left nothing but that it was
		m.open, m.held = recording{}, e.Call
	case line.Retrieved:
		m.retrieved(e)
	case line.Released:
		m.released(e)
	}
}

// maxNotes bounds what is kept of a call beside its course: a call has a display text or two, and a progress or five.
const maxNotes = 32

// noted keeps what the line said.
func (m *Machine) noted(e line.Event) {
	o := &m.open
	if !o.up && !o.waiting {
		return
	}
	c := &o.call
	switch e.Note {
	case line.Withheld:
		if e.Side == line.Remote {
			c.Withheld = true
			m.known()
		}
		return
	case line.Connected, line.SecondNumber:
		m.known() // either may be a number that is never recorded
	}
	n := Note{Note: e.Note, Side: e.Side, Code: e.Code, Number: e.Number, Text: e.Text}
	if len(c.Notes) < maxNotes {
		c.Notes = append(c.Notes, n)
	}
}

// known tells that more is known of the call that is recorded.
func (m *Machine) known() {
	if m.open.up {
		m.out = append(m.out, Transition{Kind: Known, At: m.pos, Call: m.open.facts()})
	}
}

func (m *Machine) seized(e line.Event) {
	m.counts.Seen++
	m.sure = true
	m.end(m.pos, segment.EndSignal) // one seizure after another: the release between them was missed
	m.fail(segment.EndMissed)
	r := m.ring
	m.ring = ring{}
	if m.answers {
		m.open = recording{waiting: true, begin: e.At, digitAt: m.pos}
	} else {
		m.begin(e.At, segment.BySignal)
	}
	c := &m.open.call
	c.Number, c.Extension, c.Withheld = r.number, r.extension, r.withheld
	switch {
	case e.Direction != line.Unknown:
		c.Direction = e.Direction
	case r.on:
		c.Direction = max(r.direction, line.Incoming)
	default:
		c.Direction = line.Outgoing // off-hook, and nothing rang: the office wants to call
	}
	if m.answers {
		return
	}
	// Off-hook after ringing is the answer. A digital line is seized first and rings then; it says Answered itself.
	c.Answered = r.on
	m.out[len(m.out)-1].Call = *c
}

func (m *Machine) ringing(e line.Event) {
	m.sure = true
	if m.open.up || m.open.waiting {
		if m.open.call.Direction == line.Unknown {
			m.open.call.Direction = e.Direction
		}
		return
	}
	if !m.ring.on {
		m.ring.began = e.At
	}
	m.ring.on = true
	m.ring.last = m.pos
	if e.Direction != line.Unknown {
		m.ring.direction = e.Direction
	}
}

func (m *Machine) numbered(e line.Event) {
	m.ring.last = m.pos // a caller's number can come before the first ring
	number, extension, withheld := &m.ring.number, &m.ring.extension, &m.ring.withheld
	if c := &m.open.call; m.open.up || m.open.waiting {
		number, extension, withheld = &c.Number, &c.Extension, &c.Withheld
	}
	switch {
	case e.Side == line.Office:
		*extension = e.Number
	case e.Note == line.Withheld:
		*number, *withheld = e.Number, true
	default:
		*number = e.Number
	}
	m.known()
}

// digit keeps a dialled number apart from keys pressed in the call: those may be a card number, or a choice in a
// menu. Few analogue lines tell the answer, so a pause ends the dialling too.
func (m *Machine) digit(e line.Event) {
	o := &m.open
	if !o.up && !o.waiting {
		return
	}
	o.talking = o.talking || o.call.Direction == line.Incoming || o.call.Answered || m.pos-o.digitAt > dialPause
	if o.talking {
		o.keyed.add(e.Digit)
		return
	}
	o.dialled.add(e.Digit)
	o.digitAt = m.pos
	m.known()
}

// Causes of ITU-T Q.850 that say the called side did not want the call, or could not take it.
const (
	causeBusy     = 17
	causeRejected = 21
)

func (m *Machine) released(e line.Event) {
	m.sure = true
	m.rangFor()
	m.ring = ring{}
	if e.Code != 0 {
		m.open.call.Cause = e.Code
	}
	m.end(m.pos, segment.EndSignal)
	if m.open.call.Cause == causeBusy || m.open.call.Cause == causeRejected {
		m.fail(segment.EndRejected)
	}
	m.fail(segment.EndMissed)
	m.open = recording{}
}

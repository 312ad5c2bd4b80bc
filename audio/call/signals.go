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
		m.open.call.Answered = m.open.up
	case line.Numbered:
		m.numbered(e)
	case line.Digit:
		m.digit(e)
	case line.Released:
		m.released()
	}
}

func (m *Machine) seized(e line.Event) {
	m.counts.Seen++
	m.sure = true
	m.end(m.pos, segment.EndSignal) // one seizure after another: the release between them was missed
	r := m.ring
	m.ring = ring{}
	m.begin(e.At, segment.BySignal)
	c := &m.open.call
	c.Number, c.Extension = r.number, r.extension
	switch {
	case e.Direction != line.Unknown:
		c.Direction = e.Direction
	case r.on:
		c.Direction = max(r.direction, line.Incoming)
	default:
		c.Direction = line.Outgoing // off-hook, and nothing rang: the office wants to call
	}
	// Off-hook after ringing is the answer. A digital line is seized first and rings then; it says Answered itself.
	c.Answered = r.on
	m.out[len(m.out)-1].Call = *c
}

func (m *Machine) ringing(e line.Event) {
	m.sure = true
	if m.open.up {
		if m.open.call.Direction == line.Unknown {
			m.open.call.Direction = e.Direction
		}
		return
	}
	m.ring.on = true
	m.ring.last = m.pos
	if e.Direction != line.Unknown {
		m.ring.direction = e.Direction
	}
}

func (m *Machine) numbered(e line.Event) {
	m.ring.last = m.pos // a caller's number can come before the first ring
	number, extension := &m.ring.number, &m.ring.extension
	if m.open.up {
		number, extension = &m.open.call.Number, &m.open.call.Extension
	}
	if e.Side == line.Office {
		*extension = e.Number
	} else {
		*number = e.Number
	}
}

// digit keeps a dialled number apart from keys pressed in the call: those may be a card number, or a choice in a
// menu. Few analogue lines tell the answer, so a pause ends the dialling too.
func (m *Machine) digit(e line.Event) {
	o := &m.open
	if !o.up {
		return
	}
	o.talking = o.talking || o.call.Direction == line.Incoming || o.call.Answered || m.pos-o.digitAt > dialPause
	if o.talking {
		o.keyed.add(e.Digit)
		return
	}
	o.dialled.add(e.Digit)
	o.digitAt = m.pos
}

func (m *Machine) released() {
	m.sure = true
	if m.ring.on {
		m.counts.Missed++
	}
	m.ring = ring{}
	m.end(m.pos, segment.EndSignal)
}

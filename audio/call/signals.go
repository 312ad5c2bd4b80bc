package call

import (
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// apply carries out an event at m.pos, or at the event's own place where that is earlier and it matters.
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

func (m *Machine) digit(e line.Event) {
	o := &m.open
	switch {
	case !o.up:
	case o.call.Answered:
		if o.nKeyed < len(o.keyed) {
			o.keyed[o.nKeyed] = e.Digit
			o.nKeyed++
		}
	case o.nDialled < len(o.dialled):
		o.dialled[o.nDialled] = e.Digit
		o.nDialled++
	}
}

func (m *Machine) released() {
	m.sure = true
	if m.ring.on {
		m.counts.Missed++
	}
	m.ring = ring{}
	m.end(m.pos, segment.EndSignal)
}

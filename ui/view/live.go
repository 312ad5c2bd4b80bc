package view

import (
	"bytes"
	"fmt"

	"linekeep/ui/api"
)

// pieces are the parts of the home page that change while it is looked at: the template and the id of its element.
func pieces() []string {
	return []string{"glass", "head", "alarms", "lines", "sum", "lamps", "facts", "foot"}
}

// Part is one piece of the home page as HTML. Its outermost element carries ID.
type Part struct {
	ID   string
	HTML string
}

// Texts are the figures that move all the time, by the key of the element that shows them: clocks, lengths, and the
// spoken values of the meters. They are left empty in a Part, so that a Part changes only when something happened.
type Texts map[string]string

// Gauge is one meter: how far it is lit and where its peak stands, in percent of its length, and its value in dB.
type Gauge struct {
	Lit, Peak float64
	DB        int
}

// Gauges are the meters of st in the order in which the page draws them: line by line, side by side.
func Gauges(st api.Status, dst []Gauge) []Gauge {
	for _, l := range st.Lines {
		for _, s := range l.Sides {
			dst = append(dst, gauge(s))
		}
	}
	return dst
}

// Live renders the pieces of the home page and its moving texts.
func (v *View) Live(st api.Status) ([]Part, Texts, error) {
	p := page(st)
	texts := p.moving()
	p.still()
	parts := make([]Part, 0, len(pieces()))
	for _, name := range pieces() {
		var b bytes.Buffer
		if err := v.t.ExecuteTemplate(&b, name, p); err != nil {
			return nil, nil, fmt.Errorf("render %s: %w", name, err)
		}
		parts = append(parts, Part{ID: name, HTML: b.String()})
	}
	return parts, texts, nil
}

// moving collects the figures that still then takes away.
func (p *Page) moving() Texts {
	t := Texts{"clock": p.Foot.Clock, "lag": p.Facts.Lag}
	for _, l := range p.Lines {
		if l.For != "" {
			t[l.ForKey] = l.For
		}
		for _, m := range l.Meters {
			if m.Gauge {
				t[m.Key] = m.Value
			}
		}
	}
	return t
}

// still empties what moves.
func (p *Page) still() {
	p.Foot.Clock, p.Facts.Lag, p.Liveness = "", "", ""
	for i := range p.Lines {
		l := &p.Lines[i]
		l.For = ""
		for j := range l.Meters {
			m := &l.Meters[j]
			m.Lit, m.Peak, m.DB, m.Value = "0%", "0%", -60, ""
		}
	}
}

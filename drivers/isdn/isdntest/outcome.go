package isdntest

import (
	"fmt"
	"slices"
	"strings"

	"linekeep/drivers/isdn"
	"linekeep/drivers/line"
)

// Outcome is what a tracker said of one call in all. It has the whole numbers: it is for made calls only.
type Outcome struct {
	Call           uint64
	Direction      line.Direction
	Channels       []uint8 // in order; 0 for one that waits for a channel or never got one
	Office, Remote string
	Keys           string
	Rang, Answered bool
	Held           int
	Released       bool
	Cause          uint16
	Side           line.Side
	How            line.Note // how its end was learnt
	Notes          []string  // in order of the alphabet
	From, To       line.Position
}

func (o Outcome) String() string {
	b := []string{o.Direction.String()}
	for _, c := range o.Channels {
		b = append(b, fmt.Sprintf("ch%d", c))
	}
	for _, x := range []struct{ name, value string }{{"office", o.Office}, {"remote", o.Remote}, {"keys", o.Keys}} {
		if x.value != "" {
			b = append(b, x.name+"="+x.value)
		}
	}
	if o.Rang {
		b = append(b, "rang")
	}
	if o.Answered {
		b = append(b, "answered")
	}
	if o.Held > 0 {
		b = append(b, fmt.Sprintf("held%d", o.Held))
	}
	b = append(b, o.Notes...)
	switch {
	case !o.Released:
		b = append(b, "up")
	case o.How != line.NoteNone:
		b = append(b, fmt.Sprintf("released(%v)", o.How))
	default:
		b = append(b, fmt.Sprintf("released(%d %s)", o.Cause, sideName(o.Side)))
	}
	return strings.Join(b, " ")
}

func sideName(s line.Side) string {
	if s == line.Office {
		return "office"
	}
	return "remote"
}

// Outcomes sums events up, a call each, in the order they began.
func Outcomes(events []isdn.Event) []Outcome {
	var all []Outcome
	at := map[uint64]int{}
	for _, e := range events {
		if e.Call == 0 {
			continue
		}
		i, ok := at[e.Call]
		if !ok {
			i = len(all)
			at[e.Call] = i
			all = append(all, Outcome{Call: e.Call, From: e.At})
		}
		all[i].add(e)
	}
	for i := range all {
		slices.Sort(all[i].Notes)
	}
	slices.SortFunc(all, func(a, b Outcome) int { return int(a.Call) - int(b.Call) })
	return all
}

func (o *Outcome) add(e isdn.Event) {
	switch e.Kind {
	case line.Seized:
		o.Direction = e.Direction
		o.Channels = append(o.Channels, e.Channel)
	case line.Ringing:
		o.Rang = true
	case line.Answered:
		o.Answered = true
	case line.Numbered:
		if e.Side == line.Office {
			o.Office = e.Number.Reveal()
		} else {
			o.Remote = e.Number.Reveal()
		}
	case line.Digit:
		o.Keys += string(rune(e.Digit))
	case line.Held:
		o.Held++
	case line.Retrieved:
		o.Channels = append(o.Channels, e.Channel)
	case line.Released:
		o.Released, o.Cause, o.Side, o.How, o.To = true, e.Code, e.Side, e.Note, e.At
	case line.Noted:
		o.Notes = append(o.Notes, note(e))
	}
}

func note(e isdn.Event) string {
	b := strings.ReplaceAll(e.Note.String(), " ", "-") + "(" + sideName(e.Side)
	if e.Code != 0 {
		b += fmt.Sprintf(" %d", e.Code)
	}
	if e.Number != "" {
		b += " " + e.Number.Reveal()
	}
	if e.Text != "" {
		b += fmt.Sprintf(" %q", e.Text.Reveal())
	}
	return b + ")"
}

// Check says where events break the contract: places never go back, on each channel one call at a time, each call begun
// once and ended once.
func Check(events []isdn.Event) error {
	var last line.Position
	on := map[uint8]uint64{}
	begun, ended := map[uint64]bool{}, map[uint64]bool{}
	for i, e := range events {
		if e.At < last {
			return fmt.Errorf("event %d, %v: at %d after %d", i, e.Kind, e.At, last)
		}
		last = e.At
		if e.Call == 0 {
			continue
		}
		if e.Kind == line.Seized && begun[e.Call] || ended[e.Call] || e.Kind != line.Seized && !begun[e.Call] {
			return fmt.Errorf("event %d, %v of call %d: begun %v, ended %v", i, e.Kind, e.Call, begun[e.Call], ended[e.Call])
		}
		begun[e.Call] = true
		ended[e.Call] = e.Kind == line.Released
		if e.Channel == 0 {
			continue
		}
		switch owner := on[e.Channel]; {
		case (e.Kind == line.Seized || e.Kind == line.Retrieved) && (owner == 0 || owner == e.Call):
			on[e.Channel] = e.Call
		case owner == 0 && (e.Kind == line.Released || e.Kind == line.Noted): // of a held call
		case owner != e.Call:
			return fmt.Errorf("event %d, %v of call %d on channel %d, which call %d has", i, e.Kind, e.Call, e.Channel, owner)
		}
		if e.Kind == line.Released || e.Kind == line.Held {
			on[e.Channel] = 0
		}
	}
	return nil
}

package isdn

import (
	"linekeep/drivers/isdn/q921"
	"linekeep/drivers/isdn/q931"
	"linekeep/drivers/line"
)

// elements tells what the elements of a message say beside the course of the call.
func (t *Tracker) elements(c *call, s said) {
	caller := sideOf(c.maker)
	called := sideOf(c.maker.Other())
	calling := 0
	for _, e := range t.msg.Elements {
		if e.Codeset != 0 {
			continue
		}
		switch e.ID {
		case q931.CallingNumber:
			t.caller(c, caller, e.Body, calling)
			calling++
		case q931.CalledNumber:
			if t.msg.Type == q931.Setup {
				t.dial(c, e)
			}
		case q931.ConnectedNumber:
			t.number(c, line.Connected, sideOf(s.from), e.Body)
		case q931.RedirectingNumber:
			t.number(c, line.Redirecting, sideOf(s.from), e.Body)
		case q931.CallingSubAddress:
			t.subAddress(c, caller, e.Body)
		case q931.CalledSubAddress:
			t.subAddress(c, called, e.Body)
		case q931.ConnectedSubAddress:
			t.subAddress(c, sideOf(s.from), e.Body)
		default:
			t.remark(c, s, e)
		}
	}
	if _, ok := t.msg.Find(q931.CalledNumber); !ok && t.msg.Type == q931.Setup {
		if e, ok := t.msg.Find(q931.Keypad); ok { // simple telephones send what is dialled as keys
			t.dial(c, e)
		}
	}
}

func (t *Tracker) remark(c *call, s said, e q931.Element) {
	note := line.Event{Kind: line.Noted, Side: sideOf(s.from)}
	var err error
	var code uint8
	switch e.ID {
	case q931.Display:
		note.Note, note.Text = line.Display, line.Text(q931.ParseText(e.Body))
	case q931.ProgressElement:
		var p q931.Progress
		p, err = q931.ParseProgress(e.Body)
		note.Note, code = line.Progress, p.Description
	case q931.NotificationElement:
		code, err = q931.ParseNotification(e.Body)
		note.Note = line.Notified
	case q931.UserUserElement:
		note.Note, note.Text = line.UserToUser, line.Text(e.Body)
	case q931.FacilityElement:
		note.Note, note.Text = line.Facility, line.Text(e.Body)
	default:
		return
	}
	if err == nil {
		note.Code = uint16(code)
		t.tell(c, note)
	}
}

// caller tells the number of who calls. One that the caller wants withheld is not told, if it is the other end's: an
// exchange that sends it all the same does so for the police, and not for a recorder.
func (t *Tracker) caller(c *call, side line.Side, body []byte, nth int) {
	n, err := q931.ParseNumber(body)
	if err != nil {
		return
	}
	switch n.Presentation {
	case q931.PresentationRestricted:
		t.tell(c, line.Event{Kind: line.Noted, Note: line.Withheld, Side: side})
		if side == line.Remote {
			return
		}
	case q931.PresentationUnavailable:
		t.tell(c, line.Event{Kind: line.Noted, Note: line.Unavailable, Side: side})
	}
	number := t.write(n.Kind, n.Digits)
	switch {
	case number == "":
	case nth == 0:
		c.numbers[side] = number
		t.tell(c, line.Event{Kind: line.Numbered, Side: side, Number: number})
	default:
		t.tell(c, line.Event{Kind: line.Noted, Note: line.SecondNumber, Side: side, Number: number})
	}
}

// number tells of another number, if it may be shown.
func (t *Tracker) number(c *call, note line.Note, side line.Side, body []byte) {
	n, err := q931.ParseNumber(body)
	if err != nil {
		return
	}
	e := line.Event{Kind: line.Noted, Note: note, Side: side, Code: uint16(n.Reason)}
	if n.Presentation != q931.PresentationRestricted {
		e.Number = t.write(n.Kind, n.Digits)
	}
	t.tell(c, e)
}

func (t *Tracker) subAddress(c *call, side line.Side, body []byte) {
	if a, err := q931.ParseSubAddress(body); err == nil {
		t.tell(c, line.Event{Kind: line.Noted, Note: line.SubAddress, Side: side, Text: line.Text(a.String())})
	}
}

// dial adds to the number called, and tells it as far as it is known.
func (t *Tracker) dial(c *call, e q931.Element) {
	digits := e.Body
	if e.ID == q931.CalledNumber {
		n, err := q931.ParseNumber(e.Body)
		if err != nil {
			return
		}
		digits = n.Digits
		if len(c.dialled.digits) == 0 {
			c.dialled.kind = n.Kind
		}
	}
	before := len(c.dialled.digits)
	for _, d := range digits {
		if len(c.dialled.digits) < maxDigits && isDigit(d&0x7f) {
			c.dialled.digits = append(c.dialled.digits, d&0x7f)
		}
	}
	if len(c.dialled.digits) == before {
		return
	}
	side := sideOf(c.maker.Other())
	c.numbers[side] = t.write(c.dialled.kind, c.dialled.digits)
	t.tell(c, line.Event{Kind: line.Numbered, Side: side, Number: c.numbers[side]})
}

// information takes in digits sent after SETUP: the rest of the number, or keys pressed in the call.
func (t *Tracker) information(c *call, s said) {
	for _, e := range t.msg.Elements {
		if e.Codeset != 0 || (e.ID != q931.CalledNumber && e.ID != q931.Keypad) {
			continue
		}
		digits := e.Body
		if n, err := q931.ParseNumber(e.Body); e.ID == q931.CalledNumber {
			if err != nil {
				continue
			}
			digits = n.Digits
		}
		dialling := s.from == c.maker && !c.answered && !c.clearing
		if s.from == q921.User && (c.maker == q921.User || !dialling) {
			for _, d := range digits {
				if isDigit(d & 0x7f) {
					t.tell(c, line.Event{Kind: line.Digit, Digit: d & 0x7f})
				}
			}
		}
		if dialling {
			t.dial(c, e)
		}
	}
}

func isDigit(d byte) bool {
	return (d >= '0' && d <= '9') || d == '*' || d == '#' || (d >= 'A' && d <= 'D')
}

// write gives a number as it is dialled from here.
func (t *Tracker) write(kind uint8, digits []byte) line.Number {
	b := make([]byte, 0, maxDigits+8)
	switch kind {
	case q931.NumberInternational:
		b = append(b, t.cfg.International...)
	case q931.NumberNational:
		b = append(b, t.cfg.National...)
	}
	prefix := len(b)
	for _, d := range digits {
		if d &= 0x7f; isDigit(d) && len(b) < cap(b) {
			b = append(b, d)
		}
	}
	if len(b) == prefix {
		return ""
	}
	return line.Number(b)
}

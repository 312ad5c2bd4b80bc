// Package callerid reads what an exchange says about a caller before or between the rings.
//
//	In:    a message as an FSK receiver checked it (without its checksum), or the keypad digits that some countries use instead
//	Out:   Message: number, name, why one is absent, the exchange's date and time
//	Owner: no goroutine; nothing but functions
//	Full:  nothing is kept
//
// Formats: Telcordia GR-30/GR-31/GR-188 (SDMF and MDMF), ETSI EN 300 659-3 and ETS 300 648 (V.23, the UK's SIN 227 and 242
// too), ETSI EN 300 659-1 annex B for the keypad form. The bytes come from a telephone line, so from anybody: nothing is
// believed of them that does not fit, and text is cut down to what can be shown.
package callerid

import (
	"errors"
	"strings"

	"linekeep/drivers/line"
)

// ErrNoCaller reports a message that is well formed and tells of no call: message waiting, charges, a text message.
var ErrNoCaller = errors.New("callerid: a message that tells of no call")

// errFormat is what no exchange sends.
var errFormat = errors.New("callerid: not a message of this form")

// Absence says why there is no number, or no name.
type Absence uint8

// The reasons an exchange gives.
const (
	Given       Absence = iota // it is there, or nothing was said
	Withheld                   // the caller did not want it shown
	Unavailable                // the network does not know it
	Payphone                   // no number is given for a public telephone
)

func (a Absence) String() string {
	return [...]string{Given: "given", Withheld: "withheld", Unavailable: "unavailable", Payphone: "payphone"}[a&3]
}

// Clock is the exchange's date and time. There is no year in it.
type Clock struct{ Month, Day, Hour, Minute int }

// Message is what was said of one call.
type Message struct {
	Number       line.Number
	NumberAbsent Absence
	Name         line.Text
	NameAbsent   Absence
	Called       line.Number // which number was dialled, where several ring here
	Redirecting  line.Number // who sent the call on to here
	Clock        Clock
	HasClock     bool
	LongDistance bool
	Type         byte // ETSI: 1 a call, 2 ring back when free, 3 name only, 0x81 message waiting; 0 not said
}

// Message types.
const (
	singleCall     = 0x04
	singleWaiting  = 0x06
	multiCall      = 0x80
	multiWaiting   = 0x82
	multiCharge    = 0x86
	multiShortText = 0x89
)

// Parse reads a message of an FSK receiver: type, length, and so many bytes.
func Parse(raw []byte) (Message, error) {
	if len(raw) < 2 || int(raw[1]) != len(raw)-2 {
		return Message{}, errFormat
	}
	switch body := raw[2:]; raw[0] {
	case singleCall:
		return single(body)
	case multiCall:
		return multi(body)
	case singleWaiting, multiWaiting, multiCharge, multiShortText:
		return Message{}, ErrNoCaller
	}
	return Message{}, errFormat
}

// single is SDMF: eight digits of date and time, then the number or why there is none.
func single(body []byte) (Message, error) {
	var m Message
	if len(body) < 9 || !m.clock(body[:8]) || !m.number(body[8:]) {
		return Message{}, errFormat
	}
	return m, nil
}

// multi is MDMF: fields of type, length and value. A field that is not known is stepped over: exchanges have more than the books.
func multi(body []byte) (Message, error) {
	var m Message
	known := false
	for len(body) > 0 {
		if len(body) < 2 || len(body) < 2+int(body[1]) {
			return Message{}, errFormat
		}
		kind, value := body[0], body[2:2+int(body[1])]
		body = body[2+len(value):]
		fits, is := m.field(kind, value)
		if !fits {
			return Message{}, errFormat
		}
		known = known || is
	}
	if !known {
		return Message{}, errFormat
	}
	if m.Type == 0x81 {
		return Message{}, ErrNoCaller
	}
	return m, nil
}

// field takes one field of MDMF and says whether its value is one, and whether the field is known at all.
func (m *Message) field(kind byte, v []byte) (fits, known bool) {
	fits = true
	switch kind {
	case 0x01:
		fits = m.clock(v)
	case 0x02:
		fits = len(v) == 0 || m.number(v)
	case 0x03:
		m.Called, fits = digits(v)
	case 0x04:
		m.NumberAbsent, fits = absence(v)
	case 0x06:
		m.LongDistance = len(v) == 1 && v[0] == 'L'
	case 0x07:
		m.Name = text(v)
	case 0x08:
		m.NameAbsent, fits = absence(v)
	case 0x11:
		if fits = len(v) == 1; fits {
			m.Type = v[0]
		}
	case 0x1A:
		m.Redirecting, fits = digits(v)
	default:
		return true, false
	}
	return fits, true
}

func (m *Message) clock(v []byte) bool {
	if len(v) != 8 {
		return false
	}
	var n [4]int
	for i := range n {
		hi, lo := v[2*i], v[2*i+1]
		if hi < '0' || hi > '9' || lo < '0' || lo > '9' {
			return false
		}
		n[i] = int(hi-'0')*10 + int(lo-'0')
	}
	m.Clock = Clock{Month: n[0], Day: n[1], Hour: n[2], Minute: n[3]}
	// An exchange without a clock sends zeros: that is no fault of the message.
	m.HasClock = n[0] >= 1 && n[0] <= 12 && n[1] >= 1 && n[1] <= 31 && n[2] < 24 && n[3] < 60
	if !m.HasClock {
		m.Clock = Clock{}
	}
	return true
}

// number is a number, or one letter in its place.
func (m *Message) number(v []byte) bool {
	if len(v) == 1 && (v[0] < '0' || v[0] > '9') {
		why, ok := absence(v)
		m.NumberAbsent = why
		return ok
	}
	n, ok := digits(v)
	m.Number = n
	return ok && n != ""
}

func absence(v []byte) (Absence, bool) {
	if len(v) != 1 {
		return Given, false
	}
	switch v[0] {
	case 'P':
		return Withheld, true
	case 'O', 'I', 'S': // out of area, international, a service that conflicts: nobody withheld anything
		return Unavailable, true
	case 'C':
		return Payphone, true
	}
	return Given, false
}

// digits keeps what can be dialled and drops what only groups it.
func digits(v []byte) (line.Number, bool) {
	var b strings.Builder
	for _, c := range v {
		switch {
		case c >= '0' && c <= '9', c == '*', c == '#', c == '+' && b.Len() == 0:
			b.WriteByte(c)
		case c == ' ', c == '-', c == '(', c == ')', c == '.':
		default:
			return "", false
		}
	}
	return line.Number(b.String()), true
}

// text is a name: what cannot be shown is left out, and what is above ASCII is Latin-1, as the exchanges that use it mean it.
func text(v []byte) line.Text {
	var b strings.Builder
	for _, c := range v {
		if c >= 0x20 && c < 0x7F || c >= 0xA0 {
			b.WriteRune(rune(c))
		}
	}
	return line.Text(strings.TrimSpace(b.String()))
}

package line

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Cause says why sound is missing. Causes 0 to 15 are a driver's; the stages after it number theirs from 16.
// The numbers are written to disk (vault/FORMAT.md) and are never given another meaning.
type Cause uint8

// The ways a driver can lose sound.
const (
	CauseNone    Cause = 0 // nothing was lost
	CauseOverrun Cause = 1 // the hardware's buffer ran over: we read it too late
	CauseGone    Cause = 2 // the device was away, or gave nothing
	CauseReader  Cause = 3 // the line's ring was full: the stage after the driver took too long
)

func (c Cause) String() string {
	switch c {
	case CauseNone:
		return "none"
	case CauseOverrun:
		return "overrun"
	case CauseGone:
		return "device gone"
	case CauseReader:
		return "recorder too slow"
	}
	return fmt.Sprintf("Cause(%d)", uint8(c))
}

// Kind says what an Event tells.
type Kind uint8

// What can happen on a line. Seized to Digit come only from lines whose Info.Signals is true.
const (
	Seized   Kind = iota + 1 // off-hook or SETUP: a call is beginning, and is counted as seen
	Ringing                  // ring voltage or ALERTING: an incoming call waits
	Answered                 // both sides are through
	Numbered                 // a number became known: Number, and whose it is in Side
	Digit                    // a key was pressed or dialled: Digit
	Released                 // on-hook or RELEASE: the call is over
	Down                     // the line is not to be heard any more: unplugged, no carrier, no clock
	Up                       // the line is to be heard again

	Held      // the call left its channel and waits; until it is Retrieved or Released the channel may be Seized by another
	Retrieved // a held call is back, on this channel
	Noted     // what the line says of the call beyond the kinds above: Note, with Code, Side, Number or Text
)

func (k Kind) String() string {
	names := [...]string{Seized: "seized", Ringing: "ringing", Answered: "answered", Numbered: "number", Digit: "digit",
		Released: "released", Down: "down", Up: "up", Held: "held", Retrieved: "retrieved", Noted: "noted"}
	if int(k) < len(names) && names[k] != "" {
		return names[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Direction says who called whom.
type Direction uint8

// The directions of a call, seen from the office. The numbers are written to disk.
const (
	Unknown  Direction = 0
	Incoming Direction = 1
	Outgoing Direction = 2
	Internal Direction = 3
)

func (d Direction) String() string {
	switch d {
	case Unknown:
		return "unknown"
	case Incoming:
		return "in"
	case Outgoing:
		return "out"
	case Internal:
		return "internal"
	}
	return fmt.Sprintf("Direction(%d)", uint8(d))
}

// Side is one end of a call.
type Side uint8

// The two ends of a call.
const (
	Office Side = 0 // the tapped office's end
	Remote Side = 1 // the other end
)

// Event is something that happened on a line, at a place on its timeline.
type Event struct {
	Kind      Kind
	At        Position
	Heard     time.Time // when it was learnt, with a monotonic reading
	Direction Direction // with Seized and Ringing, where the hardware knows
	Side      Side      // with Numbered: whose number
	Number    Number    // with Numbered
	Digit     byte      // with Digit: 0-9 * # A-D

	// What only a line with a signalling channel of its own can tell.
	Call uint64 // which call of its source, from 1, so that its parts on several channels can be joined; 0: not told
	Note Note   // with Noted: what; with another kind: how it was learnt, NoteNone if it was signalled
	Code uint16 // with Released and Clearing: cause of ITU-T Q.850, 0 if none was given; with Noted: see Note
	Text Text   // with Noted: see Note
}

// Number is a telephone number as the line gave it. It is personal data: it shows only its last three
// digits to anything that prints or logs it. Reveal gives the whole.
type Number string

// Reveal is the number itself, for sealing and for people who may see it.
func (n Number) Reveal() string { return string(n) }

func (n Number) String() string {
	if len(n) <= 6 {
		if n == "" {
			return ""
		}
		return "•••"
	}
	return "•••" + string(n[len(n)-3:])
}

// Format masks the number in every verb, so that %q, %x and %#v tell no more than %s.
func (n Number) Format(s fmt.State, _ rune) {
	//nolint:errcheck // fmt.State keeps its own error; the caller of Printf sees it
	io.WriteString(s, n.String())
}

// LogValue masks the number in logs.
func (n Number) LogValue() slog.Value { return slog.StringValue(n.String()) }

// MarshalJSON masks the number in JSON, so that a structure dumped by mistake tells no more than a log line.
func (n Number) MarshalJSON() ([]byte, error) { return []byte(`"` + n.String() + `"`), nil }

package line

import (
	"fmt"
	"io"
	"log/slog"
)

// Note says what an Event of the kind Noted tells, or how an Event of another kind was learnt.
type Note uint8

// NoteNone goes with an event that the line signalled itself.
const NoteNone Note = 0

// How an event was learnt that the line did not signal itself, or not as usual.
const (
	Inferred  Note = iota + 1 // with Seized, Answered: its own message was not heard; it follows from what was
	Suspended                 // with Released: the call is parked in the exchange, and may be Resumed as a new one
	Resumed                   // with Seized: a parked call comes back
	TakenOver                 // with Released: the end was not heard; another call has the channel
	Restarted                 // with Released: an end of the line restarted the channel
	LinkLost                  // with Released: the signalling channel was down for longer than a call survives
	TimedOut                  // with Released: nothing more came of it within the time the exchange gives it
	Forgotten                 // with Released: there was no room left to follow it
)

// What is told of a call beside its course. Side says who told it, or whom it is about.
const (
	Clearing     Note = iota + 16 // Side wants the call to end; Code: the cause. Released follows, perhaps after a tone
	Withheld                      // the number of Side is not to be shown
	Unavailable                   // the number of Side could not be had, as from abroad
	SecondNumber                  // another Number of Side, such as one the exchange adds to the caller's own
	Connected                     // Number: who took the call at Side, where that was told
	Redirecting                   // Number: who diverted the call; Code: reason for diversion of ITU-T Q.931
	SubAddress                    // Text: the sub-address of Side
	Display                       // Text: what the exchange shows on a telephone
	Progress                      // Code: description of ITU-T Q.931, such as 8: a tone or an announcement is in the channel
	Notified                      // Code: notification of ITU-T Q.931 and Q.932, such as 121: the other end holds the call
	UserToUser                    // Text: octets from Side's terminal to the other
	Facility                      // Text: the octets of a supplementary service, such as charges or a transfer
	Unmodelled                    // Text: the octets of a message that is kept as it came; Code: its type
)

func (n Note) String() string {
	names := [...]string{NoteNone: "none", Inferred: "inferred", Suspended: "suspended", Resumed: "resumed",
		TakenOver: "taken over", Restarted: "restarted", LinkLost: "link lost", TimedOut: "timed out", Forgotten: "forgotten",
		Clearing: "clearing", Withheld: "withheld", Unavailable: "unavailable", SecondNumber: "second number",
		Connected: "connected", Redirecting: "redirecting", SubAddress: "sub-address", Display: "display", Progress: "progress",
		Notified: "notified", UserToUser: "user to user", Facility: "facility", Unmodelled: "unmodelled"}
	if int(n) < len(names) && names[n] != "" {
		return names[n]
	}
	return fmt.Sprintf("Note(%d)", uint8(n))
}

// Text is what a line said of a call in words or octets: a name on a display, a message kept as it came. It may be
// personal data, so it shows nothing of itself to anything that prints or logs it. Reveal gives it.
type Text string

// Reveal is the text itself, for sealing and for people who may see it.
func (t Text) Reveal() string { return string(t) }

func (t Text) String() string {
	if t == "" {
		return ""
	}
	return "•••"
}

// Format masks the text in every verb, so that %q, %x and %#v tell no more than %s.
func (t Text) Format(s fmt.State, _ rune) {
	//nolint:errcheck // fmt.State keeps its own error; the caller of Printf sees it
	io.WriteString(s, t.String())
}

// LogValue masks the text in logs.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalJSON masks the text in JSON, so that a structure dumped by mistake tells no more than a log line.
func (t Text) MarshalJSON() ([]byte, error) { return []byte(`"` + t.String() + `"`), nil }

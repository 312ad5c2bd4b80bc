// Package tone hears what a telephone line says in tones: keypad digits, caller ID, and the tones by which an exchange tells
// how a call goes.
//
//	In:    linear PCM at 8 kHz, one channel, in pieces of 20 ms or any other length; how much was lost in between
//	Out:   Event, with places in samples since the first
//	Owner: no goroutine; a Detector is used by one goroutine at a time, and Close gives its C memory back
//	Full:  64 events wait in C; past that the newest are dropped and counted (Lost). A Poll after each Feed never loses one
//
// The receivers are libspandsp's (LGPL-2.1, linked dynamically), behind the leaf audio/tone/spandsp. All of them on one channel
// cost some 8 µs per 20 ms, an eighth of encoding it, and allocate nothing but the text of a caller ID.
//
// Digits are found from 40 ms of tone, and over dial tone too: the country's dial tone is taken out before they are looked
// for. A caller ID is found whichever modulation it comes in. Tones of an exchange are one country's: the same sound means
// different things in others, and near frequencies would be taken for each other.
package tone

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"linekeep/audio/tone/callerid"
	"linekeep/drivers/line"
)

// DigitSlack is how far Digit's From and To may be off for a clear key: half the length of a block of the receiver.
const DigitSlack line.Samples = 64

// Config says what a Detector listens for.
type Config struct {
	Country  string // ISO 3166, such as GB: whose exchange the line comes from
	Digits   bool   // keypad digits; the keypad form of caller ID needs them too
	CallerID bool
	Progress bool // dial tone, ringing, busy and so on
}

// Defaults is a British line, with everything.
func Defaults() Config { return Config{Country: "GB", Digits: true, CallerID: true, Progress: true} }

// Validate reports every fault of c.
func (c Config) Validate() error {
	var errs []error
	if _, ok := find(c.Country); !ok {
		errs = append(errs, fmt.Errorf("country: %q has no tones here; known are %v", c.Country, Countries()))
	}
	if !c.Digits && !c.CallerID && !c.Progress {
		errs = append(errs, errors.New("digits, caller_id, progress: nothing is listened for"))
	}
	return errors.Join(errs...)
}

// Kind says what an Event tells.
type Kind uint8

// What can be heard.
const (
	DigitBegan Kind = iota + 1 // a key went down: Digit, From, Level
	Digit                      // the key was let go: Digit, From, To, Level
	ToneBegan                  // an exchange's tone was recognised: Tone; it began at From, and was known for what it is at To
	ToneEnded                  // it ended at To; From is where it began
	CallerID                   // a caller was named: Caller; the message lay between From and To
)

func (k Kind) String() string {
	names := [...]string{DigitBegan: "digit began", Digit: "digit", ToneBegan: "tone began", ToneEnded: "tone ended", CallerID: "caller ID"}
	if int(k) < len(names) && names[k] != "" {
		return names[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Tone is what an exchange means by a tone.
type Tone uint8

// The tones.
const (
	Dial         Tone = iota + 1 // it waits for digits
	Ringing                      // the other end rings
	Busy                         // the other end talks, or has hung up
	Congestion                   // there is no way through
	Unobtainable                 // there is no such number
	Information                  // three rising tones: an announcement follows, mostly that the number cannot be had
)

func (t Tone) String() string {
	names := [...]string{Dial: "dial", Ringing: "ringing", Busy: "busy", Congestion: "congestion", Unobtainable: "unobtainable",
		Information: "information"}
	if int(t) < len(names) && names[t] != "" {
		return names[t]
	}
	return fmt.Sprintf("Tone(%d)", uint8(t))
}

// Key is a keypad digit: 0-9 * # A-D. What was keyed can be a card's number, so it refuses to be printed.
type Key byte

// Reveal is the digit itself.
func (k Key) Reveal() byte { return byte(k) }

func (k Key) String() string {
	if k == 0 {
		return ""
	}
	return "•"
}

// Format masks the digit in every verb.
func (k Key) Format(s fmt.State, _ rune) {
	//nolint:errcheck // fmt.State keeps its own error; the caller of Printf sees it
	io.WriteString(s, k.String())
}

// LogValue masks the digit in logs.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalJSON masks the digit in JSON.
func (k Key) MarshalJSON() ([]byte, error) { return []byte(`"` + k.String() + `"`), nil }

// Event is one thing that was heard.
type Event struct {
	Kind   Kind
	From   line.Position
	To     line.Position
	Digit  Key
	Level  int // DigitBegan, Digit: dBm0
	Tone   Tone
	Caller callerid.Message
}

// Package spandsp hands sound to libspandsp's receivers and says what they found. It is the leaf below audio/tone, which alone
// uses it: no decision is made here.
//
//	In:    any number of samples of linear PCM at 8 kHz, one channel
//	Out:   Event, what spandsp's callbacks told, fetched by Take
//	Owner: no goroutine; a Detector is used by one goroutine at a time, and its C memory is given back by Free
//	Full:  a ring of 64 events in C; past that the newest is dropped and counted
//
// libspandsp is LGPL-2.1: it is linked dynamically and never copied into the tree. No callback enters Go, so a frame costs
// one cgo call and no allocation.
package spandsp

// The receivers of caller ID. Each decodes the messages of the other too, so a detector has one of them.
const (
	NoCaller = 0 // none
	CLASS    = 1 // Bell 202, as in North America
	CLIP     = 2 // V.23, as in Europe
)

// The kinds of Event.
const (
	Digit  = 1
	Tone   = 2
	Caller = 3
)

// Receivers is how many tone receivers one Detector can have.
const Receivers = 2

// Element is one step of a tone pattern. Steps of one pattern follow each other; patterns are numbered from 0 in each receiver.
type Element struct {
	Receiver, Tone int
	F1, F2         int // Hz; F1 must have been named before F2 in this receiver, or spandsp never matches; 0 is silence
	Min, Max       int // ms; a Max of 0 is without end
}

// Setup is what a Detector listens for.
type Setup struct {
	Digits   bool
	Least    int // dBm0: the level of each of a digit's two tones under which it is none
	Caller   int
	Cutoff   float32    // dBm0, under which no caller ID is looked for
	Notches  [2]float32 // Hz, taken out before digits are looked for; 0 is none
	Elements []Element
}

// Event is one thing that was found.
type Event struct {
	Kind     int
	Code     int // Digit: the key, or 0 when it ended; Tone: the pattern, or -1 when it ended
	Receiver int // Tone
	Level    int // Digit: dBm0
	From     int64
	At       int64 // samples fed and skipped when it was found
	Size     int
	Message  [256]byte // Caller: Size bytes, without the checksum
}

package circuit

import (
	"time"

	"linekeep/drivers/line"
)

// Frame is what one end of a D channel said: a layer 2 frame of Q.921, from its address field on, its check sequence found
// right and cut off. The bytes are the driver's and change after the call.
type Frame struct {
	From  line.Side
	Heard time.Time
	Bytes []byte
}

// Told is an event on one B channel of a circuit. Its place is filled in when it is told.
type Told struct {
	Channel int        // the time slot
	Event   line.Event // told at the place of its Heard, or of now where that is zero
}

// DChannel finds out of the frames of one D channel, of both directions, what happens on its B channels. It belongs to the
// goroutine of the tap. The two directions are heard by two devices: frames of one are in order, those of both may
// be told some tens of milliseconds apart from their true order.
type DChannel interface {
	// Frame hears a frame. What it returns is valid until the next call.
	Frame(f Frame) []Told
	// Tick lets time pass: it is called some times a second, with or without frames.
	Tick(now time.Time) []Told
	// Lost says that frames of a direction may be missing from now on: damaged, overrun, or the tap was closed.
	Lost(from line.Side, now time.Time) []Told
	// Carrier says whether the D channel can be heard in both directions. Before the first call it cannot.
	Carrier(up bool, now time.Time)
}

// Deaf is a DChannel that is not listened to: nothing happens on its lines.
type Deaf struct{}

// Frame hears nothing.
func (Deaf) Frame(Frame) []Told { return nil }

// Tick tells nothing.
func (Deaf) Tick(time.Time) []Told { return nil }

// Lost tells nothing.
func (Deaf) Lost(line.Side, time.Time) []Told { return nil }

// Carrier is not listened to.
func (Deaf) Carrier(bool, time.Time) {}

// Package line is the contract between the recorder and whatever hardware a telephone line is tapped with.
//
// Stage: [line] -> call -> encode -> seal -> store -> search -> release.
//
//	In:    nothing of ours; a driver below this package fills a Source
//	Out:   Frame, 20 ms of every channel of a line, and Event, both on the line's own timeline
//	Owner: Source.Run owns every goroutine of a driver; Read and ReadEvents never block and start nothing
//	Full:  a driver keeps at least RingFrames unread frames; past that the newest sound is dropped, counted,
//	       and told as Lost on the next frame that is kept
//
// A line is read by polling: one reader calls Read at its own pace and takes what has come since. So the
// pace of the reader is never the pace of the hardware, one wake-up serves any number of lines, and a
// simulator needs no goroutine at all. Every driver is passive: nothing here can transmit on a line.
package line

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// RateHz is the sampling rate of every line after its driver: 8 kHz, the rate of the telephone network (ITU-T G.711).
	RateHz = 8000
	// FrameSamples is the length of a frame for one channel: 20 ms, the packet length of the encoder.
	FrameSamples = 160
	// FramePeriod is the same as a time.
	FramePeriod = FrameSamples * time.Second / RateHz
	// MaxChannels is how many audio paths one line can have: the two directions of a digital or split line.
	MaxChannels = 2
	// RingFrames is the least number of unread frames a driver keeps for each line: 2.56 s, four times
	// the longest stall of the reader seen on a loaded two-core machine.
	RingFrames = 128
	// EventQueue is the least number of unread events a driver keeps for each line: a call has about ten.
	EventQueue = 64
)

var (
	// ErrClosed reports that the line was closed by Close. The sound not yet read is gone.
	ErrClosed = errors.New("line: closed")
	// ErrGone reports that the source of the line has stopped for good (its Run returned) and that
	// everything it heard has been read. A device that is only unplugged is not ErrGone: it is an event
	// Down, and frames that say Lost, until it is Up again.
	ErrGone = errors.New("line: source stopped")
)

// samplePeriod is 125 µs, a whole number: multiplying by the rate instead overflows after 13 days of a line.
const samplePeriod = time.Second / RateHz

// Samples counts samples of one channel at RateHz.
type Samples int64

// Duration is the time that s samples last.
func (s Samples) Duration() time.Duration { return time.Duration(s) * samplePeriod }

// In is how many whole samples d lasts.
func In(d time.Duration) Samples { return Samples(d / samplePeriod) }

// Position is a place on a line's timeline: samples since the source's Run began, counting the lost ones.
// Hardware that answers at once begins at 0 with its first sample: the milliseconds of opening it are no loss.
// It never goes back. It follows the clock of the hardware, which drifts against the wall clock by some
// tens of parts per million; Heard ties the two together anew at each frame.
type Position = Samples

// Law says what the samples of a frame are.
type Law uint8

// The laws a line can speak. G.711 codes stand in the low byte of a sample as they came from the line.
const (
	S16   Law = iota // linear 16-bit PCM
	ALaw             // ITU-T G.711 A-law codes
	MuLaw            // ITU-T G.711 µ-law codes
)

func (l Law) String() string {
	switch l {
	case S16:
		return "s16"
	case ALaw:
		return "a-law"
	case MuLaw:
		return "mu-law"
	}
	return fmt.Sprintf("Law(%d)", uint8(l))
}

// Info describes a line. It never changes while the line is open.
type Info struct {
	Name     string // what the hardware calls it, such as "hw:CARD=Tap,DEV=0 channel 1"; for people and logs
	Channels int    // 1 (both parties mixed) to MaxChannels (0 is the office side, 1 the caller)
	Law      Law
	Signals  bool // the hardware tells Seized and Released; otherwise calls are found by their sound
	Answers  bool // with Signals: it tells Answered too, of every call, as a D channel does; an analogue line does not
}

// Frame is 20 ms of a line, or only the word that something was lost.
type Frame struct {
	Start   Position  // of the first sample; what was lost lies just before it
	Heard   time.Time // when the last sample of the frame was captured, with a monotonic reading
	Lost    Samples   // how much is missing between the frame before and Start; 0 if nothing
	Cause   Cause     // why, when Lost > 0
	Len     int       // samples of each channel: FrameSamples, or 0 for a frame that only tells a loss
	Samples [MaxChannels][FrameSamples]int16
}

// Line is one tapped circuit. One goroutine may read it; Close may come from another.
type Line interface {
	Info() Info
	// Read moves frames heard since the last Read into frames, oldest first, and says how many.
	// It never blocks: 0 and nil means nothing new. Frames follow each other without overlap:
	// Start = end of the one before + Lost. While a device is away, frames of Len 0 tell the loss
	// at least every 100 ms, so that the timeline goes on. Errors: ErrClosed, ErrGone.
	Read(frames []Frame) (int, error)
	// ReadEvents does the same for events. Events and frames share one timeline. An event is readable
	// no later than the first frame that begins after it. Errors: ErrClosed, ErrGone.
	ReadEvents(events []Event) (int, error)
	// Close ends reading. A second Close does nothing. The source goes on for its other lines.
	Close() error
}

// Source is a piece of hardware, or a simulator of one, that carries one or more lines.
type Source interface {
	// Lines are the source's lines, always the same ones in the same order.
	Lines() []Line
	// Run moves sound from the hardware to the lines until ctx ends. A device that is missing, or goes
	// away, is looked for again with growing pauses and is no error. When Run returns no goroutine of the
	// source is left, and its lines say ErrGone once they are read out. It runs once.
	Run(ctx context.Context) error
}

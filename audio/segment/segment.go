// Package segment is how encoded sound travels from the pipeline to the vault: the packets of one party
// track that came in one tick, with the places where sound is missing.
//
// Stage: line -> call -> encode -> [segment] -> seal -> store -> search -> release.
//
//	In:    Opus packets of 20 ms, and gaps
//	Out:   Group, everything all calls have to say at one tick, in order
//	Owner: plain values and a codec; no goroutine
//	Full:  a segment takes at most MaxPackets; the pipeline cuts one every Tick, so it never fills in practice
package segment

import (
	"fmt"
	"time"

	"linekeep/drivers/line"
)

const (
	// Tick is how often all calls are cut at once: with the commit that follows, never more than 1 s of an
	// open call is at risk.
	Tick = 500 * time.Millisecond
	// MaxPackets bounds a segment: 4 s of packets, for a tick that came late, or a pre-roll let go at once.
	MaxPackets = 200
	// MaxPacket is the longest Opus packet kept, in bytes: at 24 kbit/s the encoder's 20 ms packets stay
	// well under 200 (measured maximum of real speech: see audio/opus); RFC 6716 3.4 allows 1275.
	MaxPacket = 1275
)

// Party is whose voice a party track holds. The numbers are written to disk.
type Party uint8

// The parties. A line with one channel carries both at once.
const (
	Office Party = 0
	Caller Party = 1
	Both   Party = 2
)

func (p Party) String() string {
	switch p {
	case Office:
		return "office"
	case Caller:
		return "caller"
	case Both:
		return "both"
	}
	return fmt.Sprintf("Party(%d)", uint8(p))
}

// Cause says why sound is missing in a recording: a driver's cause (line.Cause, 0 to 15) or one of ours.
// The numbers are written to disk.
type Cause uint8

// Causes of the stages after the driver.
const (
	CauseEncoder Cause = 16 // the encoder refused a frame
	CauseQueue   Cause = 17 // the queue to the vault was full
	CauseStore   Cause = 18 // the vault could not store it: disk full or failing
	CausePaused  Cause = 19 // paused on purpose, lookback cut too
)

func (c Cause) String() string {
	switch c {
	case CauseEncoder:
		return "encoder"
	case CauseQueue:
		return "queue full"
	case CauseStore:
		return "not stored"
	case CausePaused:
		return "paused"
	}
	return line.Cause(c).String()
}

// Gap is a stretch of a party track without sound.
type Gap struct {
	At    line.Samples // from the start of the recording
	Len   line.Samples
	Cause Cause
}

// Call names a recording between the pipeline and the vault, for one run of the program: never 0, never used again.
type Call uint64

// Trigger says what made a recording begin. The numbers are written to disk.
type Trigger uint8

// What begins a recording.
const (
	BySound     Trigger = 1 // the sound rose over the line's VOX level
	BySignal    Trigger = 2 // the line said so: off-hook, SETUP
	ByLength    Trigger = 3 // the recording before it reached its longest (Opening.Continues)
	ByRestart   Trigger = 4 // the line was already in a call when the box started
	ByReconnect Trigger = 5 // the line came back in mid-call
	ByRequest   Trigger = 6 // somebody asked for it, on a line that is recorded on demand
	ByRetrieve  Trigger = 7 // a held call came back, on this channel
)

// Reason says why a recording ended. The numbers are written to disk.
type Reason uint8

// What ends a recording.
const (
	EndSilence  Reason = 1  // nothing heard for the line's hold time
	EndSignal   Reason = 2  // the line said so: on-hook, RELEASE
	EndLength   Reason = 3  // its longest was reached; the next one continues it
	EndGone     Reason = 4  // the line was away for longer than the hold time
	EndStop     Reason = 5  // the box was stopped in mid-call
	EndRecovery Reason = 6  // power cut or crash: closed at the next start
	EndMissed   Reason = 7  // nobody answered: there is no sound
	EndRejected Reason = 8  // busy, or refused: there is no sound
	EndHeld     Reason = 10 // the call was put on hold and left its channel; what is heard there is not of it
	EndExcluded Reason = 9  // its number, known too late, is never to be recorded: all of it is to be erased at once
)

// Opening begins a recording.
type Opening struct {
	Call      Call
	Line      string    // the line's id in the configuration
	Class     string    // its retention class
	Start     time.Time // of the first sample, pre-roll included
	Trigger   Trigger
	Direction line.Direction
	Parties   []Party // its party tracks
	Continues Call    // the recording that this one goes on from; 0 if none
}

// Closing ends a recording. What was not yet known when it began is said here.
type Closing struct {
	Call      Call
	End       time.Time
	Reason    Reason
	Direction line.Direction
	Number    line.Number // the other end's, where the line told it
	Extension line.Number // the office end's
	Answered  bool
	Silent    bool         // no sound over the VOX level in all of it
	Length    line.Samples // of the recording, gaps included
}

// Segment is what one party track got in one tick.
type Segment struct {
	Call  Call
	Party Party
	Start line.Samples // of the first packet or gap, from the start of the recording
	Len   line.Samples // of sound and gaps together; the next segment of the track starts at Start+Len
	Sizes []uint16     // of the packets in Data, in order; each is 20 ms, but one marked Tail has no time of its own
	Data  []byte       // the packets, end to end
	Peaks []byte       // one per packet that has time, audio/peaks coding
	Gaps  []Gap        // in order; At lies in [Start, Start+Len)
	Heard time.Time    // when the newest sample in it was captured
	Last  bool         // the track ends here
}

// Group is what all calls have to say at one tick. Its order is the order on disk: openings, segments, closings.
// It belongs to the pipeline again as soon as Commit returns; whoever keeps anything copies it.
type Group struct {
	At       time.Time
	Openings []Opening
	Segments []Segment
	Closings []Closing
}

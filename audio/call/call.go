// Package call finds the calls on a line: a pure state machine over what was heard and what the line signalled.
//
// Stage: line -> [call] -> encode -> seal -> store -> search -> release.
//
//	In:    Heard, the place and level of each frame, and line.Event, all of one line
//	Out:   Transition: a recording begins here, a recording ends here, a call came to nothing, and what is known of the call
//	Owner: a Machine belongs to whoever reads the line; no clock, no goroutine, no allocation per frame
//	Full:  keeps maxQueued events that lie ahead of the frames; past that the oldest is dropped and counted
//
// A line with signals is believed: seized begins a call and released ends it, however quiet it is. A line without
// signals, and one whose state nobody knows yet because the box has just started or the line was away, is listened
// to: sound over the level begins a call and a hold time of silence ends it (VOX). A line that tells the answer is
// recorded from the answer on, and before it only once the office is heard to speak: so an answer that was not to be
// seen costs no call.
package call

import (
	"linekeep/audio/pcm"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// Heard is what the machine needs to know of a frame. Lost samples lie just before Start.
type Heard struct {
	Start line.Position
	Lost  line.Samples
	Len   line.Samples               // 0 for a frame that only tells a loss
	Level [line.MaxChannels]pcm.DBFS // RMS; channels the line does not have are not looked at
}

// Kind says what a Transition is.
type Kind uint8

// A recording's two transitions alternate on each line, a Begin first; the others may come anywhere.
const (
	Begin Kind = iota + 1
	End
	Known  // more is known of the call that is recorded; At says nothing
	Failed // a call came to nothing: Reason says EndMissed, EndRejected, or how the line left it; there is no sound of it
)

func (k Kind) String() string {
	switch k {
	case Begin:
		return "begin"
	case End:
		return "end"
	case Known:
		return "known"
	case Failed:
		return "failed"
	}
	return "none"
}

// Transition says that a recording begins or ends.
//
// At of a Begin lies up to Config.History before the frame just fed: the recording begins with the frame that holds
// At, or with a gap where At lies in a loss. It is never before the end of the recording before it.
// At of an End is either the end of the frame just fed (the recording keeps all of it), or no later than its Start
// (the recording keeps none of it, and of a loss before it what lies before At). So: transitions with At <= Start
// are carried out before the frame's sound, the others after it. A Begin may always be carried out before.
// At of a Failed is where the call was first told, however long ago.
type Transition struct {
	Kind    Kind
	At      line.Position
	Trigger segment.Trigger // of a Begin
	First   bool            // of a Begin: it is the call's first, so what is seen and what is recorded can be compared
	Reason  segment.Reason  // of an End, and of a Failed
	Call    Facts           // what is known at this moment; whole at the End
}

// Facts are what a line told about a call. They are personal data.
type Facts struct {
	Direction line.Direction
	Number    line.Number // the other end's: as the network told it, or as it was dialled
	Extension line.Number // the office end's
	Keyed     line.Number // digits after the answer: they may be a card number, and belong under the data key
	Withheld  bool        // the other end does not want its number shown
	Answered  bool
	Silent    bool   // of an End: no sound over the level in all of the recording
	Cause     uint16 // why the call was cleared, by ITU-T Q.850; 0 where the line did not say
	Notes     []Note // what else the line said, in order, at most maxNotes
}

// Note is something that a line said of a call beside its course; see line.Event.
type Note struct {
	Note   line.Note
	Side   line.Side
	Code   uint16
	Number line.Number
	Text   line.Text
}

// State is what a line is doing.
type State uint8

// What a line can be doing.
const (
	Idle State = iota
	Ringing
	InCall
	Away // the line is not to be heard; a call may still be open, for as long as the hold time
)

func (s State) String() string {
	switch s {
	case Idle:
		return "idle"
	case Ringing:
		return "ringing"
	case InCall:
		return "call"
	case Away:
		return "down"
	}
	return "unknown"
}

// Counts are totals since the machine was made. They count apart from the recorder (P02).
type Counts struct {
	Seen       uint64 // calls: seizures, and those that only rang; on a line without signals, sounds that were no click
	Began      uint64 // recordings begun
	Ended      uint64 // recordings ended
	Missed     uint64 // calls that came to nothing: not answered, busy, refused
	Clicks     uint64 // sounds too short to be one
	EventsLost uint64 // more than maxQueued events ahead of the frames
}

package health

import (
	"time"

	"linekeep/audio/segment"
	"linekeep/ui/api"
)

// LineStatus is what the pipeline says of a line.
type LineStatus struct {
	ID        string
	State     State
	Since     time.Time
	Sides     []Side
	Seen      uint64 // calls, cumulative
	Began     uint64
	Ended     uint64
	Lost      map[segment.Cause]uint64
	LastFrame time.Time
}

// Side is the level of one channel.
type Side struct{ Level, Peak float64 }

// State is what a line is doing.
type State uint8

// The states.
const (
	StateIdle State = iota
	StateRinging
	StateCall
	StatePaused
	StateDown
)

// VaultStatus is what the vault says of itself.
type VaultStatus struct {
	Answers        bool
	AnswersSince   time.Time // when it last did, or when it began not to
	LastStored     time.Time
	FreeBytes      int64
	StopsAt        int64
	BytesPerHour   float64
	Lag            time.Duration
	Full, Low      bool
	FullSince      time.Time
	Findings       int
	CustodyAltered bool
}

// lost is the sound lost by accident.
func (s LineStatus) lost() uint64 {
	total := uint64(0)
	for cause, n := range s.Lost {
		if cause != segment.CausePaused {
			total += n
		}
	}
	return total
}

func (s LineStatus) state() api.LineState {
	switch s.State {
	case StateRinging:
		return api.Ringing
	case StateCall:
		return api.Call
	case StatePaused:
		return api.Paused
	case StateDown:
		return api.Fault
	case StateIdle:
	}
	return api.Idle
}

// sides names the channels: two are the office's and the caller's, one carries both.
func (s LineStatus) sides() []api.Side {
	names := []string{"Office", "Caller"}
	if len(s.Sides) == 1 {
		names = []string{"Line"}
	}
	out := make([]api.Side, 0, len(names))
	for i, side := range s.Sides {
		out = append(out, api.Side{Name: names[i], Level: side.Level, Peak: side.Peak})
	}
	return out
}

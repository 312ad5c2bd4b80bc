package health

import (
	"time"

	"linekeep/audio/pipeline"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/ui/api"
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
	Full           bool // no new call is taken
	FullSince      time.Time
	Findings       int
	CustodyAltered bool
}

// lost is the sound a line lost by accident.
func lost(s pipeline.LineStatus) line.Samples {
	total := line.Samples(0)
	for cause, n := range s.Lost {
		if segment.Cause(cause) != segment.CausePaused {
			total += n
		}
	}
	return total
}

func state(s pipeline.State) api.LineState {
	switch s {
	case pipeline.StateRinging:
		return api.Ringing
	case pipeline.StateCall:
		return api.Call
	case pipeline.StatePaused:
		return api.Paused
	case pipeline.StateDown:
		return api.Fault
	case pipeline.StateIdle:
	}
	return api.Idle
}

// sides names the channels: two are the office's and the caller's, one carries both.
func sides(in []pipeline.Side) []api.Side {
	names := []string{"Office", "Caller"}
	if len(in) == 1 {
		names = []string{"Line"}
	}
	out := make([]api.Side, 0, len(in))
	for i, s := range in {
		out = append(out, api.Side{Name: names[i], Level: s.Level, Peak: s.Peak})
	}
	return out
}

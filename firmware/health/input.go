package health

import (
	"linekeep/audio/pipeline"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/ui/api"
)

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

// floor is the quietest level there is to tell: one step of 16 bits.
const floor = -96.0

// sides names the channels: two are the office's and the caller's, one carries both.
func sides(in []pipeline.Side) []api.Side {
	names := []string{"Office", "Caller"}
	if len(in) == 1 {
		names = []string{"Line"}
	}
	out := make([]api.Side, 0, len(in))
	for i, s := range in {
		out = append(out, api.Side{Name: names[i], Level: max(s.Level, floor), Peak: max(s.Peak, floor)})
	}
	return out
}

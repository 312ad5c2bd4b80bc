package alsa

import (
	"fmt"
	"strings"

	"linekeep/drivers/line"
	"linekeep/drivers/line/timeline"
)

// tap is one line: sound channels of a device. The pump feeds it.
type tap struct {
	*timeline.Timeline
	channels []int
}

func newTap(device string, channels []int) *tap {
	var names []string
	for _, c := range channels {
		names = append(names, fmt.Sprint(c+1))
	}
	return &tap{channels: channels, Timeline: timeline.New(line.Info{
		Name:     device + " channel " + strings.Join(names, "+"),
		Channels: len(channels),
		Law:      line.S16,
	}, line.RingFrames)}
}

// take adds samples of the line's sound channels.
func (t *tap) take(sound [][]int16, clock clock) {
	for from, n := 0, len(sound[t.channels[0]]); from < n; {
		k := min(n-from, len(t.Part(0)))
		for i, c := range t.channels {
			copy(t.Part(i), sound[c][from:from+k])
		}
		from += k
		if t.Add(k) {
			t.Push(clock.heard(t.Out()))
		}
	}
}

// Package talk makes up what calls say, group by group, so that the vault can be tested without a pipeline.
//
//	In:    a number for the call, which also decides what is said
//	Out:   the openings, segments and closings of audio/segment, and the same again for comparison
//	Owner: plain values; no goroutine
//	Full:  a Talk can be told not to remember what it said
package talk

import (
	"math/rand/v2"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

// Tick is the length of a segment.
const Tick = line.Samples(segment.Tick * line.RateHz / time.Second)

// PacketBytes is the mean size of a packet: 24 kbit/s.
const PacketBytes = 60

// Talk is one call. What it says follows from its number alone.
type Talk struct {
	Call    segment.Call
	Line    string
	Class   string
	Start   time.Time
	Parties []segment.Party
	Number  line.Number
	Payload func(p segment.Party, at line.Samples, packet []byte) // fills each packet; nil is noise
	Forget  bool                                                  // do not keep what was said
	Bytes   int                                                   // mean size of a packet

	At     line.Samples
	Said   map[segment.Party][]segment.Segment
	random *rand.Rand
}

// New makes a call of two parties on the line "reception".
func New(call segment.Call, start time.Time) *Talk {
	return &Talk{Call: call, Line: "reception", Class: "standard", Start: start, Number: "+441632960123",
		Parties: []segment.Party{segment.Office, segment.Caller}, Bytes: PacketBytes,
		random: rand.New(rand.NewPCG(1, uint64(call))), Said: make(map[segment.Party][]segment.Segment)}
}

// Now is the wall clock time the call has come to.
func (k *Talk) Now() time.Time { return k.Start.Add(k.At.Duration()) }

// Opening begins the call.
func (k *Talk) Opening() segment.Opening {
	return segment.Opening{Call: k.Call, Line: k.Line, Class: k.Class, Start: k.Start, Trigger: segment.BySound,
		Direction: line.Incoming, Parties: k.Parties}
}

// Speak adds what every party says in one tick to g; last ends the tracks.
func (k *Talk) Speak(g *segment.Group, last bool) {
	for _, p := range k.Parties {
		s := segment.Segment{Call: k.Call, Party: p, Start: k.At, Len: Tick, Last: last, Heard: time.Now()}
		for i := range int(Tick / line.FrameSamples) {
			packet := make([]byte, k.Bytes-10+k.random.IntN(20))
			if k.Payload != nil {
				k.Payload(p, k.At+line.Samples(i)*line.FrameSamples, packet)
			} else {
				for j := range packet {
					packet[j] = byte(k.random.Uint32())
				}
			}
			s.Sizes = append(s.Sizes, uint16(len(packet)))
			s.Data = append(s.Data, packet...)
			s.Peaks = append(s.Peaks, byte(i))
		}
		g.Segments = append(g.Segments, s)
		if !k.Forget {
			k.Said[p] = append(k.Said[p], s)
		}
	}
	k.At += Tick
}

// Closing ends the call where it has come to.
func (k *Talk) Closing() segment.Closing {
	return segment.Closing{Call: k.Call, End: k.Now(), Reason: segment.EndSilence, Direction: line.Incoming,
		Number: k.Number, Extension: "12", Answered: true, Length: k.At}
}

// Groups gives the call from here on in ticks groups, opened in the first and closed in the last where asked.
func (k *Talk) Groups(ticks int, open, end bool) []segment.Group {
	groups := make([]segment.Group, ticks)
	for i := range groups {
		g := &groups[i]
		g.At = k.Now()
		if open && i == 0 {
			g.Openings = append(g.Openings, k.Opening())
		}
		last := end && i == ticks-1
		k.Speak(g, last)
		if last {
			g.Closings = append(g.Closings, k.Closing())
		}
	}
	return groups
}

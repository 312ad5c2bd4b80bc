package isdn_test

import (
	"fmt"
	"testing"
	"time"

	"linekeep/drivers/isdn"
	"linekeep/drivers/isdn/isdntest"
	"linekeep/drivers/isdn/q921"
	"linekeep/drivers/line"
)

// BenchmarkDChannel is the D channel's decode rate: all scripts, from octets to events.
func BenchmarkDChannel(b *testing.B) {
	var frames []isdn.Frame
	w := isdntest.Primary()
	w.Acks = true
	w.Establish(q921.Network, 0)
	for i := range 30 {
		c := isdntest.Call{Wire: w, Maker: q921.Network, Ref: uint16(100 + i)}
		c.Ring(isdntest.Slot(uint8(1+i%15), true))
		c.Take()
		c.Hangup(q921.User, 16)
	}
	frames = w.Frames
	span := frames[len(frames)-1].At + line.RateHz
	tracker, err := isdn.New(isdn.DefaultConfig())
	if err != nil {
		b.Fatal(err)
	}
	var events []isdn.Event
	var round line.Position
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		f := frames[n%len(frames)]
		f.At += round
		events = tracker.Frame(f, events[:0])
		if n++; n%len(frames) == 0 {
			round += span
		}
	}
	perFrame := b.Elapsed() / time.Duration(max(n, 1))
	fmt.Printf("D channel, octets to events, per frame (30 busy channels send some 100 a second) | %d ns | 10000 ns | %s\n",
		perFrame.Nanoseconds(), map[bool]string{true: "yes", false: "NO"}[perFrame <= 10*time.Microsecond])
	if c := tracker.Counts(); c.Ended < uint64(30*(n/len(frames))) || c.Undecodable+c.Repeated > 0 {
		b.Fatalf("%+v", c)
	}
}

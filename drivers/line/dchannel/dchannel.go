// Package dchannel joins the taps of digital lines with drivers/isdn, which follows the calls of their D channels.
//
// Stage: [line] -> call -> encode -> seal -> store -> search -> release.
//
//	In:    circuit.Frame, a frame of one direction, its check sequence found right and cut off
//	Out:   circuit.Told, what happens on each B channel
//	Owner: no goroutine; a Follower belongs to the goroutine of its tap
//	Full:  isdn.Tracker keeps as many calls as an interface can have; past that it tells them as forgotten
//
// A tracker's places count from the follower's first frame or tick. The line of each B channel has a timeline of its own,
// so what happened is told there by the time it was heard.
package dchannel

import (
	"time"

	"linekeep/drivers/isdn"
	"linekeep/drivers/isdn/q921"
	"linekeep/drivers/line"
	"linekeep/drivers/line/circuit"
)

// Follower follows one D channel.
type Follower struct {
	tracker *isdn.Tracker
	start   time.Time
	events  []isdn.Event
	told    []circuit.Told
}

var _ circuit.DChannel = (*Follower)(nil)

// New makes the follower of one interface, which writes numbers as they are dialled in most of Europe.
func New() *Follower {
	tracker, err := isdn.New(isdn.DefaultConfig())
	if err != nil {
		panic(err) // the package's own settings are right
	}
	return &Follower{tracker: tracker}
}

// Frame implements circuit.DChannel. The office's end is the user of Q.931, the other the network.
func (f *Follower) Frame(c circuit.Frame) []circuit.Told {
	from := q921.Network
	if c.From == line.Office {
		from = q921.User
	}
	f.events = f.tracker.Frame(isdn.Frame{From: from, At: f.at(c.Heard), Heard: c.Heard, Data: c.Bytes}, f.events[:0])
	return f.tell()
}

// Tick implements circuit.DChannel.
func (f *Follower) Tick(now time.Time) []circuit.Told {
	f.events = f.tracker.Advance(f.at(now), now, f.events[:0])
	return f.tell()
}

// Lost implements circuit.DChannel: a tracker finds out by itself what it has not heard, by the numbers of the frames.
func (f *Follower) Lost(line.Side, time.Time) []circuit.Told { return nil }

// Carrier implements circuit.DChannel.
func (f *Follower) Carrier(up bool, now time.Time) { f.tracker.Carrier(up, f.at(now)) }

// at is how long after the beginning a moment is.
func (f *Follower) at(t time.Time) line.Position {
	if f.start.IsZero() {
		f.start = t
	}
	return line.In(t.Sub(f.start))
}

func (f *Follower) tell() []circuit.Told {
	f.told = f.told[:0]
	for _, e := range f.events {
		f.told = append(f.told, circuit.Told{Channel: int(e.Channel), Event: e.Event})
	}
	return f.told
}

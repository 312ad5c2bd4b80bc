package isdn_test

import (
	"testing"
	"time"

	"linekeep/drivers/isdn"
	"linekeep/drivers/isdn/isdntest"
	"linekeep/drivers/isdn/q921"
	"linekeep/drivers/isdn/q931"
	"linekeep/drivers/line"
)

func TestPrefixesAreChecked(t *testing.T) {
	for _, c := range []isdn.Config{{National: "0x"}, {International: "000000000"}} {
		if _, err := isdn.New(c); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
	if err := (isdn.Config{}).Validate(); err != nil {
		t.Errorf("no prefixes: %v", err)
	}
}

// TestACallPastTheLastIsFollowed: when there is no room, the call that matters least is told to be forgotten.
func TestACallPastTheLastIsFollowed(t *testing.T) {
	w := isdntest.Primary()
	w.Establish(q921.Network, 0)
	c := isdntest.Call{Wire: w, Maker: q921.Network, Ref: 1}
	c.Ring(isdntest.Slot(1, true))
	c.Take()
	for i := range uint16(isdn.Limits().Calls + 10) { // that many, none of which is given a channel
		isdntest.Call{Wire: w, Maker: q921.User, Ref: 1000 + i}.User(q931.Setup, isdntest.Speech())
	}
	events, counts := play(t, w.Frames)
	all := isdntest.Outcomes(events)
	if counts.Forgotten != 11 || all[0].Released || !all[0].Answered || all[1].How != line.Forgotten {
		t.Errorf("%+v\n%v", counts, all)
	}
}

// TestOfACallTooMuchIsToldOnlyInPart: a flood of displays neither fills memory nor hides the end.
func TestOfACallTooMuchIsToldOnlyInPart(t *testing.T) {
	w := isdntest.Primary()
	w.Establish(q921.Network, 0)
	c := isdntest.Call{Wire: w, Maker: q921.Network, Ref: 1}
	c.Ring(isdntest.Slot(1, true))
	for range 200 {
		c.Network(q931.Information, isdntest.Text(q931.Display, "x"), isdntest.Called(0, "1234567890"))
	}
	c.Hangup(q921.Network, 16)
	events, counts := play(t, w.Frames)
	all := isdntest.Outcomes(events)
	if len(all) != 1 || !all[0].Released || len(all[0].Notes) != 64 || counts.Dropped != 137 || len(all[0].Office) != 64 {
		t.Errorf("%+v\n%d notes, number of %d digits", counts, len(all[0].Notes), len(all[0].Office))
	}
}

// TestCallsEndWithTheLineButNotAtOnce: a short break of the line itself is outlived.
func TestCallsEndWithTheLineButNotAtOnce(t *testing.T) {
	w := isdntest.Primary()
	w.Establish(q921.Network, 0)
	c := isdntest.Call{Wire: w, Maker: q921.Network, Ref: 1}
	c.Ring(isdntest.Slot(1, true))
	c.Take()
	tracker, err := isdn.New(isdn.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	var events []isdn.Event
	for _, f := range w.Frames {
		events = tracker.Frame(f, events)
	}
	at := w.At
	wait := func(d time.Duration) {
		for end := at + line.In(d); at < end; {
			at += line.RateHz / 10
			events = tracker.Advance(at, time.Time{}, events)
		}
	}
	tracker.Carrier(false, at)
	wait(80 * time.Second)
	tracker.Carrier(true, at)
	wait(20 * time.Second)
	if tracker.Up() != 1 {
		t.Fatal("a break of 80 s ended the call: it ends after 90 s (T309)")
	}
	tracker.Carrier(false, at)
	from := at
	wait(100 * time.Second)
	last := isdntest.Outcomes(events)[0]
	if after := (last.To - from).Duration(); last.How != line.LinkLost || after < 90*time.Second || after > 91*time.Second {
		t.Errorf("%v, %v after the line went down, want link lost after 90 s", last, after)
	}
	if err := isdntest.Check(events); err != nil {
		t.Error(err)
	}
}

// TestTimesAreThoseOfTheFrames: an event lies where its frame was heard, and not where it was understood.
func TestTimesAreThoseOfTheFrames(t *testing.T) {
	w := isdntest.Primary()
	w.Establish(q921.Network, 0)
	c := isdntest.Call{Wire: w, Maker: q921.Network, Ref: 1}
	setup := w.At
	c.Ring(isdntest.Slot(1, true))
	connect := w.At
	c.Take()
	w.Wait(time.Minute)
	end := w.At
	c.Hangup(q921.User, 16)
	const slack = 10 * isdntest.Millisecond
	for _, order := range interleavings(w.Frames) {
		events, _ := play(t, order)
		for _, e := range events {
			want, ok := map[line.Kind]line.Position{line.Seized: setup, line.Answered: connect, line.Released: end}[e.Kind]
			if ok && (e.At < want-slack || e.At > want+slack) {
				t.Fatalf("%v at %v, want %v within %v", e.Kind, e.At.Duration(), want.Duration(), line.Position(slack).Duration())
			}
		}
	}
}

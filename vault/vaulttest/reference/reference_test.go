package reference_test

import (
	"fmt"
	"testing"
	"time"

	"linekeep/vault/keys"
	"linekeep/vault/vaulttest/reference"
)

const day = 24 * time.Hour

type nowhere struct{}

func (nowhere) String() string { return "test" }

// office is one with a call of a month, at noon of 1 January.
type office struct {
	*reference.Model
	now time.Time
	c   *reference.Call
}

func newOffice() *office {
	o := &office{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	o.Model = reference.New(time.UTC, map[string]int{"short": 1}, func() time.Time { return o.now }, nowhere{})
	o.c = &reference.Call{ID: keys.ID{Shard: 3, Slot: 1}, Class: "short", Start: o.now, Began: o.now}
	return o
}

// off has the box stand still, while the wall clock goes rightly.
func (o *office) off(d time.Duration) {
	o.Stopped(o.now, d, d)
	o.now = o.now.Add(d)
}

// due gives after how much time from now the call has no reason any more.
func (o *office) due(t *testing.T) time.Duration {
	t.Helper()
	from := o.now
	for range 24 * 400 {
		if o.Due(o.c) {
			return o.now.Sub(from)
		}
		o.now = o.now.Add(time.Hour)
	}
	t.Fatal("it is never due")
	return 0
}

// TestAHoldThatEndsInAStopIsSeenToEndAfterIt: the model must give it its week from then on, and not from the end that nobody saw.
func TestAHoldThatEndsInAStopIsSeenToEndAfterIt(t *testing.T) {
	for _, before := range []time.Duration{0, 5 * time.Hour, 3 * day} { // how long before the stop it ends: it is seen at night
		t.Run(fmt.Sprint(before), func(t *testing.T) {
			o := newOffice()
			o.Keep("hold", []keys.ID{o.c.ID})
			o.now = o.now.Add(100 * day)
			o.Until["hold"] = o.now.Add(-before)
			o.off(6 * day) // all of it is believed
			got, week := o.due(t), 7*day
			if seen := before == 3*day; seen && got > 12*time.Hour || !seen && (got < week || got > week+3*day) {
				t.Errorf("ended %v before a stop, it is due %v after it", before, got)
			}
		})
	}
}

// TestStopsShareWhatIsBelieved: as the clock does, or the model would call late what the clock could not know.
func TestStopsShareWhatIsBelieved(t *testing.T) {
	for _, c := range []struct {
		up   time.Duration // between stops
		late time.Duration // of three stops of six days each
	}{{7 * time.Hour, 0}, {time.Minute, 11*day - 2*24*time.Minute}} {
		o := newOffice()
		for range 3 {
			o.now = o.now.Add(c.up)
			o.off(6 * day)
		}
		o.now = o.now.Add(10 * time.Minute)
		want := time.Date(2026, 2, 2, 0, 0, 0, 0, time.UTC).Add(c.late + 57*time.Hour)
		from := o.now
		if got := from.Add(o.due(t)); got.Sub(want).Abs() > time.Hour {
			t.Errorf("%v up between stops: due at %v, want %v", c.up, got, want)
		}
	}
}

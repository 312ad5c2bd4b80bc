package retention

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"linekeep/vault/keys"
	"linekeep/vault/retention/hold"
)

// TestASeedLivesTheSameYearsEveryTime: else a seed that failed would show nothing the next time.
func TestASeedLivesTheSameYearsEveryTime(t *testing.T) {
	life := func() string {
		w := newWorld(t, 3)
		faults := w.decade(700)
		said := fmt.Sprint(faults, w.now, w.lie, w.seen, w.erased, w.drops, w.newest, w.rnd.Uint64(), w.keeper.clock.Now(), w.keeper.clock.Segments())
		for _, c := range w.sorted() {
			said += fmt.Sprintln(c.Recording, c.began, c.folder, c.kept)
		}
		for _, n := range slices.Sorted(maps.Keys(w.cases)) {
			said += fmt.Sprintln(n, w.cases[n])
		}
		for _, h := range w.keeper.Holds() {
			said += fmt.Sprintln(h)
		}
		return said
	}
	first := life()
	for range 2 {
		if again := life(); again != first {
			t.Fatalf("the same seed lived otherwise:\n%s\n\n%s", first, again)
		}
	}
}

// TestP12_AHoldThatEndsWhileTheBoxIsOffHasItsGraceFromWhenItIsSeen: the week is for somebody to set another hold, which needs a box
// that is on. And it goes after that week: not because a stop was believed in part only is it kept for ever.
func TestP12_AHoldThatEndsWhileTheBoxIsOffHasItsGraceFromWhenItIsSeen(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	c := w.record("short")
	for range 200 {
		w.record("standard") // so that one is no purge of more than half
	}
	w.pass(time.Hour)
	h := hold.Hold{Kind: hold.Keep, Reason: "dispute", By: "Ann", Calls: []keys.ID{c.ID}, Until: w.wall().Add(60 * day)}
	set, err := w.keeper.Hold(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	name := "hold " + set.ID.String()
	w.model.Keep(name, h.Calls)
	w.model.Until[name] = h.Until
	days := func(n int) {
		for range 24 * n {
			w.pass(time.Hour)
		}
	}
	days(55) // the call's own month is over
	before, wall := w.now, w.wall()
	if err := w.keeper.Close(); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(30 * day) // of which seven are believed: the hold has surely ended, two days ago and more
	w.model.Stopped(before, 30*day, w.wall().Sub(wall))
	w.up = 0
	w.start()
	w.pass(11 * time.Minute)
	if held := w.keeper.Held(c.ID); held {
		t.Fatal("the hold has not ended with the stop")
	}
	days(6)
	if w.calls[c.ID] == nil {
		t.Error("it went less than a week after anybody could see that its hold had ended")
	}
	days(3)
	if w.calls[c.ID] != nil {
		t.Error("it is kept for more than a week after its hold was seen to have ended")
	}
	if len(w.model.Faults) > 0 {
		t.Errorf("the model: %v", w.model.Faults)
	}
}

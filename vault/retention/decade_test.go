package retention

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"linekeep/vault/keys"
	"linekeep/vault/retention/hold"
)

const day = 24 * time.Hour

// live is a day of the office, with whatever may happen in it.
func (w *world) live(n int) {
	for range 3 {
		w.pass(8*time.Hour - 10*time.Minute)
		w.jump()
		w.people(n)
		for range w.rnd.IntN(2) {
			w.record([]string{"standard", "standard", "standard", "financial", "short", "short"}[w.rnd.IntN(6)])
		}
		w.pass(10 * time.Minute)
	}
	switch w.rnd.IntN(60) {
	case 0:
		w.off(time.Duration(w.rnd.Int64N(int64(3*day))), true)
	case 1:
		w.off(time.Duration(w.rnd.Int64N(int64(40*day))), w.rnd.IntN(2) == 0)
	case 2, 3, 4:
		w.off(time.Duration(w.rnd.Int64N(int64(12*time.Hour))), w.rnd.IntN(2) == 0)
	}
}

// jump has the wall clock tell something else, now and then, and calls are recorded before anybody notices.
func (w *world) jump() {
	switch w.rnd.IntN(300) {
	case 0:
		w.lie = 10 * 365 * day
	case 1:
		w.lie = -365 * day
	case 2:
		w.lie = time.Duration(w.rnd.Int64N(int64(80*day))) - 40*day
	case 3, 4, 5, 6, 7: // put right
		w.lie = 0
	}
	if w.rnd.IntN(20) == 0 {
		w.lie += time.Duration(w.rnd.Int64N(int64(100*time.Minute))) - 50*time.Minute
	}
	if w.rnd.IntN(5) == 0 {
		w.record("standard")
	}
	w.pass(10 * time.Second)
}

// off switches the box off, in good order or not, and on again.
func (w *world) off(d time.Duration, clean bool) {
	if clean {
		if err := w.keeper.Close(); err != nil {
			w.t.Fatal(err)
		}
	} else {
		// The last note may be an hour old. What ran since counts as part of the stop, so the model counts it so, too.
		if err := w.keeper.clock.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
	before, wall := w.now, w.wall()
	w.now = w.now.Add(d)
	switch w.rnd.IntN(20) {
	case 0:
		w.lie += 4 * 365 * day
	case 1:
		w.lie -= 30 * day
	case 2:
		w.lie += time.Duration(w.rnd.Int64N(int64(6 * day)))
	}
	w.model.Stopped(before, d, w.wall().Sub(wall))
	w.up = 0
	w.start()
	w.pass(11 * time.Minute)
}

// people set and end holds, open and close cases.
func (w *world) people(n int) {
	ctx := w.t.Context()
	switch w.rnd.IntN(60) {
	case 0, 1:
		ids := w.some()
		if len(ids) == 0 {
			return
		}
		h := hold.Hold{Kind: hold.Kind(1 + w.rnd.IntN(2)), Reason: "dispute", By: "Ann", Calls: ids}
		if w.rnd.IntN(3) == 0 {
			h.Until = w.wall().Add(time.Duration(1+w.rnd.IntN(300)) * day)
		}
		set, err := w.keeper.Hold(ctx, h)
		if err != nil {
			w.t.Fatalf("Hold: %v", err)
		}
		name := "hold " + set.ID.String()
		w.holds[set.ID] = ids
		w.model.Keep(name, ids)
		if !h.Until.IsZero() {
			w.model.Until[name] = w.now.Add(h.Until.Sub(w.wall()))
		}
	case 2, 3:
		ids := w.some()
		w.cases[n] = append(w.cases[n], ids...)
		w.model.Keep(fmt.Sprint("case ", n), w.cases[n])
	case 4, 5:
		for _, h := range w.keeper.Holds() {
			if h.Ended.IsZero() && w.rnd.IntN(4) == 0 {
				if err := w.keeper.EndHold(ctx, h.ID, "Ann"); err != nil {
					w.t.Fatalf("EndHold: %v", err)
				}
				w.model.Release("hold "+h.ID.String(), w.holds[h.ID])
			}
		}
	case 6, 7, 8:
		if len(w.cases) > 0 { // the oldest
			c := slices.Min(slices.Collect(maps.Keys(w.cases)))
			ids := w.cases[c]
			if err := w.keeper.Thaw(ctx, ids...); err != nil {
				w.t.Fatal(err)
			}
			delete(w.cases, c)
			w.model.Release(fmt.Sprint("case ", c), ids)
		}
	}
}

// decade lives for some days, and gives what the model found wrong.
func (w *world) decade(days int) []string {
	w.start()
	for n := range days {
		w.live(n)
		if len(w.model.Faults) > 0 {
			return w.model.Faults
		}
	}
	return nil
}

// seeds are one, of some 10 s, or with LONG forty.
func seeds() (all []uint64) {
	n := uint64(1)
	if os.Getenv("LONG") != "" {
		n = 40
	}
	for s := range n {
		all = append(all, s+1)
	}
	return all
}

// TestP12_TenYearsNothingGoesEarlyAndNothingStaysWithoutAReason: random holds, restrictions, cases, classes, stops, and a wall clock that
// lies, against the model. A failure names its seed, and the same seed gives the same failure.
func TestP12_TenYearsNothingGoesEarlyAndNothingStaysWithoutAReason(t *testing.T) {
	for _, seed := range seeds() {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newWorld(t, seed)
			for _, f := range w.decade(3653) {
				t.Error(f)
			}
			t.Logf("%d erased, %d left, %d months dropped; verdicts young %d, held %d, frozen %d, in grace %d, due %d; segments %d", w.erased, len(w.calls), w.drops,
				w.seen[Young], w.seen[Held], w.seen[Frozen], w.seen[InGrace], w.seen[Due], w.keeper.clock.Segments())
			for v, n := range w.seen {
				if n == 0 {
					t.Errorf("nothing was ever %s: the test shows nothing about it", Verdict(v))
				}
			}
			if w.drops == 0 || w.erased < 2000 {
				t.Errorf("%d months dropped, %d erased", w.drops, w.erased)
			}
		})
	}
}

// forgetful drops months without their survivors.
type forgetful struct{ Store }

func (f forgetful) Drop(ctx context.Context, folder Folder, _ []keys.ID) error {
	return f.Store.Drop(ctx, folder, nil)
}

// TestTheModelFindsPlantedMistakes: each mistake is found in the same ten years that the real thing passes.
func TestTheModelFindsPlantedMistakes(t *testing.T) {
	wrong := func(change func(w *world, f *Facts)) func(*world) {
		return func(w *world) {
			w.decide = func(w *world) func(Facts) Verdict {
				return func(f Facts) Verdict {
					change(w, &f)
					return Decide(f)
				}
			}
		}
	}
	for _, bug := range []struct {
		name  string
		plant func(*world)
	}{
		{"a day too early", wrong(func(_ *world, f *Facts) { f.Expires = f.Expires.AddDate(0, 0, -1) })},
		{"a week too late", wrong(func(_ *world, f *Facts) { f.Expires = f.Expires.AddDate(0, 0, 7) })},
		{"a hold is ignored", wrong(func(_ *world, f *Facts) { f.Held = false })},
		{"a case is ignored", wrong(func(_ *world, f *Facts) { f.Frozen = false })},
		{"the grace is ignored", wrong(func(_ *world, f *Facts) { f.Freed = time.Time{} })},
		{"a jump of the clock is believed", wrong(func(w *world, f *Facts) { f.Reached = w.wall() })},
		{"a recording's date is believed", wrong(func(w *world, f *Facts) { f.Reached = f.Now })},
		{"survivors are forgotten", func(w *world) { w.wrap = func(s Store) Store { return forgetful{s} } }},
	} {
		t.Run(bug.name, func(t *testing.T) {
			found := slices.ContainsFunc(seeds(), func(seed uint64) bool {
				w := newWorld(t, seed)
				bug.plant(w)
				faults := w.decade(3653)
				if len(faults) > 0 {
					t.Logf("seed %d, %d days: %s", seed, int(w.now.Sub(time.Date(2026, 1, 10, 8, 0, 0, 0, time.UTC))/day), faults[0])
				}
				return len(faults) > 0
			})
			if !found {
				t.Error("the model found nothing wrong")
			}
		})
	}
}

// broken is a register that cannot be read, and a store that must not be asked for anything then.
type broken struct{ Store }

func (broken) Frozen(context.Context) (map[keys.ID]bool, error) { return nil, os.ErrInvalid }
func (broken) Order(context.Context, ...keys.ID) error          { panic("ordered") }

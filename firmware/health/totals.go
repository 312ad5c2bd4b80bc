package health

import (
	"slices"
	"time"

	"linekeep/ui/api"
)

// tally is the completeness statement of one line for one day: Seen = Recorded + Gaps + Missed + Now.
//
// What was seen comes from the line, what was recorded from the catalogue; neither is taken from the other. A call that
// goes on over midnight belongs to the day it ends in. What an earlier run of the box saw and filed today is told again
// by the catalogue at start (as filed earlier); what it missed is not known any more.
type tally struct {
	base     counts // what the line had counted when the day began
	last     counts // what it had counted when we looked last
	extra    uint64 // recordings filed today that no counter of this run stands for
	recorded uint64
	gaps     uint64
	ended    []time.Time // calls that ended and are not yet filed: when we saw it
	early    int         // filed before we saw them end
}

// counts are a line's cumulative counters.
type counts struct {
	seen, began, ended uint64
}

// see takes in the line's counters.
func (t *tally) see(now time.Time, c counts) {
	for range c.ended - t.last.ended {
		if t.early > 0 {
			t.early--
			continue
		}
		t.ended = append(t.ended, now)
	}
	t.last = c
}

// file counts what was filed, in this run or in an earlier one.
func (t *tally) file(f Filed, earlier bool) {
	switch {
	case earlier:
		t.extra++
	case len(t.ended) > 0:
		t.ended = slices.Delete(t.ended, 0, 1)
	default:
		t.early++
	}
	if f.Continues && !earlier {
		t.extra++ // one call seen, and now two recordings of it
	}
	if f.Gaps {
		t.gaps++
	} else {
		t.recorded++
	}
}

// totals is the statement at this moment.
func (t *tally) totals(now time.Time) api.Totals {
	waiting := 0
	for _, ended := range t.ended {
		if now.Sub(ended) < fileWithin {
			waiting++
		}
	}
	going := t.last.began - t.last.ended
	out := api.Totals{Recorded: t.recorded, Gaps: t.gaps, Now: going + uint64(waiting)}
	// What was filed before we saw it end is still among the calls going on, until the next look.
	out.Now -= min(out.Now, uint64(t.early))
	kept := out.Recorded + out.Gaps + out.Now
	// Seen can lag behind what is kept by the moment between the two readings; it is never less.
	out.Seen = max(t.last.seen-t.base.seen+t.extra, kept)
	out.Missed = out.Seen - kept
	return out
}

// turn begins a new day. What is going on, or on its way into the catalogue, is carried over as seen.
func (t *tally) turn(now time.Time) {
	open := t.totals(now).Now
	t.base = t.last
	t.base.seen -= min(t.base.seen, open)
	t.extra, t.recorded, t.gaps = 0, 0, 0
	t.ended = slices.DeleteFunc(t.ended, func(e time.Time) bool { return now.Sub(e) >= fileWithin })
}

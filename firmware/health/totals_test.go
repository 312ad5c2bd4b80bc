package health

import (
	"testing"
	"time"

	"linekeep/ui/api"
)

func start() time.Time { return time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC) }

func TestP02_TheDayAddsUp(t *testing.T) {
	const late = fileWithin + time.Second
	for _, c := range []struct {
		name string
		do   func(t *tally, now time.Time)
		at   time.Duration
		want api.Totals
	}{
		{name: "nothing yet", do: func(*tally, time.Time) {}, want: api.Totals{}},
		{name: "one call going on",
			do:   func(y *tally, now time.Time) { y.see(now, counts{seen: 1, began: 1}) },
			want: api.Totals{Seen: 1, Now: 1}},
		{name: "ended, on its way into the catalogue",
			do:   func(y *tally, now time.Time) { y.see(now, counts{1, 1, 1}) },
			want: api.Totals{Seen: 1, Now: 1}},
		{name: "filed",
			do:   func(y *tally, now time.Time) { y.see(now, counts{1, 1, 1}); y.file(Filed{}, false) },
			want: api.Totals{Seen: 1, Recorded: 1}},
		{name: "filed with a gap",
			do:   func(y *tally, now time.Time) { y.see(now, counts{1, 1, 1}); y.file(Filed{Gaps: true}, false) },
			want: api.Totals{Seen: 1, Gaps: 1}},
		{name: "filed before we saw it end",
			do:   func(y *tally, now time.Time) { y.see(now, counts{1, 1, 0}); y.file(Filed{}, false) },
			want: api.Totals{Seen: 1, Recorded: 1}},
		{name: "and then we saw it end",
			do: func(y *tally, now time.Time) {
				y.see(now, counts{1, 1, 0})
				y.file(Filed{}, false)
				y.see(now, counts{1, 1, 1})
			},
			want: api.Totals{Seen: 1, Recorded: 1}},
		{name: "seen, and no recording began",
			do:   func(y *tally, now time.Time) { y.see(now, counts{seen: 2, began: 1}) },
			want: api.Totals{Seen: 2, Now: 1, Missed: 1}},
		{name: "ended, and never filed", at: late,
			do:   func(y *tally, now time.Time) { y.see(now, counts{1, 1, 1}) },
			want: api.Totals{Seen: 1, Missed: 1}},
		{name: "filed very late after all", at: late,
			do:   func(y *tally, now time.Time) { y.see(now, counts{1, 1, 1}); y.file(Filed{}, false) },
			want: api.Totals{Seen: 1, Recorded: 1}},
		{name: "of an earlier run of the box",
			do:   func(y *tally, now time.Time) { y.file(Filed{Gaps: true}, true); y.file(Filed{}, true) },
			want: api.Totals{Seen: 2, Recorded: 1, Gaps: 1}},
		{name: "one call in two recordings hides no missed one",
			do: func(y *tally, now time.Time) {
				y.see(now, counts{seen: 2, began: 2, ended: 2})
				y.file(Filed{}, false)
				y.file(Filed{Continues: true}, false)
			},
			want: api.Totals{Seen: 3, Recorded: 2, Missed: 1}},
		{name: "a call that goes on over midnight belongs to the day it ends in",
			do: func(y *tally, now time.Time) {
				y.see(now, counts{5, 5, 4})
				for range 4 {
					y.file(Filed{}, false)
				}
				y.turn(now)
				y.see(now, counts{6, 6, 5})
				y.file(Filed{}, false)
			},
			want: api.Totals{Seen: 2, Recorded: 1, Now: 1}},
		{name: "what was missed yesterday is not missed today",
			do: func(y *tally, now time.Time) {
				y.see(now, counts{seen: 3})
				y.turn(now)
			},
			want: api.Totals{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			y := &tally{}
			c.do(y, start())
			got := y.totals(start().Add(c.at))
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if got.Seen != got.Recorded+got.Gaps+got.Missed+got.Now {
				t.Errorf("%+v does not add up", got)
			}
		})
	}
}

// FuzzTotals: whatever happens in whatever order, the statement adds up and nothing wraps below zero.
func FuzzTotals(f *testing.F) {
	f.Add([]byte("sbefgt"))
	f.Add([]byte("sssbbbeeefff"))
	f.Fuzz(func(t *testing.T, acts []byte) {
		y, c, now := &tally{}, counts{}, start()
		for _, a := range acts {
			now = now.Add(time.Second)
			switch a % 8 {
			case 0:
				c.seen++
			case 1:
				c.began++
			case 2:
				c.ended = min(c.ended+1, c.began)
			case 3:
				y.file(Filed{Gaps: a > 64}, false)
			case 4:
				y.file(Filed{}, true)
			case 5:
				y.turn(now)
			case 6:
				y.file(Filed{Continues: true}, false)
			case 7:
				now = now.Add(fileWithin)
			}
			y.see(now, c)
			got := y.totals(now)
			if got.Seen != got.Recorded+got.Gaps+got.Missed+got.Now {
				t.Fatalf("%+v does not add up", got)
			}
			if most := uint64(len(acts) + 1); got.Seen > 2*most || got.Now > most || got.Missed > 2*most {
				t.Fatalf("%+v after %d things: wrapped", got, len(acts))
			}
		}
	})
}

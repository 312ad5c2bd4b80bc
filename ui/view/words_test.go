package view

import (
	"math"
	"testing"
	"time"

	"linekeep/ui/api"
)

func now() time.Time { return time.Date(2026, time.November, 23, 9, 15, 24, 0, time.UTC) }

func TestLengthsAreSaidInTheLargestUnitsThatMatter(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want string
	}{
		{-time.Minute, "0 s"}, {0, "0 s"}, {59*time.Second + 999*time.Millisecond, "59 s"}, {time.Minute, "1 min 0 s"},
		{4*time.Minute + 12*time.Second, "4 min 12 s"}, {time.Hour, "1 h 0 min"}, {26*time.Hour + 5*time.Minute, "26 h 5 min"},
		{48 * time.Hour, "2 days"}, {9 * 24 * time.Hour, "9 days"},
	} {
		if got := plainSpaces(length(c.d)); got != c.want {
			t.Errorf("%v is %q, want %q", c.d, got, c.want)
		}
	}
}

// plainSpaces makes the spaces that never break readable in a table.
func plainSpaces(s string) string {
	out := []rune(s)
	for i, r := range out {
		if r == '\u00a0' || r == '\u202f' {
			out[i] = ' '
		}
	}
	return string(out)
}

func TestABeginningIsSaidByTheBoxsOwnClock(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	summer := time.Date(2026, time.July, 1, 9, 15, 0, 0, london)
	for _, c := range []struct {
		now, at time.Time
		want    string
	}{
		{now(), now().Add(-4 * time.Minute), "since 09:11"},
		{now(), now().Add(-10 * time.Hour), "since Sunday 22 November, 23:15"},
		{now(), time.Time{}, ""},
		{summer, time.Date(2026, time.July, 1, 8, 11, 0, 0, time.UTC), "since 09:11"}, // an hour behind in summer
		{summer, time.Date(2026, time.June, 30, 23, 5, 0, 0, time.UTC), "since 00:05"},
	} {
		if got := since(c.now, c.at); got != c.want {
			t.Errorf("%v at %v is %q, want %q", c.at, c.now, got, c.want)
		}
	}
}

func TestAMeterStandsWhereItsLevelIs(t *testing.T) {
	for _, c := range []struct {
		db   float64
		want float64
	}{{-96, 0}, {-60, 0}, {-59, 1.7}, {-30, 50}, {-17, 71.7}, {0, 100}, {3, 100}, {math.Inf(-1), 0}, {math.Inf(1), 100}, {math.NaN(), 0}} {
		if got := place(c.db); got != c.want {
			t.Errorf("%v dB stands at %v %%, want %v %%", c.db, got, c.want)
		}
	}
}

func TestALevelIsSpokenInAWordAndDecibels(t *testing.T) {
	for _, c := range []struct {
		level, peak float64
		want        string
	}{
		{-17, -11, "good, −17 decibels"}, {-23.4, -12, "good, −23 decibels"}, {-45, -40, "faint, −45 decibels"},
		{-96, -96, "silent, −96 decibels"}, {-200, -200, "silent, −96 decibels"}, {-6, -0.4, "too loud, −6 decibels"},
		{0, 0, "too loud, 0 decibels"}, {math.NaN(), -96, "silent"}, {math.Inf(-1), math.Inf(-1), "silent, −96 decibels"},
	} {
		if got := loudness(api.Side{Level: c.level, Peak: c.peak}); got != c.want {
			t.Errorf("%v dB with a peak of %v dB is %q, want %q", c.level, c.peak, got, c.want)
		}
	}
}

func TestADayOfALineCountsCallsThatAreOver(t *testing.T) {
	for _, c := range []struct {
		day  api.Totals
		want string
	}{
		{api.Totals{}, "no calls yet today"},
		{api.Totals{Seen: 1, Now: 1}, "the first call today"},
		{api.Totals{Seen: 2, Recorded: 1, Now: 1}, "1 of 1 call today"},
		{api.Totals{Seen: 24, Recorded: 20, Gaps: 3, Now: 1}, "23 of 23 calls today"},
		{api.Totals{Seen: 9, Recorded: 7, Missed: 1, Now: 1}, "7 of 8 calls today, 1 missed"},
		{api.Totals{Seen: 1, Recorded: 2, Now: 3}, "the first call today"}, // nonsense in: no crash, no huge figure
	} {
		if got := plainSpaces(tally(c.day)); got != c.want {
			t.Errorf("%+v is %q, want %q", c.day, got, c.want)
		}
	}
}

func TestP02_TheSumSaysYesOnlyWhenEveryCallIsAccountedFor(t *testing.T) {
	for _, c := range []struct {
		name    string
		day     api.Totals
		word    string
		tone    Tone
		missed  uint64
		hasNote bool
	}{
		{"nothing yet", api.Totals{}, "No calls yet", toneQuiet, 0, false},
		{"all recorded", api.Totals{Seen: 61, Recorded: 60, Gaps: 1}, "Yes, complete so far", toneGood, 0, false},
		{"one going on", api.Totals{Seen: 62, Recorded: 60, Gaps: 1, Now: 1}, "Yes, complete so far", toneGood, 0, false},
		{"one missed", api.Totals{Seen: 62, Recorded: 60, Gaps: 1, Missed: 1}, "No, 1 call missing", toneFault, 1, false},
		{"two that nothing accounts for", api.Totals{Seen: 62, Recorded: 60}, "No, 2 calls missing", toneFault, 2, true},
		{"one missed, one unaccounted", api.Totals{Seen: 62, Recorded: 60, Missed: 1}, "No, 2 calls missing", toneFault, 2, true},
		{"more kept than seen", api.Totals{Seen: 1, Recorded: 2}, "No, more calls were kept than seen", toneFault, 0, true},
	} {
		s := sum(c.day)
		if s.State.Word != c.word || s.State.Tone != c.tone || s.Missed != c.missed || (s.Note != "") != c.hasNote {
			t.Errorf("%s: %+v", c.name, s)
		}
		if c.tone != toneFault && s.Seen != s.Recorded+s.Now+s.Gaps+s.Missed {
			t.Errorf("%s: the equation does not hold: %+v", c.name, s)
		}
	}
}

func TestTheGlassSaysYesOnlyToAYes(t *testing.T) {
	lines := func(states ...api.LineState) (l []api.Line) {
		for _, s := range states {
			l = append(l, api.Line{State: s})
		}
		return l
	}
	for _, c := range []struct {
		name  string
		st    api.Status
		word  string
		shape Shape
		tone  Tone
	}{
		{"all well", api.Status{Recording: api.Yes, Lines: lines(api.Call)}, "Recording", shapeLamp, toneGood},
		{"paused", api.Status{Recording: api.Yes, Lines: lines(api.Call, api.Paused)}, "Paused on line 2", shapePause, toneDue},
		{"two paused", api.Status{Recording: api.Yes, Lines: lines(api.Paused, api.Paused)}, "Paused on lines 1 and 2", shapePause, toneDue},
		{"one line away", api.Status{Recording: api.Trouble, Lines: lines(api.Idle, api.Fault)}, "Recording, but not line 2", shapeDue, toneDue},
		{"something else", api.Status{Recording: api.Trouble, Lines: lines(api.Idle)}, "Recording, something is wrong", shapeDue, toneDue},
		{"fault outranks pause", api.Status{Recording: api.Trouble, Lines: lines(api.Paused, api.Fault)}, "Recording, but not line 2", shapeDue, toneDue},
		{"no", api.Status{Recording: api.No, Lines: lines(api.Paused)}, "Not recording", shapeFault, toneFault},
		{"no answer", api.Status{}, "Not recording", shapeFault, toneFault},
		{"a word this page does not know", api.Status{Recording: "probably"}, "Not recording", shapeFault, toneFault},
	} {
		if g := glass(c.st); g.Word != c.word || g.Shape != c.shape || g.Tone != c.tone {
			t.Errorf("%s: %+v", c.name, g)
		}
	}
}

func TestTheFirstSentenceIsTheAnswer(t *testing.T) {
	ok := api.Line{Label: "Orders"}
	for _, c := range []struct {
		st   api.Status
		want string
	}{
		{api.Status{Recording: api.Yes}, "No line is set up, so nothing can be recorded."},
		{api.Status{Recording: api.No, Lines: []api.Line{ok}}, "Calls are not being recorded."},
		{api.Status{Recording: api.Trouble, Lines: []api.Line{ok, {ID: "two", State: api.Fault}}}, "two, line 2, is not being recorded."},
		{api.Status{Recording: api.Trouble, Lines: []api.Line{ok, {State: api.Fault}, {State: api.Fault}}}, "2 of 3 lines are not being recorded."},
		{api.Status{Recording: api.Yes, Lines: []api.Line{ok}}, "There have been no calls yet today."},
		{api.Status{Recording: api.Yes, Lines: []api.Line{ok}, Today: api.Totals{Seen: 1, Now: 1}}, "The first call today is being recorded."},
		{api.Status{Recording: api.Yes, Lines: []api.Line{ok}, Today: api.Totals{Seen: 3, Recorded: 3}}, "Every call today has been recorded."},
		{api.Status{Recording: api.Yes, Lines: []api.Line{ok}, Today: api.Totals{Seen: 3, Recorded: 2, Missed: 1}}, "1 call today was missed."},
		{api.Status{Recording: api.Yes, Lines: []api.Line{ok}, Today: api.Totals{Seen: 4, Recorded: 1}}, "3 calls today were missed."},
		{api.Status{Recording: api.Yes, Lines: []api.Line{{State: api.Paused}}}, "Recording is paused on line 1."},
	} {
		if got := head(c.st).Sentence; got != c.want {
			t.Errorf("%q, want %q, for %+v", got, c.want, c.st)
		}
	}
}

func TestRoomIsRoundedToWhatIsKnown(t *testing.T) {
	for _, c := range []struct {
		store api.Store
		want  string
	}{
		{api.Store{}, "not known yet"}, {api.Store{FreeBytes: 1_240_000_000}, "1.2 GB"}, {api.Store{HoursLeft: 0.4}, "less than an hour"},
		{api.Store{HoursLeft: 31.7}, "about 31 hours"}, {api.Store{HoursLeft: 999}, "about 990 hours"}, {api.Store{HoursLeft: 12480}, "about 12 000 hours"},
	} {
		if got := plainSpaces(room(c.store)); got != c.want {
			t.Errorf("%+v: %q, want %q", c.store, got, c.want)
		}
	}
}

func TestFaultsComeBeforeDuesAndOldBeforeNew(t *testing.T) {
	n := notices(api.Status{Now: now(), Alarms: []api.Alarm{
		{Severity: "due", Title: "d2", Since: now()}, {Severity: "fault", Title: "f2", Since: now()},
		{Severity: "due", Title: "d1", Since: now().Add(-time.Hour)}, {Severity: "a word not known", Title: "f1", Since: now().Add(-time.Hour)},
	}})
	var order string
	for _, x := range n {
		order += x.Title + " "
	}
	if order != "f1 f2 d1 d2 " {
		t.Errorf("the order is %s", order)
	}
	if n[1].Since != "Since 09:15." {
		t.Errorf("since when: %q", n[1].Since)
	}
}

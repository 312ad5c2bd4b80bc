package view

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"linekeep/ui/api"
)

const (
	// floorDB is the left end of every meter. Below -60 dBFS a telephone line carries nothing but its own noise.
	floorDB = -60.0
	// silentDB, faintDB and loudDB part the words for a level. Speech on a telephone line lies about -30 to -12 dBFS;
	// a peak within 1 dB of full scale is clipped, or about to be.
	silentDB, faintDB, loudDB = -50.0, -38.0, -1.0
)

// gauge places a level on the meter.
func gauge(s api.Side) Gauge {
	return Gauge{Lit: place(s.Level), Peak: place(s.Peak), DB: int(math.Round(min(max(s.Level, floorDB), 0)))}
}

// place is where a level stands on a meter, in percent, to a tenth: finer than a pixel of the widest meter.
func place(db float64) float64 {
	if math.IsNaN(db) {
		return 0
	}
	return math.Round(1000*(min(max(db, floorDB), 0)-floorDB)/-floorDB) / 10
}

func percent(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) + "%" }

// loudness says a level, as in "good, −23 decibels".
func loudness(s api.Side) string {
	word := "good"
	switch {
	case s.Peak >= loudDB:
		word = "too loud"
	case !(s.Level > silentDB):
		word = "silent"
	case s.Level < faintDB:
		word = "faint"
	}
	db := math.Round(min(max(s.Level, -96), 0))
	if math.IsNaN(db) {
		return word
	}
	return word + ", " + strings.Replace(strconv.Itoa(int(db)), "-", "−", 1) + " decibels"
}

// side names a side for the ear.
func side(name string) string {
	if name == "Line" || name == "" {
		return "line level"
	}
	return strings.ToLower(name) + " side"
}

// count says a number with its word in the right number: "1 call", "4 calls".
func count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatUint(n, 10) + " " + many
}

func calls(n uint64) string { return count(n, "call", "calls") }

// tally is the day of one line. A call that is going on is not counted until it is over.
func tally(t api.Totals) string {
	over := uint64(0)
	if t.Seen > t.Now {
		over = t.Seen - t.Now
	}
	kept := t.Recorded + t.Gaps
	switch {
	case over == 0 && t.Now > 0:
		return "the first call today"
	case over == 0:
		return "no calls yet today"
	case t.Missed > 0:
		return fmt.Sprintf("%d of %s today, %d\u00a0missed", kept, calls(over), t.Missed)
	default:
		return fmt.Sprintf("%d of %s today", kept, calls(over))
	}
}

// since says when something began: by the clock when it was today, by day and clock before that.
func since(now, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t = t.In(now.Location())
	if sameDay(now, t) {
		return "since " + t.Format("15:04")
	}
	return "since " + t.Format("Monday 2 January, 15:04")
}

func sameDay(a, b time.Time) bool {
	ay, am, ad := a.Date()
	by, bm, bd := b.Date()
	return ay == by && am == bm && ad == bd
}

// length says how long something lasts: "12 s", "4 min 12 s", "2 h 5 min", "9 days".
func length(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%d\u00a0s", s)
	case s < 3600:
		return fmt.Sprintf("%d\u00a0min %d\u00a0s", s/60, s%60)
	case s < 48*3600:
		return fmt.Sprintf("%d\u00a0h %d\u00a0min", s/3600, s/60%60)
	default:
		return fmt.Sprintf("%d\u00a0days", s/86400)
	}
}

func day(t time.Time) string     { return t.Format("Monday 2 January") }
func longDay(t time.Time) string { return t.Format("Monday 2 January 2006") }

// thousands groups the digits of a large figure with thin spaces: 1 240.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// list joins numbers as speech does: "2", "2 and 5", "2, 3 and 5".
func list(n []int) string {
	var b strings.Builder
	for i, v := range n {
		switch {
		case i == 0:
		case i == len(n)-1:
			b.WriteString(" and ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(v))
	}
	return b.String()
}

// lines names lines by their number, or only counts them when there are more than a glance takes in.
func lines(n []int) string {
	const glance = 4
	switch {
	case len(n) == 1:
		return "line " + strconv.Itoa(n[0])
	case len(n) <= glance:
		return "lines " + list(n)
	default:
		return strconv.Itoa(len(n)) + " lines"
	}
}

// things counts at the start of a sentence, in words as far as words are shorter to read than figures.
func things(n int) string {
	words := [...]string{"Nothing", "One thing", "Two things", "Three things", "Four things", "Five things", "Six things"}
	if n < len(words) {
		return words[n]
	}
	return strconv.Itoa(n) + " things"
}

// sentence ends a text with a full stop, where it has none.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || strings.HasSuffix(s, ".") || strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}

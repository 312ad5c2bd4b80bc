package epoch

import (
	"time"

	"linekeep/vault/keys/root"
)

const (
	// budget is how many moves of the chip's counter a day are free: at 20 a day a counter good for 100,000 writes
	// lasts for more than ten years.
	budget = 20
	// sparing is how far apart commits are once the day's budget is used.
	sparing = time.Hour
)

// Wear is how much the chip's counter was moved, which wears it.
type Wear struct {
	Today  int // moves on this day, in UTC
	Budget int // moves a day that are free
	Total  uint64
}

// Wear tells how much the chip's counter was moved.
func (r *Root) Wear() Wear {
	w := r.Contents().Wear
	if !sameDay(w.Last, r.clock()) {
		w.Today = 0
	}
	return Wear{Today: int(w.Today), Budget: budget, Total: w.Total}
}

// Due is when the next urgent commit may happen: at once while the day's budget lasts, and then an hour after the last
// one, or on the next day. It is for whoever has something doomed, and does not bind Commit.
func (r *Root) Due() time.Time {
	now := r.clock()
	if w := r.Wear(); w.Today < w.Budget {
		return now
	}
	last := r.Contents().Wear.Last
	due := last.Add(sparing)
	if due.Before(now) || last.After(now) { // a clock that was put back must not put erasure off
		return now
	}
	return due
}

func sameDay(a, b time.Time) bool {
	const day = "2006-01-02"
	return a.UTC().Format(day) == b.UTC().Format(day)
}

// worn adds moves to the wear.
func worn(w root.Wear, moves uint64, now time.Time) root.Wear {
	if !sameDay(w.Last, now) {
		w.Today = 0
	}
	w.Last = now.UTC().Truncate(time.Second)
	w.Today += uint32(moves)
	w.Total += moves
	return w
}

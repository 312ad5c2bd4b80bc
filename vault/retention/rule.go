package retention

import (
	"errors"
	"fmt"
	"time"

	"linekeep/vault/retention/clock"
)

// Months is how long recordings of a class are kept.
type Months int

// The periods of the policy.
const (
	Standard      Months = 6      // where nothing else is said
	Financial     Months = 5 * 12 // profile "financial"
	FinancialLong Months = 7 * 12 // the same, where an authority asks for it
	// Shortest keeps the month of a recording open until the next has begun, Longest is no period but a mistake.
	Shortest Months = 1
	Longest  Months = 30 * 12
)

// Validate refuses what no policy means.
func (m Months) Validate() error {
	if m < Shortest || m > Longest {
		return fmt.Errorf("retention: %d months, want %d to %d", int(m), int(Shortest), int(Longest))
	}
	return nil
}

// Default is the period of a class that the settings name without one.
func Default(class string) Months {
	if class == "financial" {
		return Financial
	}
	return Standard
}

// Grace is how long recordings stay after the last hold or case has ended, where their own date is past.
const Grace = 7 * 24 * time.Hour

// Expires is when a recording that began at start has been kept for m: at the end of the corresponding day, by the
// office's calendar; where the month has no such day, at the end of its last: 31 August and six months are the end of February.
func (m Months) Expires(start time.Time, place *time.Location) time.Time {
	s := start.In(place)
	year, month, day := s.Date()
	last := time.Date(year, month+time.Month(m)+1, 0, 12, 0, 0, 0, place).Day()
	return time.Date(year, month+time.Month(m), min(day, last)+1, 0, 0, 0, 0, place)
}

// Facts are what is decided on, of one recording.
type Facts struct {
	Expires time.Time
	// Reached is what the wall clock would say now, had it gone rightly since the recording began.
	Reached time.Time
	Held    bool // by a hold or a restriction
	Frozen  bool // by an open case
	// Freed is when it was seen to be held or frozen no more, Now the present, both on the retention clock; Freed is zero where
	// it never was.
	Freed, Now time.Time
}

// Verdict says what is to become of a recording, and why.
type Verdict uint8

// The verdicts there are: only Due lets a recording go.
const (
	Young   Verdict = iota // its date has not come
	Held                   // its date is past, and a hold or a restriction keeps it
	Frozen                 // its date is past, and an open case keeps it
	InGrace                // nothing keeps it any more, for less than Grace
	Due
	verdicts = iota
)

func (v Verdict) String() string {
	return [verdicts]string{"young", "held", "frozen", "in grace", "due"}[v]
}

// Decide is the whole of retention. It waits for as long as the clock may be wrong about a recording's own beginning.
func Decide(f Facts) Verdict {
	switch {
	case f.Reached.Add(-clock.Tolerance).Before(f.Expires):
		return Young
	case f.Held:
		return Held
	case f.Frozen:
		return Frozen
	case !f.Freed.IsZero() && f.Now.Sub(f.Freed) < Grace:
		return InGrace
	}
	return Due
}

// ErrUnknownClass reports recordings of a class that the settings name no more: they are kept until they do.
var ErrUnknownClass = errors.New("retention: the settings no longer say how long these are kept")

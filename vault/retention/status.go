package retention

import "time"

// Status is how retention stands, without anything about a particular call.
type Status struct {
	Recordings int
	Counts     [verdicts]int // by Verdict
	Unclassed  int           // of a class whose period nobody says any more: they are kept
	Next       time.Time     // when the next recording's date comes, by the wall clock; zero where none is to come
	Passed     time.Time     // the last pass, on the retention clock
	// Blocked is a purge that waits for a Controller's consent; nil where none does.
	Blocked *Blocked
	Stuck   int   // months that could not be dropped
	Trouble error // why the last pass did not get on; nil when it did
	// Behind is how far the wall clock is ahead of the retention clock; less than zero where it is behind.
	Behind time.Duration
}

// Blocked is a purge of more than half of what there is.
type Blocked struct {
	Recordings, Of int
	Bytes, OfBytes int64
	Token          string // names what would be purged
}

// DayOff says that the two clocks differ by more than a day, so that recordings are kept for longer than they should be, or
// carry a wrong date.
func (s Status) DayOff() bool { return s.Behind.Abs() > 24*time.Hour }

// Status gives the present state. It never waits for a pass.
func (k *Keeper) Status() Status {
	behind, passed := k.clock.Behind(), k.clock.Passed()
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.status
	s.Behind, s.Passed = behind, passed
	return s
}

// tell keeps what a pass found out.
func (k *Keeper) tell(p *plan, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if p != nil && p.whole {
		k.status = p.status
	}
	if p != nil && err == nil {
		err = p.partial
	}
	k.status.Trouble = err
}

// Now is the retention clock's time.
func (k *Keeper) Now() time.Time { return k.clock.Now() }

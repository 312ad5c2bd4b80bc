// Package reference is what retention must do, said a second time and from outside: it knows the truth about time, and only
// what was done. It shares no code with what it judges.
//
//	In:    what a test does: calls, holds, cases, stops, and what went when
//	Out:   Faults: what went too early, under a hold or without its grace, and what is kept without a reason
//	Owner: one test's plain values; no goroutine
//	Full:  it remembers all that was ever done
package reference

import (
	"fmt"
	"slices"
	"time"

	"linekeep/vault/keys"
)

// Call is a recording, with what only the world knows.
type Call struct {
	ID    keys.ID
	Class string
	Start time.Time // the date that it carries
	Began time.Time // in truth
}

// Model judges one office.
type Model struct {
	Place   *time.Location
	Months  map[string]int       // by class
	Now     func() time.Time     // in truth
	Where   fmt.Stringer         // stands before each fault
	Until   map[string]time.Time // when what keeps calls may end by itself at the earliest
	Blocked bool                 // a purge waits for consent
	Faults  []string

	ages    map[keys.ID]time.Duration
	keepers map[keys.ID]map[string]bool // what keeps a call: holds and cases, by name
	freed   map[keys.ID]time.Time       // in truth
	stops   []stop
	on      time.Time // since when the box is up
	allow   time.Duration
}

const (
	// believable is the longest stop that is believed, and what stops share until the box was up for seven hours.
	believable = 7 * 24 * time.Hour
	grace      = 7 * 24 * time.Hour
)

// stop is a time the box was off, in truth and as far as it may be believed.
type stop struct {
	at       time.Time
	off      time.Duration
	believed time.Duration
}

// New makes a model of an office that has nothing yet.
func New(place *time.Location, months map[string]int, now func() time.Time, where fmt.Stringer) *Model {
	return &Model{Place: place, Months: months, Now: now, Where: where, Until: make(map[string]time.Time), ages: make(map[keys.ID]time.Duration),
		keepers: make(map[keys.ID]map[string]bool), freed: make(map[keys.ID]time.Time), on: now(), allow: believable}
}

// Fault notes that something is wrong.
func (m *Model) Fault(format string, args ...any) {
	m.Faults = append(m.Faults, fmt.Sprintf("%s: ", m.Where)+fmt.Sprintf(format, args...))
}

// age is how long a call must be kept: until the end of the day, so many months on, by the date it carries.
func (m *Model) age(c *Call) time.Duration {
	if d, ok := m.ages[c.ID]; ok {
		return d
	}
	d := m.ageOf(c)
	m.ages[c.ID] = d
	return d
}

func (m *Model) ageOf(c *Call) time.Duration {
	start := c.Start.In(m.Place)
	day := time.Date(start.Year(), start.Month(), 1, 0, 0, 0, 0, m.Place)
	for range m.Months[c.Class] {
		day = day.AddDate(0, 1, 0)
	}
	first := day.Month()
	for range start.Day() - 1 { // day by day, and never into the next month
		if next := day.AddDate(0, 0, 1); next.Month() == first {
			day = next
		}
	}
	return day.AddDate(0, 0, 1).Sub(start)
}

// early is by how much stops that lied may have put the clock forward since some time, late by how much stops that were not
// believed have put it back.
func (m *Model) early(since time.Time) (d time.Duration) {
	for _, s := range m.stops {
		if !s.at.Before(since) {
			d += max(s.believed-s.off, 0)
		}
	}
	return d
}

func (m *Model) late(since time.Time) (d time.Duration) {
	for _, s := range m.stops {
		if !s.at.Before(since) {
			d += max(s.off-s.believed, 0)
		}
	}
	return d
}

// Stopped notes that the box was off, and how far the wall clock went meanwhile. Stops share what is believed: an hour of being up gives a
// day of it back.
func (m *Model) Stopped(at time.Time, off, wall time.Duration) {
	m.allow = min(m.allow+24*at.Sub(m.on), believable)
	believed := min(max(wall, 0), m.allow)
	m.stops = append(m.stops, stop{at: at, off: off, believed: believed})
	m.on, m.allow = at.Add(off), m.allow-believed
}

// ended is when a pass can see at the latest, but for slack, that a hold has ended by itself. It counts its time by the clock, which
// believes stops in part; but nobody sees anything while the box is off, and the grace begins when it is seen, so that there is a week
// in which somebody can set another. A hold that ends in a stop, or that no pass has seen before one, ends with the stop.
func (m *Model) ended(c *Call, end time.Time) time.Time {
	latest := end.Add(m.late(c.Began))
	for _, s := range m.stops {
		if on := s.at.Add(s.off); on.After(end) && s.at.Before(latest.Add(slack)) {
			if on = on.Add(m.late(on)); on.After(latest) {
				latest = on
			}
		}
	}
	return latest
}

// Keep notes that something keeps calls.
func (m *Model) Keep(name string, ids []keys.ID) {
	for _, id := range ids {
		if m.keepers[id] == nil {
			m.keepers[id] = map[string]bool{}
		}
		m.keepers[id][name] = true
	}
}

// Release notes that it keeps them no more.
func (m *Model) Release(name string, ids []keys.ID) {
	for _, id := range ids {
		if m.keepers[id][name] {
			delete(m.keepers[id], name)
			m.freed[id] = m.Now()
		}
	}
}

// Deleted judges that a call goes now.
func (m *Model) Deleted(c *Call, how string) {
	now := m.Now()
	if must := c.Began.Add(m.age(c)); now.Add(m.early(c.Began)).Before(must) {
		m.Fault("call %s of %s (dated %s), class %s, %s %v early", c.ID, c.Began, c.Start, c.Class, how, must.Sub(now))
	}
	for name := range m.keepers[c.ID] {
		if end, ends := m.Until[name]; !ends || now.Add(m.early(c.Began)).Before(end) {
			m.Fault("call %s %s under %s", c.ID, how, name)
		} else if now.Add(m.early(c.Began)).Before(end.Add(grace)) {
			m.Fault("call %s %s %v after %s ended by itself", c.ID, how, now.Sub(end), name)
		}
	}
	if freed, was := m.freed[c.ID]; was && now.Add(m.early(freed)).Before(freed.Add(grace)) {
		m.Fault("call %s %s %v after nothing kept it any more", c.ID, how, now.Sub(freed))
	}
}

// slack is a night, the day that a pass may come late, and the clock's tolerance.
const slack = 57 * time.Hour

// Due says that nothing keeps a call any more, and that there was time for it to go.
func (m *Model) Due(c *Call) bool {
	now := m.Now()
	switch {
	case m.Blocked:
	case now.Before(c.Began.Add(m.age(c) + m.late(c.Began) + slack)):
	case slices.ContainsFunc(m.names(c.ID), func(name string) bool {
		end, ends := m.Until[name]
		return !ends || now.Before(m.ended(c, end).Add(grace+slack))
	}):
	case now.Before(m.freed[c.ID].Add(grace + m.late(m.freed[c.ID]) + slack)):
	default:
		return true
	}
	return false
}

// Young says that a call's date may not have come yet, whatever else keeps it.
func (m *Model) Young(c *Call) bool {
	return m.Now().Before(c.Began.Add(m.age(c) + m.late(c.Began) + slack))
}

// Unexpired says that a call's date has surely not come.
func (m *Model) Unexpired(c *Call) bool {
	return m.Now().Add(m.early(c.Began)).Before(c.Began.Add(m.age(c)))
}

// Stays judges that a call is still there after a pass: it must have a reason.
func (m *Model) Stays(c *Call) {
	if m.Due(c) {
		m.Fault("call %s of %s (dated %s), class %s, is kept without a reason for %v", c.ID, c.Began, c.Start, c.Class,
			m.Now().Sub(c.Began.Add(m.age(c)+m.late(c.Began))))
	}
}

func (m *Model) names(id keys.ID) (names []string) {
	for name := range m.keepers[id] {
		names = append(names, name)
	}
	return names
}

package retention

import (
	"fmt"
	"slices"
	"time"

	"linekeep/vault/keys"
)

// model is what retention must do, said a second time and from outside: it knows the truth about time, and only what
// was done. It shares no code with what it judges.
type model struct {
	w       *world
	months  map[string]int
	ages    map[keys.ID]time.Duration
	keepers map[keys.ID]map[string]bool // what keeps a call: holds and cases, by name
	freed   map[keys.ID]time.Time       // in truth
	until   map[string]time.Time        // when a hold may end by itself at the earliest
	stops   []stop
	blocked bool
	faults  []string
}

// stop is a time the box was off, in truth and as far as it may be believed.
type stop struct {
	at       time.Time
	off      time.Duration
	believed time.Duration
}

func newModel(w *world) *model {
	return &model{w: w, ages: map[keys.ID]time.Duration{}, months: map[string]int{"standard": 6, "financial": 60, "short": 1}, keepers: map[keys.ID]map[string]bool{},
		freed: map[keys.ID]time.Time{}, until: map[string]time.Time{}}
}

func (m *model) fault(format string, args ...any) {
	m.faults = append(m.faults, fmt.Sprintf("%s: ", m.w)+fmt.Sprintf(format, args...))
}

// age is how long a call must be kept: until the end of the day, so many months on, by the date it carries.
func (m *model) age(c *call) time.Duration {
	if d, ok := m.ages[c.ID]; ok {
		return d
	}
	d := m.ageOf(c)
	m.ages[c.ID] = d
	return d
}

func (m *model) ageOf(c *call) time.Duration {
	start := c.Start.In(m.w.place)
	day := time.Date(start.Year(), start.Month(), 1, 0, 0, 0, 0, m.w.place)
	for range m.months[c.Class] {
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
func (m *model) early(since time.Time) (d time.Duration) {
	for _, s := range m.stops {
		if !s.at.Before(since) {
			d += max(s.believed-s.off, 0)
		}
	}
	return d
}

func (m *model) late(since time.Time) (d time.Duration) {
	for _, s := range m.stops {
		if !s.at.Before(since) {
			d += max(s.off-s.believed, 0)
		}
	}
	return d
}

func (m *model) stopped(at time.Time, off, wall time.Duration) {
	m.stops = append(m.stops, stop{at: at, off: off, believed: min(max(wall, 0), 7*24*time.Hour)})
}

func (m *model) keep(name string, ids []keys.ID) {
	for _, id := range ids {
		if m.keepers[id] == nil {
			m.keepers[id] = map[string]bool{}
		}
		m.keepers[id][name] = true
	}
}

func (m *model) release(name string, ids []keys.ID) {
	for _, id := range ids {
		if m.keepers[id][name] {
			delete(m.keepers[id], name)
			m.freed[id] = m.w.now
		}
	}
}

// deleted judges that a call goes now.
func (m *model) deleted(c *call, how string) {
	now := m.w.now
	if must := c.began.Add(m.age(c)); now.Add(m.early(c.began)).Before(must) {
		m.fault("call %s of %s (dated %s), class %s, %s %v early", c.ID, c.began, c.Start, c.Class, how, must.Sub(now))
	}
	for name := range m.keepers[c.ID] {
		if end, ends := m.until[name]; !ends || now.Add(m.early(c.began)).Before(end) {
			m.fault("call %s %s under %s", c.ID, how, name)
		} else if now.Add(m.early(c.began)).Before(end.Add(7 * 24 * time.Hour)) {
			m.fault("call %s %s %v after %s ended by itself", c.ID, how, now.Sub(end), name)
		}
	}
	if freed, was := m.freed[c.ID]; was && now.Add(m.early(freed)).Before(freed.Add(7*24*time.Hour)) {
		m.fault("call %s %s %v after nothing kept it any more", c.ID, how, now.Sub(freed))
	}
}

// slack is a night, the day that a pass may come late, and the clock's tolerance.
const slack = 57 * time.Hour

// passed judges what is still there after a pass: each call must have a reason.
func (m *model) passed() {
	for _, c := range m.w.calls {
		now := m.w.now
		switch {
		case m.blocked:
		case now.Before(c.began.Add(m.age(c) + m.late(c.began) + slack)):
		case slices.ContainsFunc(m.names(c.ID), func(name string) bool {
			end, ends := m.until[name]
			return !ends || now.Before(end.Add(7*24*time.Hour+m.late(c.began)+slack))
		}):
		case now.Before(m.freed[c.ID].Add(7*24*time.Hour + m.late(m.freed[c.ID]) + slack)):
		default:
			m.fault("call %s of %s (dated %s), class %s, is kept without a reason for %v", c.ID, c.began, c.Start, c.Class,
				now.Sub(c.began.Add(m.age(c)+m.late(c.began))))
		}
	}
}

func (m *model) names(id keys.ID) (names []string) {
	for name := range m.keepers[id] {
		names = append(names, name)
	}
	return names
}

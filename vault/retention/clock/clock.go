// Package clock is the retention clock: it says how much time has surely passed, whatever the clock on the wall says.
//
//	In:    how long the box is up; the wall clock; the marks up to which slots were handed out
//	Out:   an instant that never runs ahead of true time by more than is written below; for each recording, how its
//	       own date stands to that instant
//	Owner: the caller ticks it; no goroutine. Its methods may be called from several
//	Full:  maxSegments jumps of the wall clock are remembered; of more, the two oldest become one
//
// It advances with the time the box is up, which the kernel's monotonic clock counts and nobody can set. Time switched
// off is not counted by anything that cannot be set, so it must be proved: by the difference of the wall clock across the
// stop. That difference may be a lie, of a dead battery or of somebody who wants evidence gone, so it is bounded:
//
//   - it counts from 0 to MaxOff for each stop: a fortnight's holiday is not believed whole, and costs that calls are kept
//     a week longer;
//   - stops share an allowance of MaxOff, which an hour of being up refills by a day: a box whose battery is dead and
//     that starts again and again cannot run through ten years in a night.
//
// So the clock is ahead of true time by at most MaxOff for each day a box is lied to across a stop, and by nothing while it is
// up. What it did not believe makes calls live longer, and is told: Behind. A Controller may vouch for the wall clock: Trust.
//
// Recordings carry the date of the wall clock at which they began. Where that was wrong, their age would be wrong too: a call
// made while the clock stood a year back would be a year old at once. So the clock remembers, in segments, how far
// the wall clock was from it and from which slots on; ages are counted on this clock alone, from the recording's own beginning.
package clock

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"linekeep/vault/keys"
	"linekeep/vault/retention/note"
)

const (
	// MaxOff is the longest stop that one start believes.
	MaxOff = 7 * 24 * time.Hour
	// refill is how much of the allowance an hour of being up gives back: a box that is used one working day a week gets
	// its week.
	refill = 24
	// Tolerance is how far the wall clock may wander before a new segment begins: more than any daylight saving blunder
	// that goes unnoticed for a day needs, and little against the shortest period, a month. Whoever decides by this
	// clock waits for that much longer.
	Tolerance = time.Hour
	// maxSegments bounds the note: a wall clock that jumps daily for three years.
	maxSegments = 1000
	// savePeriod is how often the note is written while nothing happens. What ran since counts as part of a stop.
	savePeriod = time.Hour
	noteName   = "clock"
)

// Marks is up to which slots were handed out at some moment.
type Marks struct {
	Next   []keys.Mark // of the shards that slots come from
	Newest uint32      // the highest number of a shard there was, those of degraded vaults aside
}

// after says whether id was handed out after m.
func (m Marks) after(id keys.ID) bool {
	for _, n := range m.Next {
		if n.Shard == id.Shard {
			return id.Slot >= n.Next
		}
	}
	return id.Shard > m.Newest
}

// meet takes in shards that slots come from again: a start takes up what the journal knows of, also where it was done with before. What
// was handed out of them until now was handed out before m.
func (m Marks) meet(now Marks) Marks {
	for _, n := range now.Next {
		known := slices.ContainsFunc(m.Next, func(k keys.Mark) bool { return k.Shard == n.Shard })
		if !known && n.Shard <= m.Newest {
			m.Next = append(slices.Clip(m.Next), n)
		}
	}
	return m
}

// segment is a time in which the wall clock and this clock went together.
type segment struct {
	since  time.Time     // on this clock
	offset time.Duration // wall clock minus this clock
	// Slots handed out before sure may belong to the segment before, if they were handed out after maybe: the jump was
	// noticed a moment after it happened.
	maybe, sure Marks
}

// Config is what a clock needs.
type Config struct {
	Note note.Config
	// Wall is the clock on the wall, Up how long the box is up, by a clock nobody can set.
	Wall func() time.Time
	Up   func() time.Duration
	// Marks are those of the moment.
	Marks func() Marks
	// Newest is when the newest recording there is began, zero where there is none. It is asked only where there is no note: a
	// vault of an earlier version, or one whose note is lost, goes on from there.
	Newest func() time.Time
}

// Clock is the retention clock of a vault.
type Clock struct {
	cfg  Config
	note *note.Note

	mu       sync.Mutex
	now      time.Time // this clock
	wall     time.Time // the wall clock, at the last tick
	up       time.Duration
	allow    time.Duration
	marks    Marks // at the last tick
	segments []segment
	passed   time.Time // what the caller wants remembered
	saved    time.Duration
	dirty    bool
	findings []error
}

// Open goes on from where the clock stood, and counts the stop as far as it is proved.
func Open(cfg Config) (*Clock, error) {
	if cfg.Wall == nil || cfg.Up == nil || cfg.Marks == nil || cfg.Newest == nil {
		return nil, errors.New("clock: Config needs Wall, Up, Marks and Newest")
	}
	n, found, err := note.Open(cfg.Note, noteName)
	if err != nil {
		return nil, fmt.Errorf("open the retention clock: %w", err)
	}
	c := &Clock{cfg: cfg, note: n, findings: found.Findings}
	c.up = cfg.Up()
	if found.Body == nil || !c.read(found.Body) {
		c.begin(found.Lost || found.Body != nil)
		return c, c.save()
	}
	off := cfg.Wall().Sub(c.wall)
	off = min(max(off, 0), MaxOff, c.allow)
	c.now, c.allow = c.now.Add(off), c.allow-off
	c.follow()
	return c, c.save()
}

// read takes a note's body; what cannot be read is a finding.
func (c *Clock) read(body []byte) bool {
	s, err := parse(body)
	if err != nil {
		c.findings = append(c.findings, fmt.Errorf("the retention clock: %w", err))
		return false
	}
	c.now, c.wall, c.allow, c.marks, c.segments, c.passed = s.now, s.wall, s.allow, s.marks, s.segments, s.passed
	return true
}

// begin starts a clock where there was none. The newest recording is surely past, so the clock can stand there; the wall
// clock may have jumped while there was none to notice.
func (c *Clock) begin(lost bool) {
	c.wall = c.cfg.Wall().Round(0)
	c.now, c.marks, c.allow = c.wall, c.cfg.Marks(), MaxOff
	if newest := c.cfg.Newest(); !newest.IsZero() && newest.Before(c.now) {
		c.now = newest
	}
	// All there is was recorded, as far as anybody knows, while the two clocks went together.
	c.segments = []segment{{since: c.now}}
	if lost {
		c.findings = append(c.findings, errors.New("the retention clock was lost: it goes on from the newest recording, so that recordings may be kept for longer"))
	}
	c.follow()
}

// Tick lets the clock go on. Call it every few seconds: within them a jump of the wall clock is noticed. An error means
// that the note could not be written; the clock itself goes on.
func (c *Clock) Tick() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.follow()
	if c.dirty || c.up-c.saved >= savePeriod {
		return c.save()
	}
	return nil
}

// follow advances by the time the box was up, and begins a segment where the wall clock has left the one there is. mu is held.
func (c *Clock) follow() {
	up := c.cfg.Up()
	gone := max(up-c.up, 0)
	c.up, c.now = up, c.now.Add(gone)
	c.allow = min(c.allow+refill*gone, MaxOff)
	c.wall = c.cfg.Wall().Round(0)
	marks := c.cfg.Marks()
	offset := c.wall.Sub(c.now)
	c.marks = c.marks.meet(marks)
	newest := &c.segments[len(c.segments)-1]
	newest.maybe, newest.sure = newest.maybe.meet(marks), newest.sure.meet(marks)
	if last := c.segments[len(c.segments)-1]; (offset - last.offset).Abs() > Tolerance {
		c.segments = append(c.segments, segment{since: c.now, offset: offset, maybe: c.marks, sure: marks})
		c.shorten()
		c.dirty = true
	}
	c.marks = marks
}

// shorten makes one of the two oldest segments, with the offset that keeps longer.
func (c *Clock) shorten() {
	if len(c.segments) <= maxSegments {
		return
	}
	c.segments[1].offset = min(c.segments[0].offset, c.segments[1].offset)
	c.segments = c.segments[1:]
}

// save writes the note. mu is held, or nobody has the clock yet.
func (c *Clock) save() error {
	err := c.note.Write(state{now: c.now, wall: c.wall, allow: c.allow, marks: c.marks, segments: c.segments, passed: c.passed}.bytes())
	c.dirty = err != nil
	if err == nil {
		c.saved = c.up
	}
	return err
}

// Close writes the note a last time.
func (c *Clock) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.follow()
	return c.save()
}

// Now is this clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.present()
}

// present is this clock's time, without a tick. mu is held.
func (c *Clock) present() time.Time { return c.now.Add(max(c.cfg.Up()-c.up, 0)) }

// Behind is how far the wall clock is ahead of this clock; less than zero where the wall clock is behind.
func (c *Clock) Behind() time.Duration {
	now := c.Now()
	return c.cfg.Wall().Sub(now)
}

// Offset is how far the wall clock is ahead now, as it is remembered for what is made at this moment.
func (c *Clock) Offset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.follow()
	return c.segments[len(c.segments)-1].offset
}

// Of gives what the wall clock would say now, had it gone rightly ever since a recording began: the recording has reached a
// date once this has. Start is the date it carries.
func (c *Clock) Of(id keys.ID, start time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.present().Add(c.offset(id, start))
}

// offset finds how far the wall clock was ahead when a recording began. mu is held.
func (c *Clock) offset(id keys.ID, start time.Time) time.Duration {
	if id.Shard >= keys.FirstDegraded {
		return c.offsetByDate(start)
	}
	// What was handed out after a segment began was handed out after every one before it began.
	i := sort.Search(len(c.segments)-1, func(i int) bool { return !c.segments[i+1].maybe.after(id) })
	s := c.segments[i]
	if i == 0 || s.sure.after(id) {
		return s.offset
	}
	before := c.segments[i-1].offset // between two ticks: its own date says on which side of the jump
	if start.Add(-before).Sub(s.since).Abs() <= start.Add(-s.offset).Sub(s.since).Abs() {
		return before
	}
	return s.offset
}

// offsetByDate is for what was recorded beside a locked vault, whose slots no mark knows: of the segments that its date fits
// into, the one that keeps it longest; if it fits into none, the one of all that does.
func (c *Clock) offsetByDate(start time.Time) time.Duration {
	var fits, any time.Duration
	fit := false
	for i, s := range c.segments {
		began := start.Add(-s.offset)
		if i == 0 {
			any = s.offset
		}
		any = min(any, s.offset)
		last := i == len(c.segments)-1
		inside := (i == 0 || !began.Before(s.since.Add(-MaxOff))) && (last || began.Before(c.segments[i+1].since.Add(Tolerance)))
		if inside && (!fit || s.offset < fits) {
			fits, fit = s.offset, true
		}
	}
	if fit {
		return fits
	}
	return any
}

// Trust has somebody vouch for the wall clock: this clock is put forward to it. Nothing is put back, so where the wall clock is
// behind, nothing happens. What was recorded since the clocks parted is as old as before.
func (c *Clock) Trust() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.follow()
	ahead := c.wall.Sub(c.now)
	if ahead <= 0 {
		return nil
	}
	c.now = c.wall
	for i := range c.segments {
		c.segments[i].since = c.segments[i].since.Add(ahead) // only distances between them count
		if c.segments[i].offset >= ahead-Tolerance {
			c.segments[i].offset -= ahead
		}
	}
	return c.save()
}

// Passed is what Pass was last told, on this clock.
func (c *Clock) Passed() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.passed
}

// Pass remembers that a pass was made now.
func (c *Clock) Pass() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.follow()
	c.passed = c.now
	return c.save()
}

// Findings are what was found altered or lost when the clock was opened.
func (c *Clock) Findings() []error { return c.findings }

// Segments is how many times the wall clock has jumped that are remembered, and one.
func (c *Clock) Segments() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.segments)
}

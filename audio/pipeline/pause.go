package pipeline

import (
	"fmt"
	"sync"
	"time"

	"linekeep/drivers/line"
)

const (
	// DefaultPause is how long a pause lasts that nobody ends: a card number is read out in two minutes, and what is forgotten
	// longer than this is a call that is not recorded.
	DefaultPause = 10 * time.Minute
	// ShortestPause is the least that a line, or whoever pauses it, may say.
	ShortestPause = 10 * time.Second
	// LongestPause is the most.
	LongestPause = time.Hour
)

// pause is the newest stretch of wall clock in which a line must not be recorded. People begin and end it from
// any goroutine; the worker that has the line asks for it once a poll, and ends it when its time is over.
type pause struct {
	mu    sync.Mutex
	span  span
	until time.Time // when it ends by itself
}

// span is a stretch of time; on says that there is one, and an end that is zero that it goes on.
type span struct {
	on       bool
	from, to time.Time
}

// Pause stops the recording of a line from its lookback before now: that sound is never encoded, and the gap is marked as paused.
// It ends by itself after the line's own time. It says whether there is such a line.
func (p *Pipeline) Pause(id string) bool {
	l := p.lane(id)
	if l == nil {
		return false
	}
	p.pause(l, l.pauseFor)
	return true
}

// PauseFor is Pause for a time that whoever asks chooses, 0 for the line's own, and says when it ends. A pause that goes on is only
// ever made longer: it may be somebody else's. Resume ends it at any time. Errors: a time out of bounds.
func (p *Pipeline) PauseFor(id string, lasts time.Duration) (until time.Time, there bool, err error) {
	l := p.lane(id)
	switch {
	case l == nil:
		return time.Time{}, false, nil
	case lasts == 0:
		lasts = l.pauseFor
	case lasts < ShortestPause || lasts > LongestPause:
		return time.Time{}, true, fmt.Errorf("pause for %v: not between %v and %v", lasts, ShortestPause, LongestPause)
	}
	return p.pause(l, lasts), true, nil
}

func (p *Pipeline) pause(l *lane, lasts time.Duration) time.Time {
	now := p.clock()
	return l.pause.begin(now, now.Add(-l.lookback.Duration()), now.Add(lasts))
}

// Resume goes on recording with the first frame that begins after now. It says whether there is such a line, and whether it was paused.
func (p *Pipeline) Resume(id string) (there, paused bool) {
	l := p.lane(id)
	if l == nil {
		return false, false
	}
	return true, l.pause.end(p.clock())
}

// begin opens the stretch, and says when it ends. One that is over, but of which not all frames may have been seen yet, is joined
// with it: better too much is cut between two pauses of one poll than too little.
func (p *pause) begin(now, from, until time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire(now)
	if !p.span.on {
		p.span.from = from
	}
	if !p.span.open() || until.After(p.until) {
		p.until = until
	}
	p.span.on, p.span.to = true, time.Time{}
	return p.until
}

// end ends the stretch now, and says whether it went on.
func (p *pause) end(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire(now)
	open := p.span.open()
	if open {
		p.span.to = now
	}
	return open
}

// get is the stretch as it is now.
func (p *pause) get(now time.Time) span {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire(now)
	return p.span
}

// expire ends a stretch whose time is over, at the moment it was to end: however late that is seen, no sound after it is cut.
func (p *pause) expire(now time.Time) {
	if p.span.open() && !now.Before(p.until) {
		p.span.to = p.until
	}
}

// passed forgets a stretch that is over once the line has been heard beyond it.
func (p *pause) passed(heard time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.span.on && !p.span.to.IsZero() && heard.Add(-line.FramePeriod).After(p.span.to) {
		p.span = span{}
	}
}

// covers says whether any of the frame that ended at heard lies in the stretch.
func (s span) covers(heard time.Time) bool {
	return s.on && heard.After(s.from) && (s.to.IsZero() || heard.Add(-line.FramePeriod).Before(s.to))
}

func (s span) open() bool { return s.on && s.to.IsZero() }

package pipeline

import (
	"sync"
	"time"

	"linekeep/drivers/line"
)

// pause is the newest stretch of wall clock in which a line must not be recorded. People begin and end it from
// any goroutine; the worker that has the line asks for it once a poll.
type pause struct {
	mu   sync.Mutex
	span span
}

// span is a stretch of time; on says that there is one, and an end that is zero that it goes on.
type span struct {
	on       bool
	from, to time.Time
}

// begin opens the stretch. One that is over, but of which not all frames may have been seen yet, is joined with
// it: better too much is cut between two pauses of one poll than too little.
func (p *pause) begin(from time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.span.on {
		p.span.to = time.Time{}
		return
	}
	p.span = span{on: true, from: from}
}

func (p *pause) end(to time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.span.on && p.span.to.IsZero() {
		p.span.to = to
	}
}

func (p *pause) get() span {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.span
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

package circuit

import (
	"context"
	"log/slog"
	"time"
)

const (
	// firstPause and longestPause bound the pauses between two attempts to open a device; each is twice the one before.
	firstPause   = 100 * time.Millisecond
	longestPause = time.Second
	// healthyFor is how long a device must have been open for the pauses to begin anew.
	healthyFor = 10 * time.Second
	// ReopenAfter is how long a device may give nothing before it is closed and opened anew. There is nothing in it to lose, and
	// many a device can only be taken out of the kernel, to come back, while nobody has it open.
	ReopenAfter = time.Second
)

// Retry says when to try to open a device again. The zero value is due at once.
type Retry struct {
	due    time.Time
	pause  time.Duration
	opened time.Time
}

// Due says whether it is time.
func (r *Retry) Due(now time.Time) bool { return !now.Before(r.due) }

// Opened notes that it worked.
func (r *Retry) Opened(now time.Time) { r.opened = now }

// Failed notes that it did not, or that the device had to be closed.
func (r *Retry) Failed(now time.Time) {
	if r.pause == 0 || !r.opened.IsZero() && now.Sub(r.opened) > healthyFor {
		r.pause = firstPause
	}
	r.opened = time.Time{}
	r.due = now.Add(r.pause)
	r.pause = min(2*r.pause, longestPause)
}

// Log writes at most one line a second: a loose plug can do all this for 30 lines, many times over.
type Log struct {
	To   *slog.Logger
	last time.Time
	cut  uint64 // left out since
}

// Say logs, or counts what it leaves out.
func (g *Log) Say(ctx context.Context, now time.Time, level slog.Level, msg string, attrs ...slog.Attr) {
	if !g.last.IsZero() && now.Sub(g.last) < time.Second {
		g.cut++
		return
	}
	g.last = now
	if g.cut > 0 {
		attrs = append(attrs, slog.Uint64("not_logged_since", g.cut))
		g.cut = 0
	}
	g.To.LogAttrs(ctx, level, msg, attrs...) //nolint:sloglint // msg is a constant at each of the callers
}

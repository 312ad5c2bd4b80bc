package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"linekeep/vault/audit/entry"
)

// maxLate is how many acts wait in memory for a disk that has no room for their entries: what is over already (a session, an
// erasure, a failure) happens while nothing new is begun, so it is what a few hours bring. Of more, the log tells how many.
const maxLate = 256

// Happened writes down what has happened already, whether or not there is room to say so. What finds no room waits in memory and is
// written when there is, with the time it happened; a power cut before that loses it. Nil = it is in the log, or waits. Errors: ErrClosed.
func (l *Log) Happened(ctx context.Context, a Act) error {
	ctx = context.WithoutCancel(ctx)
	if l.catchUp(ctx) == nil {
		_, err := l.Append(ctx, a)
		if err == nil || errors.Is(err, ErrClosed) {
			return err
		}
		l.cfg.Log.ErrorContext(ctx, "an audit entry waits in memory", slog.String("act", a.What.String()), slog.Any("err", err))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("%w: %s: %w", ErrNotWritten, a.What, ErrClosed)
	}
	if len(l.late) == maxLate {
		l.untold++
		return nil
	}
	a.Details = append(slices.Clip(a.Details), Say("happened", l.cfg.Clock().UTC().Format(time.RFC3339)))
	l.late = append(l.late, a)
	return nil
}

// catchUp writes what waits, in one piece: nil = nothing does any more.
func (l *Log) catchUp(ctx context.Context) error {
	l.mu.Lock()
	acts, untold := l.late, l.untold
	l.late, l.untold = nil, 0
	l.mu.Unlock()
	if len(acts) == 0 && untold == 0 {
		return nil
	}
	all := slices.Clip(acts)
	var why error
	if untold > 0 {
		why = fmt.Errorf("%w: %d entries about what had happened found no room on the disk, nor in memory", ErrLost, untold)
		all = append(all, Act{Who: entry.Actor{Kind: entry.Box}, What: entry.LogLoss,
			Details: Details{Say("what", why.Error()), Say("entries", strconv.Itoa(untold))}})
	}
	_, err := l.Append(ctx, all...)
	if err == nil {
		if why != nil {
			l.find(why)
		}
		l.cfg.Log.WarnContext(ctx, "the audit log has room again", slog.Int("waited", len(acts)), slog.Int("lost", untold))
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.late = append(acts, l.late...)
	if over := len(l.late) - maxLate; over > 0 { // others came while it was tried
		l.late, untold = l.late[:maxLate], untold+over
	}
	l.untold += untold
	return err
}

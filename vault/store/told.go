package store

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"linekeep/vault/folder"
)

// patience is how many passes in a row may find that somebody reads where they want to write, before that is an error: a month that is
// being dropped, or listened to, is read for seconds or minutes, and the journal has room for hours.
const patience = 600

// awaited says whether nothing is in the way but somebody who reads.
func awaited(err error) bool {
	if many, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // each of those it joins is looked at
		return !slices.ContainsFunc(many.Unwrap(), func(e error) bool { return !awaited(e) })
	}
	if one := errors.Unwrap(err); one != nil {
		return awaited(one)
	}
	return errors.Is(err, folder.ErrBusy) || errors.Is(err, errUncompared)
}

// told keeps the newest reason why the mover does not get on, and logs it when it is another. That somebody reads is none until it
// has lasted.
func (s *Store) told(ctx context.Context, err error) {
	if err != nil && ctx.Err() != nil {
		return // the stop cut this pass short, and Run makes one more
	}
	if s.waited++; err == nil || !awaited(err) {
		s.waited = 0
	}
	if s.waited > 0 && s.waited <= patience {
		s.cfg.Log.DebugContext(ctx, "recordings wait in the journal for somebody who reads", slog.Any("err", err))
		err = nil
	}
	s.mu.Lock()
	why := ""
	if err != nil {
		why = err.Error()
	}
	changed := s.status.MoveError != why
	s.status.MoveError = why
	s.mu.Unlock()
	if changed && why != "" {
		s.cfg.Log.ErrorContext(ctx, "recordings wait in the journal", slog.Any("err", err))
	}
}

package store

import (
	"context"
	"fmt"
	"slices"

	"linekeep/vault/folder"
)

// ErrUncompared reports that a month's folder was not yet compared with the journal: a moment later it is.
var ErrUncompared = errUncompared

// Keep puts values of recordings that another store closed into a month's folder: nil = stored, read back and compared.
// The wrap and the manifest of a recording come in one call, after its chunks; a wrap alone would pass for a call
// that a power cut ended. Errors: ErrUncompared, folder.ErrFull.
func (s *Store) Keep(ctx context.Context, name string, entries ...folder.Entry) error {
	s.mu.Lock()
	_, waits := s.uncompared[name]
	s.mu.Unlock()
	if waits {
		return ErrUncompared
	}
	f, release, err := s.months.Use(ctx, name, true)
	if err != nil {
		return err
	}
	defer release()
	return s.put(ctx, f, name, entries...)
}

// Stopped are the recordings that were ended by a stop while their calls went on.
func (s *Store) Stopped() []Cut {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.stopped)
}

// Continue lets what begins here soon be joined to recordings that another store ended.
func (s *Store) Continue(cuts []Cut) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = append(s.cut, cuts...)
}

// Finish moves and closes everything that the last run left, for whoever opened the store to read it and not to record:
// nil = every recording has its manifest. Run must not be running.
func (s *Store) Finish(ctx context.Context) error {
	s.pass(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.order); n > 0 {
		return fmt.Errorf("%d recordings could not be closed: %s", n, s.status.MoveError)
	}
	return nil
}

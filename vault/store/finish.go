package store

import (
	"context"
	"fmt"
)

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

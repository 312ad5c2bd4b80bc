package store

import (
	"context"

	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/recording"
)

// Rewrapped is a recording's wrap under a later custody key.
type Rewrapped struct {
	ID keys.ID
	recording.Rewrap
}

// KeepRewraps puts newer wraps of recordings into their month's folder: nil = stored, read back and compared. Errors:
// folder.ErrBusy while somebody reads there or the mover has not looked at it since the start, folder.ErrFull.
func (s *Store) KeepRewraps(ctx context.Context, name string, all []Rewrapped) error {
	s.mu.Lock()
	_, waits := s.uncompared[name]
	s.mu.Unlock()
	if waits {
		return folder.ErrBusy
	}
	f, release, err := s.months.Use(ctx, name, true)
	if err != nil {
		return err
	}
	defer release()
	entries := make([]folder.Entry, len(all))
	for i, r := range all {
		entries[i] = folder.Entry{Key: recording.RewrapKey(r.ID), Value: r.Append(nil)}
	}
	return s.put(ctx, f, name, entries...)
}

// Under says whether a recording that is not filed yet is under a custody key before number.
func (s *Store) Under(number uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.unfiled {
		if r.opening.Custody < number {
			return true
		}
	}
	return false
}

package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
)

// Discard deletes what the months' folders still hold of erased recordings. It is noise: their keys are gone. It gives
// those it could not do now, because they are still being filed or somebody reads in the folder.
func (s *Store) Discard(ctx context.Context, ids ...keys.ID) (left []keys.ID, err error) {
	var errs []error
	folders := make(map[string][]keys.ID)
	for _, id := range ids {
		if s.Unfiled(id) {
			left = append(left, id)
			continue
		}
		shard, err := s.cfg.Keys.Shard(id.Shard)
		if err != nil {
			continue // its month is gone, and the folder goes with it
		}
		for _, name := range library.Places(shard) {
			folders[name] = append(folders[name], id)
		}
	}
	for name, ids := range folders {
		err := s.discardIn(ctx, name, ids)
		if err == nil || errors.Is(err, folder.ErrMissing) {
			continue
		}
		left = append(left, ids...)
		if !errors.Is(err, folder.ErrBusy) {
			errs = append(errs, fmt.Errorf("discard from %s: %w", name, err))
		}
	}
	return left, errors.Join(errs...)
}

// Forget has the journal say nothing more of a folder that is about to be removed: nil = a start after a power cut does
// not miss it. Nothing may be put there any more.
func (s *Store) Forget(ctx context.Context, name string) error {
	s.mu.Lock()
	delete(s.counters, name)
	delete(s.uncompared, name)
	s.mu.Unlock()
	return s.Heartbeat(ctx) // a group that does not name it
}

func (s *Store) discardIn(ctx context.Context, name string, ids []keys.ID) error {
	s.mu.Lock()
	_, waits := s.uncompared[name]
	s.mu.Unlock()
	if waits {
		return folder.ErrBusy // the mover has not looked at it since the start
	}
	_, release, err := s.months.Use(ctx, name, false) // nothing is made where there is no folder
	if err != nil {
		return err
	}
	release()
	f, release, err := s.months.Use(ctx, name, true)
	if err != nil {
		return err
	}
	defer release()
	var gone []folder.Entry
	for _, id := range ids {
		for _, prefix := range [][]byte{recording.WrapKey(id), recording.RewrapKey(id), recording.ManifestKey(id), recording.ChunksKey(id)} {
			if err := f.Keys(prefix, func(key []byte) error {
				gone = append(gone, folder.Entry{Key: bytes.Clone(key)})
				return nil
			}); err != nil {
				return err
			}
		}
	}
	for batch := range slices.Chunk(gone, folder.MaxEntries) {
		if err := f.Put(ctx, batch...); err != nil {
			return err
		}
		s.mu.Lock()
		s.counters[name] = f.Commits()
		s.mu.Unlock()
	}
	return nil
}

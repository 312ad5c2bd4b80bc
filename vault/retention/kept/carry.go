package kept

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/recording"
)

// batchBytes bounds what is copied at once: a chunk of a minute is some 180 KB, and memory is small.
const batchBytes = 2 << 20

// entriesOf visits all that a folder holds of a recording, its sound first: a wrap alone would pass for a call that a
// power cut ended. What cannot be read is an error.
func entriesOf(f *folder.Folder, id keys.ID, visit func(key, value []byte) error) error {
	for _, prefix := range [][]byte{recording.ChunksKey(id), recording.RewrapKey(id), recording.ManifestKey(id), recording.WrapKey(id)} {
		err := f.Walk(prefix, func(key, value []byte, err error) error {
			if err != nil {
				return fmt.Errorf("recording %s: %w", id, err)
			}
			return visit(key, value)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// carry copies a recording from a month's folder to another one: nil = it stands there, synced, read back and compared. What
// stands there already is not written again.
func (p *Parts) carry(ctx context.Context, from, to string, id keys.ID) error {
	source, release, err := p.Months.Use(ctx, from, false)
	if err != nil {
		return err
	}
	defer release()
	// Opened for writing once, so that it can be read, too, where it is new.
	dest, done, err := p.Months.Use(ctx, to, true)
	if err != nil {
		return err
	}
	defer done()
	var head, batch []folder.Entry
	size := 0
	put := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := p.Store.Keep(ctx, to, batch...)
		batch, size = batch[:0], 0
		return err
	}
	err = entriesOf(source, id, func(key, value []byte) error {
		got, err := dest.Get(key)
		if err == nil && (bytes.Equal(got, value) || later(key, got, value)) {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, folder.ErrMissing) {
			return fmt.Errorf("look for recording %s in %s: %w", id, to, err)
		}
		e := folder.Entry{Key: bytes.Clone(key), Value: bytes.Clone(value)}
		if place, ok := recording.ParseKey(key); !ok || place.Kind != recording.AtChunk {
			head = append(head, e)
			return ctx.Err()
		}
		if size+len(value) > batchBytes {
			if err := put(); err != nil {
				return err
			}
		}
		batch, size = append(batch, e), size+len(value)
		return ctx.Err()
	})
	if err != nil {
		return fmt.Errorf("carry to %s: %w", to, err)
	}
	if err := put(); err != nil {
		return fmt.Errorf("carry recording %s to %s: %w", id, to, err)
	}
	if batch = head; len(batch) > 0 { // wrap and manifest in one, after the sound
		if err := put(); err != nil {
			return fmt.Errorf("carry recording %s to %s: %w", id, to, err)
		}
	}
	return nil
}

// later says whether what stands there is a wrap for the same custody key as what is to be carried, or for a later one: it was wrapped
// anew in both places.
func later(key, there, here []byte) bool {
	place, ok := recording.ParseKey(key)
	if !ok || place.Kind != recording.AtRewrap {
		return false
	}
	a, errA := recording.ParseRewrap(there)
	b, errB := recording.ParseRewrap(here)
	return errA == nil && errB == nil && a.Custody >= b.Custody
}

package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"linekeep/audio/segment"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
)

var (
	// ErrNotFiled reports a recording that is up, or whose last minutes are still being moved.
	ErrNotFiled = errors.New("store: the recording is not filed yet")
	// ErrNotThere reports an id nobody has filed, or whose slot was erased.
	ErrNotThere = errors.New("store: no such recording")
	// ErrAltered reports bytes that are not what the manifest says. They are never handed on.
	ErrAltered = errors.New("store: altered")
)

// Reader reads one filed recording: what is known of it, and its sound as ciphertext.
type Reader struct {
	Manifest Manifest
	Slot     keys.Slot
	Wrap     []byte

	folder  *folder.Folder
	name    string
	release func()
}

// Library opens filed recordings for reading. It needs no running store.
type Library struct {
	Keys   Keys
	Months *Months
}

// Unfiled says whether the recording is known and not yet filed.
func (s *Store) Unfiled(id keys.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unfiled[id] != nil
}

// UnfiledIDs are the recordings that are up, or whose last minutes are still being moved.
func (s *Store) UnfiledIDs() []keys.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.unfiled))
}

// Open reads the manifest and the wrap, and checks both. The caller closes the Reader. Errors: ErrNotThere,
// ErrAltered, or what the folder says.
func (l *Library) Open(ctx context.Context, id keys.ID) (*Reader, error) {
	slot, err := l.Keys.Slot(id)
	if errors.Is(err, keys.ErrNoSlot) {
		return nil, fmt.Errorf("%w: %s", ErrNotThere, id)
	}
	if err != nil {
		return nil, fmt.Errorf("slot key of recording %s: %w", id, err)
	}
	shard, err := l.Keys.Shard(id.Shard)
	if err != nil {
		return nil, fmt.Errorf("shard of recording %s: %w", id, err)
	}
	name := FolderName(shard.Class, shard.Month)
	f, release, err := l.Months.Use(ctx, name, false)
	if errors.Is(err, folder.ErrMissing) {
		return nil, fmt.Errorf("%w: %s", ErrNotThere, id)
	}
	if err != nil {
		return nil, err
	}
	r := &Reader{Slot: slot, folder: f, name: name, release: release}
	if err := r.open(Forms{VaultID: l.Keys.VaultID(), ID: id, Meta: slot.Meta()}); err != nil {
		release()
		return nil, err
	}
	return r, nil
}

func (r *Reader) open(forms Forms) error {
	sealed, err := r.folder.Get(manifestKey(forms.ID))
	if errors.Is(err, folder.ErrMissing) {
		return fmt.Errorf("%w: %s has no manifest of %s", ErrNotThere, r.name, forms.ID)
	}
	if err != nil {
		return fmt.Errorf("manifest of recording %s: %w", forms.ID, err)
	}
	if r.Manifest, err = OpenManifest(forms, sealed); err != nil {
		return err
	}
	body, err := r.folder.Get(wrapKey(forms.ID))
	if err != nil {
		return fmt.Errorf("wrapped key of recording %s: %w", forms.ID, err)
	}
	if Hash(body) != r.Manifest.Wrap {
		return fmt.Errorf("%w: the wrapped key of recording %s", ErrAltered, forms.ID)
	}
	r.Wrap, _, err = SplitOpening(body)
	return err
}

// Chunk reads one minute of a track and compares it with the manifest. Errors: ErrAltered, folder.ErrMissing.
func (r *Reader) Chunk(p segment.Party, part Part) (Chunk, error) {
	value, err := r.folder.Get(chunkKey(r.Manifest.ID, p, part.Number))
	if err != nil {
		return Chunk{}, fmt.Errorf("minute %d of %s of recording %s: %w", part.Number, p, r.Manifest.ID, err)
	}
	if Hash(value) != part.Hash {
		return Chunk{}, fmt.Errorf("%w: minute %d of %s of recording %s", ErrAltered, part.Number, p, r.Manifest.ID)
	}
	c, err := ParseChunk(value)
	if err != nil {
		return Chunk{}, err
	}
	if c.ID != r.Manifest.ID || c.Party != p || c.Number != part.Number {
		return Chunk{}, fmt.Errorf("%w: minute %d of %s of recording %s is of another", ErrAltered, part.Number, p, r.Manifest.ID)
	}
	return c, nil
}

// Close gives the month's folder back.
func (r *Reader) Close() { r.release() }

// Manifests visits the manifests of a month's folder. One that cannot be read comes with an error, and its id.
func (l *Library) Manifests(f *folder.Folder, visit func(m Manifest, err error) error) error {
	return f.Walk([]byte{prefixManifest}, func(key, sealed []byte, err error) error {
		id, kerr := keys.IDFrom(key[1:])
		if kerr != nil {
			return visit(Manifest{}, fmt.Errorf("%w: a manifest's key is %x", ErrAltered, key))
		}
		if err != nil {
			return visit(Manifest{ID: id}, err)
		}
		slot, err := l.Keys.Slot(id)
		if errors.Is(err, keys.ErrNoSlot) {
			return nil // erased: what stands here is noise
		}
		if err != nil {
			return visit(Manifest{ID: id}, err)
		}
		m, err := OpenManifest(Forms{VaultID: l.Keys.VaultID(), ID: id, Meta: slot.Meta()}, sealed)
		m.ID = id
		return visit(m, err)
	})
}

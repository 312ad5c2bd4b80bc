package library

import (
	"context"
	"errors"
	"fmt"

	"linekeep/audio/segment"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/recording"
)

var (
	// ErrNotThere reports an id nobody has filed, or whose slot was erased.
	ErrNotThere = errors.New("library: no such recording")
	// ErrAltered reports bytes that are not what the manifest says. They are never handed on.
	ErrAltered = errors.New("library: altered")
)

// Reader reads one filed recording: what is known of it, and its sound as ciphertext.
type Reader struct {
	Manifest recording.Manifest
	Slot     keys.Slot
	Wrap     []byte
	Custody  uint32 // number of the custody key that Wrap is under

	folder  *folder.Folder
	name    string
	release func()
}

// Keys is what the library asks of vault/keys.
type Keys interface {
	VaultID() [16]byte
	Slot(id keys.ID) (keys.Slot, error)
	Shard(number uint32) (keys.ShardInfo, error)
}

// Library opens filed recordings for reading. It needs no running store.
type Library struct {
	Keys   Keys
	Months *Months
	// Hidden says whether a recording was ordered to be erased: it is there no more, for whoever asks. It may be nil.
	Hidden func(id keys.ID) bool
}

// Gone says whether a recording is erased, or will be.
func (l *Library) Gone(id keys.ID) bool {
	if l.Hidden != nil && l.Hidden(id) {
		return true
	}
	slot, err := l.Keys.Slot(id)
	if err == nil {
		slot.Wipe()
	}
	return errors.Is(err, keys.ErrNoSlot)
}

// Open reads the manifest and the wrap, and checks both. The caller closes the Reader. Errors: ErrNotThere,
// ErrAltered, or what the folder says.
func (l *Library) Open(ctx context.Context, id keys.ID) (*Reader, error) {
	if l.Hidden != nil && l.Hidden(id) {
		return nil, fmt.Errorf("%w: %s", ErrNotThere, id)
	}
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
	for _, name := range Places(shard) {
		var r *Reader
		if r, err = l.openIn(ctx, name, id, slot); !errors.Is(err, ErrNotThere) {
			return r, err
		}
	}
	return nil, err
}

// Places are the folders where a recording may stand: that of its month, and, once that is dropped, the one of what was kept.
func Places(s keys.ShardInfo) []string {
	return []string{FolderName(s.Class, s.Month), FolderName(Kept, s.Month)}
}

// openIn opens a recording in a folder. Errors: ErrNotThere where that has not got it.
func (l *Library) openIn(ctx context.Context, name string, id keys.ID, slot keys.Slot) (*Reader, error) {
	f, release, err := l.Months.Use(ctx, name, false)
	if errors.Is(err, folder.ErrMissing) {
		return nil, fmt.Errorf("%w: %s", ErrNotThere, id)
	}
	if err != nil {
		return nil, err
	}
	r := &Reader{Slot: slot, folder: f, name: name, release: release}
	if err := r.open(recording.Forms{VaultID: l.Keys.VaultID(), ID: id, Meta: slot.Meta()}); err != nil {
		release()
		return nil, err
	}
	return r, nil
}

func (r *Reader) open(forms recording.Forms) error {
	sealed, err := r.folder.Get(recording.ManifestKey(forms.ID))
	if errors.Is(err, folder.ErrMissing) {
		return fmt.Errorf("%w: %s has no manifest of %s", ErrNotThere, r.name, forms.ID)
	}
	if err != nil {
		return fmt.Errorf("manifest of recording %s: %w", forms.ID, err)
	}
	if r.Manifest, err = recording.OpenManifest(forms, sealed); err != nil {
		return err
	}
	body, err := r.folder.Get(recording.WrapKey(forms.ID))
	if err != nil {
		return fmt.Errorf("wrapped key of recording %s: %w", forms.ID, err)
	}
	if recording.Hash(body) != r.Manifest.Wrap {
		return fmt.Errorf("%w: the wrapped key of recording %s", ErrAltered, forms.ID)
	}
	opening, err := forms.OpenOpening(body)
	if err != nil {
		return err
	}
	r.Custody = opening.Custody
	if r.Wrap, _, err = recording.SplitOpening(body); err != nil {
		return err
	}
	return r.rewrapped(forms.ID)
}

// rewrapped takes the wrap for a later custody key where there is one.
func (r *Reader) rewrapped(id keys.ID) error {
	value, err := r.folder.Get(recording.RewrapKey(id))
	if errors.Is(err, folder.ErrMissing) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("newer wrapped key of recording %s: %w", id, err)
	}
	later, err := recording.ParseRewrap(value)
	if err != nil {
		return fmt.Errorf("newer wrapped key of recording %s: %w", id, err)
	}
	if later.Custody > r.Custody { // an older one was put back, or is of no use
		r.Wrap, r.Custody = later.Wrap, later.Custody
	}
	return nil
}

// Chunk reads one minute of a track and compares it with the manifest. Errors: ErrAltered, folder.ErrMissing.
func (r *Reader) Chunk(p segment.Party, part recording.Part) (recording.Chunk, error) {
	value, err := r.folder.Get(recording.ChunkKey(r.Manifest.ID, p, part.Number))
	if err != nil {
		return recording.Chunk{}, fmt.Errorf("minute %d of %s of recording %s: %w", part.Number, p, r.Manifest.ID, err)
	}
	if recording.Hash(value) != part.Hash {
		return recording.Chunk{}, fmt.Errorf("%w: minute %d of %s of recording %s", ErrAltered, part.Number, p, r.Manifest.ID)
	}
	c, err := recording.ParseChunk(value)
	if err != nil {
		return recording.Chunk{}, err
	}
	if c.ID != r.Manifest.ID || c.Party != p || c.Number != part.Number {
		return recording.Chunk{}, fmt.Errorf("%w: minute %d of %s of recording %s is of another", ErrAltered, part.Number, p, r.Manifest.ID)
	}
	return c, nil
}

// Close gives the month's folder back.
func (r *Reader) Close() { r.release() }

// Manifests visits the manifests of a month's folder. One that cannot be read comes with an error, and its id.
func (l *Library) Manifests(f *folder.Folder, visit func(m recording.Manifest, err error) error) error {
	return f.Walk([]byte{byte(recording.AtManifest)}, func(key, sealed []byte, err error) error {
		id, kerr := keys.IDFrom(key[1:])
		if kerr != nil {
			return visit(recording.Manifest{}, fmt.Errorf("%w: a manifest's key is %x", ErrAltered, key))
		}
		if l.Hidden != nil && l.Hidden(id) {
			return nil
		}
		if err != nil {
			return visit(recording.Manifest{ID: id}, err)
		}
		slot, err := l.Keys.Slot(id)
		if errors.Is(err, keys.ErrNoSlot) {
			return nil // erased: what stands here is noise
		}
		if err != nil {
			return visit(recording.Manifest{ID: id}, err)
		}
		m, err := recording.OpenManifest(recording.Forms{VaultID: l.Keys.VaultID(), ID: id, Meta: slot.Meta()}, sealed)
		m.ID = id
		return visit(m, err)
	})
}

// Package forensics is somebody who has everything but the chip's past and the recovery code: each file of keys that ever
// stood on the disk, and the chip as it is now.
//
//	In:    a chip to be watched while a vault works with it; images of the vault's folder
//	Out:   every key that can be had from them, and which of them opens a given ciphertext
//	Owner: the test; no goroutine
//	Full:  everything is kept in memory: some megabyte for each time a shard was written
//
// A shard or a root is written between two words to the chip, or after the last one: so whoever looks into the folder at each
// word, and once more at the end, sees every file there ever was. What is tried is the keys as they are and by each
// derivation that FORMAT.md has for a slot, on ciphertexts that the test names.
package forensics

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"linekeep/drivers/tpm"
	"linekeep/vault/keys"
	"linekeep/vault/keys/root"
	"linekeep/vault/keys/shard"
)

// Evidence is every file of keys that ever stood on a disk, each content once.
type Evidence struct {
	mu    sync.Mutex
	files map[[sha256.Size]byte]File
}

// File is one of them.
type File struct {
	Name string
	Data []byte
}

// Collect takes what stands in a folder of keys, and in its subfolders. A file that goes away meanwhile was seen before.
func (e *Evidence) Collect(t testing.TB, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			var data []byte
			if data, err = os.ReadFile(path); err == nil {
				e.take(filepath.Base(path), data)
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Errorf("collect what stands in %s: %v", dir, err)
	}
}

func (e *Evidence) take(name string, data []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.files == nil {
		e.files = make(map[[sha256.Size]byte]File)
	}
	e.files[sha256.Sum256(data)] = File{name, data}
}

// Files are all of them.
func (e *Evidence) Files() []File {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]File, 0, len(e.files))
	for _, f := range e.files {
		all = append(all, f)
	}
	return all
}

// Watched is a chip that collects evidence at each word to it.
type Watched struct {
	tpm.Chip
	Evidence *Evidence
	Dir      string // the folder of keys
	// Step is called at each word as well, before and after it; it may be nil.
	Step func(word string)

	t testing.TB
}

// Watch has evidence collected from the folder of keys in dir whenever the chip is asked for something.
func Watch(t testing.TB, chip tpm.Chip, dir string) *Watched {
	return &Watched{Chip: chip, Evidence: &Evidence{}, Dir: dir, t: t}
}

func (w *Watched) step(word string) {
	w.Evidence.Collect(w.t, w.Dir)
	if w.Step != nil {
		w.Step(word)
	}
}

// Seal implements tpm.Sealer.
func (w *Watched) Seal(ctx context.Context, secret []byte, epoch uint64) (tpm.Blob, error) {
	w.step("before Seal")
	defer w.step("after Seal")
	return w.Chip.Seal(ctx, secret, epoch)
}

// Unseal implements tpm.Sealer.
func (w *Watched) Unseal(ctx context.Context, blob tpm.Blob, epoch uint64) ([]byte, error) {
	w.step("before Unseal")
	defer w.step("after Unseal")
	return w.Chip.Unseal(ctx, blob, epoch)
}

// Advance implements tpm.Sealer.
func (w *Watched) Advance(ctx context.Context, owner []byte, from uint64) (uint64, error) {
	w.step("before Advance")
	defer w.step("after Advance")
	return w.Chip.Advance(ctx, owner, from)
}

// Certify implements tpm.Sealer.
func (w *Watched) Certify(ctx context.Context, qualifying [32]byte) (tpm.Certificate, error) {
	w.step("before Certify")
	defer w.step("after Certify")
	return w.Chip.Certify(ctx, qualifying)
}

// Loot is what an attacker got out of the evidence.
type Loot struct {
	VaultID [keys.VaultIDSize]byte
	Roots   int // that were opened
	Refused int // that the chip does not open
	keys    map[[keys.KeySize]byte]string
	sample  byte
	named   map[string]bool
}

// Sample has Opens try only one of so many slots, and those of named things: of the others each is as random as the next,
// and trying all of them takes a minute.
func (l *Loot) Sample(one byte, named ...keys.ID) {
	l.sample, l.named = one, make(map[string]bool)
	for _, id := range named {
		l.named["slot "+id.String()] = true
	}
}

func (l *Loot) skips(raw [keys.KeySize]byte, name string) bool {
	return l.sample > 1 && strings.HasPrefix(name, "slot ") && !l.named[name] && raw[0]%l.sample != 0
}

// Attack has the chip open every root there ever was, and with what is in them every shard there ever was. Contents are roots that were
// opened otherwise, such as by the key backup with a recovery code.
func (e *Evidence) Attack(ctx context.Context, t testing.TB, chip tpm.Sealer, contents ...*root.Contents) *Loot {
	t.Helper()
	l := &Loot{keys: make(map[[keys.KeySize]byte]string)}
	files := e.Files()
	for _, f := range files {
		r, err := root.Parse(f.Data)
		if err != nil {
			continue
		}
		l.VaultID = r.VaultID
		c, err := openRoot(ctx, chip, r)
		if err != nil {
			l.Refused++
			continue
		}
		l.Roots++
		contents = append(contents, c)
	}
	for _, c := range contents {
		l.take("vault key", c.Vault)
		l.take("owner's authorisation", c.Owner)
		l.take("commissioning key", c.Commissioning)
		l.take("spare key", c.Spare)
		for _, line := range c.Shards {
			l.take("key of "+line.FileName(), line.Key)
			for _, f := range files {
				l.shard(line, f)
			}
		}
	}
	return l
}

// openRoot tries the blob for the epoch in the root's name, and for every other that the attacker might claim.
func openRoot(ctx context.Context, chip tpm.Sealer, r root.File) (*root.Contents, error) {
	now, err := chip.Epoch(ctx)
	if err != nil {
		return nil, err
	}
	var faults []error
	for _, epoch := range []uint64{r.ID.Epoch, now, now + 1} {
		secret, err := chip.Unseal(ctx, r.Blob, epoch)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		key, err := keys.KeyFrom(secret)
		if err != nil {
			return nil, err
		}
		defer key.Wipe()
		return r.Open(key)
	}
	return nil, errors.Join(faults...)
}

// shard takes the slots out of a file, if it is the one that line describes; whatever its hash.
func (l *Loot) shard(line shard.Line, f File) {
	vaultID, head, err := shard.ReadHeader(f.Data)
	if err != nil || vaultID != l.VaultID || head.Number != line.Number {
		return
	}
	line.Hash = sha256.Sum256(f.Data)
	slots, err := line.Open(vaultID, f.Data)
	if err != nil {
		return // of another writing, under another key
	}
	defer slots.Wipe()
	for slot := range slots.Len() {
		if key, ok := slots.Key(slot); ok {
			l.take("slot "+keys.ID{Shard: line.Number, Slot: slot}.String(), key)
			key.Wipe()
		}
	}
}

func (l *Loot) take(name string, key keys.Key) {
	if !key.IsZero() {
		l.keys[*key.Bytes()] = name
	}
}

// Keys is how many different keys there are.
func (l *Loot) Keys() int { return len(l.keys) }

// Has says whether a slot's key is among them.
func (l *Loot) Has(id keys.ID) bool {
	for _, name := range l.keys {
		if name == "slot "+id.String() {
			return true
		}
	}
	return false
}

// Target is a ciphertext that somebody wants to open.
type Target struct {
	What  string
	Label string // by which a slot's key gives the one it is under; empty where it is the key itself
	// Open tries a key on it, in whatever way its format says.
	Open func(key keys.Key) bool
}

// Opens tries every key on each target, or a sample, as it is and as a slot's. It gives the names of the keys that open them, in
// the order of the targets, "" for one that none opens.
func (l *Loot) Opens(t testing.TB, targets ...Target) []string {
	t.Helper()
	by := make([]string, len(targets))
	for raw, name := range l.keys {
		if l.skips(raw, name) {
			continue
		}
		key, err := keys.KeyFrom(raw[:])
		if err != nil {
			t.Fatal(err)
		}
		derived := map[string]keys.Key{"": key}
		for i, target := range targets {
			if _, ok := derived[target.Label]; !ok {
				derived[target.Label] = key.Derive(target.Label)
			}
			if target.Open(derived[target.Label]) || target.Open(key) {
				by[i] = name
			}
		}
		for _, d := range derived {
			d.Wipe()
		}
	}
	return by
}

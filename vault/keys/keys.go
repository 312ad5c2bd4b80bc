// Package keys holds every key of a vault: the root that the security chip opens, and shards of slot keys below it.
//
// Stage: line -> call -> encode -> [seal] -> store -> search -> release.
//
//	In:    a tpm.Sealer, and the folder keys/
//	Out:   a Slot for each new recording, never the same twice; keys for folders and outer headers
//	Owner: no goroutine of its own; methods may be called from several
//	Full:  a month whose shard is full gets another one; with no room on the disk for it Next says so
//
// Whatever must one day be erased is under the key of a slot. Slots stand in shards, immutable files under
// a key of their own; shard keys stand in the root, which is under a fresh key at every writing; that key
// the chip seals. FORMAT.md gives every byte, THREATS.md what it is good for.
package keys

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"linekeep/drivers/tpm"
	"linekeep/vault/keys/pair"
)

var (
	// ErrNoSlot reports an id whose shard does not exist, or whose slot is erased.
	ErrNoSlot = errors.New("keys: no such slot")
	// ErrAltered reports a key file that is not as it was written.
	ErrAltered = errors.New("keys: key file altered")
	// ErrRolledBack reports a root that is older than the shards or the journal beside it.
	ErrRolledBack = errors.New("keys: root is older than what stands beside it")
	// ErrNoVault reports a folder in which no keys were ever made.
	ErrNoVault = errors.New("keys: no vault here")
	// ErrExists reports a folder that has keys already; making new ones would lose every recording.
	ErrExists = errors.New("keys: there is a vault here already")
	// ErrClosed reports a use after Close.
	ErrClosed = errors.New("keys: closed")
)

// VaultIDSize is the length of a vault's id, in bytes.
const VaultIDSize = 16

// Config says where the keys are.
type Config struct {
	Dir   string // keys/ ; second copies stand in keys/copy/
	Clock func() time.Time
}

// Validate reports what is missing.
func (c Config) Validate() error {
	if c.Dir == "" || c.Clock == nil {
		return errors.New("keys: Config needs Dir and Clock")
	}
	return nil
}

// Keys are the opened keys of a vault.
type Keys struct {
	clock   func() time.Time
	files   *pair.Folder
	chip    tpm.Sealer
	vaultID [VaultIDSize]byte

	writing sync.Mutex // held while the root changes, before mu
	lastSeq uint64     // under writing: the newest sequence ever tried, used up or not
	epoch   uint64     // under writing: where the chip's counter stands, and what roots are sealed for

	mu       sync.Mutex // guards all below; never held over the chip
	closed   bool
	id       rootID
	root     []byte // the root's file, to compare with
	contents *contents
	writers  []writer
	loaded   []loadedShard // most recently used first
	findings []error
}

// Create prepares the chip and makes the keys of a new vault: a root without shards. Errors: ErrExists, tpm.ErrOwned, tpm.ErrUnavailable.
func Create(ctx context.Context, c Config, chip tpm.Sealer) (*Keys, error) {
	return create(ctx, c, chip, pair.Disk{})
}

func create(ctx context.Context, c Config, chip tpm.Sealer, fs pair.FS) (*Keys, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	k := &Keys{clock: c.Clock, files: pair.At(c.Dir, fs), chip: chip}
	if err := k.files.Make(); err != nil {
		return nil, fmt.Errorf("create keys: %w", err)
	}
	names, err := k.files.Names()
	if err != nil {
		return nil, fmt.Errorf("create keys: %w", err)
	}
	for _, name := range names {
		if _, isRoot := parseRootName(name); isRoot || isShardName(name) {
			return nil, fmt.Errorf("create keys in %s: %w", c.Dir, ErrExists)
		}
	}
	if _, err := chip.Prepare(ctx); err != nil {
		return nil, fmt.Errorf("create keys: %w", err)
	}
	if k.epoch, err = chip.Epoch(ctx); err != nil {
		return nil, fmt.Errorf("create keys: %w", err)
	}
	rand.Read(k.vaultID[:])
	k.lastSeq = 1
	first := &contents{vault: NewKey(), nextShard: 1}
	if err := k.commit(ctx, first); err != nil {
		return nil, fmt.Errorf("create keys: %w", err)
	}
	return k, nil
}

// VaultID names the vault; it is bound into everything that is sealed.
func (k *Keys) VaultID() [VaultIDSize]byte { return k.vaultID }

// Epoch counts what was erased for good: it is where the chip's counter stood when the root was sealed.
func (k *Keys) Epoch() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.id.epoch
}

// Folder is the base key of a Badger folder, by HKDF of the vault key; name is its path below the vault.
func (k *Keys) Folder(name string) Key { return k.vaultKey().Derive("folder", []byte(name)) }

// Outer authenticates outer headers (journal, custody file, settings), by HKDF of the vault key.
func (k *Keys) Outer(purpose string) Key { return k.vaultKey().Derive("outer", []byte(purpose)) }

func (k *Keys) vaultKey() Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.contents.vault
}

// commit writes a root with contents under sequence lastSeq, and makes it the current one. The caller
// holds writing and has counted lastSeq up. An error leaves the root before it in force.
func (k *Keys) commit(ctx context.Context, c *contents) error {
	id := rootID{epoch: k.epoch, seq: k.lastSeq}
	c.written = k.clock().UTC().Truncate(time.Second)
	file, err := k.sealFresh(ctx, id, c)
	if err != nil {
		return err
	}
	if err := k.files.Write(id.fileName(), file); err != nil {
		return fmt.Errorf("write root: %w", err)
	}
	k.mu.Lock()
	k.id, k.root, k.contents = id, file, c
	k.mu.Unlock()
	return nil
}

// sealFresh makes the file of a root under a fresh key, and has the chip open it once before anything relies on it.
func (k *Keys) sealFresh(ctx context.Context, id rootID, c *contents) ([]byte, error) {
	rootKey := NewKey()
	defer rootKey.Wipe()
	blob, err := k.chip.Seal(ctx, rootKey.Bytes()[:], id.epoch)
	if err != nil {
		return nil, fmt.Errorf("seal root key: %w", err)
	}
	back, err := k.chip.Unseal(ctx, blob, id.epoch)
	if err != nil {
		return nil, fmt.Errorf("try new root key: %w", err)
	}
	defer clear(back)
	if !bytes.Equal(back, rootKey.Bytes()[:]) {
		return nil, fmt.Errorf("try new root key: the chip gave out another one: %w", tpm.ErrUnavailable)
	}
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(nonce)
	return sealRoot(k.vaultID, id, blob, rootKey, nonce, c)
}

// removeOlder removes the roots before the current one. What cannot be removed now is at the next opening.
func (k *Keys) removeOlder() error {
	names, err := k.files.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if id, isRoot := parseRootName(name); isRoot && id.less(k.id) {
			if err := k.files.Remove(name); err != nil {
				return fmt.Errorf("remove older root: %w", err)
			}
		}
	}
	return nil
}

func (k *Keys) note(findings ...error) {
	for _, f := range findings {
		k.findings = append(k.findings, fmt.Errorf("%w: %w", ErrAltered, f))
	}
}

// Findings are what was found wrong with key files since Open, whether it could be mended or not; each names its file.
func (k *Keys) Findings() []error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.findings)
}

// Verify reads both copies of every key file, mends one from the other, and gives everything found wrong since Open.
func (k *Keys) Verify(ctx context.Context) []error {
	k.verifyRoot()
	for _, info := range k.Shards() {
		if err := ctx.Err(); err != nil {
			return append(k.Findings(), fmt.Errorf("verify keys: %w", err))
		}
		k.verifyShard(info.Number)
	}
	return k.Findings()
}

func (k *Keys) verifyRoot() {
	k.writing.Lock() // no root comes or goes meanwhile
	defer k.writing.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return
	}
	_, findings, err := k.files.Read(k.id.fileName(), func(file []byte) error {
		if !bytes.Equal(file, k.root) {
			return errors.New("not the root that was opened")
		}
		return nil
	})
	k.note(findings...)
	if err != nil {
		k.note(err)
		k.note(k.files.Write(k.id.fileName(), k.root)) // both copies are gone, but the memory has it
	}
}

func (k *Keys) verifyShard(number uint32) {
	k.writing.Lock() // a new shard has its name once this is free
	defer k.writing.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	l, ok := k.line(number)
	if !ok {
		return
	}
	_, findings, err := k.files.Read(l.fileName(), func(file []byte) error { return checkShard(l, file) })
	k.note(findings...)
	if err != nil {
		k.note(err)
	}
}

// Close wipes all keys in memory, as far as Go allows. Slots given out before stay the caller's to wipe.
func (k *Keys) Close() error {
	k.writing.Lock()
	defer k.writing.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil
	}
	k.closed = true
	k.contents.vault.Wipe()
	for _, l := range k.contents.shards {
		l.key.Wipe()
	}
	for _, s := range k.loaded {
		clear(s.slots)
	}
	k.loaded, k.writers = nil, nil
	return nil
}

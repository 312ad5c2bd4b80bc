// Package keys holds every key of a vault: the root that the security chip opens, and shards of slot keys below it.
//
// Stage: line -> call -> encode -> [seal] -> store -> search -> release.
//
//	In:    a tpm.Sealer, and the folder keys/
//	Out:   a Slot for each new thing, never the same twice; keys for folders and outer headers; erasure for good
//	Owner: no goroutine of its own; methods may be called from several
//	Full:  a month whose shard is full gets another one; with no room on the disk for it Next says so
//
// Whatever must one day be erased is under the key of a slot. Slots stand in shards, immutable files under
// a key of their own; shard keys stand in the root, which is under a fresh key at every writing; that key
// the chip seals for as long as its counter has not passed the root's epoch. To erase is to write the shards anew
// without the slots, and a root of a later epoch, and then to move the counter: from then on no root of before ever
// opens. FORMAT.md gives every byte, THREATS.md what it is good for.
package keys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/vault/envelope"
	"linekeep/vault/keys/epoch"
	"linekeep/vault/keys/pair"
	"linekeep/vault/keys/root"
	"linekeep/vault/keys/shard"
)

var (
	// ErrNoSlot reports an id whose shard does not exist, or whose slot is erased.
	ErrNoSlot = errors.New("keys: no such slot")
	// ErrRolledBack reports a root that is older than the shards or the journal beside it.
	ErrRolledBack = errors.New("keys: root is older than what stands beside it")
	// ErrExists reports a folder that has keys already; making new ones would lose every recording.
	ErrExists = errors.New("keys: there is a vault here already")
)

// Config says where the keys are.
type Config struct {
	Dir   string // keys/ ; second copies stand in keys/copy/
	Clock func() time.Time
	// FirstShard is the number of the first shard of a new vault; 0 means 1. One made while the chip is away begins
	// at FirstDegraded or above.
	FirstShard uint32
	// VaultID is that of the vault beside which a new one is begun while the chip is away; zeros: one of its own.
	VaultID [VaultIDSize]byte
	// NoBackup keeps no key backup on the box, and removes one that is there.
	NoBackup bool
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
	root    *epoch.Root
	vaultID [VaultIDSize]byte

	writing sync.Mutex // held while the root changes, before mu

	mu      sync.Mutex // guards all below, and that no key is wiped while it is used; never held over the chip
	closed  bool
	writers []writer
	office  office
	loaded  []loadedShard // most recently used first
}

// Create makes the keys of a new vault on a chip without an owner, and becomes its owner: a root without shards.
// Errors: ErrExists, tpm.ErrOwned, tpm.ErrUnavailable.
func Create(ctx context.Context, c Config, chip tpm.Sealer) (*Keys, error) {
	return create(ctx, c, chip, pair.Disk{})
}

func create(ctx context.Context, c Config, chip tpm.Sealer, fs pair.FS) (*Keys, error) {
	k, names, err := begin(c, chip, fs)
	if err != nil {
		return nil, fmt.Errorf("create keys: %w", err)
	}
	for _, name := range names {
		if _, isRoot := root.ParseName(name); isRoot || shard.IsName(name) {
			return nil, fmt.Errorf("create keys in %s: %w", c.Dir, ErrExists)
		}
	}
	if k.root, err = epoch.Create(ctx, k.rootConfig(c), c.VaultID, max(c.FirstShard, 1)); err != nil {
		return nil, fmt.Errorf("create keys: %w", err)
	}
	k.vaultID = k.root.VaultID()
	return k, nil
}

// Open opens the keys of a vault with the root in force, finishes what a power cut caught, and mends what has only one
// good copy. No slot is handed out of a shard made before, until Resume says where it had got to; Office needs no word.
// Errors: ErrNoVault, ErrAltered (no copy of the root is whole), ErrRolledBack; ErrOlder, ErrOtherChip, tpm.ErrNotReady, all of
// which are tpm.ErrRefused: trying again cannot help; tpm.ErrUnavailable: it may.
func Open(ctx context.Context, c Config, chip tpm.Sealer) (*Keys, error) {
	return open(ctx, c, chip, pair.Disk{})
}

func open(ctx context.Context, c Config, chip tpm.Sealer, fs pair.FS) (*Keys, error) {
	k, err := with(ctx, c, chip, fs, epoch.Open)
	if err != nil {
		return nil, fmt.Errorf("open keys in %s: %w", c.Dir, err)
	}
	return k, nil
}

// Recover opens the keys of a vault whose chip does not open them, with the private half of the recovery key and the key
// backup, and makes them those of the chip that is there: a new one, or the same after the state it measures
// changed, or after an old copy of the disk was put back. What was erased before the backup was written stays erased.
// Keys that Open opens are opened, and nothing else is done.
// Errors: ErrNoBackup, ErrWrongKey, ErrAltered, tpm.ErrOwned (a chip of somebody else), tpm.ErrUnavailable.
func Recover(ctx context.Context, c Config, chip tpm.Sealer, recovery envelope.Private) (*Keys, error) {
	return recovered(ctx, c, chip, recovery, pair.Disk{})
}

func recovered(ctx context.Context, c Config, chip tpm.Sealer, recovery envelope.Private, fs pair.FS) (*Keys, error) {
	k, err := open(ctx, c, chip, fs)
	if err == nil || errors.Is(err, tpm.ErrUnavailable) {
		return k, err
	}
	k, err = with(ctx, c, chip, fs, func(ctx context.Context, c epoch.Config, names []string) (*epoch.Root, error) {
		return epoch.Recover(ctx, c, names, recovery)
	})
	if err != nil {
		return nil, fmt.Errorf("recover keys in %s: %w", c.Dir, err)
	}
	return k, nil
}

// with opens the keys of a folder whose root some function opens.
func with(ctx context.Context, c Config, chip tpm.Sealer, fs pair.FS,
	open func(context.Context, epoch.Config, []string) (*epoch.Root, error)) (*Keys, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if names, err := pair.At(c.Dir, fs).List(); err != nil || len(names) == 0 {
		return nil, errors.Join(err, ErrNoVault) // and no folder is made where there is none
	}
	k, names, err := begin(c, chip, fs)
	if err != nil {
		return nil, err
	}
	if k.root, err = open(ctx, k.rootConfig(c), names); err != nil {
		return nil, err
	}
	k.vaultID = k.root.VaultID()
	if err := k.settle(names); err != nil {
		return nil, err
	}
	mark := k.root.Contents().Office
	l, _ := k.root.Contents().Shard(mark.Shard)
	k.office = office{shard: mark.Shard, next: mark.Next, reserved: mark.Next, end: l.Slots}
	k.root.Tidy(ctx)
	return k, nil
}

// begin makes the folders and lists what is in them.
func begin(c Config, chip tpm.Sealer, fs pair.FS) (*Keys, []string, error) {
	if err := c.Validate(); err != nil {
		return nil, nil, err
	}
	k := &Keys{clock: c.Clock, files: pair.At(c.Dir, fs), chip: chip}
	if err := k.files.Make(); err != nil {
		return nil, nil, err
	}
	names, err := k.files.Names()
	return k, names, err
}

func (k *Keys) rootConfig(c Config) epoch.Config {
	return epoch.Config{Files: k.files, Chip: k.chip, Clock: c.Clock, NoBackup: c.NoBackup}
}

// VaultID names the vault; it is bound into everything that is sealed.
func (k *Keys) VaultID() [VaultIDSize]byte { return k.vaultID }

// Chip is the identity of the chip that opens this vault.
func (k *Keys) Chip() tpm.Identity { return k.root.Chip() }

// Epoch is that of the root in force: where the chip's counter stands, or, while Unfinished, will stand.
func (k *Keys) Epoch() uint64 { return k.root.ID().Epoch }

// Unfinished says whether a commit waits for the chip; Commit finishes it.
func (k *Keys) Unfinished() bool { return k.root.Unfinished() }

// Backup tells how the key backup stands.
func (k *Keys) Backup() BackupState { return k.root.Backup() }

// Wear tells how much the chip's counter was moved.
func (k *Keys) Wear() Wear { return k.root.Wear() }

// Due is when the next urgent commit may happen: at once while the day's budget lasts, and then an hour after the last
// one, or on the next day. It is for whoever has something doomed, and does not bind Commit.
func (k *Keys) Due() time.Time { return k.root.Due() }

// SetRecovery sets the first recovery key, at hand-over: a key backup is written, and the lockout's authorisation is
// drawn, wrapped to it and given to the chip. Setting the same one again finishes what failed. Another one later goes
// by Commit. Errors: ErrRecoverySet, tpm.ErrOwned, tpm.ErrUnavailable.
func (k *Keys) SetRecovery(ctx context.Context, recovery envelope.Public) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	return k.root.SetRecovery(ctx, recovery)
}

// Checkpoint is the audit log's that stands in the root in force, as text; nil if none does.
func (k *Keys) Checkpoint() []byte { return k.root.Contents().Checkpoint }

// SetCheckpoint has a checkpoint of the audit log stand in every root from the next one on; nil for none. It writes none.
func (k *Keys) SetCheckpoint(note []byte) { k.root.SetCheckpoint(note) }

// KeepCheckpoint writes a root with it now: after a recovery the one in force still has that of the log before.
func (k *Keys) KeepCheckpoint(ctx context.Context) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	if err := k.root.Update(ctx, func(*root.Contents) error { return nil }); err != nil {
		return fmt.Errorf("write the audit log's checkpoint into the root: %w", err)
	}
	return nil
}

// Written is when the root in force was made.
func (k *Keys) Written() time.Time { return k.root.Contents().Written }

// Certify has the chip sign where its counter stands, together with 32 bytes of the caller's.
func (k *Keys) Certify(ctx context.Context, qualifying [32]byte) (tpm.Certificate, error) {
	c, err := k.chip.Certify(ctx, qualifying)
	if err != nil {
		return tpm.Certificate{}, fmt.Errorf("certify epoch: %w", err)
	}
	return c, nil
}

// Folder is the base key of a Badger folder, by HKDF of the vault key; name is its path below the vault.
func (k *Keys) Folder(name string) Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	return folderKey(k.root.Contents().Vault, name)
}

// Outer authenticates outer headers (journal, custody file, settings), by HKDF of the vault key.
func (k *Keys) Outer(purpose string) Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	return outerKey(k.root.Contents().Vault, purpose)
}

func folderKey(vault Key, name string) Key   { return vault.Derive("folder", []byte(name)) }
func outerKey(vault Key, purpose string) Key { return vault.Derive("outer", []byte(purpose)) }

// Commissioning is the private half of the custody key from before hand-over; false once a commit has ended that time.
// It is not a copy.
func (k *Keys) Commissioning() (Key, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.root.Contents().Commissioning, !k.root.Contents().Commissioning.IsZero()
}

// Recovery is the public half of the recovery key; false before hand-over.
func (k *Keys) Recovery() (envelope.Public, bool) {
	recovery := k.root.Contents().Recovery
	if recovery == nil {
		return envelope.Public{}, false
	}
	return *recovery, true
}

// Format writes the same words for every verb: shards in memory are plain bytes.
func (*Keys) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "Keys(hidden)") } // fmt.State keeps no errors

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
	k.root.Close()
	for _, s := range k.loaded {
		s.slots.Wipe()
	}
	k.loaded, k.writers = nil, nil
	return nil
}

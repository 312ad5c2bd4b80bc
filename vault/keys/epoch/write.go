package epoch

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/vault/keys/pair"
	"linekeep/vault/keys/root"
	"linekeep/vault/secret"
)

// BackupState is how the key backup stands. Whoever watches the box's health shows it.
type BackupState struct {
	Off bool      // none is kept: there is no recovery key yet, or the configuration wants none on the box
	At  time.Time // when the root in it was made
	Err error     // why it is not of the root in force; nil when it is
}

// Backup tells how the key backup stands.
func (r *Root) Backup() BackupState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.backup
}

// lock is a root key, and what the chip made of it.
type lock struct {
	epoch uint64
	key   secret.Key
	blob  tpm.Blob
}

// sealed is a root that was made and not yet written.
type sealed struct {
	id       root.ID
	lock     lock
	contents *root.Contents
	file     []byte
	backup   []byte // nil: none is kept
}

// seal makes a root.
func (r *Root) seal(id root.ID, l lock, c *root.Contents) (s sealed, err error) {
	// The contents in clear would lie on the heap.
	secret.Do(func() { s, err = r.sealUnder(id, l, c) })
	return s, err
}

func (r *Root) sealUnder(id root.ID, l lock, c *root.Contents) (s sealed, err error) {
	r.takeCheckpoint(c)
	c.Written = r.clock().UTC().Truncate(time.Second)
	s = sealed{id: id, lock: l, contents: c}
	if s.file, err = root.Seal(root.Front{VaultID: r.vaultID, ID: id, Chip: r.identity, Blob: l.blob}, l.key, c); err != nil {
		return s, err
	}
	if r.noBackup || c.Recovery == nil {
		return s, nil
	}
	s.backup, err = root.SealBackup(s.file, l.key, c)
	return s, err
}

// lockFor gives the key of an epoch's roots. All of them are under one: each opens until the epoch ends, whatever key it has,
// and a chip takes half a second to seal another.
func (r *Root) lockFor(ctx context.Context, epoch uint64) (lock, error) {
	if r.lock.epoch == epoch {
		return r.lock, nil
	}
	l := lock{epoch: epoch, key: secret.New()}
	var err error
	if l.blob, err = r.sealKey(ctx, l.key, epoch); err != nil {
		l.key.Wipe()
	}
	return l, err
}

// giveUp wipes the key of a root that will not be the one in force.
func (r *Root) giveUp(s sealed) {
	if s.lock.epoch != r.lock.epoch {
		s.lock.key.Wipe()
	}
}

// sealKey has the chip seal a root key, and open it once before anything relies on it.
func (r *Root) sealKey(ctx context.Context, rootKey secret.Key, epoch uint64) (blob tpm.Blob, err error) {
	rootKey.Use(func(key []byte) {
		if blob, err = r.chip.Seal(ctx, key, epoch); err != nil {
			err = fmt.Errorf("seal root key: %w", err)
			return
		}
		var back []byte
		if back, err = r.chip.Unseal(ctx, blob, epoch); err != nil {
			err = fmt.Errorf("try new root key: %w", err)
			return
		}
		defer clear(back)
		if !bytes.Equal(back, key) {
			err = fmt.Errorf("try new root key: the chip gave out another one: %w", tpm.ErrUnavailable)
		}
	})
	return blob, err
}

// files are what is written of a root.
func (s sealed) files() []pair.File {
	files := []pair.File{{Name: s.id.FileName(), Data: s.file}}
	if s.backup != nil {
		files = append(files, pair.File{Name: root.BackupName, Data: s.backup})
	}
	return files
}

// write makes and writes a root of the epoch in force and makes it the current one. The caller holds writing and has
// counted lastSeq up. An error leaves the root before it in force, though the disk may have the new one: so within an
// epoch nothing is ever taken away from a root. A backup that cannot be written is an alarm and no error: a new shard
// must not wait for it.
func (r *Root) write(ctx context.Context, id root.ID, c *root.Contents) error {
	l, err := r.lockFor(ctx, id.Epoch)
	if err != nil {
		return err
	}
	s, err := r.seal(id, l, c)
	if err != nil {
		r.giveUp(s)
		return err
	}
	err = r.files.WriteAll(s.files()...)
	if err != nil && s.backup != nil {
		if alone := r.files.Write(id.FileName(), s.file); alone == nil {
			r.adopt(s, fmt.Errorf("write key backup: %w", err))
			return nil
		}
	}
	if err != nil {
		r.giveUp(s)
		return fmt.Errorf("write root: %w", err)
	}
	r.adopt(s, nil)
	return nil
}

// adopt makes a root that is on the disk the one in force.
func (r *Root) adopt(s sealed, backupErr error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.id, r.file, r.contents = s.id, s.file, s.contents
	if r.lock.epoch != s.lock.epoch {
		r.lock.key.Wipe()
		r.lock = s.lock
	}
	switch {
	case s.backup == nil:
		r.backup = BackupState{Off: true}
	case backupErr != nil:
		r.backup.Off, r.backup.Err = false, backupErr
	default:
		r.backup = BackupState{At: s.contents.Written}
		r.backedUp = s.id
	}
}

// Update writes a root of the same epoch with what change adds to it: shards, orders to erase, marks. The older root
// opens as well as the new one, and tells no more: its removal need not last. Errors: ErrUnfinished when it is not known
// which root holds, tpm.ErrUnavailable, and those of the disk.
func (r *Root) Update(ctx context.Context, change func(c *root.Contents) error) error {
	if err := r.certain(ctx); err != nil {
		return err
	}
	return r.update(ctx, change)
}

func (r *Root) update(ctx context.Context, change func(c *root.Contents) error) error {
	r.lastSeq++
	r.mu.Lock()
	old, c, closed := r.id, r.contents.Clone(), r.closed
	r.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if err := change(c); err != nil {
		return err
	}
	if err := r.write(ctx, root.ID{Epoch: old.Epoch, Seq: r.lastSeq}, c); err != nil {
		return err
	}
	if err := r.files.Later(pair.Step{From: old.FileName()}); err != nil {
		r.Note(fmt.Errorf("remove older root: %w", err)) // the next opening does it
	}
	return nil
}

// Announce is Update, and the root also calls the next epoch spent, unless the one in force does: an epoch must be
// called spent before anything is sealed for it, or a power cut could leave a root of it in the flash that a later
// commit makes valid. With an order to erase it comes for nothing.
func (r *Root) Announce(ctx context.Context, change func(c *root.Contents)) error {
	if err := r.certain(ctx); err != nil {
		return err
	}
	return r.announce(ctx, change)
}

func (r *Root) announce(ctx context.Context, change func(c *root.Contents)) error {
	if r.announced != 0 && change == nil {
		return nil
	}
	next, now := r.announced, r.ID().Epoch
	err := r.update(ctx, func(c *root.Contents) error {
		if next == 0 {
			c.Spent = max(c.Spent, now) + 1
			next = c.Spent
		}
		if change != nil {
			change(c)
		}
		return nil
	})
	if err == nil {
		r.announced = next
	}
	return err
}

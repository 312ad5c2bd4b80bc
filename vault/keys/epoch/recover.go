package epoch

import (
	"context"
	"errors"
	"fmt"

	"linekeep/drivers/tpm"
	"linekeep/vault/envelope"
	"linekeep/vault/keys/root"
	"linekeep/vault/keys/shard"
	"linekeep/vault/secret"
)

var (
	// ErrNoBackup reports that there is no key backup to recover from.
	ErrNoBackup = errors.New("keys: no key backup here")
	// ErrWrongKey reports a recovery key that is not the one the backup was made for.
	ErrWrongKey = root.ErrWrongKey
)

// Recover opens the root in the key backup with the private half of the recovery key and writes it anew for the chip that is
// there: a new one, or the same after the state it measures changed, or after an old copy of the disk was put back. Its epoch
// goes on from where that chip's counter stands. Tidy is still to be called, as after Open.
// Errors: ErrNoBackup, ErrWrongKey, ErrAltered, tpm.ErrOwned (a chip of somebody else), tpm.ErrUnavailable.
func Recover(ctx context.Context, c Config, names []string, recovery envelope.Private) (*Root, error) {
	r := begin(c)
	front, contents, err := r.openBackup(recovery)
	if err != nil {
		return nil, err
	}
	r.vaultID, r.lastSeq = front.VaultID, front.ID.Seq
	id, err := r.settleDown(ctx, front, contents, names)
	if err != nil {
		return nil, err
	}
	r.passOver(contents, names)
	r.lastSeq++
	id.Seq = r.lastSeq
	return r, r.write(ctx, id, contents)
}

// openBackup opens the first copy of the key backup that the recovery key opens.
func (r *Root) openBackup(recovery envelope.Private) (root.Front, *root.Contents, error) {
	copies, err := r.files.Copies(root.BackupName)
	if err != nil {
		return root.Front{}, nil, err
	}
	var faults []error
	for _, file := range copies {
		if file == nil {
			continue
		}
		b, err := root.ParseBackup(file)
		if err != nil {
			faults = append(faults, fmt.Errorf("%w: %w", ErrAltered, err))
			continue
		}
		c, err := b.Open(recovery)
		if err == nil {
			return b.Front(), c, nil
		}
		faults = append(faults, err)
	}
	if len(faults) == 0 {
		return root.Front{}, nil, ErrNoBackup
	}
	return root.Front{}, nil, errors.Join(faults...)
}

// settleDown chooses the epoch of the first root on the chip that is there, and what that chip wants to know of its owner.
func (r *Root) settleDown(ctx context.Context, front root.Front, c *root.Contents, names []string) (id root.ID, err error) {
	if r.identity, err = r.chip.Prepare(ctx); err != nil {
		return id, fmt.Errorf("prepare the chip: %w", err)
	}
	owned, _, err := r.chip.Owned(ctx)
	if err != nil {
		return id, fmt.Errorf("ask the chip for its owner: %w", err)
	}
	epoch, err := r.chip.Epoch(ctx)
	if err != nil {
		return id, fmt.Errorf("ask the chip for its epoch: %w", err)
	}
	id.Epoch = epoch
	if root.SameChip(r.identity, front.Chip) { // its authorisations are ours, and roots of its may lie about
		r.behind = true
		for _, name := range names {
			if other, isRoot := root.ParseName(name); isRoot {
				id.Epoch = max(id.Epoch, other.Epoch)
			}
		}
		id.Epoch = max(id.Epoch, c.Spent) + 1
		c.Wear = worn(c.Wear, id.Epoch-epoch, r.clock())
	} else {
		if owned {
			return id, tpm.ErrOwned
		}
		c.Owner, c.Lockout, c.Wear = secret.New(), nil, root.Wear{}
	}
	c.Spent = id.Epoch
	return id, nil
}

// passOver keeps the numbers of shards that the backup does not know, because they are newer than it, from being used twice.
// What was under them is lost.
func (r *Root) passOver(c *root.Contents, names []string) {
	for _, name := range names {
		if other, isRoot := root.ParseName(name); isRoot {
			r.lastSeq = max(r.lastSeq, other.Seq)
		}
		if !shard.IsName(name) {
			continue
		}
		copies, err := r.files.Copies(name)
		r.Note(err)
		for _, file := range copies {
			vaultID, l, err := shard.ReadHeader(file)
			if err != nil || vaultID != r.vaultID {
				continue
			}
			r.lastSeq = max(r.lastSeq, l.Seq)
			if !c.Knew(l.Number) {
				c.NextShard = l.Number + 1
				r.Note(fmt.Errorf("%s: newer than the key backup: what is under it is lost", name))
			}
		}
	}
}

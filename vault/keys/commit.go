package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"linekeep/vault/envelope"
	"linekeep/vault/keys/root"
)

// Change is what a commit does beside erasing what is doomed.
type Change struct {
	Recovery *envelope.Public // replaces the recovery key; slots are handed out of new shards only from then on
	// OldRecovery has the lockout's authorisation wrapped to the new recovery key. Without it whoever has the old code has it.
	OldRecovery      *envelope.Private
	EndCommissioning bool
	NewSpare         bool
	Months           []MonthDrop
}

// MonthDrop drops all slots of a class and month but those in Keep.
type MonthDrop struct {
	Class string
	Month Month
	Keep  []ID
	// Shards, where there are any, are the only ones that are touched: whoever looked at a month looked at these.
	Shards []uint32
}

func (c Change) empty() bool {
	return c.Recovery == nil && !c.EndCommissioning && !c.NewSpare && len(c.Months) == 0
}

// Committed is what a commit did.
type Committed struct {
	Epoch  uint64 // no root of an earlier one ever opens again
	Moves  uint64 // of the chip's counter
	Erased []ID   // those that were doomed
	Left   []ID   // still doomed: both copies of their shard are bad, and rewriting it would lose the others in it
	Bytes  int64  // written, both copies together
}

// Doom orders ids to be erased by the next commit, and stores the order. What is erased already is passed over; after
// an error the order may hold all the same. Errors: ErrNoSlot for an id that never was, tpm.ErrUnavailable.
func (k *Keys) Doom(ctx context.Context, ids ...ID) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	there, err := k.standing(ids)
	if err != nil {
		return err
	}
	if len(there) == 0 {
		return nil
	}
	// The commit's epoch is announced with the order: one root less to write.
	if err := k.root.Announce(ctx, func(c *root.Contents) { c.Doom(there...) }); err != nil {
		return fmt.Errorf("store order to erase: %w", err)
	}
	return nil
}

// standing gives those of ids that are neither erased nor doomed.
func (k *Keys) standing(ids []ID) ([]ID, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, ErrClosed
	}
	var there []ID
	for _, id := range ids {
		l, ok := k.root.Contents().Shard(id.Shard)
		switch {
		case !ok && !k.root.Contents().Knew(id.Shard) || ok && id.Slot >= l.Slots:
			return nil, fmt.Errorf("erase %s: %w", id, ErrNoSlot)
		case !ok || k.root.Contents().IsDoomed(id):
			continue
		}
		if _, err := k.slotKey(id); errors.Is(err, ErrNoSlot) {
			continue
		}
		there = append(there, id)
	}
	return there, nil
}

// Doomed says whether the next commit erases id. Whoever reads for people must ask: Slot still gives it, so that what
// stands beside it can be written anew.
func (k *Keys) Doomed(id ID) bool {
	return k.root.Contents().IsDoomed(id)
}

// AllDoomed are the ids that the next commit erases, in order.
func (k *Keys) AllDoomed() []ID {
	return slices.Clone(k.root.Contents().Doomed)
}

// Commit erases what is doomed and does what change says, for good: when it returns nil the chip has moved on, and no
// root of before ever opens again. With nothing to do it finishes what an earlier one left. After an error the
// old state holds and all is as before, or, with ErrUnfinished, the next Commit finishes it.
// Errors: ErrUnfinished, tpm.ErrUnavailable, and those of the disk.
func (k *Keys) Commit(ctx context.Context, change Change) (Committed, error) {
	k.writing.Lock()
	defer k.writing.Unlock()
	if k.isClosed() {
		return Committed{}, ErrClosed
	}
	if err := k.root.Finish(ctx); err != nil {
		return Committed{}, fmt.Errorf("commit: %w", err)
	}
	if change.empty() && len(k.root.Contents().Doomed) == 0 {
		return Committed{Epoch: k.root.ID().Epoch}, nil
	}
	done, err := k.commit(ctx, change)
	if err != nil {
		return Committed{}, fmt.Errorf("commit: %w", err)
	}
	return done, nil
}

func (k *Keys) commit(ctx context.Context, change Change) (Committed, error) {
	a, err := k.root.Begin(ctx)
	if err != nil {
		return Committed{}, err
	}
	t := &taking{Attempt: a, before: k.root.Contents(), done: Committed{Epoch: a.ID.Epoch, Moves: a.ID.Epoch - a.From}}
	a.Dropped, a.Held = t.forget, func() { k.take(t) }
	var chip errgroup.Group
	chip.Go(func() error { return k.root.Lock(ctx, a) }) // while the disk has the shards
	if err := errors.Join(k.rewriteAll(t, change.Months), k.apply(a.Contents, change), chip.Wait()); err != nil {
		k.root.Drop(ctx, a)
		return Committed{}, err
	}
	if err := k.root.Commit(ctx, a); err != nil {
		return Committed{}, err
	}
	t.done.Bytes += a.Bytes()
	return t.done, nil
}

func (k *Keys) isClosed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.closed
}

// apply does what change says to the contents, but for months.
func (k *Keys) apply(c *root.Contents, change Change) error {
	if change.EndCommissioning {
		c.Commissioning = Key{}
	}
	if change.NewSpare {
		if c.Spare = c.Staged; c.Spare.IsZero() {
			c.Spare = NewKey()
		}
		c.Staged = Key{}
	}
	if change.Recovery == nil {
		return nil
	}
	if change.OldRecovery != nil && c.Lockout != nil {
		auth, err := c.Lockout.Open(k.vaultID, *change.OldRecovery)
		if err != nil {
			return err
		}
		defer auth.Wipe()
		if c.Lockout, err = root.WrapLockout(k.vaultID, *change.Recovery, auth); err != nil {
			return err
		}
	}
	// Whoever has the old code and a backup of its time has the keys of all shards there are, to the last slot.
	c.Recovery, c.Fresh, c.Office = change.Recovery, c.NextShard, Mark{}
	return nil
}

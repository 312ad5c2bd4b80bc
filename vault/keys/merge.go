package keys

import (
	"context"
	"errors"
	"fmt"
	"io"

	"linekeep/vault/keys/epoch"
	"linekeep/vault/keys/root"
	"linekeep/vault/keys/shard"
	"linekeep/vault/secret"
)

// ErrConflict reports a shard to be imported whose number another one has.
var ErrConflict = errors.New("keys: another shard has this number")

// Shard is a whole shard on its way from one vault into another. It cannot be printed.
type Shard struct {
	Info  ShardInfo
	slots shard.Body
}

// Wipe overwrites the slot keys.
func (s Shard) Wipe() { s.slots.Wipe() }

// Format writes the same words for every verb.
func (s Shard) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "Shard(hidden)") } // fmt.State keeps no errors

// MarshalJSON always gives an error.
func (Shard) MarshalJSON() ([]byte, error) { return nil, secret.ErrNeverMarshalled }

// Export gives all shards, with their numbers, for Import into another vault. The caller wipes them. What is doomed is in
// them still: whoever imports orders it again. Errors: ErrAltered when both copies of one are bad.
func (k *Keys) Export() ([]Shard, error) {
	var all []Shard
	for _, info := range k.Shards() {
		k.mu.Lock()
		l, ok := k.root.Contents().Shard(info.Number)
		closed := k.closed
		k.mu.Unlock()
		if closed {
			return nil, ErrClosed
		}
		if !ok {
			continue
		}
		slots, err := k.copyOf(l)
		if err != nil {
			for _, s := range all {
				s.Wipe()
			}
			return nil, fmt.Errorf("export %s: %w", l.FileName(), err)
		}
		all = append(all, Shard{Info: l.Info, slots: slots})
	}
	return all, nil
}

// Import adds shards of a vault that was begun while the chip was away, under their numbers, so that every id in it
// stays good. Each becomes the next part of its month, under a new key. Slots are handed out of them no more. It needs no
// commit, and importing the same again adds nothing.
// Errors: ErrConflict, tpm.ErrUnavailable, and those of the disk; then none is added.
func (k *Keys) Import(ctx context.Context, shards []Shard) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	var missing []Shard
	for _, s := range shards {
		there, err := k.imported(s)
		if err != nil {
			return fmt.Errorf("import shard %d: %w", s.Info.Number, err)
		}
		if !there {
			missing = append(missing, s)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	var made []shard.Line
	err := k.root.Update(ctx, func(c *root.Contents) error {
		for _, s := range missing {
			l, err := k.writeShard(c, shard.Line{Info: s.Info}, s.slots)
			if err != nil {
				return err
			}
			made = append(made, l)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("import shards: %w", err)
	}
	k.root.Note(k.files.Steps(epoch.Naming(made)...)) // the next opening does it
	return nil
}

// imported says whether a shard was imported before.
func (k *Keys) imported(s Shard) (bool, error) {
	if s.slots.IsZero() || s.slots.Len() != s.Info.Slots || s.Info.Number < FirstDegraded {
		return false, fmt.Errorf("%w: not a shard of a vault begun while the chip was away", ErrConflict)
	}
	if err := ValidClass(s.Info.Class); err != nil {
		return false, err
	}
	k.mu.Lock()
	l, ok := k.root.Contents().Shard(s.Info.Number)
	k.mu.Unlock()
	if !ok {
		return false, nil
	}
	slots, err := k.copyOf(l)
	if err != nil {
		return false, err
	}
	defer slots.Wipe()
	if !slots.Agrees(s.slots) {
		return false, ErrConflict
	}
	return true, nil
}

package keys

import (
	"context"
	"fmt"

	"linekeep/vault/envelope"
	"linekeep/vault/keys/root"
)

// Spare is the key that degraded mode seals to while the chip is away: its private half lies in the root. While a new
// one is staged it is that.
func (k *Keys) Spare() envelope.Public {
	k.mu.Lock()
	defer k.mu.Unlock()
	private, err := envelope.PrivateFrom(k.root.Contents().NewestSpare())
	if err != nil {
		k.root.Note(fmt.Errorf("spare key: %w", err)) // unreachable: any 32 bytes are a private key
	}
	return private.Public()
}

// OpenSpare opens what was wrapped to Spare, or to the one before it that no commit has let go of yet.
// Errors: envelope.ErrAltered.
func (k *Keys) OpenSpare(wrapped, info []byte) (Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return Key{}, ErrClosed
	}
	var fault error
	c := k.root.Contents()
	for _, spare := range []Key{c.Staged, c.Spare} {
		if spare.IsZero() {
			continue
		}
		private, err := envelope.PrivateFrom(spare)
		if err != nil {
			return Key{}, fmt.Errorf("spare key: %w", err)
		}
		key, err := private.Unwrap(info, wrapped)
		if err == nil {
			return key, nil
		}
		fault = err
	}
	return Key{}, fault
}

// StageSpare stores the next spare pair beside the one in use, so that its public half can be told before a commit with
// NewSpare lets go of the old one: at no moment may a box seal to a key whose private half is nowhere. One that is staged
// already stays. Errors: tpm.ErrUnavailable.
func (k *Keys) StageSpare(ctx context.Context) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	if !k.root.Contents().Staged.IsZero() {
		return nil
	}
	err := k.root.Update(ctx, func(c *root.Contents) error {
		c.Staged = NewKey()
		return nil
	})
	if err != nil {
		return fmt.Errorf("stage spare key: %w", err)
	}
	return nil
}

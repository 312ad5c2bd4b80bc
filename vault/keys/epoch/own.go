package epoch

import (
	"context"
	"errors"
	"fmt"

	"linekeep/drivers/tpm"
	"linekeep/vault/envelope"
	"linekeep/vault/keys/root"
	"linekeep/vault/secret"
)

// ErrRecoverySet reports that there is a recovery key already. Another one takes a commit: until the chip's counter
// moves, the old one opens all there is.
var ErrRecoverySet = errors.New("keys: there is a recovery key already")

// prepareChip makes what a chip without an owner needs, and tells where its counter stands. Errors: tpm.ErrOwned.
func (r *Root) prepareChip(ctx context.Context) (epoch uint64, err error) {
	if r.identity, err = r.chip.Prepare(ctx); err != nil {
		return 0, fmt.Errorf("prepare the chip: %w", err)
	}
	owner, _, err := r.chip.Owned(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask the chip for its owner: %w", err)
	}
	if owner {
		return 0, tpm.ErrOwned
	}
	if epoch, err = r.chip.Epoch(ctx); err != nil {
		return 0, fmt.Errorf("ask the chip for its epoch: %w", err)
	}
	return epoch, nil
}

// own gives the chip the owner's authorisation, which is in the root already, and the lockout's once there is a
// recovery key to wrap it to: the box must not be able to lift a lockout by itself. It does again what a power cut
// left undone.
func (r *Root) own(ctx context.Context) error {
	owner, lockout, err := r.chip.Owned(ctx)
	if err != nil {
		return fmt.Errorf("ask the chip for its owner: %w", err)
	}
	auth, recovery := r.Contents().Owner, r.Contents().Recovery
	if recovery == nil || lockout {
		if owner {
			return nil
		}
		return r.give(ctx, auth, nil)
	}
	// What was drawn before a power cut is wrapped and lost: the chip never had it. Another one is drawn.
	fresh := secret.New()
	defer fresh.Wipe()
	wrapped, err := root.WrapLockout(r.vaultID, *recovery, fresh)
	if err != nil {
		return err
	}
	err = r.update(ctx, func(c *root.Contents) error {
		c.Lockout = wrapped
		return nil
	})
	if err != nil {
		return fmt.Errorf("store the lockout's authorisation: %w", err)
	}
	fresh.Use(func(lockout []byte) { err = r.give(ctx, auth, lockout) })
	return err
}

func (r *Root) give(ctx context.Context, owner secret.Key, lockout []byte) (err error) {
	secret.Do(func() {
		owner.Use(func(owner []byte) { err = r.chip.Own(ctx, owner, lockout) })
	})
	if err != nil {
		return fmt.Errorf("own the chip: %w", err)
	}
	return nil
}

// SetRecovery sets the first recovery key, at hand-over: a key backup is written, and the lockout's authorisation is
// drawn, wrapped to it and given to the chip. Setting the same one again finishes what failed. Another one later goes
// by Commit. Errors: ErrRecoverySet, tpm.ErrOwned, tpm.ErrUnavailable.
func (r *Root) SetRecovery(ctx context.Context, recovery envelope.Public) error {
	if err := r.certain(ctx); err != nil {
		return err
	}
	if now := r.Contents().Recovery; now != nil && now.Bytes() != recovery.Bytes() {
		return ErrRecoverySet
	} else if now == nil {
		err := r.update(ctx, func(c *root.Contents) error {
			c.Recovery = &recovery
			return nil
		})
		if err != nil {
			return fmt.Errorf("set recovery key: %w", err)
		}
	}
	if err := r.own(ctx); err != nil {
		return fmt.Errorf("set recovery key: %w", err)
	}
	return nil
}

package vault

import (
	"context"
	"errors"
	"fmt"

	"linekeep/audio/segment"
	"linekeep/vault/erasure"
	"linekeep/vault/keys"
)

// dropExcluded erases a recording that has just been closed because its number is never to be recorded, which was known only
// after sound of it was stored. The mover asks before it lets the recording go: after a power cut in between it asks again.
func (v *Vault) dropExcluded(ctx context.Context, id keys.ID) error {
	row, err := v.catalog.Row(id)
	if err != nil {
		return nil //nolint:nilerr // erased already, by this order or another; a row that cannot be read is told by check
	}
	if row.Reason != segment.EndExcluded {
		return nil
	}
	// An order that waits stands: nobody finds or plays it from now on.
	if _, err := v.eraser.Erase(ctx, erasure.Mistake, id); err != nil && !errors.Is(err, ErrErasureWaits) {
		return fmt.Errorf("erase recording %s, whose number is never recorded: %w", id, err)
	}
	return nil
}

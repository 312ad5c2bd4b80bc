package vault

import (
	"context"
	"path/filepath"

	"linekeep/vault/eraser"
	"linekeep/vault/erasure"
	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
)

// ErrErasureWaits reports an order to erase that stands and is carried out later; see eraser.ErrWaits.
var ErrErasureWaits = eraser.ErrWaits

// Erasing is how erasure stands.
type Erasing = eraser.Status

func (v *Vault) eraserConfig() eraser.Config {
	list := erasure.Config{Dir: filepath.Join(v.cfg.Dir, erasuresDir), VaultID: v.keys.VaultID(), Key: v.keys.Outer(outerErasure),
		FS: pair.Disk{}, Clock: v.cfg.Clock, Head: v.auditHead}
	return eraser.Config{Keys: v.keys, List: list, Blocks: catalogDir, Done: v.erased, Committed: v.committed, Mend: v.mender.Soon, Clock: v.cfg.Clock, Log: v.log}
}

// Erase erases recordings for good; see eraser.Eraser. Errors: ErrNotThere, ErrHeld, ErrErasureWaits.
func (v *Vault) Erase(ctx context.Context, why erasure.Why, ids ...keys.ID) ([]erasure.Certificate, error) {
	if err := v.mayErase(ids); err != nil {
		return nil, err
	}
	return v.eraser.Erase(ctx, why, ids...)
}

// EraseLater orders recordings to be erased with the next commit, by three in the morning at the latest. They are refused
// at once. Errors: ErrNotThere, ErrHeld, ErrErasureWaits.
func (v *Vault) EraseLater(ctx context.Context, why erasure.Why, ids ...keys.ID) error {
	if err := v.mayErase(ids); err != nil {
		return err
	}
	return v.eraser.Later(ctx, why, ids...)
}

// Certificate is that of a recording's erasure. Errors: ErrNotThere, also for one that is not erased.
func (v *Vault) Certificate(id keys.ID) (erasure.Certificate, error) { return v.eraser.Certificate(id) }

// CommitErasures erases now whatever is ordered, also what others have doomed. Errors: ErrErasureWaits; the orders stand.
func (v *Vault) CommitErasures(ctx context.Context) error { return v.eraser.Commit(ctx) }

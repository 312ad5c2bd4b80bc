package vault

import (
	"context"
	"slices"

	"linekeep/vault/catalog"
	"linekeep/vault/clear"
	"linekeep/vault/degraded"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
)

// ErrForeign reports recordings made under a custody key that is not this vault's: they are never merged.
var ErrForeign = clear.ErrForeign

// home is this vault, as those beside it are brought into it.
func (v *Vault) home() degraded.Home {
	c := v.cfg.degraded(v.log)
	merged := c.Filed
	c.Filed = nil // of a degraded vault that is finished nobody is told; of a recording that came over, everybody
	return degraded.Home{Config: c, Guard: v.guard, Keys: v.keys, Main: mainVault{v}, Excluded: v.cfg.Excluded, Merged: merged,
		Find: v.findOnce, TellSpare: v.refreshClear, Audit: v.past.Audit, Closed: v.closed}
}

// findOnce takes note of what is found again at each try.
func (v *Vault) findOnce(ctx context.Context, err error) {
	v.mu.Lock()
	known := slices.ContainsFunc(v.found, func(f error) bool { return f.Error() == err.Error() })
	v.mu.Unlock()
	if !known {
		v.find(ctx, err)
	}
}

// mainVault is the vault as a merge sees it.
type mainVault struct{ *Vault }

// Keep puts values into a month's folder.
func (m mainVault) Keep(ctx context.Context, name string, entries ...folder.Entry) error {
	return m.store.Keep(ctx, name, entries...)
}

// Get reads a value of a month's folder.
func (m mainVault) Get(ctx context.Context, name string, key []byte) ([]byte, error) {
	f, release, err := m.months.Use(ctx, name, true)
	if err != nil {
		return nil, err
	}
	defer release()
	return f.Get(key)
}

// File takes recordings into the catalogue.
func (m mainVault) File(ctx context.Context, rows ...catalog.Row) error {
	return m.catalog.File(ctx, rows...)
}

// Doom orders recordings to be erased with the next commit.
func (m mainVault) Doom(ctx context.Context, ids ...keys.ID) error { return m.keys.Doom(ctx, ids...) }

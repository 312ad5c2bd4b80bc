package vault

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"linekeep/vault/clear"
	"linekeep/vault/custody"
	"linekeep/vault/custody/holding"
	"linekeep/vault/keys"
)

// refreshClear brings the clear file up to what the vault knows: at each opening, and whenever the custody key, the spare
// key or the classes have changed. One that somebody else wrote is a finding: had the vault been locked, the box would have
// recorded under somebody else's key.
func (v *Vault) refreshClear(ctx context.Context) error {
	dir := filepath.Join(v.cfg.Dir, keysDir)
	want, err := makeClear(v.cfg.Classes, v.keys, v.ring)
	if err != nil {
		return err
	}
	have, findings, err := clear.Read(dir)
	switch {
	case errors.Is(err, clear.ErrMissing):
	case err != nil:
		v.find(ctx, err)
	case !have.Authentic(v.keys.Outer(clear.Outer)):
		v.find(ctx, fmt.Errorf("%w: it named the custody key %s; this vault's is %s", ErrForeign, have.Custody.Fingerprint(), want.Custody.Fingerprint()))
	}
	for _, f := range findings {
		v.find(ctx, f)
	}
	if slices.Equal(have.Bytes(), want.Bytes()) {
		return nil
	}
	return clear.Write(dir, want)
}

// makeClear makes the file of an open vault.
func makeClear(classes []string, k *keys.Keys, ring *custody.Ring) (clear.File, error) {
	now, err := holding.Current(k, ring)
	if err != nil {
		return clear.File{}, err
	}
	c := clear.Clear{VaultID: k.VaultID(), Number: now.Number, Custody: now.Key, Spare: k.Spare(), Classes: classes}
	if recovery, ok := k.Recovery(); ok {
		c.Recovery = recovery.Digest()
	}
	return clear.Make(c, k.Outer(clear.Outer))
}

// verifyKeys reads both copies of every key file again, the one in clear with them.
func (v *Vault) verifyKeys(ctx context.Context) []error {
	found := v.keys.Verify(ctx)
	have, findings, err := clear.Read(filepath.Join(v.cfg.Dir, keysDir))
	found = append(found, findings...)
	switch {
	case err != nil:
		found = append(found, err)
	case !have.Authentic(v.keys.Outer(clear.Outer)):
		found = append(found, fmt.Errorf("%w: it names the custody key %s", ErrForeign, have.Custody.Fingerprint()))
	}
	return found
}

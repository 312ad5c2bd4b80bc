package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"linekeep/drivers/tpm"
	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/clear"
	"linekeep/vault/custody"
	"linekeep/vault/journal"
	"linekeep/vault/keys"
	"linekeep/vault/lock"
	"linekeep/vault/past"
)

// The errors of a recovery, beside ErrWrongCode and those of tpm.Sealer.
var (
	// ErrNoBackup reports that the box keeps no copy of its keys that a recovery code could open.
	ErrNoBackup = errors.New("vault: no key backup on this box")
	// ErrOldBackup reports that the copy of the keys is older than what stands beside it.
	ErrOldBackup = errors.New("vault: the key backup is older than the vault")
)

// Recover makes the vault in cfg.Dir open on a chip that does not open it: with the recovery code and the key backup. The
// chip may be a new one, or the same after it was wiped, or after what it measures has changed. Nothing is opened; that
// is the next Open's. What a recovery found that a person should know goes into the log.
// Errors: ErrWrongCode, ErrNoBackup, ErrOldBackup, ErrLocked, keys.ErrNoVault, keys.ErrAltered, tpm.ErrOwned, tpm.ErrUnavailable.
func Recover(ctx context.Context, cfg Config, chip tpm.Sealer, code custody.Code, log *slog.Logger) (err error) {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if !Exists(cfg.Dir) {
		return keys.ErrNoVault
	}
	held, err := lock.Take(cfg.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	dir := filepath.Join(cfg.Dir, keysDir)
	inClear, _, err := clear.Read(dir)
	if err != nil {
		return fmt.Errorf("find out whose vault it is: %w", err)
	}
	recovery, err := code.Recovery(inClear.VaultID)
	if err != nil {
		return err
	}
	defer recovery.Wipe()
	k, err := keys.Recover(ctx, keys.Config{Dir: dir, Clock: cfg.Clock}, chip, recovery)
	switch {
	case errors.Is(err, keys.ErrWrongKey):
		return ErrWrongCode
	case errors.Is(err, keys.ErrNoBackup):
		return fmt.Errorf("%w: %w", ErrNoBackup, err)
	case errors.Is(err, keys.ErrRolledBack):
		return fmt.Errorf("%w: %w", ErrOldBackup, err)
	case err != nil:
		return err
	}
	for _, f := range k.Findings() {
		log.WarnContext(ctx, "found at the recovery of the keys", slog.Any("err", f))
	}
	log.WarnContext(ctx, "the vault's keys were recovered with the recovery code", slog.Uint64("epoch", k.Epoch()))
	if recovery.Public().Digest() != inClear.Recovery { // keys that open by themselves did not ask for it
		return errors.Join(ErrWrongCode, k.Close())
	}
	return errors.Join(remember(ctx, cfg, k, log), k.Close())
}

// remember writes the recovery into the audit log. One that the root does not know, as after an old copy of it was put back, is gone
// on with from here, and says so: whoever has the recovery code may decide that.
func remember(ctx context.Context, cfg Config, k *keys.Keys, log *slog.Logger) (err error) {
	c := past.Config{Dir: cfg.Dir, Keys: k, Refused: refused, Clock: cfg.Clock, Accept: true, Log: log}
	replay, err := journal.Inspect(journal.Config{Dir: filepath.Join(cfg.Dir, journalDir), VaultID: k.VaultID(), Key: k.Outer(outerJournal)})
	if err == nil {
		c.Counters = replay.Last.Counters
	}
	p, err := past.Open(ctx, c)
	if err != nil {
		return fmt.Errorf("write the recovery down: %w", err)
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := p.Box(ctx, audit.Act{What: entry.Recovered}); err != nil {
		return fmt.Errorf("write the recovery down: %w", err)
	}
	return k.KeepCheckpoint(ctx)
}

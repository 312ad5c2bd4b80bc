package vault

import (
	"context"
	"errors"
	"path/filepath"

	"linekeep/vault/audit"
	"linekeep/vault/audit/proof"
	"linekeep/vault/custody/backoff"
	"linekeep/vault/custody/office"
	"linekeep/vault/journal"
	"linekeep/vault/past"
	"linekeep/vault/register/ledger"
)

// openJournal opens the journal, and what it counts: the audit log and the register.
func (v *Vault) openJournal(ctx context.Context) (*journal.Replay, error) {
	j, replay, err := journal.Open(journal.Config{Dir: filepath.Join(v.cfg.Dir, journalDir), VaultID: v.keys.VaultID(),
		Key: v.keys.Outer(outerJournal), Room: v.guard.Room, Log: v.log})
	if err != nil {
		return nil, err
	}
	v.journal = j
	if replay.Empty {
		replay.Damages = append(replay.Damages, &journal.Damage{What: "the journal is gone: what was not yet moved is lost"})
	}
	v.past, err = past.Open(ctx, v.pastConfig(replay))
	return replay, err
}

func (v *Vault) pastConfig(replay *journal.Replay) past.Config {
	c := past.Config{Dir: v.cfg.Dir, Keys: v.keys, Counters: replay.Last.Counters, Refused: refused, Clock: v.cfg.Clock, Log: v.log}
	if v.guard != nil {
		c.Room = v.guard.Room
	}
	return c
}

// refused tells a refusal from a failure.
func refused(err error) bool {
	for _, e := range []error{office.ErrNotAllowed, office.ErrDenied, office.ErrLocked, office.ErrEnded, office.ErrNoGrant, office.ErrLastHolder,
		office.ErrNotHandedOver, office.ErrHandedOver, office.ErrOtherChip, backoff.ErrWait, ErrWrongCode, ErrNotThere, ErrNotFiled} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Audit is the log of who did what. There is no vault without one.
func (v *Vault) Audit() *audit.Log { return v.past.Audit }

// Register is where holds, cases and grants are kept.
func (v *Vault) Register() *ledger.Ledger { return v.past.Register }

// inspectPast verifies the log and the register of a vault that nobody has open.
func (v *Vault) inspectPast(ctx context.Context, replay *journal.Replay, earlier ...proof.Checkpoint) (audit.Report, error) {
	return past.Inspect(ctx, v.pastConfig(replay), earlier...)
}

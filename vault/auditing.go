package vault

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"

	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/audit/proof"
	"linekeep/vault/catalog"
	"linekeep/vault/custody/backoff"
	"linekeep/vault/custody/book"
	"linekeep/vault/custody/office"
	"linekeep/vault/custody/password"
	"linekeep/vault/erasure"
	"linekeep/vault/journal"
	"linekeep/vault/keys"
	"linekeep/vault/past"
	"linekeep/vault/register/ledger"
	"linekeep/vault/retention"
	"linekeep/vault/retention/hold"
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
	c.Erased = func() *erasure.List {
		if v.eraser == nil {
			return nil // the log opens first
		}
		return v.eraser.List()
	}
	return c
}

// refused tells a refusal from a failure.
func refused(err error) bool {
	for _, e := range []error{office.ErrNotAllowed, office.ErrDenied, office.ErrLocked, office.ErrEnded, office.ErrNoGrant, office.ErrLastHolder,
		office.ErrNotHandedOver, office.ErrHandedOver, office.ErrOtherChip, office.ErrBadPerson, office.ErrNoPerson, office.ErrUnclaimed, book.ErrNoEntry, password.ErrWeak,
		backoff.ErrWait, ErrWrongCode, ErrNotThere, ErrNotFiled, ErrHeld, catalog.ErrQuery, hold.ErrBad, hold.ErrNone, retention.ErrNothingAsked, audit.ErrNotThere} {
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

// signIn is what an attempt to sign in looks like in the log. A name that is nobody's may be a mistyped password: it is sealed.
func signIn(o *office.Office, a office.Attempt) audit.Act {
	act := audit.Act{Who: entry.Actor{Kind: entry.Visitor}, What: entry.SignIn, Details: audit.Details{audit.Say("address", a.Address)}}
	if id, err := o.Find(a.Name); err == nil {
		act.Who, act.About, act.Under = entry.Somebody(id), []keys.ID{id}, id
	} else {
		act.Details = append(act.Details, audit.Say("name", a.Name))
	}
	return act
}

// ended writes down that a session is over. Its keys are wiped already, whether or not there is room to say so.
func (v *Vault) ended(person keys.ID) {
	if v.past == nil {
		return // the vault did not open
	}
	ctx := context.Background() // whoever signed in is gone
	if err := v.past.Audit.Happened(ctx, audit.Act{Who: entry.Somebody(person), What: entry.SignOut, About: []keys.ID{person}}); err != nil {
		v.log.ErrorContext(ctx, "the end of a session is not in the audit log", slog.Any("err", err))
	}
}

// auditHead is where the log ends: certificates of erasure name it.
func (v *Vault) auditHead() erasure.Head {
	size, root := v.past.Audit.Head()
	return erasure.Head{Size: size, Root: root}
}

// committed has the chip sign the log as it stands once keys are gone, with where its counter stands then.
func (v *Vault) committed(ctx context.Context) { v.past.Checkpoint(ctx) }

// erased writes down what was erased.
func (v *Vault) erased(ctx context.Context, c erasure.Certificate) {
	for ids := range slices.Chunk(c.Entry.Calls, entry.MaxAbout) {
		act := audit.Act{What: entry.Erase, About: ids, Hashes: [][32]byte{c.Entry.Hash()}}
		if err := v.past.Audit.Happened(ctx, act); err != nil {
			v.log.ErrorContext(ctx, "an erasure is not in the audit log", slog.Any("err", err))
			return
		}
	}
}

// closed writes down the hash of a recording's closing manifest. The mover does, so no group waits for it.
func (v *Vault) closed(ctx context.Context, id keys.ID, manifest [32]byte) error {
	if _, err := v.past.Audit.Append(ctx, audit.Act{What: entry.Filed, About: []keys.ID{id}, Hashes: [][32]byte{manifest}}); err != nil {
		return err
	}
	return v.dropExcluded(ctx, id)
}

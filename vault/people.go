package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"linekeep/drivers/tpm"
	"linekeep/vault/catalog"
	"linekeep/vault/commissioning"
	"linekeep/vault/custody"
	"linekeep/vault/custody/holding"
	"linekeep/vault/custody/office"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
)

const custodyDir = "custody"

var (
	// ErrNoPeople reports a vault whose people cannot be read: it records, and nobody can sign in.
	ErrNoPeople = errors.New("vault: its people cannot be read")
	// ErrNotHandedOver reports a vault that is still being commissioned.
	ErrNotHandedOver = office.ErrNotHandedOver
)

// officeKeys is what the office asks of the keys.
type officeKeys struct{ *keys.Keys }

// SwitchRecovery is an epoch: what is ordered to be erased goes with it.
func (k officeKeys) SwitchRecovery(ctx context.Context, p envelope.Public) error {
	_, err := k.Commit(ctx, keys.Change{Recovery: &p})
	return err
}

func officeConfig(cfg Config, k *keys.Keys, ring *custody.Ring) office.Config {
	return office.Config{Dir: filepath.Join(cfg.Dir, custodyDir), Keys: officeKeys{k}, Ring: ring, Clock: cfg.Clock, Box: cfg.Box,
		SeveralRoles: cfg.SeveralRoles, Idle: cfg.SessionIdle, Longest: cfg.SessionLongest}
}

// openCustody reads the custody keys, and the people if they can be read. Without the keys the box does not know under
// which to record, so that is an error; without the people it records all the same.
func (v *Vault) openCustody(ctx context.Context, chip tpm.Accounts) (err error) {
	dir := filepath.Join(v.cfg.Dir, keysDir)
	if v.ring, err = custody.Load(dir, v.keys.VaultID(), v.keys.Outer(custody.Outer)); err != nil {
		return err
	}
	if _, err = holding.Current(v.keys, v.ring); err != nil {
		return err
	}
	c := officeConfig(v.cfg, v.keys, v.ring)
	c.Chip, c.Log, c.Commit, c.Switched, c.Ended = chip, v.log, v.commitUrgent, v.switched, v.ended
	if v.office, err = office.Open(ctx, c); err != nil {
		v.find(ctx, fmt.Errorf("%w: %w", ErrNoPeople, err))
	}
	return nil
}

// verifyCustody reads the custody keys and the people again.
func (v *Vault) verifyCustody() []error {
	if v.office == nil {
		return v.ring.Verify()
	}
	return v.office.Verify()
}

// people is how custody stands, as far as it can be told.
func (v *Vault) people() office.Status {
	var s office.Status
	var err error
	if v.office != nil {
		if s, err = v.office.Status(); err == nil {
			return s
		}
	}
	if now, err := holding.Current(v.keys, v.ring); err == nil {
		s = office.Status{Number: now.Number, Fingerprint: now.Key.Fingerprint(), Commissioning: now.Number == custody.Commissioning}
	}
	return s
}

// commitUrgent erases what is ordered to be erased; what has to wait is carried out by Run.
func (v *Vault) commitUrgent(ctx context.Context) error {
	if err := v.CommitErasures(ctx); !errors.Is(err, ErrErasureWaits) {
		return err
	}
	return nil // its log and its alarm say so
}

// switched has calls that begin from now on under another custody key.
func (v *Vault) switched(p custody.Public) {
	if v.store != nil {
		v.store.SetCustody(p.Number, p.Key)
		v.sayClear(context.Background())
	}
}

// sayClear tells a box whose vault is locked which keys are in force now. A failure is mended by the next start.
func (v *Vault) sayClear(ctx context.Context) {
	if err := v.refreshClear(ctx); err != nil {
		v.find(ctx, fmt.Errorf("what a locked vault would need is not on the disk: %w", err))
	}
}

// People is where people come to. Errors: ErrNoPeople.
func (v *Vault) People() (*office.Office, error) {
	if v.office == nil {
		return nil, ErrNoPeople
	}
	return v.office, nil
}

// SignIn signs somebody in. With a session that holds the custody key, grants that waited for one are made. Errors: those of
// office.SignIn, ErrNoPeople.
func (v *Vault) SignIn(ctx context.Context, a office.Attempt) (*office.Session, error) {
	o, err := v.People()
	if err != nil {
		return nil, err
	}
	var s *office.Session
	if err = v.past.Audit.Do(ctx, signIn(o, a), func() error { s, err = o.SignIn(ctx, a); return err }); err != nil {
		return nil, err
	}
	if s.Holds() {
		select {
		case v.signed <- struct{}{}:
		default: // the word before this one is not heard yet
		}
		if n, err := o.Fulfil(ctx, s, v); err != nil {
			v.log.ErrorContext(ctx, "a grant could not be made", slog.Any("err", err))
		} else if n > 0 {
			v.log.InfoContext(ctx, "grants made that waited for the Controller", slog.Int("grants", n))
		}
	}
	return s, nil
}

// Wrapped gives a recording's slot and wrap, for a grant. Errors: keys.ErrNoSlot where it is erased, or ordered to be.
func (v *Vault) Wrapped(ctx context.Context, id keys.ID) (slot keys.Slot, number uint32, wrap []byte, err error) {
	if v.keys.Doomed(id) {
		return slot, 0, nil, fmt.Errorf("%w: %s", keys.ErrNoSlot, id)
	}
	reader, err := v.library.Open(ctx, id)
	if errors.Is(err, ErrNotThere) {
		return slot, 0, nil, fmt.Errorf("%w: %w", keys.ErrNoSlot, err)
	}
	if err != nil {
		return slot, 0, nil, err
	}
	defer reader.Close()
	return reader.Slot, reader.Custody, reader.Wrap, nil
}

// HandedOver is what a hand-over gives, once.
type HandedOver struct {
	Code        custody.Code // for the first Controller, on paper
	Fingerprint string       // of the custody key, to compare with later
}

// HandOver ends commissioning: the first Controller claims their account, calls are from now on under a custody key that
// only they and the recovery code open, and the test calls are erased with the key they were under, in the same commit.
// No call may be up. If the power goes when it is done and before the code is on paper, the Controller makes a new one.
// Errors: store.ErrBusy, those of office.HandOver, tpm.ErrUnavailable.
func (v *Vault) HandOver(ctx context.Context, claim office.Claim) (HandedOver, error) {
	o, err := v.People()
	if err != nil {
		return HandedOver{}, err
	}
	next, err := o.HandOver(ctx, claim)
	if err == nil {
		err = v.store.Quiet(func() (uint32, envelope.Public, error) {
			return next.Public.Number, next.Public.Key, v.eraser.Alone(func() error { return v.endCommissioning(ctx, next.Recovery) })
		})
	}
	if serr := o.Settle(ctx); err == nil && serr != nil {
		v.log.ErrorContext(ctx, "hand-over not settled; the next start does it", slog.Any("err", serr))
	}
	if err != nil {
		return HandedOver{}, fmt.Errorf("hand over: %w", err)
	}
	v.sayClear(ctx)
	v.log.InfoContext(ctx, "handed over", slog.String("fingerprint", next.Public.Key.Fingerprint()))
	return HandedOver{Code: next.Code, Fingerprint: next.Public.Key.Fingerprint()}, nil
}

func (v *Vault) endCommissioning(ctx context.Context, recovery envelope.Public) error {
	rows, err := v.Find(ctx, catalog.Query{})
	if err != nil {
		return err
	}
	return commissioning.End(ctx, v.keys, v.catalog, rows, recovery, v.cfg.Clock())
}

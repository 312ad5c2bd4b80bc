package vault

import (
	"context"
	"errors"
	"time"

	"linekeep/vault/custody/office"
	"linekeep/vault/keys"
	"linekeep/vault/rewrap"
)

// RewrapPeriod is how often the vault looks whether recordings have to come under another custody key, while it records.
const RewrapPeriod = time.Minute

// rewrapAgain is how soon it looks again when something was in the way: a folder that somebody reads in, or that was not
// yet compared with the journal after the start.
const rewrapAgain = 2 * time.Second

func (v *Vault) openRewrap() {
	v.rewrap = rewrap.New(rewrap.Config{Keys: v.keys, Months: v.months, Store: v.store, Custody: rewrapping{v}, Clock: v.cfg.Clock})
}

// rewraps wraps recordings anew after a new recovery code, beside the recording.
func (v *Vault) rewraps(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-v.signed:
		}
		if err := v.rewrap.Pass(ctx); err != nil {
			return nil // only the stop is an error
		}
		wait := RewrapPeriod
		if v.rewrap.Status().Error != "" {
			wait = rewrapAgain
		}
		timer.Reset(wait)
	}
}

// rewrapping is the custody keys for package rewrap.
type rewrapping struct{ v *Vault }

// Retired implements rewrap.Custody.
func (r rewrapping) Retired() ([]uint32, uint32, error) {
	if r.v.office == nil {
		return nil, 0, ErrNoPeople
	}
	now, err := r.v.office.Current()
	if err != nil {
		return nil, 0, err
	}
	st, err := r.v.office.Status()
	return st.Retired, now.Number, err
}

// Unwrapping implements rewrap.Custody.
func (r rewrapping) Unwrapping(do func(func(keys.Slot, uint32, []byte) ([]byte, error)) error) error {
	s := r.v.office.Holder()
	if s == nil {
		return rewrap.ErrNobody
	}
	now, err := r.v.office.Current()
	if err != nil {
		return err
	}
	return do(func(slot keys.Slot, number uint32, wrap []byte) ([]byte, error) {
		moved, err := s.Rewrap(slot, number, wrap, now.Key)
		if errors.Is(err, office.ErrEnded) || errors.Is(err, office.ErrNotAllowed) {
			return nil, rewrap.ErrNobody
		}
		return moved, err
	})
}

// Drop implements rewrap.Custody.
func (r rewrapping) Drop(ctx context.Context, numbers []uint32) error {
	return r.v.office.Drop(ctx, numbers)
}

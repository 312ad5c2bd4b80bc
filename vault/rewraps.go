package vault

import (
	"context"
	"time"

	"linekeep/vault/degraded"
	"linekeep/vault/rewrap"
)

// RewrapPeriod is how often the vault looks whether recordings have to come under another custody key, while it records.
const RewrapPeriod = time.Minute

// rewrapAgain is how soon it looks again when something was in the way: a folder that somebody reads in, or that was not
// yet compared with the journal after the start.
const rewrapAgain = 2 * time.Second

func (v *Vault) openRewrap() {
	v.rewrap = rewrap.New(rewrap.Config{Keys: v.keys, Months: v.months, Store: v.store, Custody: rewrap.Of(v.office), Clock: v.cfg.Clock,
		Elsewhere: func(uint32) bool { // one that cannot be listed, or is never merged, may hold some
			numbers, err := degraded.Numbers(v.cfg.Dir)
			return err != nil || len(numbers) > 0
		}})
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

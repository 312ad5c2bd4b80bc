package vault

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/vault/audit"
	"linekeep/vault/clear"
	"linekeep/vault/custody"
	"linekeep/vault/degraded"
	"linekeep/vault/keys"
)

// ErrNoClear reports a vault that does not open and has no copy in clear of what recording needs: the box can record
// nothing at all.
var ErrNoClear = clear.ErrMissing

// Locked says whether an error of Open means that the vault is closed to us while its disk works: then a box goes on in a
// Degraded one. Any other error is of the disk or of the settings, and a second vault on the same disk would not help.
func Locked(err error) bool {
	for _, e := range []error{tpm.ErrRefused, tpm.ErrUnavailable, tpm.ErrNotReady, tpm.ErrOwned, tpm.ErrWrongAuth,
		keys.ErrAltered, keys.ErrRolledBack, custody.ErrAltered, audit.ErrRolledBack} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Degraded is a vault that only takes recordings in, while the main one does not open; see vault/degraded.
type Degraded struct {
	*degraded.Vault

	stopsAt Config
	why     error
	since   time.Time
}

// OpenDegraded begins a vault beside the one in cfg.Dir, which did not open because of why. Errors: ErrNoClear.
func OpenDegraded(ctx context.Context, cfg Config, why error, log *slog.Logger) (*Degraded, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	v, err := degraded.Open(ctx, cfg.degraded(log), why)
	if err != nil {
		return nil, err
	}
	log.ErrorContext(ctx, "the vault is locked; recording goes on beside it", slog.Any("why", why))
	return &Degraded{Vault: v, stopsAt: cfg, why: why, since: cfg.Clock()}, nil
}

func (c Config) degraded(log *slog.Logger) degraded.Config {
	return degraded.Config{Dir: c.Dir, Classes: c.Classes, Space: c.Space, Clock: c.Clock, Filed: c.Filed, Log: log}
}

// Why is why the main vault does not open.
func (d *Degraded) Why() error { return d.why }

// Status gives the present state.
func (d *Degraded) Status() Status {
	s := d.State()
	return Status{Status: s.Store, Answers: s.Answers, Since: s.Since, Space: s.Space, StopsAt: d.stopsAt.Space.StopAll,
		Findings: s.Findings, Custody: s.Custody, Locked: d.why, LockedSince: d.since}
}

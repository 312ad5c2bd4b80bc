package degraded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/vault/audit"
	"linekeep/vault/catalog"
	"linekeep/vault/clear"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/lock"
	"linekeep/vault/recording"
	"linekeep/vault/space"
	"linekeep/vault/store"
)

// bringPause is how long bringing over waits before it tries again: mostly for the store to have compared a folder.
const bringPause = 2 * time.Second

// Home is the open main vault, into which degraded ones are brought.
type Home struct {
	Config
	Guard *space.Guard
	Keys  *keys.Keys
	Main  Main
	// Excluded and Merged: see Source.
	Excluded func(catalog.Row) bool
	Merged   func(recording.Manifest)
	// Find takes note of what cannot be merged, or was lost.
	Find func(ctx context.Context, err error)
	// TellSpare writes the public half of the newest spare key into the clear file.
	TellSpare func(ctx context.Context) error
	// Audit is the main vault's log, which has each merge before it is made and after; Closed writes down a recording's manifest
	// before it is brought over.
	Audit  *audit.Log
	Closed func(ctx context.Context, id keys.ID, manifest [32]byte) error
}

// Run brings over what there is, beside the recording, and tries again where the disk or the chip was in the way.
func (h Home) Run(ctx context.Context) error {
	said := ""
	for {
		err := h.Bring(ctx)
		if err == nil {
			return nil
		}
		if why := err.Error(); why != said && !errors.Is(err, store.ErrUncompared) && ctx.Err() == nil {
			said = why
			h.Log.ErrorContext(ctx, "what was recorded while the vault was locked is not merged yet", slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(bringPause):
		}
	}
}

// Bring brings every degraded vault over, and then replaces the spare key they were made under. It can be cut off
// anywhere and done again. What cannot be merged at all is a finding, and stays where it is.
func (h Home) Bring(ctx context.Context) error {
	numbers, err := Numbers(h.Dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range numbers {
		if err := h.one(ctx, n); err != nil {
			errs = append(errs, fmt.Errorf("merge the degraded vault %d: %w", n, err))
		}
	}
	retired, kept, err := Aside(h.Dir)
	for _, name := range kept {
		h.Find(ctx, fmt.Errorf("%s: not all of what was recorded while the vault was locked could be read; what could be is merged", name))
	}
	if err = errors.Join(append(errs, err)...); err != nil || len(retired) == 0 {
		return err
	}
	// What is left of them on the disk opens with the spare key alone. From its replacement on nothing does.
	if err := h.replaceSpare(ctx); err != nil {
		return err
	}
	return Purge(h.Dir)
}

// replaceSpare makes a new spare pair, says its public half in clear, and only then lets go of the old one: so at every
// moment the key in the clear file is one whose private half the root has.
func (h Home) replaceSpare(ctx context.Context) error {
	if err := h.Keys.StageSpare(ctx); err != nil {
		return fmt.Errorf("make a new spare key: %w", err)
	}
	if err := h.TellSpare(ctx); err != nil {
		return fmt.Errorf("say the new spare key in clear: %w", err)
	}
	if _, err := h.Keys.Commit(ctx, keys.Change{NewSpare: true}); err != nil {
		return fmt.Errorf("let go of the old spare key: %w", err)
	}
	return nil
}

// one brings one over, or says why it cannot be: an error is worth another try, a finding is not.
func (h Home) one(ctx context.Context, n int) (err error) {
	d := &Vault{cfg: h.Config, path: Path(h.Dir, n), guard: h.Guard}
	defer func() { err = errors.Join(err, d.release()) }()
	err = h.reopen(ctx, d)
	switch {
	case errors.Is(err, lock.ErrTaken):
		return nil // another process records in it
	case errors.Is(err, errEmpty):
		return Retire(h.Dir, n)
	case errors.Is(err, clear.ErrForeign), errors.Is(err, tpm.ErrRefused), errors.Is(err, keys.ErrAltered), errors.Is(err, clear.ErrAltered):
		h.Find(ctx, fmt.Errorf("%s is not merged: %w", filepath.Join(Dir, fmt.Sprint(n)), err))
		return nil
	case err != nil:
		return err
	}
	began := time.Now()
	past, err := h.tell(ctx, d)
	if err != nil {
		return err
	}
	report, err := h.over(ctx, d)
	if err != nil {
		return err
	}
	if err := h.tellEnd(ctx, past, d.last, report); err != nil {
		return err
	}
	for _, damage := range report.Damage {
		h.Find(ctx, fmt.Errorf("recorded while the vault was locked, and lost: %w", damage))
	}
	h.Log.InfoContext(ctx, "merged what was recorded while the vault was locked", slog.Int("recordings", report.Recordings),
		slog.Int("excluded", report.Excluded), slog.Int64("bytes", report.Bytes), slog.Duration("took", time.Since(began)))
	if err := d.store.Close(ctx); err != nil {
		return err
	}
	if len(report.Damage) > 0 {
		return Keep(h.Dir, n)
	}
	return Retire(h.Dir, n)
}

// errEmpty reports a degraded vault that was begun and has recorded nothing.
var errEmpty = errors.New("degraded: nothing was recorded")

// reopen opens a degraded vault with the spare private key. Errors: lock.ErrTaken, errEmpty, clear.ErrForeign, tpm.ErrRefused.
func (h Home) reopen(ctx context.Context, d *Vault) (err error) {
	if d.lock, err = lock.Take(d.path); err != nil {
		return err
	}
	dir := filepath.Join(d.path, keysDir)
	d.clear, _, err = clear.Read(dir)
	if errors.Is(err, clear.ErrMissing) && empty(dir) {
		return errEmpty
	}
	if err != nil {
		return err
	}
	if !d.clear.Authentic(h.Keys.Outer(clear.Outer)) || d.clear.VaultID != h.Keys.VaultID() {
		return fmt.Errorf("%w: recorded under the custody key %s", clear.ErrForeign, d.clear.Custody.Fingerprint())
	}
	d.keys, err = keys.Open(ctx, d.keysConfig(), Reopen(d.clear.VaultID, d.clear.Spare, h.Keys.OpenSpare))
	if errors.Is(err, keys.ErrNoVault) {
		return errEmpty
	}
	if err != nil {
		return err
	}
	return d.open(ctx)
}

// empty says whether a folder of keys was not even begun.
func empty(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err != nil || len(entries) == 0
}

// over finishes what the run left, and copies it.
func (h Home) over(ctx context.Context, d *Vault) (Report, error) {
	if err := d.store.Finish(ctx); err != nil {
		return Report{}, err
	}
	shards, err := d.keys.Export()
	if err != nil {
		return Report{}, err
	}
	defer func() {
		for _, s := range shards {
			s.Wipe()
		}
	}()
	if err := h.Keys.Import(ctx, shards); err != nil {
		return Report{}, err
	}
	src := Source{Library: &library.Library{Keys: d.keys, Months: d.months}, Excluded: h.Excluded, Closed: h.Closed, Merged: h.Merged}
	report, err := Merge(ctx, src, h.Main)
	report.Damage = append(report.Damage, d.store.Findings()...)
	report.Damage = append(report.Damage, d.keys.Findings()...)
	return report, err
}

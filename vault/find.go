package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"linekeep/vault/catalog"
	"linekeep/vault/folder"
	"linekeep/vault/journal"
	"linekeep/vault/keys"
	"linekeep/vault/recording"
	"linekeep/vault/store"
)

// mendPause is how long mending waits before it tries again, when the disk was in the way.
const mendPause = 10 * time.Second

// openCatalog opens the catalogue and finds out whether it lacks anything.
func (v *Vault) openCatalog(ctx context.Context, replay *journal.Replay) (err error) {
	v.rows, err = folder.Open(ctx, v.catalogOptions())
	if err != nil {
		return err
	}
	for _, c := range replay.Last.Counters {
		have := v.rows.Commits()
		if c.Folder == catalogDir && have < c.Commits {
			v.find(ctx, fmt.Errorf("%w: the catalogue has %d commits of %d; it is completed from the manifests", store.ErrTailLost, have, c.Commits))
			v.mending = true
		}
		if c.Folder == catalogDir && have > c.Commits && replay.Clean {
			v.find(ctx, fmt.Errorf("%w: the catalogue has %d commits, the journal knows of %d", store.ErrJournalOld, have, c.Commits))
			v.outdated = true
		}
	}
	cfg := catalog.Defaults()
	cfg.Clock = v.cfg.Clock
	if v.catalog, err = catalog.Open(ctx, cfg, v.rows, v.keys, v.log); err != nil {
		return err
	}
	v.mending = v.mending || len(v.catalog.Findings()) > 0
	return nil
}

func (v *Vault) catalogOptions() folder.Options {
	return folder.Options{Name: catalogDir, Path: filepath.Join(v.cfg.Dir, catalogDir), Key: v.keys.Folder(catalogDir), Rows: true,
		Room: v.moveRoom, Log: v.log}
}

func (v *Vault) counters() []journal.Counter {
	return []journal.Counter{{Folder: catalogDir, Commits: v.rows.Commits()}}
}

func (v *Vault) find(ctx context.Context, err error) {
	v.log.ErrorContext(ctx, "vault damaged", slog.Any("err", err))
	v.mu.Lock()
	v.found = append(v.found, err)
	v.mu.Unlock()
}

// mend completes a damaged catalogue from the manifests, once, beside the recording.
func (v *Vault) mend(ctx context.Context) error {
	for v.mending {
		err := v.Mend(ctx)
		if err == nil {
			return nil
		}
		v.log.ErrorContext(ctx, "catalogue not mended", slog.Any("err", err))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(mendPause):
		}
	}
	return nil
}

// Mend takes away what of the catalogue cannot be read, and files every recording that has a manifest and no row.
func (v *Vault) Mend(ctx context.Context) error {
	dropped, err := v.catalog.DropDamaged(ctx)
	if err != nil {
		return err
	}
	names, err := v.months.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := v.mendMonth(ctx, name); err != nil {
			return fmt.Errorf("mend the catalogue from %s: %w", name, err)
		}
	}
	v.log.InfoContext(ctx, "catalogue mended", slog.Int("dropped", dropped), slog.Int("months", len(names)))
	return nil
}

func (v *Vault) mendMonth(ctx context.Context, name string) error {
	f, release, err := v.months.Use(ctx, name, false)
	if err != nil {
		return err
	}
	defer release()
	return v.library.Manifests(f, func(m recording.Manifest, err error) error {
		if err != nil {
			v.find(ctx, err)
			return ctx.Err()
		}
		return errors.Join(v.catalog.File(ctx, m.Row()), ctx.Err())
	})
}

// Find gives the rows that q wants, newest first. An error with rows means that there may be more.
func (v *Vault) Find(ctx context.Context, q catalog.Query) ([]catalog.Row, error) {
	var rows []catalog.Row
	var errs []error
	for r, err := range v.catalog.Find(ctx, q) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		rows = append(rows, r)
	}
	return rows, errors.Join(errs...)
}

// Unfiled tells the recordings that are up or not yet filed: they can be found in a moment, and not yet played.
func (v *Vault) Unfiled() []keys.ID { return v.store.UnfiledIDs() }

package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"linekeep/vault/catalog"
	"linekeep/vault/erasure"
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
		if c.Folder == erasuresDir && v.eraser.List().Newest() < c.Commits {
			v.find(ctx, fmt.Errorf("%w: the list of erasures ends with %d of %d", erasure.ErrAltered, v.eraser.List().Newest(), c.Commits))
		}
		if c.Folder == catalogDir && have > c.Commits && replay.Clean {
			v.find(ctx, fmt.Errorf("%w: the catalogue has %d commits, the journal knows of %d", store.ErrJournalOld, have, c.Commits))
			v.outdated = true
		}
	}
	cfg := catalog.Defaults()
	cfg.Clock, cfg.Hidden = v.cfg.Clock, v.eraser.Hidden
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
	return []journal.Counter{{Folder: catalogDir, Commits: v.rows.Commits()}, {Folder: erasuresDir, Commits: v.eraser.List().Newest()}}
}

func (v *Vault) find(ctx context.Context, err error) {
	v.log.ErrorContext(ctx, "vault damaged", slog.Any("err", err))
	v.mu.Lock()
	v.found = append(v.found, err)
	v.mu.Unlock()
}

// mend completes a damaged catalogue from the manifests, beside the recording.
func (v *Vault) mend(ctx context.Context) error {
	for {
		var again <-chan time.Time
		if v.mending {
			err := v.Mend(ctx)
			v.mending = err != nil
			if err != nil {
				v.log.ErrorContext(ctx, "catalogue not mended", slog.Any("err", err))
				again = time.After(mendPause)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again:
		case <-v.remend:
			v.mending = true
		}
	}
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

// findAgain is how often a search begins anew because a block was rewritten under it.
const findAgain = 5

// Find gives the rows that q wants, newest first. An error with rows means that there may be more.
func (v *Vault) Find(ctx context.Context, q catalog.Query) (rows []catalog.Row, err error) {
	for range findAgain {
		if rows, err = v.find1(ctx, q); !errors.Is(err, catalog.ErrChanged) {
			break
		}
	}
	return rows, err
}

func (v *Vault) find1(ctx context.Context, q catalog.Query) ([]catalog.Row, error) {
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
func (v *Vault) Unfiled() []keys.ID { return slices.DeleteFunc(v.store.UnfiledIDs(), v.library.Gone) }

package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"

	"linekeep/vault/catalog"
	"linekeep/vault/erasure"
	"linekeep/vault/folder"
	"linekeep/vault/journal"
	"linekeep/vault/keys"
	"linekeep/vault/mend"
	"linekeep/vault/store"
)

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
			v.mender.Soon()
		}
		if c.Folder == erasuresDir && v.eraser.List().Newest() < c.Commits {
			v.find(ctx, fmt.Errorf("%w: the list of erasures ends with %d of %d", erasure.ErrAltered, v.eraser.List().Newest(), c.Commits))
		}
		if c.Folder == catalogDir && have > c.Commits && replay.Clean {
			v.find(ctx, fmt.Errorf("%w: the catalogue has %d commits, the journal knows of %d", store.ErrJournalOld, have, c.Commits))
			v.outdated = true
		}
	}
	if v.catalog, err = catalog.Open(ctx, v.catalogConfig(), v.rows, v.keys, v.log); err != nil {
		return err
	}
	if len(v.catalog.Findings()) > 0 {
		v.mender.Soon()
	}
	return nil
}

func (v *Vault) catalogConfig() catalog.Config {
	c := catalog.Defaults()
	c.Clock, c.Numbers, c.Hidden = v.cfg.Clock, v.cfg.Numbers, v.eraser.Hidden
	c.BlockRows = cmp.Or(v.cfg.blockRows, c.BlockRows)
	return c
}

func (v *Vault) catalogOptions() folder.Options {
	return folder.Options{Name: catalogDir, Path: filepath.Join(v.cfg.Dir, catalogDir), Key: v.keys.Folder(catalogDir), Rows: true,
		Room: v.moveRoom, Log: v.log}
}

func (v *Vault) counters() []journal.Counter {
	return append(v.past.Counters(), journal.Counter{Folder: catalogDir, Commits: v.rows.Commits()},
		journal.Counter{Folder: erasuresDir, Commits: v.eraser.List().Newest()})
}

func (v *Vault) find(ctx context.Context, err error) {
	v.log.ErrorContext(ctx, "vault damaged", slog.Any("err", err))
	v.mu.Lock()
	v.found = append(v.found, err)
	v.mu.Unlock()
}

func (v *Vault) mending() mend.Parts {
	return mend.Parts{Catalog: v.catalog, Library: v.library, Months: v.months, Find: v.find, Log: v.log}
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
	restricted, limit := v.retention.Restricted(), q.Limit
	if limit > 0 {
		q.Limit += len(restricted)
	}
	for r, err := range v.catalog.Find(ctx, q) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !restricted[r.ID] && (limit == 0 || len(rows) < limit) {
			rows = append(rows, r)
		}
	}
	return rows, errors.Join(errs...)
}

// Unfiled tells the recordings that are up or not yet filed: they can be found in a moment, and not yet played.
func (v *Vault) Unfiled() []keys.ID { return slices.DeleteFunc(v.store.UnfiledIDs(), v.library.Gone) }

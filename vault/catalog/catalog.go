// Package catalog finds recordings: one row for each, in sealed blocks of columns.
//
// Stage: line -> call -> encode -> seal -> store -> [search] -> release.
//
//	In:    a Row for each recording that is filed
//	Out:   rows by number, extension, name, tag, case, line, class, direction, length and time, newest first, at the same cost
//	       for any combination
//	Owner: no goroutine; File, Replace and the rest may be called from several, queries run beside them
//	Full:  the folder's error (folder.ErrFull) comes back, and the row is not filed; the store tries again
//
// A new row lies loose, sealed under its own recording's slot. When there are BlockRows of them they become a
// block: sorted by time, cut into groups of columns that are sealed apart under a slot of the block's own, so that a query
// opens only what it asks about, and skips blocks whose zone (smallest and largest, and a filter of numbers) rules
// them out. Columns only narrow: each row that is given out was compared with the query whole.
// Nothing personal stands in a key of the folder. FORMAT.md section 12 has the bytes.
package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"linekeep/vault/catalog/block"
	"linekeep/vault/catalog/number"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
)

var (
	// ErrMissing reports a recording that is not in the catalogue.
	ErrMissing = errors.New("catalog: no such recording")
	// ErrAltered reports a row or a block that cannot be read. The rows of it are found again by Replace, from
	// the recordings' manifests.
	ErrAltered = errors.New("catalog: altered")
	// ErrChanged reports that a block was rewritten under a query that had begun; asking again helps.
	ErrChanged = errors.New("catalog: rewritten meanwhile")
)

// Row is what the catalogue knows of one recording.
type Row = block.Row

// Cursor is a place in the order of the catalogue.
type Cursor = block.Cursor

// MaxBlockRows is the most rows of one block.
const MaxBlockRows = block.MaxRows

// Slots is what the catalogue needs of keys.Keys.
type Slots interface {
	Next(ctx context.Context, class string, at time.Time) (keys.Slot, error)
	Slot(id keys.ID) (keys.Slot, error)
}

// Folder is what the catalogue needs of folder.Folder.
type Folder interface {
	Put(ctx context.Context, entries ...folder.Entry) error
	Get(key []byte) ([]byte, error)
	Walk(prefix []byte, visit func(key, value []byte, err error) error) error
	Keys(prefix []byte, visit func(key []byte) error) error
}

// Config of a catalogue.
type Config struct {
	BlockRows int // loose rows that become a block
	Clock     func() time.Time
	Numbers   number.Rules // how numbers are written here
	// Hidden are recordings that are being erased: no query gives them out, and none of them is filed any more. It may be
	// nil; it is asked once for each query, and what it gave is never changed.
	Hidden func() map[keys.ID]bool
}

func (c Config) hidden() map[keys.ID]bool {
	if c.Hidden == nil {
		return nil
	}
	return c.Hidden()
}

// Defaults make blocks of 4,096 rows: a few days of a busy office, and about half a megabyte.
func Defaults() Config {
	return Config{BlockRows: block.MaxRows, Clock: time.Now, Numbers: number.Defaults()}
}

// Validate reports what is wrong with c.
func (c Config) Validate() error {
	var errs []error
	if c.BlockRows < 2 || c.BlockRows > block.MaxRows {
		errs = append(errs, fmt.Errorf("catalog.block_rows: %d, must be 2 to %d", c.BlockRows, block.MaxRows))
	}
	if c.Clock == nil {
		errs = append(errs, errors.New("catalog: no clock"))
	}
	if err := c.Numbers.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("catalog.numbers: %w", err))
	}
	return errors.Join(errs...)
}

// Catalog is an open catalogue.
type Catalog struct {
	cfg   Config
	dir   Folder
	slots Slots
	log   *slog.Logger

	writing sync.Mutex // one change at a time; held over the disk, and before mu

	mu       sync.RWMutex
	loose    []Row             // in the order of the catalogue; never changed in place, queries hold it
	byID     map[keys.ID]Row   // the same, for Row
	blocks   []*entry          // newest end first; never changed in place
	leaving  *entry            // is taken out of the folder at this moment, and is in blocks until that is done
	lost     map[keys.ID]error // blocks of which not even the zone could be made again
	findings []error
}

// Open reads the loose rows and the zones of all blocks into memory (about 7 KB each: 1.7 MB for a million rows).
func Open(ctx context.Context, cfg Config, dir Folder, slots Slots, log *slog.Logger) (*Catalog, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Catalog{cfg: cfg, dir: dir, slots: slots, log: log, byID: map[keys.ID]Row{}, lost: map[keys.ID]error{}}
	if err := c.loadBlocks(ctx); err != nil {
		return nil, fmt.Errorf("opening the catalogue: %w", err)
	}
	if err := c.loadLoose(ctx); err != nil {
		return nil, fmt.Errorf("opening the catalogue: %w", err)
	}
	return c, nil
}

// Findings are what Open found altered; each names the row or block.
func (c *Catalog) Findings() []error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Clone(c.findings)
}

func (c *Catalog) note(err error) { c.findings = append(c.findings, err) }

// loadLoose opens the loose rows. One whose slot is gone was erased with its recording: it is removed.
func (c *Catalog) loadLoose(ctx context.Context) error {
	var erased []folder.Entry
	err := c.dir.Walk([]byte{block.PrefixRow}, func(key, value []byte, err error) error {
		id, idErr := keys.IDFrom(bytes.TrimPrefix(key, []byte{block.PrefixRow}))
		if idErr != nil {
			c.note(fmt.Errorf("%w: key %x: %w", ErrAltered, key, idErr))
			return ctx.Err()
		}
		row, err := c.openRow(id, value, err)
		switch {
		case errors.Is(err, keys.ErrNoSlot):
			erased = append(erased, folder.Entry{Key: key})
		case err != nil:
			c.note(fmt.Errorf("%w: row %s: %w", ErrAltered, id, err))
		default:
			c.byID[id] = row
			c.loose = append(c.loose, row)
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	slices.SortFunc(c.loose, block.Compare)
	for batch := range slices.Chunk(erased, folder.MaxEntries) {
		if err := c.dir.Put(ctx, batch...); err != nil {
			return fmt.Errorf("removing erased rows: %w", err)
		}
	}
	return nil
}

func (c *Catalog) openRow(id keys.ID, value []byte, err error) (Row, error) {
	if err != nil {
		return Row{}, err
	}
	slot, err := c.slots.Slot(id)
	if err != nil {
		return Row{}, err
	}
	r, err := block.OpenRow(slot.Meta(), id, value)
	return c.plain(r), err
}

// loadBlocks opens all zones, and makes one again from its columns when it is damaged.
func (c *Catalog) loadBlocks(ctx context.Context) error {
	ids, err := c.blockIDs()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := c.loadBlock(ctx, id)
		if err != nil {
			err = fmt.Errorf("%w: block %s: %w", ErrAltered, id, err)
			c.note(err)
			c.lost[id] = err
			continue
		}
		c.blocks = append(c.blocks, b)
	}
	slices.SortFunc(c.blocks, func(a, b *entry) int { return b.zone.Last.Compare(a.zone.Last) })
	return nil
}

// blockIDs are the blocks that have anything in the folder: a zone or a group of columns.
func (c *Catalog) blockIDs() ([]keys.ID, error) {
	var ids []keys.ID
	for _, prefix := range []byte{block.PrefixZone, block.PrefixGroup} {
		err := c.dir.Keys([]byte{prefix}, func(key []byte) error {
			id, err := keys.IDFrom(key[1:min(len(key), 1+keys.IDSize)])
			if err != nil {
				c.note(fmt.Errorf("%w: key %x: %w", ErrAltered, key, err))
				return nil
			}
			ids = append(ids, id)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(ids, block.CompareIDs)
	return slices.Compact(ids), nil
}

func (c *Catalog) loadBlock(ctx context.Context, id keys.ID) (*entry, error) {
	slot, err := c.slots.Slot(id)
	if err != nil {
		return nil, err
	}
	b := &entry{id: id, key: slot.Meta()}
	value, err := c.dir.Get(block.ZoneKey(id))
	if err == nil {
		b.zone, err = block.OpenZone(b.key, id, value)
	}
	if err == nil {
		return b, nil
	}
	rows, colErr := c.readAll(b)
	if colErr != nil {
		return c.fromVersion1(ctx, b, errors.Join(err, colErr))
	}
	c.note(fmt.Errorf("%w: zone of block %s: %w; made again", ErrAltered, id, err))
	b.zone = block.ZoneOf(rows)
	zone, err := b.zone.Seal(b.key, id)
	if err != nil {
		return nil, err
	}
	return b, c.dir.Put(ctx, folder.Entry{Key: block.ZoneKey(id), Value: zone})
}

// fromVersion1 writes a block of version 1 anew in this version, under another slot: the old one's is erased with the next
// batch, like that of every block that is no more. bad is why it is no block of this version.
func (c *Catalog) fromVersion1(ctx context.Context, old *entry, bad error) (*entry, error) {
	rows, err := block.ReadVersion1(old.key, old.id, c.dir.Get)
	if err != nil {
		return nil, bad
	}
	for i := range rows {
		rows[i] = c.plain(rows[i])
	}
	b, entries, err := c.makeBlock(ctx, rows)
	if err != nil {
		return nil, err
	}
	return b, c.dir.Put(ctx, append(removal(old.id), entries...)...)
}

package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"linekeep/vault/catalog/block"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
)

// rowsPerPut bounds one transaction of loose rows: they stay in Badger's tables, of which one transaction takes 500 KiB.
const rowsPerPut = 500

// Class is the class of the slots that blocks are sealed under.
const Class = "catalog"

// File takes rows in: nil = they are found from now on, and after a power cut. A row whose id is in the catalogue
// already is left as it is, so filing twice is the same as once. One that is erased, or is about to be, is passed over:
// its call was still up when the order came.
func (c *Catalog) File(ctx context.Context, rows ...Row) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.file(ctx, rows); err != nil {
		return fmt.Errorf("filing: %w", err)
	}
	if err := c.compact(ctx); err != nil {
		// The rows are filed. Loose ones are only slower to open; the next File tries again.
		c.log.WarnContext(ctx, "catalogue block not made", slog.Any("err", err))
	}
	return nil
}

func (c *Catalog) file(ctx context.Context, rows []Row) error {
	fresh := make([]Row, 0, len(rows))
	seen := map[keys.ID]bool{}
	hidden := c.cfg.hidden()
	for _, r := range rows {
		if err := r.Validate(); err != nil {
			return err
		}
		if hidden[r.ID] || seen[r.ID] {
			continue
		}
		if !c.has(r.ID) {
			fresh = append(fresh, r.Normal())
			seen[r.ID] = true
		}
	}
	for batch := range slices.Chunk(fresh, rowsPerPut) {
		if err := c.putLoose(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// has says whether the id has a row. A block that cannot be read counts as not having it: its rows are filed
// anew, and DropDamaged takes the block away.
func (c *Catalog) has(id keys.ID) bool {
	if _, ok := c.byID[id]; ok { // writers alone change it, and writing is held
		return true
	}
	for _, b := range c.blocks {
		if !b.zone.MayHave(id) {
			continue
		}
		order, err := c.openGroup(b, block.Order, 0)
		if err == nil && block.Find(order[block.ColID], id) >= 0 {
			return true
		}
	}
	return false
}

// putLoose writes rows and shows them to queries.
func (c *Catalog) putLoose(ctx context.Context, rows []Row) error {
	var entries []folder.Entry
	var put []Row
	for _, r := range rows {
		slot, err := c.slots.Slot(r.ID)
		if errors.Is(err, keys.ErrNoSlot) {
			continue // erased
		}
		if err != nil {
			return fmt.Errorf("row %s: %w", r.ID, err)
		}
		sealed, err := block.SealRow(slot.Meta(), r)
		if err != nil {
			return err
		}
		entries = append(entries, folder.Entry{Key: block.RowKey(r.ID), Value: sealed})
		put = append(put, r)
	}
	if len(put) == 0 {
		return nil
	}
	if err := c.dir.Put(ctx, entries...); err != nil {
		return err
	}
	c.show(func() {
		for _, r := range put {
			if _, replaced := c.byID[r.ID]; replaced {
				c.withdraw(r.ID)
			}
			c.byID[r.ID] = r
		}
		c.loose = slices.Concat(c.loose, put)
		slices.SortFunc(c.loose, block.Compare)
	})
	return nil
}

// show changes what queries see. A slice that a query may hold is never changed, but made anew.
func (c *Catalog) show(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// withdraw takes a loose row out of what queries see.
func (c *Catalog) withdraw(id keys.ID) {
	delete(c.byID, id)
	c.loose = slices.DeleteFunc(slices.Clone(c.loose), func(r Row) bool { return r.ID == id })
}

// compact makes blocks while there are rows enough for one: the oldest first, so that blocks overlap little.
func (c *Catalog) compact(ctx context.Context) error {
	for len(c.loose) >= c.cfg.BlockRows {
		rows := c.loose[len(c.loose)-c.cfg.BlockRows:]
		var gone []folder.Entry
		for _, r := range rows {
			gone = append(gone, folder.Entry{Key: block.RowKey(r.ID)})
		}
		b, entries, err := c.makeBlock(ctx, rows)
		if err != nil {
			return err
		}
		if err := c.dir.Put(ctx, append(entries, gone...)...); err != nil {
			return err
		}
		c.show(func() {
			for _, r := range rows {
				delete(c.byID, r.ID)
			}
			c.loose = slices.Clone(c.loose[:len(c.loose)-len(rows)])
			c.setBlocks(append(slices.Clone(c.blocks), b))
		})
	}
	return nil
}

func (c *Catalog) setBlocks(blocks []*entry) {
	slices.SortFunc(blocks, func(a, b *entry) int { return cmp.Or(b.zone.Last.Compare(a.zone.Last), block.CompareIDs(b.id, a.id)) })
	c.blocks = blocks
}

// makeBlock seals rows as a block under a slot of its own.
func (c *Catalog) makeBlock(ctx context.Context, rows []Row) (*entry, []folder.Entry, error) {
	slot, err := c.slots.Next(ctx, Class, c.cfg.Clock())
	if err != nil {
		return nil, nil, fmt.Errorf("slot for a block: %w", err)
	}
	b := &entry{id: slot.ID, key: slot.Meta(), zone: block.ZoneOf(rows)}
	entries := []folder.Entry{{Key: block.ZoneKey(b.id), Value: b.zone.Seal(b.key, b.id)}}
	for _, g := range block.Groups() {
		for page := range g.Pages(len(rows)) {
			box, err := g.Seal(b.key, b.id, page, rows)
			if err != nil {
				return nil, nil, err
			}
			entries = append(entries, folder.Entry{Key: block.GroupKey(b.id, g, page), Value: box})
		}
	}
	return b, entries, nil
}

// Replace puts rows in place of whatever stands under their ids, or beside it: for a catalogue made again from
// manifests, and for what people change later. A block with such a row is written anew under another slot.
func (c *Catalog) Replace(ctx context.Context, rows ...Row) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.replace(ctx, rows); err != nil {
		return fmt.Errorf("replacing rows: %w", err)
	}
	return nil
}

func (c *Catalog) replace(ctx context.Context, rows []Row) error {
	want := map[keys.ID]Row{}
	hidden := c.cfg.hidden()
	for _, r := range rows {
		if err := r.Validate(); err != nil {
			return err
		}
		if !hidden[r.ID] {
			want[r.ID] = r.Normal()
		}
	}
	for _, old := range c.blocks {
		if err := c.replaceIn(ctx, old, want); err != nil {
			return err
		}
	}
	left := slices.SortedFunc(maps.Values(want), block.Compare)
	for batch := range slices.Chunk(left, rowsPerPut) {
		if err := c.putLoose(ctx, batch); err != nil {
			return err
		}
	}
	return c.compact(ctx)
}

// replaceIn rewrites a block that has some of the rows, and takes those out of want.
func (c *Catalog) replaceIn(ctx context.Context, old *entry, want map[keys.ID]Row) error {
	if !slices.ContainsFunc(slices.Collect(maps.Keys(want)), old.zone.MayHave) {
		return nil
	}
	now, err := c.readAll(old)
	if err != nil {
		return nil //nolint:nilerr // what cannot be read is not here: the rows are put loose, DropDamaged removes the block
	}
	var taken []keys.ID
	for i, r := range now {
		if w, ok := want[r.ID]; ok {
			now[i] = w
			taken = append(taken, r.ID)
		}
	}
	if len(taken) == 0 {
		return nil
	}
	slices.SortFunc(now, block.Compare)
	b, entries, err := c.makeBlock(ctx, now)
	if err != nil {
		return err
	}
	if err := c.dir.Put(ctx, append(entries, removal(old.id)...)...); err != nil {
		return err
	}
	for _, id := range taken {
		delete(want, id)
	}
	c.show(func() {
		rest := slices.DeleteFunc(slices.Clone(c.blocks), func(x *entry) bool { return x == old })
		c.setBlocks(append(rest, b))
	})
	return nil
}

// removal deletes everything of a block.
func removal(id keys.ID) []folder.Entry {
	gone := []folder.Entry{{Key: block.ZoneKey(id)}}
	for _, g := range block.Groups() {
		for page := range g.Pages(block.MaxRows) {
			gone = append(gone, folder.Entry{Key: block.GroupKey(id, g, page)})
		}
	}
	return gone
}

// DropDamaged takes away the blocks and loose rows that cannot be read, and says how many there were. The caller
// files their recordings again, from the manifests.
func (c *Catalog) DropDamaged(ctx context.Context) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	var gone []folder.Entry
	var bad []*entry
	for _, b := range c.blocks {
		if _, err := c.readAll(b); err != nil {
			bad = append(bad, b)
			gone = append(gone, removal(b.id)...)
		}
	}
	n := len(bad) + len(c.lost)
	for id := range c.lost {
		gone = append(gone, removal(id)...)
	}
	err := c.dir.Walk([]byte{block.PrefixRow}, func(key, value []byte, err error) error {
		id, idErr := keys.IDFrom(key[1:])
		if idErr == nil {
			_, err = c.openRow(id, value, err)
		}
		if idErr != nil || err != nil {
			n++
			gone = append(gone, folder.Entry{Key: key})
		}
		return ctx.Err()
	})
	if err != nil {
		return 0, fmt.Errorf("dropping what is damaged: %w", err)
	}
	for batch := range slices.Chunk(gone, folder.MaxEntries) {
		if err := c.dir.Put(ctx, batch...); err != nil {
			return 0, fmt.Errorf("dropping what is damaged: %w", err)
		}
	}
	c.show(func() {
		c.setBlocks(slices.DeleteFunc(slices.Clone(c.blocks), func(b *entry) bool { return slices.Contains(bad, b) }))
		clear(c.lost)
		for _, e := range gone {
			if id, err := keys.IDFrom(e.Key[1:]); err == nil && e.Key[0] == block.PrefixRow {
				c.withdraw(id)
			}
		}
	})
	return n, nil
}

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
			fresh = append(fresh, c.plain(r.Normal()))
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
		ids, err := c.openGroup(b, block.IDs, 0)
		if err == nil && block.Find(ids, id) >= 0 {
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
	zone, err := b.zone.Seal(b.key, b.id)
	if err != nil {
		return nil, nil, fmt.Errorf("zone of block %s: %w", b.id, err)
	}
	entries := []folder.Entry{{Key: block.ZoneKey(b.id), Value: zone}}
	for _, g := range block.Groups() {
		if !b.zone.Has(g) {
			continue
		}
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

// plain fills in the number's plain form where it is not known yet.
func (c *Catalog) plain(r Row) Row {
	if r.Plain == "" {
		r.Plain = c.cfg.Numbers.Plain(r.Number)
	}
	return r
}

// Change lets change alter the rows of recordings: names, tags, cases, what a rectification corrects. Nil = they are found
// as they now are, also after a power cut. The blocks that hold them are written anew under other slots, once however many of
// their rows change. That costs half a megabyte a block where a sheet laid over it would cost a hundred bytes; but a sheet
// would leave what was taken back, a wrong name say, readable in the block beneath for as long as the block lives, and each
// query would have to look under it. Errors: ErrMissing, before anything is changed.
func (c *Catalog) Change(ctx context.Context, change func(*Row), ids ...keys.ID) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	rows := make([]Row, 0, len(ids))
	for _, id := range ids {
		r, err := c.Row(id)
		if err != nil {
			return fmt.Errorf("changing rows: %w", err)
		}
		was := r.Number
		r.Tags, r.Cases, r.Parties = slices.Clone(r.Tags), slices.Clone(r.Cases), slices.Clone(r.Parties) // queries hold the old ones
		change(&r)
		if r.ID != id {
			return fmt.Errorf("changing rows: row %s cannot become %s", id, r.ID)
		}
		if r.Number != was {
			r.Plain = ""
		}
		rows = append(rows, r)
	}
	if err := c.replace(ctx, rows); err != nil {
		return fmt.Errorf("changing rows: %w", err)
	}
	return nil
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
			want[r.ID] = c.plain(r.Normal())
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
		return nil //nolint:nilerr // what cannot be read is not here: the rows are put loose, DropDamaged takes the block apart
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
	if err := c.swap(ctx, old, now); err != nil {
		return err
	}
	for _, id := range taken {
		delete(want, id)
	}
	return nil
}

// removal deletes everything of a block.
func removal(id keys.ID) []folder.Entry {
	var gone []folder.Entry
	for _, key := range block.RemovalKeys(id) {
		gone = append(gone, folder.Entry{Key: key})
	}
	return gone
}

// DropDamaged takes away the blocks and loose rows that cannot be read, and says how many there were. Of a block it keeps
// what can be read, in a block of its own. The caller files the rest again, from the manifests; those know no names, tags
// and cases, so these are lost with a row.
func (c *Catalog) DropDamaged(ctx context.Context) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	n, err := c.dropDamaged(ctx)
	if err != nil {
		return 0, fmt.Errorf("dropping what is damaged: %w", err)
	}
	return n, nil
}

func (c *Catalog) dropDamaged(ctx context.Context) (n int, err error) {
	for _, b := range c.blocks { // of before: swap puts another slice in its place
		rows, err := c.readAll(b)
		if errors.Join(err, c.checkGroups(b)) == nil {
			continue
		}
		n++
		if err := c.swap(ctx, b, rows); err != nil {
			return 0, err
		}
	}
	for id := range c.lost {
		if err := c.dir.Put(ctx, removal(id)...); err != nil {
			return 0, err
		}
		n++
	}
	c.show(func() { clear(c.lost) })
	gone, err := c.damagedLoose(ctx)
	if err != nil {
		return 0, err
	}
	for batch := range slices.Chunk(gone, folder.MaxEntries) {
		if err := c.dir.Put(ctx, batch...); err != nil {
			return 0, err
		}
	}
	c.show(func() {
		for _, e := range gone {
			if id, err := keys.IDFrom(e.Key[1:]); err == nil {
				c.withdraw(id)
			}
		}
	})
	return n + len(gone), nil
}

// damagedLoose are the loose rows that cannot be read, to be deleted.
func (c *Catalog) damagedLoose(ctx context.Context) (gone []folder.Entry, err error) {
	err = c.dir.Walk([]byte{block.PrefixRow}, func(key, value []byte, err error) error {
		id, idErr := keys.IDFrom(key[1:])
		if idErr == nil {
			_, err = c.openRow(id, value, err)
		}
		if idErr != nil || err != nil {
			gone = append(gone, folder.Entry{Key: key})
		}
		return ctx.Err()
	})
	return gone, err
}

// swap puts a block of rows, which may be none, in the place of an old one, in one transaction.
func (c *Catalog) swap(ctx context.Context, old *entry, rows []Row) error {
	entries := removal(old.id)
	var b *entry
	if len(rows) > 0 {
		made, more, err := c.makeBlock(ctx, rows)
		if err != nil {
			return err
		}
		b, entries = made, append(entries, more...)
	}
	c.show(func() { c.leaving = old })
	if err := c.dir.Put(ctx, entries...); err != nil {
		c.show(func() { c.leaving = nil })
		return err
	}
	c.show(func() {
		c.leaving = nil
		rest := slices.DeleteFunc(slices.Clone(c.blocks), func(x *entry) bool { return x == old })
		if b != nil {
			rest = append(rest, b)
		}
		c.setBlocks(rest)
	})
	return nil
}

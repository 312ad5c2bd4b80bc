package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"linekeep/vault/catalog/block"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
)

// Removed is what Remove did.
type Removed struct {
	// Retired are blocks that are no longer in the folder. What they were made of may stand on the disk for a long time:
	// it is gone when their slots are.
	Retired []keys.ID
	// Damaged blocks could not be read and went whole. Their other rows come back from the manifests.
	Damaged int
}

// Blocks are the blocks there are, those included that cannot be read, once what is being written is in place: a slot of
// the catalogue's class that was handed out before the question, and is none of them, is of a block of the past.
func (c *Catalog) Blocks() []keys.ID {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := make([]keys.ID, 0, len(c.blocks)+len(c.lost))
	for _, b := range c.blocks {
		all = append(all, b.id)
	}
	for id := range c.lost {
		all = append(all, id)
	}
	slices.SortFunc(all, block.CompareIDs)
	return all
}

// Holding gives the blocks that hold a row of one of the recordings. A block that cannot be read might, and counts.
func (c *Catalog) Holding(ids ...keys.ID) []keys.ID {
	c.mu.RLock()
	blocks := c.blocks
	var holding []keys.ID
	for id := range c.lost {
		holding = append(holding, id)
	}
	c.mu.RUnlock()
	want := setOf(ids)
	for _, b := range blocks {
		held, err := c.heldBy(b, want)
		if err == nil && len(held) == 0 || errors.Is(c.explain(b, err), ErrChanged) { // the block in its place comes with Remove
			continue
		}
		holding = append(holding, b.id)
	}
	slices.SortFunc(holding, block.CompareIDs)
	return holding
}

// Have gives those of the recordings that have a row, shown or hidden. It asks each block once.
func (c *Catalog) Have(ids ...keys.ID) map[keys.ID]bool {
	c.mu.RLock()
	blocks := c.blocks
	have := make(map[keys.ID]bool)
	for _, id := range ids {
		if _, ok := c.byID[id]; ok {
			have[id] = true
		}
	}
	c.mu.RUnlock()
	want := setOf(ids)
	for _, b := range blocks {
		held, err := c.heldBy(b, want)
		if err != nil {
			continue // whoever asks looks into the months' folders for the rest
		}
		maps.Copy(have, held)
	}
	return have
}

func setOf(ids []keys.ID) map[keys.ID]bool {
	set := make(map[keys.ID]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// heldBy gives those of want that have a row in the block.
func (c *Catalog) heldBy(b *entry, want map[keys.ID]bool) (map[keys.ID]bool, error) {
	if !mayHaveAny(&b.zone, want) {
		return nil, nil
	}
	all, err := c.openGroup(b, block.IDs, 0)
	if err != nil {
		return nil, err
	}
	held := map[keys.ID]bool{}
	for i := range b.zone.Rows {
		if id := block.IDAt(all, i); want[id] {
			held[id] = true
		}
	}
	return held, nil
}

func mayHaveAny(z *block.Zone, ids map[keys.ID]bool) bool {
	for id := range ids {
		if z.MayHave(id) {
			return true
		}
	}
	return false
}

// Remove takes the rows of recordings out: nil = none is found any more, also after a power cut. A block that holds
// one is written anew without it, under another slot, in one transaction; one whose last row goes is gone. Doing it
// twice is the same as once, and what a power cut left undone is done by doing it again. Whoever calls it sees to it
// that the slots of Retired are erased: until then an older image of the disk still shows the rows.
func (c *Catalog) Remove(ctx context.Context, ids ...keys.ID) (Removed, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	var done Removed
	want := setOf(ids)
	err := c.removeLoose(ctx, want)
	for _, b := range c.blocks { // of before: removeFrom puts another slice in its place
		if err != nil {
			break
		}
		err = c.removeFrom(ctx, b, want, &done)
	}
	if err == nil {
		err = c.removeLost(ctx, &done)
	}
	if err != nil {
		return done, fmt.Errorf("removing rows: %w", err)
	}
	return done, nil
}

// removeLoose deletes rows that are in no block, also those that could not be read.
func (c *Catalog) removeLoose(ctx context.Context, want map[keys.ID]bool) error {
	var gone []folder.Entry
	for id := range want {
		_, err := c.dir.Get(block.RowKey(id))
		if _, shown := c.byID[id]; !shown && errors.Is(err, folder.ErrMissing) {
			continue
		}
		gone = append(gone, folder.Entry{Key: block.RowKey(id)})
	}
	for batch := range slices.Chunk(gone, folder.MaxEntries) {
		if err := c.dir.Put(ctx, batch...); err != nil {
			return err
		}
	}
	if len(gone) == 0 {
		return nil
	}
	c.show(func() {
		for id := range want {
			delete(c.byID, id)
		}
		c.loose = slices.DeleteFunc(slices.Clone(c.loose), func(r Row) bool { return want[r.ID] })
	})
	return nil
}

// removeFrom writes a block anew that holds some of the rows.
func (c *Catalog) removeFrom(ctx context.Context, old *entry, want map[keys.ID]bool, done *Removed) error {
	held, err := c.heldBy(old, want)
	if err == nil && len(held) == 0 {
		return nil
	}
	rows, err := c.readAll(old) // with the ids damaged, the rows tell who is in it
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil { // it might hold one of them, so it cannot stay
		c.show(func() { c.note(err) })
		done.Damaged++
		rows = nil
	}
	rows = slices.DeleteFunc(rows, func(r Row) bool { return want[r.ID] })
	if err := c.swap(ctx, old, rows); err != nil {
		return err
	}
	done.Retired = append(done.Retired, old.id)
	return nil
}

// removeLost takes away the blocks that could not even be told at the opening: they might hold any row.
func (c *Catalog) removeLost(ctx context.Context, done *Removed) error {
	for id := range c.lost { // writers alone change it, and writing is held
		if err := c.dir.Put(ctx, removal(id)...); err != nil {
			return err
		}
		c.show(func() { delete(c.lost, id) })
		done.Retired = append(done.Retired, id)
		done.Damaged++
	}
	return nil
}

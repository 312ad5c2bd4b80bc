// Package kept is the vault as retention works on it: what there is, what is ordered to be erased, and how a month goes.
//
//	In:    the parts of an open vault
//	Out:   retention.Store; months removed, with their survivors in calls/kept/<YYYY-MM>
//	Owner: the caller's goroutine; retention makes one pass at a time
//	Full:  survivors that find no room are an error, and their month stays
//
// A month goes in steps, each of which can be done twice: its survivors are copied and compared; its shards are written anew
// with their slots only, in a commit of the chip; its folder is compared once more while nobody else can write to it, taken out of
// the journal's account, renamed, and removed. A power cut before the renaming leaves a month whose survivors stand twice, under
// the same slots, which the next pass does again; one after it leaves a name that is swept away. What of a survivor
// cannot be read whole keeps its month from going: it may be evidence, and somebody may have a copy of it.
package kept

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"linekeep/vault/catalog"
	"linekeep/vault/eraser"
	"linekeep/vault/erasure"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
	"linekeep/vault/retention"
	"linekeep/vault/retention/clock"
	"linekeep/vault/store"
)

// Parts are what it works on.
type Parts struct {
	Keys    *keys.Keys
	Catalog *catalog.Catalog
	Library *library.Library
	Months  *library.Months
	Store   *store.Store
	Eraser  *eraser.Eraser
	Blocks  string // the class of the catalogue's slots, which are no recordings'
	Clock   func() time.Time
	// Step is told before each step of a month's going; tests cut the power there. Both it and what it points to may be nil.
	Step *func(what string)
}

var _ retention.Store = (*Parts)(nil)

// ErrNotCarried reports a survivor that does not stand where it was carried to as it stood before.
var ErrNotCarried = errors.New("kept: a survivor was not carried over whole")

// errMoving reports a month into which something was brought while it was to go.
var errMoving = errors.New("kept: something else was brought into it meanwhile")

func (p *Parts) step(what string) {
	if p.Step != nil && *p.Step != nil {
		(*p.Step)(what)
	}
}

// rowsAgain is how often the rows are read anew because a block was rewritten meanwhile.
const rowsAgain = 5

// Recordings are all rows, those of restricted recordings included.
func (p *Parts) Recordings(ctx context.Context) (all []retention.Recording, err error) {
	for range rowsAgain {
		var errs []error
		all = all[:0]
		for row, err := range p.Catalog.All(ctx) {
			if err != nil {
				errs = append(errs, err)
				continue
			}
			all = append(all, retention.Recording{ID: row.ID, Class: row.Class, Start: row.Start, Bytes: row.Bytes})
		}
		if err = errors.Join(errs...); !errors.Is(err, catalog.ErrChanged) {
			break
		}
	}
	return all, err
}

// Newest is when the newest recording began; zero where there is none.
func (p *Parts) Newest() time.Time {
	for row, err := range p.Catalog.Find(context.Background(), catalog.Query{Limit: 1}) {
		if err == nil {
			return row.Start
		}
	}
	return time.Time{}
}

// There reports recordings that have no row, or are ordered to be erased. Errors: library.ErrNotThere.
func (p *Parts) There(_ context.Context, ids ...keys.ID) error {
	have := p.Catalog.Have(ids...)
	for _, id := range ids {
		if !have[id] || p.Library.Gone(id) {
			return fmt.Errorf("%w: %s", library.ErrNotThere, id)
		}
	}
	return nil
}

// Gone says that a recording's slot is erased.
func (p *Parts) Gone(id keys.ID) bool {
	slot, err := p.Keys.Slot(id)
	if err == nil {
		slot.Wipe()
	}
	return errors.Is(err, keys.ErrNoSlot)
}

// Order orders recordings to be erased by night.
func (p *Parts) Order(ctx context.Context, ids ...keys.ID) error {
	if len(ids) == 0 {
		return nil
	}
	err := p.Eraser.Later(ctx, erasure.Retention, ids...)
	if errors.Is(err, eraser.ErrWaits) {
		return nil // the order stands, and the eraser says what it waits for
	}
	return err
}

// Marks are up to which slots were handed out.
func (p *Parts) Marks() clock.Marks {
	m := clock.Marks{Next: p.Keys.Marks()}
	for _, s := range p.Keys.Shards() {
		if s.Number < keys.FirstDegraded {
			m.Newest = max(m.Newest, s.Number)
		}
	}
	return m
}

// Folders are those of months gone by, and those of what was kept of them.
func (p *Parts) Folders(context.Context) ([]retention.Folder, error) {
	if err := p.Months.Sweep(); err != nil {
		return nil, err
	}
	names, err := p.Months.Names()
	if err != nil {
		return nil, err
	}
	unfiled := p.Store.UnfiledIDs()
	now := keys.MonthOf(p.Clock())
	var all []retention.Folder
	for _, name := range names {
		month := keys.Month(path.Base(name))
		if !month.Valid() || month >= now {
			continue
		}
		f := retention.Folder{Name: name, Month: month, Kept: path.Dir(name) == path.Join(library.CallsDir, library.Kept),
			Live: func(ctx context.Context) ([]retention.Recording, error) { return p.live(ctx, name) }}
		for _, s := range p.Keys.Shards() {
			if s.Class != p.Blocks && s.Class != keys.Office && slices.Contains(library.Places(s), name) {
				f.Shard = append(f.Shard, s.Number)
			}
		}
		f.Busy = slices.ContainsFunc(unfiled, func(id keys.ID) bool { return slices.Contains(f.Shard, id.Shard) })
		all = append(all, f)
	}
	return all, nil
}

// live are the recordings of a folder whose slots are not erased.
func (p *Parts) live(ctx context.Context, name string) (all []retention.Recording, err error) {
	f, release, err := p.Months.Use(ctx, name, false)
	if err != nil {
		return nil, err
	}
	defer release()
	ids, err := idsIn(f)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		slot, err := p.Keys.Slot(id)
		if errors.Is(err, keys.ErrNoSlot) {
			continue
		}
		if err != nil { // its key file is damaged: that is no reason to let it go
			return nil, fmt.Errorf("slot key of recording %s: %w", id, err)
		}
		slot.Wipe()
		shard, err := p.Keys.Shard(id.Shard)
		if err != nil {
			return nil, fmt.Errorf("shard of recording %s: %w", id, err)
		}
		all = append(all, retention.Recording{ID: id, Class: shard.Class})
	}
	return all, nil
}

// idsIn are the recordings of which a folder holds anything.
func idsIn(f *folder.Folder) (ids []keys.ID, err error) {
	seen := make(map[keys.ID]bool)
	err = f.Keys(nil, func(key []byte) error {
		if place, ok := recording.ParseKey(key); ok && !seen[place.ID] {
			seen[place.ID] = true
			ids = append(ids, place.ID)
		}
		return nil
	})
	return ids, err
}

// Drop lets a month go; see the package.
func (p *Parts) Drop(ctx context.Context, f retention.Folder, stay []keys.ID) error {
	to := library.FolderName(library.Kept, f.Month)
	for _, id := range stay {
		p.step("copy " + id.String())
		if err := p.carry(ctx, f.Name, to, id); err != nil {
			return err
		}
	}
	p.step("commit")
	if drops := p.drops(f, stay); len(drops) > 0 {
		if err := p.Eraser.Drop(ctx, drops...); err != nil {
			return err
		}
	}
	p.step("retire")
	err := p.Months.Retire(ctx, f.Name, func(from *folder.Folder) error {
		if err := p.compare(ctx, from, f, stay, to); err != nil {
			return err
		}
		p.step("forget")
		err := p.Store.Forget(ctx, f.Name)
		p.step("rename")
		return err
	})
	p.step("removed")
	return err
}

// drops are the months of the chip's commit: for a class's folder its own shards, for one of what was kept those of every
// class that has no folder of that month any more. Those that have nothing to lose are left out.
func (p *Parts) drops(f retention.Folder, stay []keys.ID) (all []keys.MonthDrop) {
	for _, s := range p.Keys.Shards() {
		home := library.Places(s)[0]
		if !slices.Contains(f.Shard, s.Number) || f.Kept && p.Months.Has(home) || !p.worthIt(s, stay) {
			continue
		}
		all = append(all, keys.MonthDrop{Class: s.Class, Month: s.Month, Keep: stay, Shards: []uint32{s.Number}})
	}
	return all
}

// worthIt says whether a shard has a slot that does not stay, or none that does: then its line leaves the root.
func (p *Parts) worthIt(s keys.ShardInfo, stay []keys.ID) bool {
	if !slices.ContainsFunc(stay, func(id keys.ID) bool { return id.Shard == s.Number }) {
		return true
	}
	for slot := range s.Slots {
		if id := (keys.ID{Shard: s.Number, Slot: slot}); !slices.Contains(stay, id) && !p.Gone(id) {
			return true
		}
	}
	return false
}

// compare looks at a month a last time: nothing is in it that does not stay, and what stays stands whole where it was carried.
func (p *Parts) compare(ctx context.Context, from *folder.Folder, f retention.Folder, stay []keys.ID, to string) error {
	ids, err := idsIn(from)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !slices.Contains(f.Shard, id.Shard) && !p.Gone(id) || !slices.Contains(stay, id) && !p.Gone(id) {
			return fmt.Errorf("%w: recording %s", errMoving, id)
		}
	}
	if len(stay) == 0 {
		return nil
	}
	kept, release, err := p.Months.Use(ctx, to, false)
	if err != nil {
		return err
	}
	defer release()
	for _, id := range stay {
		err := entriesOf(from, id, func(key, value []byte) error {
			got, err := kept.Get(key)
			if err != nil {
				return fmt.Errorf("%w: recording %s: %w", ErrNotCarried, id, err)
			}
			if !bytes.Equal(got, value) && !later(key, got, value) {
				return fmt.Errorf("%w: recording %s", ErrNotCarried, id)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

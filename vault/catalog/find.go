package catalog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"linekeep/vault/catalog/block"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
)

// Find gives the rows that match, newest first. A block that cannot be read comes as an error that names it, in
// the place of its rows, and the search goes on; so an error means "there may be more", never "that was all".
// A cancelled ctx ends it with ctx's error, and a query that makes no sense with ErrQuery.
func (c *Catalog) Find(ctx context.Context, q Query) iter.Seq2[Row, error] {
	return c.find(ctx, q, func(s *search, b *entry) ([]Row, error) { return s.open(&opened{c: c, b: b}) })
}

func (c *Catalog) find(ctx context.Context, q Query, open func(*search, *entry) ([]Row, error)) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		s, err := c.search(q)
		if err != nil {
			yield(Row{}, err)
			return
		}
		for _, b := range s.blocks {
			if err := ctx.Err(); err != nil {
				yield(Row{}, err)
				return
			}
			if !s.mayBeIn(&b.zone) {
				continue
			}
			if !s.emit(yield, &b.zone.Last) {
				return
			}
			rows, err := open(s, b)
			err = c.explain(b, err)
			if err != nil && !yield(Row{}, err) {
				return
			}
			s.add(rows)
		}
		for _, err := range s.lost {
			if !yield(Row{}, err) {
				return
			}
		}
		s.emit(yield, nil)
	}
}

// Row gives the row of one recording. Errors: ErrMissing, ErrAltered.
func (c *Catalog) Row(id keys.ID) (Row, error) {
	if c.cfg.hidden()[id] {
		return Row{}, fmt.Errorf("recording %s: %w", id, ErrMissing)
	}
	c.mu.RLock()
	r, ok := c.byID[id]
	blocks := c.blocks
	c.mu.RUnlock()
	if ok {
		return r, nil
	}
	var errs []error
	for _, b := range blocks {
		if !b.zone.MayHave(id) {
			continue
		}
		ids, err := c.openGroup(b, block.IDs, 0)
		if err != nil {
			errs = append(errs, c.explain(b, err))
			continue
		}
		if i := block.Find(ids, id); i >= 0 {
			o := opened{c: c, b: b}
			err := o.pages([]uint16{uint16(i)}, func(rows []Row) bool { r = rows[0]; return true })
			return r, c.explain(b, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return Row{}, fmt.Errorf("recording %s: %w", id, err)
	}
	return Row{}, fmt.Errorf("recording %s: %w", id, ErrMissing)
}

// explain tells a block that a change took away meanwhile from one that is damaged.
func (c *Catalog) explain(b *entry, err error) error {
	if err == nil || !errors.Is(err, folder.ErrMissing) {
		return err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if b == c.leaving || !slices.Contains(c.blocks, b) {
		return ErrChanged
	}
	return err
}

// Still runs f while nothing is filed or changed: for who must read everything, and was overtaken by changes too often. F must
// not change anything.
func (c *Catalog) Still(f func() error) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	return f()
}

// All gives every row, for check, and looks into what no row needs too. What cannot be read comes as an error that names it.
func (c *Catalog) All(ctx context.Context) iter.Seq2[Row, error] {
	return c.find(ctx, Query{}, func(s *search, b *entry) ([]Row, error) {
		rows, err := s.open(&opened{c: c, b: b})
		return rows, errors.Join(err, c.checkGroups(b))
	})
}

package catalog

import (
	"errors"
	"fmt"
	"maps"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/catalog/block"
	"linekeep/vault/keys"
)

// entry is a block as it is known in memory. Blocks never change: rows that do are in a new block.
type entry struct {
	id   keys.ID
	key  keys.Key // K_meta of its slot
	zone block.Zone
}

// openGroup opens a page of a group.
func (c *Catalog) openGroup(b *entry, g block.Group, page int) (block.Columns, error) {
	value, err := c.dir.Get(block.GroupKey(b.id, g, page))
	var cols block.Columns
	if err == nil {
		cols, err = g.Open(b.key, b.id, page, b.zone.Rows, value)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: block %s, %s, page %d: %w", ErrAltered, b.id, g, page, err)
	}
	return cols, nil
}

// opened is a block with the columns a query has opened so far.
type opened struct {
	c    *Catalog
	b    *entry
	cols block.Columns
}

// column opens a column, and those sealed with it, once. One of fixed width has as many values as the block has rows.
func (o *opened) column(col block.Column) (cryptobyte.String, error) {
	if s, ok := o.cols[col]; ok {
		return s, nil
	}
	cols, err := o.c.openGroup(o.b, col.Group(), 0)
	if err != nil {
		return nil, err
	}
	if o.cols == nil {
		o.cols = cols
	}
	maps.Copy(o.cols, cols)
	return cols[col], nil
}

func (o *opened) names(col block.Column) (block.Names, error) {
	s, err := o.column(col)
	if err != nil {
		return block.Names{}, err
	}
	n, err := block.OpenNames(s, o.b.zone.Rows)
	if err != nil {
		return n, fmt.Errorf("%w: block %s, %s: %w", ErrAltered, o.b.id, col, err)
	}
	return n, nil
}

// rows makes the rows at places, which ascend. A page that cannot be read comes as an error beside the rows of
// the others.
func (o *opened) rows(places []uint16) (rows []Row, err error) {
	for _, col := range []block.Column{block.ColLine, block.ColID} { // one of each group that all pages need
		if _, err := o.column(col); err != nil {
			return nil, err
		}
	}
	rows = make([]Row, 0, len(places))
	var errs []error
	for len(places) > 0 {
		page, n := int(places[0])/block.PageRows, 1
		for n < len(places) && int(places[n])/block.PageRows == page {
			n++
		}
		some, err := o.page(page, places[:n])
		if err != nil {
			errs = append(errs, err)
		}
		rows = append(rows, some...)
		places = places[n:]
	}
	return rows, errors.Join(errs...)
}

// page makes the rows at places, all of one page of the rest.
func (o *opened) page(page int, places []uint16) ([]Row, error) {
	rest, err := o.c.openGroup(o.b, block.Rest, page)
	if err != nil {
		return nil, err
	}
	rows, err := block.MakeRows(o.b.zone.Rows, page, places, o.cols, rest)
	if err != nil {
		return nil, fmt.Errorf("%w: block %s, page %d: %w", ErrAltered, o.b.id, page, err)
	}
	return rows, nil
}

// readAll reads a whole block, also one whose zone is not known yet.
func (c *Catalog) readAll(b *entry) ([]Row, error) {
	whole := *b
	o := opened{c: c, b: &whole}
	ids, err := o.column(block.ColID)
	if err != nil {
		return nil, err
	}
	whole.zone.Rows = len(ids) / keys.IDSize
	return o.rows(allPlaces(whole.zone.Rows))
}

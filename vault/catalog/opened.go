package catalog

import (
	"errors"
	"fmt"

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
func (c *Catalog) openGroup(b *entry, g block.Group, page int) ([]byte, error) {
	value, err := c.dir.Get(block.GroupKey(b.id, g, page))
	var body []byte
	if err == nil {
		body, err = g.Open(b.key, b.id, page, b.zone.Rows, value)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: block %s, %s, page %d: %w", ErrAltered, b.id, g, page, err)
	}
	return body, nil
}

// opened is a block that is being looked into.
type opened struct {
	c *Catalog
	b *entry
}

// group opens a group; nil where the block has nothing of it.
func (o *opened) group(g block.Group) ([]byte, error) {
	if !o.b.zone.Has(g) {
		return nil, nil
	}
	return o.c.openGroup(o.b, g, 0)
}

func (o *opened) altered(g block.Group, err error) error {
	return fmt.Errorf("%w: block %s, %s: %w", ErrAltered, o.b.id, g, err)
}

// listed keeps the rows that have a tag or case which matches.
func (o *opened) listed(g block.Group, match func(string) bool, places []uint16) ([]uint16, error) {
	body, err := o.group(g)
	if err != nil || body == nil {
		return nil, err
	}
	have, err := block.ReadLists(body, o.b.zone.Rows, match)
	if err != nil {
		return nil, o.altered(g, err)
	}
	return block.Intersect(places, have), nil
}

// pages makes the rows at places, which ascend, and gives them to take page by page, until it wants no more. A page that
// cannot be read comes as an error in the end.
func (o *opened) pages(places []uint16, take func([]Row) bool) error {
	var errs []error
	within := make([]int, 0, block.PageRows)
	for len(places) > 0 {
		page := int(places[0]) / block.PageRows
		within = within[:0]
		for len(places) > 0 && int(places[0])/block.PageRows == page {
			within = append(within, int(places[0])%block.PageRows)
			places = places[1:]
		}
		body, err := o.c.openGroup(o.b, block.Rows, page)
		var rows []Row
		if err == nil {
			if rows, err = block.ReadRows(body, within); err != nil {
				err = o.altered(block.Rows, err)
			}
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !take(rows) {
			break
		}
	}
	return errors.Join(errs...)
}

// readAll reads all rows of a block, also of one whose zone is not known yet. With an error come those that can be read.
func (c *Catalog) readAll(b *entry) ([]Row, error) {
	whole := *b
	if whole.zone.Rows == 0 {
		ids, err := c.openGroup(&whole, block.IDs, 0)
		if err != nil {
			return nil, err
		}
		whole.zone.Rows = len(ids) / keys.IDSize
	}
	places := make([]uint16, whole.zone.Rows)
	for i := range places {
		places[i] = uint16(i)
	}
	rows := make([]Row, 0, len(places))
	o := opened{c: c, b: &whole}
	err := o.pages(places, func(some []Row) bool { rows = append(rows, some...); return true })
	return rows, err
}

// checkGroups opens what a look at the rows leaves shut.
func (c *Catalog) checkGroups(b *entry) error {
	var errs []error
	for _, g := range block.Groups() {
		if g == block.Rows || !b.zone.Has(g) {
			continue
		}
		if _, err := c.openGroup(b, g, 0); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

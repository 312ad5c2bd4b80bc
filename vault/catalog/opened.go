package catalog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/drivers/line"
)

// opened is a block with the columns a query has opened so far.
type opened struct {
	c     *Catalog
	b     *block
	plain map[column]cryptobyte.String
}

// fixed opens a column, and those sealed with it, once. One of fixed width has as many values as the block has rows.
func (o *opened) fixed(col column) (cryptobyte.String, error) {
	if s, ok := o.plain[col]; ok {
		return s, nil
	}
	cols, err := o.c.openGroup(o.b, col.group(), 0)
	if err != nil {
		return nil, err
	}
	if o.plain == nil {
		o.plain = cols
	}
	maps.Copy(o.plain, cols)
	return cols[col], nil
}

func (o *opened) names(col column) (nameColumn, error) {
	s, err := o.fixed(col)
	if err != nil {
		return nameColumn{}, err
	}
	n, err := openNames(s, o.b.zone.rows)
	if err != nil {
		return n, fmt.Errorf("%w: block %s, %s: %w", ErrAltered, o.b.id, col, err)
	}
	return n, nil
}

// rows makes the rows at places, which ascend. A page that cannot be read comes as an error beside the rows of
// the others.
func (o *opened) rows(places []uint16) (rows []Row, err error) {
	rows = make([]Row, 0, len(places))
	var errs []error
	for len(places) > 0 {
		page, n := int(places[0])/pageRows, 1
		for n < len(places) && int(places[n])/pageRows == page {
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
	var fixed [colDetails]cryptobyte.String
	for _, col := range []column{colID, colStart, colDuration, colDirection} {
		s, err := o.fixed(col)
		if err != nil {
			return nil, err
		}
		fixed[col] = s
	}
	lines, err := o.names(colLine)
	if err != nil {
		return nil, err
	}
	rest, err := o.c.openGroup(o.b, groupRest, page)
	if err != nil {
		return nil, err
	}
	wrong := func(err error) error {
		return fmt.Errorf("%w: block %s, page %d: %w", ErrAltered, o.b.id, page, err)
	}
	first := page * pageRows
	classes, err := openNames(rest[colClass], min(pageRows, o.b.zone.rows-first))
	if err != nil {
		return nil, wrong(err)
	}
	rows := make([]Row, len(places))
	details, next := rest[colDetails], first
	for n, place := range places {
		i, r := int(place), &rows[n]
		var record cryptobyte.String
		for ; next <= i; next++ {
			if !details.ReadUint16LengthPrefixed(&record) {
				return nil, wrong(errFormat)
			}
		}
		if !r.readDetails(&record) || !record.Empty() || lines.place(i) >= len(lines.names) || classes.place(i-first) >= len(classes.names) {
			return nil, wrong(errFormat)
		}
		r.ID, r.Start = idAt(fixed[colID], i), startAt(fixed[colStart], i)
		r.Line, r.Class = lines.at(i), classes.at(i-first)
		r.Duration = line.Samples(binary.BigEndian.Uint32(fixed[colDuration][4*i:])).Duration()
		r.Direction = line.Direction(fixed[colDirection][i])
	}
	return rows, nil
}

// readAll reads a whole block, also one whose zone is not known yet.
func (c *Catalog) readAll(b *block) ([]Row, error) {
	whole := *b
	o := opened{c: c, b: &whole}
	ids, err := o.fixed(colID)
	if err != nil {
		return nil, err
	}
	whole.zone.rows = len(ids) / idSize
	if whole.zone.rows == 0 {
		return nil, fmt.Errorf("%w: block %s: no rows", ErrAltered, b.id)
	}
	return o.rows(allPlaces(whole.zone.rows))
}

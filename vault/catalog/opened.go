package catalog

import (
	"encoding/binary"
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
	cols, err := o.c.openGroup(o.b, col.group())
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

// rows makes the rows at places, which ascend.
func (o *opened) rows(places []uint16) ([]Row, error) {
	var fixed [colDetails + 1]cryptobyte.String
	for _, col := range []column{colID, colStart, colDuration, colDirection, colDetails} {
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
	classes, err := o.names(colClass)
	if err != nil {
		return nil, err
	}
	rows := make([]Row, len(places))
	details, next := fixed[colDetails], 0
	for n, place := range places {
		i, r := int(place), &rows[n]
		var record cryptobyte.String
		for ; next <= i; next++ {
			if !details.ReadUint16LengthPrefixed(&record) {
				return nil, fmt.Errorf("%w: block %s, %s: %w", ErrAltered, o.b.id, colDetails, errFormat)
			}
		}
		if !r.readDetails(&record) || !record.Empty() {
			return nil, fmt.Errorf("%w: block %s, %s of row %d: %w", ErrAltered, o.b.id, colDetails, i, errFormat)
		}
		r.ID, r.Start = idAt(fixed[colID], i), startAt(fixed[colStart], i)
		r.Line, r.Class = lines.at(i), classes.at(i)
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
	places := make([]uint16, whole.zone.rows)
	for i := range places {
		places[i] = uint16(i)
	}
	return o.rows(places)
}

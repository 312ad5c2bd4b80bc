package catalog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"linekeep/drivers/line"
	"linekeep/vault/catalog/block"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
)

// Query says which rows are wanted. The zero Query wants all.
type Query struct {
	From, To    time.Time       // starts in [From, To); zero leaves that end open
	Lines       []string        // on one of these; nil for any
	Direction   *line.Direction // nil for any
	MinDuration time.Duration
	MaxDuration time.Duration // 0 for any
	Limit       int           // 0 for all
	Before      *Cursor       // only rows after this place: for the next page the cursor of the last row seen
}

// Find gives the rows that match, newest first. A block that cannot be read comes as an error that names it, in
// the place of its rows, and the search goes on; so an error means "there may be more", never "that was all".
// A cancelled ctx ends it with ctx's error.
func (c *Catalog) Find(ctx context.Context, q Query) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		s := c.search(q)
		for _, b := range s.blocks {
			if err := ctx.Err(); err != nil {
				yield(Row{}, err)
				return
			}
			if !s.rules(b.zone) {
				continue
			}
			if !s.emit(yield, &b.zone.Last) {
				return
			}
			rows, err := s.open(c, b)
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
		o := opened{c: c, b: b}
		ids, err := o.column(block.ColID)
		if err != nil {
			errs = append(errs, c.explain(b, err))
			continue
		}
		if i := block.Find(ids, id); i >= 0 {
			rows, err := o.rows([]uint16{uint16(i)})
			if err != nil {
				return Row{}, c.explain(b, err)
			}
			return rows[0], nil
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
	if !slices.Contains(c.blocks, b) {
		return ErrChanged
	}
	return err
}

// All gives every row, for check. What cannot be read comes as an error that names it.
func (c *Catalog) All(ctx context.Context) iter.Seq2[Row, error] { return c.Find(ctx, Query{}) }

// search is one query under way.
type search struct {
	q       Query
	hidden  map[keys.ID]bool
	blocks  []*entry
	lost    []error
	pending []Row // matched, not yet given out, in order
	given   int
}

func (c *Catalog) search(q Query) *search {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s := &search{q: q, hidden: c.cfg.hidden(), blocks: c.blocks}
	for _, err := range c.lost {
		s.lost = append(s.lost, err)
	}
	for _, r := range c.loose {
		if s.matches(r) {
			s.pending = append(s.pending, r)
		}
	}
	return s
}

// matches is the query said of one row.
func (s *search) matches(r Row) bool {
	q := s.q
	return !s.hidden[r.ID] && (q.From.IsZero() || !r.Start.Before(q.From)) && (q.To.IsZero() || r.Start.Before(q.To)) &&
		(q.Lines == nil || slices.Contains(q.Lines, r.Line)) && (q.Direction == nil || *q.Direction == r.Direction) &&
		r.Duration >= q.MinDuration && (q.MaxDuration == 0 || r.Duration <= q.MaxDuration) &&
		(q.Before == nil || block.CompareCursors(*q.Before, r.Cursor()) < 0)
}

// rules says whether a block may have rows that match.
func (s *search) rules(z block.Zone) bool {
	q := s.q
	return (q.From.IsZero() || !z.Last.Before(q.From)) && (q.To.IsZero() || z.First.Before(q.To)) &&
		(q.Lines == nil || slices.ContainsFunc(z.Lines, func(l string) bool { return slices.Contains(q.Lines, l) })) &&
		(q.Direction == nil || z.Directions&(1<<*q.Direction) != 0) &&
		z.Longest.Duration() >= q.MinDuration && (q.MaxDuration == 0 || z.Shortest.Duration() <= q.MaxDuration) &&
		(q.Before == nil || !z.First.After(q.Before.Start))
}

// emit gives out what no block still to come can be newer than; nil when none comes. False ends the search.
func (s *search) emit(yield func(Row, error) bool, newestToCome *time.Time) bool {
	for len(s.pending) > 0 && (newestToCome == nil || s.pending[0].Start.After(*newestToCome)) {
		if s.q.Limit > 0 && s.given == s.q.Limit {
			return false
		}
		if !yield(s.pending[0], nil) {
			return false
		}
		s.given++
		s.pending = s.pending[1:]
	}
	return s.q.Limit == 0 || s.given < s.q.Limit
}

// add merges rows, which are in order, into what is pending.
func (s *search) add(rows []Row) {
	if len(s.pending) == 0 {
		s.pending = rows
		return
	}
	merged := slices.Concat(s.pending, rows)
	slices.SortFunc(merged, block.Compare)
	s.pending = merged
}

// open gives the rows of a block that match, opening only the columns that can still rule a row out, the
// narrowest first.
func (s *search) open(c *Catalog, b *entry) ([]Row, error) {
	o := opened{c: c, b: b}
	places := allPlaces(b.zone.Rows)
	for _, filter := range []func(*opened, []uint16) ([]uint16, error){s.byLine, s.byDirection, s.byDuration, s.byTime, s.byHidden} {
		var err error
		if places, err = filter(&o, places); err != nil || len(places) == 0 {
			return nil, err
		}
	}
	if s.q.Limit > 0 && len(places) > s.q.Limit-s.given {
		places = places[:s.q.Limit-s.given] // in order, so these are the newest
	}
	return o.rows(places)
}

func allPlaces(rows int) []uint16 {
	places := make([]uint16, rows)
	for i := range places {
		places[i] = uint16(i)
	}
	return places
}

// The filters write over places: loops without calls, because a miss goes through every row there is.

func (s *search) byLine(o *opened, places []uint16) ([]uint16, error) {
	if s.q.Lines == nil || !slices.ContainsFunc(o.b.zone.Lines, func(l string) bool { return !slices.Contains(s.q.Lines, l) }) {
		return places, nil
	}
	col, err := o.names(block.ColLine)
	if err != nil {
		return nil, err
	}
	wanted := make([]bool, 1<<(8*col.Width)) // every place there can be, so the loop needs no test
	for i, n := range col.List {
		wanted[i] = slices.Contains(s.q.Lines, n)
	}
	kept := places[:0]
	if col.Width == 1 {
		for _, i := range places {
			if wanted[col.Places[i]] {
				kept = append(kept, i)
			}
		}
		return kept, nil
	}
	for _, i := range places {
		if wanted[col.Place(int(i))] {
			kept = append(kept, i)
		}
	}
	return kept, nil
}

func (s *search) byDirection(o *opened, places []uint16) ([]uint16, error) {
	if s.q.Direction == nil || o.b.zone.Directions == 1<<*s.q.Direction {
		return places, nil
	}
	col, err := o.column(block.ColDirection)
	if err != nil {
		return nil, err
	}
	want := uint8(*s.q.Direction)
	kept := places[:0]
	for _, i := range places {
		if col[i] == want {
			kept = append(kept, i)
		}
	}
	return kept, nil
}

func (s *search) byDuration(o *opened, places []uint16) ([]uint16, error) {
	z, low, high := o.b.zone, s.q.MinDuration, s.q.MaxDuration
	if z.Shortest.Duration() >= low && (high == 0 || z.Longest.Duration() <= high) {
		return places, nil
	}
	col, err := o.column(block.ColDuration)
	if err != nil {
		return nil, err
	}
	kept := places[:0]
	for _, i := range places {
		d := block.DurationAt(col, int(i))
		if d >= low && (high == 0 || d <= high) {
			kept = append(kept, i)
		}
	}
	return kept, nil
}

func (s *search) byTime(o *opened, places []uint16) ([]uint16, error) {
	z, q := o.b.zone, s.q
	if (q.From.IsZero() || !z.First.Before(q.From)) && (q.To.IsZero() || z.Last.Before(q.To)) &&
		(q.Before == nil || z.Last.Before(q.Before.Start)) {
		return places, nil
	}
	starts, err := o.column(block.ColStart)
	if err != nil {
		return nil, err
	}
	ids, err := o.column(block.ColID)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(places, func(i uint16) bool {
		at := block.StartAt(starts, int(i))
		return (!q.From.IsZero() && at.Before(q.From)) || (!q.To.IsZero() && !at.Before(q.To)) ||
			(q.Before != nil && block.CompareCursors(*q.Before, Cursor{Start: at, ID: block.IDAt(ids, int(i))}) >= 0)
	}), nil
}

func (s *search) byHidden(o *opened, places []uint16) ([]uint16, error) {
	if !mayHaveAny(o.b.zone, s.hidden) {
		return places, nil
	}
	ids, err := o.column(block.ColID)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(places, func(i uint16) bool { return s.hidden[block.IDAt(ids, int(i))] }), nil
}

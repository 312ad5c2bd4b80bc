package catalog

import (
	"slices"
	"sort"
	"time"

	"linekeep/vault/catalog/block"
	"linekeep/vault/catalog/number"
	"linekeep/vault/catalog/words"
	"linekeep/vault/keys"
)

// search is one query under way.
type search struct {
	wanted
	hidden  map[keys.ID]bool
	blocks  []*entry
	lost    []error
	pending []Row // matched, not yet given out, in order
	given   int

	// What each block needs anew.
	places, spare [block.MaxRows]uint16
	yes           block.Wanted
	hit           [block.MaxRows]bool
}

func (c *Catalog) search(q Query) (*search, error) {
	w, err := compile(q, c.cfg.Numbers)
	if err != nil {
		return nil, err
	}
	s := &search{wanted: w, hidden: c.cfg.hidden()}
	c.mu.RLock()
	s.blocks = c.blocks
	for _, err := range c.lost {
		s.lost = append(s.lost, err)
	}
	loose := c.loose
	c.mu.RUnlock()
	for i := range loose {
		if s.matches(&loose[i], s.hidden) {
			s.pending = append(s.pending, loose[i])
			if q.Limit > 0 && len(s.pending) == q.Limit {
				break // they are in order
			}
		}
	}
	return s, nil
}

// emit gives out what no block still to come can be newer than; nil when none comes. False ends the search.
func (s *search) emit(yield func(Row, error) bool, newestToCome *time.Time) bool {
	for len(s.pending) > 0 && (newestToCome == nil || s.pending[0].Start.After(*newestToCome)) {
		if s.Limit > 0 && s.given == s.Limit {
			return false
		}
		if !yield(s.pending[0], nil) {
			return false
		}
		s.given++
		s.pending = s.pending[1:]
	}
	return s.Limit == 0 || s.given < s.Limit
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

// open gives the rows of a block that match, opening only the groups that can still rule a row out. What people ask by,
// numbers and names, leaves fewest rows and comes first.
func (s *search) open(o *opened) ([]Row, error) {
	places := s.places[:o.b.zone.Rows]
	for i := range places {
		places[i] = uint16(i)
	}
	for _, filter := range []func(*opened, []uint16) ([]uint16, error){s.byCase, s.byTag, s.byParty, s.byCriteria, s.byTime} {
		var err error
		if places, err = filter(o, places); err != nil || len(places) == 0 {
			return nil, err
		}
	}
	return s.rows(o, places)
}

// rows makes the rows at places page by page, until there are as many as are wanted. A page that cannot be read comes as an
// error beside the rows of the others.
func (s *search) rows(o *opened, places []uint16) ([]Row, error) {
	var kept []Row
	err := o.pages(places, func(rows []Row) bool {
		for i := range rows {
			if s.matches(&rows[i], s.hidden) {
				kept = append(kept, rows[i])
			}
		}
		return s.Limit == 0 || len(kept) < s.Limit-s.given
	})
	return kept, err
}

// The filters write over places: loops without calls, because a miss goes through every row there is.

func (s *search) byCase(o *opened, places []uint16) ([]uint16, error) {
	if s.Cases == nil {
		return places, nil
	}
	return o.listed(block.Cases, s.ofCase, places)
}

func (s *search) byTag(o *opened, places []uint16) (_ []uint16, err error) {
	for _, t := range s.tags {
		if places, err = o.listed(block.Tags, func(have string) bool { return have == t }, places); err != nil {
			return nil, err
		}
	}
	return places, nil
}

// byParty keeps the rows that one party of each clause is on. When each was called what, is for the row to say.
func (s *search) byParty(o *opened, places []uint16) (_ []uint16, err error) {
	for _, c := range s.clauses {
		if places, err = s.byClause(o, c, places); err != nil || len(places) == 0 {
			return places, err
		}
	}
	return places, nil
}

func (s *search) byClause(o *opened, c clause, places []uint16) ([]uint16, error) {
	z := &o.b.zone
	var numbers []number.Matcher
	var extensions, names []string
	for _, p := range c {
		if !p.mayBeIn(z) {
			continue
		}
		for _, m := range p.numbers {
			if z.MayHaveNumber(m) {
				numbers = append(numbers, m)
			}
		}
		extensions, names = append(extensions, p.extensions...), append(names, p.names...)
	}
	columns := make([]func() (block.Places, bool, error), 0, 3)
	if len(numbers) > 0 {
		columns = append(columns, func() (block.Places, bool, error) { return s.markNumbers(o, numbers) })
	}
	if len(extensions) > 0 {
		columns = append(columns, func() (block.Places, bool, error) {
			return s.markTexts(o, block.Extensions, func(e string) bool { return slices.Contains(extensions, e) })
		})
	}
	if len(names) > 0 {
		columns = append(columns, func() (block.Places, bool, error) {
			return s.markTexts(o, block.Names, func(name string) bool {
				return slices.ContainsFunc(names, func(asked string) bool { return words.Match(name, asked) })
			})
		})
	}
	if len(columns) == 1 {
		col, some, err := columns[0]()
		if err != nil || !some {
			return nil, err
		}
		return s.yes.Keep(col, places), nil
	}
	return s.either(places, columns)
}

// either keeps the rows that one of several columns wants.
func (s *search) either(places []uint16, columns []func() (block.Places, bool, error)) ([]uint16, error) {
	clear(s.hit[:])
	for _, open := range columns {
		col, some, err := open()
		if err != nil {
			return nil, err
		}
		if !some {
			continue
		}
		for _, i := range s.yes.Keep(col, append(s.spare[:0], places...)) {
			s.hit[i] = true
		}
	}
	return slices.DeleteFunc(places, func(i uint16) bool { return !s.hit[i] }), nil
}

func (s *search) markNumbers(o *opened, any []number.Matcher) (block.Places, bool, error) {
	body, err := o.group(block.Numbers)
	if err != nil || body == nil {
		return block.Places{}, false, err
	}
	col, err := block.ReadNumbers(body, o.b.zone.Rows)
	if err != nil {
		return block.Places{}, false, o.altered(block.Numbers, err)
	}
	s.yes.Clear(col.Width)
	some := false
	for _, m := range any {
		marked, err := col.Mark(m, &s.yes)
		if err != nil {
			return block.Places{}, false, o.altered(block.Numbers, err)
		}
		some = some || marked
	}
	return col.Places, some, nil
}

func (s *search) markTexts(o *opened, g block.Group, match func(string) bool) (block.Places, bool, error) {
	body, err := o.group(g)
	if err != nil || body == nil {
		return block.Places{}, false, err
	}
	col, err := block.ReadDictionary(body, o.b.zone.Rows)
	if err != nil {
		return block.Places{}, false, o.altered(g, err)
	}
	s.yes.Clear(col.Width)
	return col.Places, col.Mark(match, &s.yes), nil
}

// byCriteria asks about line, class, direction, flags and length, as far as the zone leaves it open.
func (s *search) byCriteria(o *opened, places []uint16) ([]uint16, error) {
	z := &o.b.zone
	lines := s.Lines != nil && !z.Lines.All(s.line)
	classes := s.Classes != nil && !z.Classes.All(s.class)
	flags := s.mask&^block.DirectionBits != 0 || s.mask != 0 && z.Directions != 1<<(s.flags&block.DirectionBits)
	length := z.Shortest.Duration() < s.MinDuration || s.MaxDuration != 0 && z.Longest.Duration() > s.MaxDuration
	if !lines && !classes && !flags && !length {
		return places, nil
	}
	body, err := o.group(block.Criteria)
	if err != nil {
		return nil, err
	}
	f, err := block.ReadCriteria(body, z.Rows)
	if err != nil {
		return nil, o.altered(block.Criteria, err)
	}
	if flags {
		places = f.KeepFlags(s.mask, s.flags, places)
	}
	if length {
		low, high := block.Quarters(s.MinDuration), uint16(1<<16-1)
		if s.MaxDuration != 0 {
			high = block.Quarters(s.MaxDuration)
		}
		if low > high {
			return nil, nil
		}
		places = f.KeepQuarters(low, high, places)
	}
	for _, by := range []struct {
		is    bool
		col   block.Dictionary
		match func(string) bool
	}{{lines, f.Lines, s.line}, {classes, f.Classes, s.class}} {
		if by.is {
			s.yes.Clear(by.col.Width)
			by.col.Mark(by.match, &s.yes)
			places = s.yes.Keep(by.col.Places, places)
		}
	}
	return places, nil
}

// byTime keeps what starts in time: rows are in order, so it is a part of them.
func (s *search) byTime(o *opened, places []uint16) ([]uint16, error) {
	z := &o.b.zone
	if within(z.First, s.From, s.To) && within(z.Last, s.From, s.To) && (s.Before == nil || z.Last.Before(s.Before.Start)) {
		return places, nil
	}
	starts, err := o.group(block.Starts)
	if err != nil {
		return nil, err
	}
	at := func(i int) time.Time { return block.StartAt(starts, int(places[i])) }
	first := sort.Search(len(places), func(i int) bool {
		return (s.To.IsZero() || at(i).Before(s.To)) && (s.Before == nil || !at(i).After(s.Before.Start))
	})
	places = places[first:]
	if s.From.IsZero() {
		return places, nil
	}
	return places[:sort.Search(len(places), func(i int) bool { return at(i).Before(s.From) })], nil
}

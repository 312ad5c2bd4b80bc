package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"linekeep/drivers/line"
	"linekeep/vault/catalog/block"
	"linekeep/vault/catalog/number"
	"linekeep/vault/catalog/words"
	"linekeep/vault/keys"
)

// ErrQuery reports a query that makes no sense, and says which part of it.
var ErrQuery = errors.New("catalog: no such query")

// Query says which rows are wanted: those that meet every criterion that is given. The zero Query wants all.
type Query struct {
	From, To    time.Time // starts in [From, To); zero leaves that end open
	Lines       []string  // on one of these; nil for any
	Classes     []string  // of one of these retention classes; nil for any
	Direction   *line.Direction
	MinDuration time.Duration
	MaxDuration time.Duration // 0 for any
	Answered    *bool
	Silent      *bool
	Withheld    *bool            // the caller kept their number back
	Numbers     []number.Pattern // the other end's number is one of these, in any written form
	Extensions  []string         // the office's end is one of these
	Words       string           // each is the beginning of a word of the caller's name; capitals and accents do not matter
	Tags        []string         // it has each of these; capitals and accents do not matter
	Cases       []string         // it belongs to one of these
	Person      []Party          // it is of one of these; nil for anybody
	Limit       int              // 0 for all
	Before      *Cursor          // only rows after this place: for the next page the cursor of the last row seen
}

// Party is what somebody was known by, and when: a call that has one of the numbers, extensions or names is theirs.
type Party struct {
	Numbers    []number.Pattern
	Extensions []string
	Names      []string  // each as Query.Words
	From, To   time.Time // [From, To); zero leaves that end open
}

// wanted is a Query made ready.
type wanted struct {
	Query
	flags, mask uint8 // direction and flags, and which of them matter
	tags        []string
	clauses     []clause // each must hold
}

// clause holds where one of its parties is on the call.
type clause []party

type party struct {
	numbers    []number.Matcher
	extensions []string
	names      []string // folded
	from, to   time.Time
}

// compile makes a query ready. Errors: ErrQuery.
func compile(q Query, rules number.Rules) (w wanted, err error) {
	w.Query = q
	if q.Direction != nil {
		if *q.Direction > block.DirectionBits {
			return w, fmt.Errorf("%w: direction %d", ErrQuery, *q.Direction)
		}
		w.mask, w.flags = block.DirectionBits, uint8(*q.Direction)
	}
	for flag, is := range map[uint8]*bool{block.FlagAnswered: q.Answered, block.FlagSilent: q.Silent, block.FlagWithheld: q.Withheld} {
		if is != nil {
			w.mask |= flag
			if *is {
				w.flags |= flag
			}
		}
	}
	for _, t := range q.Tags {
		folded := words.Fold(t)
		if folded == "" {
			return w, fmt.Errorf("%w: a tag without letters or figures", ErrQuery)
		}
		w.tags = append(w.tags, folded)
	}
	alone := []Party{}
	if q.Numbers != nil {
		alone = append(alone, Party{Numbers: q.Numbers})
	}
	if q.Extensions != nil {
		alone = append(alone, Party{Extensions: q.Extensions})
	}
	if q.Words != "" {
		alone = append(alone, Party{Names: []string{q.Words}})
	}
	for _, p := range alone {
		if err := w.clause([]Party{p}, rules); err != nil {
			return w, err
		}
	}
	if q.Person != nil {
		err = w.clause(q.Person, rules)
	}
	return w, err
}

func (w *wanted) clause(any []Party, rules number.Rules) error {
	c := make(clause, 0, len(any))
	for _, p := range any {
		made := party{from: p.From, to: p.To}
		for _, pattern := range p.Numbers {
			m, err := rules.Compile(pattern)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrQuery, err)
			}
			made.numbers = append(made.numbers, m)
		}
		for _, e := range p.Extensions {
			if e = strings.TrimSpace(e); e == "" {
				return fmt.Errorf("%w: an empty extension", ErrQuery)
			}
			made.extensions = append(made.extensions, e)
		}
		for _, n := range p.Names {
			folded := words.Fold(n)
			if folded == "" {
				return fmt.Errorf("%w: a name without letters or figures", ErrQuery)
			}
			made.names = append(made.names, folded)
		}
		c = append(c, made)
	}
	w.clauses = append(w.clauses, c)
	return nil
}

// matches is the query said of one row: the last word on each row, the columns only narrow.
func (w *wanted) matches(r *Row, hidden map[keys.ID]bool) bool {
	if r.Flags()&w.mask != w.flags || !within(r.Start, w.From, w.To) ||
		w.Lines != nil && !slices.Contains(w.Lines, r.Line) || w.Classes != nil && !slices.Contains(w.Classes, r.Class) ||
		r.Duration < w.MinDuration || w.MaxDuration != 0 && r.Duration > w.MaxDuration ||
		w.Before != nil && block.CompareCursors(*w.Before, r.Cursor()) >= 0 || hidden[r.ID] {
		return false
	}
	if w.Cases != nil && !slices.ContainsFunc(r.Cases, func(c string) bool { return slices.Contains(w.Cases, c) }) {
		return false
	}
	for _, t := range w.tags {
		if !slices.ContainsFunc(r.Tags, func(have string) bool { return words.Fold(have) == t }) {
			return false
		}
	}
	for _, c := range w.clauses {
		if !slices.ContainsFunc(c, func(p party) bool { return p.matches(r) }) {
			return false
		}
	}
	return true
}

func (p party) matches(r *Row) bool {
	if !within(r.Start, p.from, p.to) {
		return false
	}
	if slices.ContainsFunc(p.numbers, func(m number.Matcher) bool { return m.Match(r.Plain) }) || slices.Contains(p.extensions, r.Extension.Reveal()) {
		return true
	}
	if len(p.names) == 0 || r.Name == "" {
		return false
	}
	name := words.Fold(r.Name)
	return slices.ContainsFunc(p.names, func(asked string) bool { return words.Match(name, asked) })
}

func within(at, from, to time.Time) bool {
	return (from.IsZero() || !at.Before(from)) && (to.IsZero() || at.Before(to))
}

// overlaps says whether a zone has anything within a time.
func overlaps(z *block.Zone, from, to time.Time) bool {
	return (from.IsZero() || !z.Last.Before(from)) && (to.IsZero() || z.First.Before(to))
}

// mayBeIn says whether a block may have rows that match.
func (w *wanted) mayBeIn(z *block.Zone) bool {
	if !overlaps(z, w.From, w.To) || w.Lines != nil && !z.Lines.May(w.line) || w.Classes != nil && !z.Classes.May(w.class) ||
		z.Longest.Duration() < w.MinDuration || w.MaxDuration != 0 && z.Shortest.Duration() > w.MaxDuration ||
		w.Before != nil && z.First.After(w.Before.Start) || !z.MayHaveFlags(w.mask, w.flags) {
		return false
	}
	if w.mask&block.DirectionBits != 0 && z.Directions&(1<<(w.flags&block.DirectionBits)) == 0 {
		return false
	}
	if w.Cases != nil && !z.MayHaveCase(w.ofCase) {
		return false
	}
	for _, t := range w.tags {
		if !z.MayHaveTag(func(have string) bool { return have == t }) {
			return false
		}
	}
	for _, c := range w.clauses {
		if !slices.ContainsFunc(c, func(p party) bool { return p.mayBeIn(z) }) {
			return false
		}
	}
	return true
}

func (p party) mayBeIn(z *block.Zone) bool {
	return overlaps(z, p.from, p.to) && (slices.ContainsFunc(p.numbers, z.MayHaveNumber) ||
		len(p.extensions) > 0 && z.MayHaveExtension(func(e string) bool { return slices.Contains(p.extensions, e) }) ||
		len(p.names) > 0 && z.Has(block.Names))
}

func (w *wanted) line(l string) bool   { return slices.Contains(w.Lines, l) }
func (w *wanted) class(c string) bool  { return slices.Contains(w.Classes, c) }
func (w *wanted) ofCase(c string) bool { return slices.Contains(w.Cases, c) }

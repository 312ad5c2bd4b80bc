package catalog_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/catalog"
	"linekeep/vault/catalog/number"
	"linekeep/vault/catalog/words"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
)

// slots are real keys, of which some can be erased.
type slots struct {
	*keys.Keys
	erased map[keys.ID]bool
}

func newSlots(tb testing.TB) *slots {
	tb.Helper()
	k, err := keys.Create(context.Background(), keys.Config{Dir: filepath.Join(tb.TempDir(), "keys"), Clock: time.Now}, tpmtest.NewMemory())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := k.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return &slots{k, map[keys.ID]bool{}}
}

func (s *slots) Slot(id keys.ID) (keys.Slot, error) {
	if s.erased[id] {
		return keys.Slot{}, keys.ErrNoSlot
	}
	return s.Keys.Slot(id)
}

type site struct {
	*catalog.Catalog
	slots   *slots
	asSlots catalog.Slots // what the catalogue asks
	folder  *folder.Folder
	cfg     catalog.Config
	o       folder.Options
}

func newSite(tb testing.TB, blockRows int) *site {
	tb.Helper()
	s := &site{slots: newSlots(tb), cfg: catalog.Defaults()}
	s.asSlots = s.slots
	s.cfg.BlockRows = blockRows
	s.o = folder.Options{Name: "catalog", Path: filepath.Join(tb.TempDir(), "catalog"), Key: keys.NewKey(), Rows: true, Log: slog.New(slog.DiscardHandler)}
	s.open(tb)
	tb.Cleanup(func() {
		if err := s.folder.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return s
}

func (s *site) open(tb testing.TB) {
	tb.Helper()
	var err error
	if s.folder, err = folder.Open(context.Background(), s.o); err != nil {
		tb.Fatal(err)
	}
	if s.Catalog, err = catalog.Open(context.Background(), s.cfg, s.folder, s.asSlots, s.o.Log); err != nil {
		tb.Fatal(err)
	}
}

func (s *site) reopen(tb testing.TB) {
	tb.Helper()
	if err := s.folder.Close(); err != nil {
		tb.Fatal(err)
	}
	s.open(tb)
}

// row makes the nth row of a busy office: about one a minute, not quite in order.
func row(n int, id keys.ID, r *rand.Rand) catalog.Row {
	start := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC).Add(time.Duration(n)*time.Minute - time.Duration(r.IntN(600))*time.Second)
	row := catalog.Row{
		ID: id, Line: fmt.Sprintf("line-%d", r.IntN(8)), Class: anyOf(r, "standard", "standard", "financial"),
		Start: start, Duration: time.Duration(r.IntN(600*8000)) * 125 * time.Microsecond, Direction: line.Direction(r.IntN(4)),
		Number: anyNumber(r), Answered: r.IntN(2) == 0, Silent: r.IntN(20) == 0,
		Name:    anyOf(r, "", "", "Zoë O'Brien", "Jørgen Müller", "Smith & Sons Ltd", fmt.Sprint("Customer ", r.IntN(40))),
		Trigger: segment.BySound, Reason: segment.EndSilence, Bytes: r.Int64N(1 << 20), Parties: []segment.Party{segment.Office, segment.Caller},
	}
	if r.IntN(10) == 0 {
		row.Gaps, row.GapTotal, row.Recovered = r.IntN(5), 2*time.Second, true
		row.Continues, row.Extension = keys.ID{Shard: 1, Slot: 7}, "201"
		row.Parties = []segment.Party{segment.Both}
	}
	for range r.IntN(4) / 2 {
		row.Tags = append(row.Tags, anyOf(r, "Überprüfen", "complaint", "urgent", fmt.Sprint("t", r.IntN(100))))
		row.Cases = append(row.Cases, fmt.Sprint("2026-", r.IntN(80)))
	}
	return row.Normal()
}

func anyOf(r *rand.Rand, texts ...string) string { return texts[r.IntN(len(texts))] }

// anyNumber is one of few enough for a search to find several, and now and then something else than a number.
func anyNumber(r *rand.Rand) line.Number {
	return line.Number(anyOf(r, "", "withheld", "999", "*21*201#", fmt.Sprintf("01632 960%03d", r.IntN(100)), fmt.Sprintf("+441632960%03d", r.IntN(100)),
		fmt.Sprintf("0044 (0)1632 960%03d", r.IntN(100)), fmt.Sprintf("+4930%07d", r.IntN(1e7)), fmt.Sprintf("+4930%07d", r.IntN(1e7))))
}

func (s *site) rows(tb testing.TB, n int) []catalog.Row {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var all []catalog.Row
	for i := range n {
		slot, err := s.slots.Next(context.Background(), "standard", time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC))
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, row(i, slot.ID, r))
	}
	return all
}

func mustFile(tb testing.TB, s *site, all []catalog.Row) {
	tb.Helper()
	for batch := range slices.Chunk(all, 300) {
		if err := s.File(context.Background(), batch...); err != nil {
			tb.Fatalf("File: %v", err)
		}
	}
}

func collect(tb testing.TB, s *site, q catalog.Query) []catalog.Row {
	tb.Helper()
	var got []catalog.Row
	for r, err := range s.Find(context.Background(), q) {
		if err != nil {
			tb.Fatalf("Find: %v", err)
		}
		got = append(got, r)
	}
	return got
}

// expected is the query said of a plain slice.
func expected(all []catalog.Row, q catalog.Query) []catalog.Row {
	var got []catalog.Row
	for _, r := range all {
		is := func(want *bool, have bool) bool { return want == nil || *want == have }
		plain := plainOf(r.Number)
		if (q.From.IsZero() || !r.Start.Before(q.From)) && (q.To.IsZero() || r.Start.Before(q.To)) &&
			(q.Lines == nil || slices.Contains(q.Lines, r.Line)) && (q.Direction == nil || r.Direction == *q.Direction) &&
			(q.Classes == nil || slices.Contains(q.Classes, r.Class)) && is(q.Answered, r.Answered) && is(q.Silent, r.Silent) &&
			is(q.Withheld, plain == number.Withheld) && (q.Numbers == nil || numbered(plain, q.Numbers)) &&
			(q.Extensions == nil || slices.Contains(q.Extensions, r.Extension.Reveal())) && (q.Words == "" || named(r, q.Words)) &&
			(q.Cases == nil || slices.ContainsFunc(r.Cases, func(c string) bool { return slices.Contains(q.Cases, c) })) &&
			!slices.ContainsFunc(q.Tags, func(t string) bool {
				return !slices.ContainsFunc(r.Tags, func(have string) bool { return words.Fold(have) == words.Fold(t) })
			}) &&
			(q.Person == nil || slices.ContainsFunc(q.Person, func(p catalog.Party) bool {
				return (p.From.IsZero() || !r.Start.Before(p.From)) && (p.To.IsZero() || r.Start.Before(p.To)) && (numbered(plain, p.Numbers) ||
					slices.Contains(p.Extensions, r.Extension.Reveal()) || slices.ContainsFunc(p.Names, func(n string) bool { return named(r, n) }))
			})) &&
			r.Duration >= q.MinDuration && (q.MaxDuration == 0 || r.Duration <= q.MaxDuration) {
			got = append(got, r)
		}
	}
	slices.SortFunc(got, func(a, b catalog.Row) int {
		if c := b.Start.Compare(a.Start); c != 0 {
			return c
		}
		return slices.Compare(b.ID.Append(nil), a.ID.Append(nil))
	})
	if q.Before != nil {
		i := slices.IndexFunc(got, func(r catalog.Row) bool {
			c := r.Start.Compare(q.Before.Start)
			return c < 0 || c == 0 && slices.Compare(r.ID.Append(nil), q.Before.ID.Append(nil)) < 0
		})
		if i < 0 {
			return nil
		}
		got = got[i:]
	}
	if q.Limit > 0 && len(got) > q.Limit {
		got = got[:q.Limit]
	}
	return got
}

// plainOf is number.Rules.Plain, which takes 16 µs, asked once.
func plainOf(n line.Number) line.Number {
	if p, ok := plains.Load(n); ok {
		return p.(line.Number)
	}
	p := number.Defaults().Plain(n)
	plains.Store(n, p)
	return p
}

var plains sync.Map

func numbered(plain line.Number, any []number.Pattern) bool {
	return slices.ContainsFunc(any, func(p number.Pattern) bool {
		m, err := number.Defaults().Compile(p)
		return err == nil && m.Match(plain)
	})
}

func named(r catalog.Row, asked string) bool {
	return words.Match(words.Fold(r.Name), words.Fold(asked))
}

func anyPattern(r *rand.Rand) number.Pattern {
	switch r.IntN(4) {
	case 0:
		return number.Pattern{Text: line.Number(anyOf(r, "01632", "+44", "0049 30", "9", "+493012", "*")), Part: number.Start}
	case 1:
		return number.Pattern{Text: line.Number(fmt.Sprintf("%0*d", 1+r.IntN(4), r.IntN(10))), Part: number.End}
	case 2:
		return number.Pattern{Text: line.Number(fmt.Sprintf("960%03d", r.IntN(100))), Part: number.End}
	}
	for {
		if n := anyNumber(r); n != "" {
			return number.Pattern{Text: n}
		}
	}
}

// anyParties adds criteria about who was on the call.
func anyParties(r *rand.Rand, q *catalog.Query, at func() time.Time) {
	maybe := func(n int) bool { return r.IntN(n) == 0 }
	for range r.IntN(6) / 4 {
		q.Numbers = append(q.Numbers, anyPattern(r), anyPattern(r))
	}
	if maybe(12) {
		q.Extensions = []string{"201", "999"}
	}
	if maybe(8) {
		q.Words = anyOf(r, "zoe", "MULLER jorg", "sons", "Customer 1", "nobody")
	}
	if maybe(6) {
		q.Tags = []string{anyOf(r, "uberprufen", "Urgent", "t7", "none")}
	}
	if maybe(8) {
		q.Cases = []string{fmt.Sprint("2026-", r.IntN(90)), "2026-3"}
	}
	for range r.IntN(8) / 5 {
		p := catalog.Party{}
		if maybe(2) {
			p.Numbers = append(p.Numbers, anyPattern(r))
		}
		if maybe(2) {
			p.Extensions = append(p.Extensions, "201")
		}
		if maybe(2) {
			p.Names = append(p.Names, "brien", "customer 2")
		}
		if maybe(3) {
			p.From = at()
		}
		if maybe(3) {
			p.To = at()
		}
		q.Person = append(q.Person, p)
	}
}

func anyQuery(r *rand.Rand, all []catalog.Row) catalog.Query {
	var q catalog.Query
	at := func() time.Time { return all[r.IntN(len(all))].Start }
	if r.IntN(2) == 0 {
		q.From = at()
	}
	if r.IntN(2) == 0 {
		q.To = at()
	}
	anyParties(r, &q, at)
	for _, is := range []**bool{&q.Answered, &q.Silent, &q.Withheld} {
		if r.IntN(8) == 0 {
			yes := r.IntN(2) == 0
			*is = &yes
		}
	}
	if r.IntN(8) == 0 {
		q.Classes = []string{"financial", "other"}
	}
	for range r.IntN(3) {
		q.Lines = append(q.Lines, fmt.Sprintf("line-%d", r.IntN(9)))
	}
	if r.IntN(2) == 0 {
		d := line.Direction(r.IntN(4))
		q.Direction = &d
	}
	if r.IntN(2) == 0 {
		q.MinDuration = time.Duration(r.IntN(600)) * time.Second
	}
	if r.IntN(2) == 0 {
		q.MaxDuration = time.Duration(1+r.IntN(600)) * time.Second
	}
	if r.IntN(2) == 0 {
		q.Limit = 1 + r.IntN(200)
	}
	if r.IntN(3) == 0 {
		c := all[r.IntN(len(all))].Cursor()
		q.Before = &c
	}
	return q
}

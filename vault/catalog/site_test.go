package catalog_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/catalog"
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
	slots  *slots
	folder *folder.Folder
	cfg    catalog.Config
	o      folder.Options
}

func newSite(tb testing.TB, blockRows int) *site {
	tb.Helper()
	s := &site{slots: newSlots(tb), cfg: catalog.Defaults()}
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
	if s.Catalog, err = catalog.Open(context.Background(), s.cfg, s.folder, s.slots, s.o.Log); err != nil {
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
		ID: id, Line: fmt.Sprintf("line-%d", r.IntN(8)), Class: "standard",
		Start: start, Duration: time.Duration(r.IntN(600*8000)) * 125 * time.Microsecond, Direction: line.Direction(r.IntN(4)),
		Number: line.Number(fmt.Sprintf("+4930%07d", r.IntN(1e7))), Answered: r.IntN(2) == 0, Silent: r.IntN(20) == 0,
		Trigger: segment.BySound, Reason: segment.EndSilence, Bytes: r.Int64N(1 << 20), Parties: []segment.Party{segment.Office, segment.Caller},
	}
	if r.IntN(10) == 0 {
		row.Gaps, row.GapTotal, row.Recovered = r.IntN(5), 2*time.Second, true
		row.Continues, row.Extension = keys.ID{Shard: 1, Slot: 7}, "201"
		row.Parties = []segment.Party{segment.Both}
	}
	return row
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
		if (q.From.IsZero() || !r.Start.Before(q.From)) && (q.To.IsZero() || r.Start.Before(q.To)) &&
			(q.Lines == nil || slices.Contains(q.Lines, r.Line)) && (q.Direction == nil || r.Direction == *q.Direction) &&
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

func anyQuery(r *rand.Rand, all []catalog.Row) catalog.Query {
	var q catalog.Query
	at := func() time.Time { return all[r.IntN(len(all))].Start }
	if r.IntN(2) == 0 {
		q.From = at()
	}
	if r.IntN(2) == 0 {
		q.To = at()
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

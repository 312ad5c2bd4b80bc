package catalog_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"linekeep/vault/catalog"
	"linekeep/vault/catalog/block"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
)

func idsOf(rows []catalog.Row) []keys.ID {
	all := make([]keys.ID, 0, len(rows))
	for _, r := range rows {
		all = append(all, r.ID)
	}
	return all
}

// without gives the rows that are not among gone.
func without(all, gone []catalog.Row) []catalog.Row {
	out := idsOf(gone)
	return slices.DeleteFunc(slices.Clone(all), func(r catalog.Row) bool { return slices.Contains(out, r.ID) })
}

func mustRemove(tb testing.TB, s *site, ids ...keys.ID) catalog.Removed {
	tb.Helper()
	done, err := s.Remove(tb.Context(), ids...)
	if err != nil {
		tb.Fatalf("Remove: %v", err)
	}
	return done
}

// TestRemoveTakesTheRowsAndNoOther: whatever is removed, loose or in blocks, some or all of a block, every question
// is answered as a plain look through the rest would, also after a restart.
func TestRemoveTakesTheRowsAndNoOther(t *testing.T) {
	s := newSite(t, 64)
	all := s.rows(t, 500) // seven blocks, and loose rows
	mustFile(t, s, all)
	r := rand.New(rand.NewPCG(7, 8))
	left := slices.Clone(all)
	for n := range 12 {
		gone := make([]catalog.Row, 0, 64)
		for range 1 + r.IntN(1<<(n/2)) {
			gone = append(gone, left[r.IntN(len(left))])
		}
		if n == 5 {
			gone = all[:70] // all that is left of the oldest block, and more
		}
		holding := s.Holding(idsOf(gone)...)
		done := mustRemove(t, s, idsOf(gone)...)
		if diff := cmp.Diff(holding, sorted(done.Retired)); diff != "" {
			t.Errorf("what Holding said and Remove retired: %s", diff)
		}
		left = without(left, gone)
		if again := mustRemove(t, s, idsOf(gone)...); len(again.Retired) > 0 {
			t.Errorf("removing twice retired %v", again.Retired)
		}
		if n%3 == 2 {
			s.reopen(t)
		}
		for range 30 {
			q := anyQuery(r, all)
			if diff := cmp.Diff(ids(expected(left, q)), ids(collect(t, s, q))); diff != "" {
				t.Fatalf("%+v: %s", q, diff)
			}
		}
		for _, g := range gone {
			if _, err := s.Row(g.ID); !errors.Is(err, catalog.ErrMissing) {
				t.Fatalf("Row of a removed one: %v, want ErrMissing", err)
			}
		}
		for _, b := range done.Retired {
			if slices.Contains(s.Blocks(), b) {
				t.Errorf("block %s is retired and still there", b)
			}
		}
	}
	mustRemove(t, s, idsOf(left)...)
	if n := len(s.Blocks()); n != 0 || len(collect(t, s, catalog.Query{})) != 0 {
		t.Errorf("after removing all: %d blocks", n)
	}
	n := 0
	if err := s.folder.Keys(nil, func([]byte) error { n++; return nil }); err != nil || n != 0 {
		t.Errorf("the folder still holds %d keys, %v", n, err)
	}
}

func sorted(ids []keys.ID) []keys.ID { return slices.SortedFunc(slices.Values(ids), block.CompareIDs) }

// TestHiddenRowsAreNotShownNorFiled: from the order on, and before anything is rewritten.
func TestHiddenRowsAreNotShownNorFiled(t *testing.T) {
	s := newSite(t, 64)
	all := s.rows(t, 220)
	hidden := map[keys.ID]bool{}
	s.cfg.Hidden = func() map[keys.ID]bool { return hidden }
	s.reopen(t)
	mustFile(t, s, all[:200])
	gone := []catalog.Row{all[3], all[64], all[100], all[195], all[210]}
	hidden = map[keys.ID]bool{}
	for _, g := range gone {
		hidden[g.ID] = true
	}
	mustFile(t, s, all[200:])
	left := without(all, gone)
	r := rand.New(rand.NewPCG(9, 9))
	for n := range 100 {
		q := anyQuery(r, all)
		if n == 0 {
			q = catalog.Query{Limit: len(left)}
		}
		if diff := cmp.Diff(ids(expected(left, q)), ids(collect(t, s, q))); diff != "" {
			t.Fatalf("%+v: %s", q, diff)
		}
	}
	if _, err := s.Row(all[64].ID); !errors.Is(err, catalog.ErrMissing) {
		t.Errorf("Row of a hidden one: %v, want ErrMissing", err)
	}
	hidden = nil
	if _, err := s.Row(all[210].ID); !errors.Is(err, catalog.ErrMissing) {
		t.Errorf("a row that was hidden when it was filed: %v, want ErrMissing", err)
	}
	s.slots.erased[all[211].ID] = true
	if err := s.File(t.Context(), all[210], all[211]); err != nil {
		t.Errorf("filing a row whose slot is erased: %v, want nil", err)
	}
}

// TestQueryBesideRemoval: a query that runs while a block is rewritten gives no wrong rows. It says that something
// changed, or gives what was there when it began.
func TestQueryBesideRemoval(t *testing.T) {
	s := newSite(t, 64)
	all := s.rows(t, 200)
	mustFile(t, s, all)
	want := expected(all, catalog.Query{})
	n, changed := 0, 0
	for row, err := range s.Find(t.Context(), catalog.Query{}) {
		switch {
		case errors.Is(err, catalog.ErrChanged):
			changed++
		case err != nil:
			t.Fatal(err)
		default:
			if n == 0 {
				mustRemove(t, s, all[10].ID) // of the oldest block, which comes last
			}
			if row.ID != want[n].ID {
				t.Fatalf("row %d is %s, want %s", n, row.ID, want[n].ID)
			}
			n++
		}
	}
	if changed != 1 || n != 200-64 {
		t.Errorf("%d rows and %d times ErrChanged, want all but the rewritten block's and one", n, changed)
	}
	if diff := cmp.Diff(ids(expected(without(all, all[10:11]), catalog.Query{})), ids(collect(t, s, catalog.Query{}))); diff != "" {
		t.Error(diff)
	}
}

// cutFolder loses the power at a write: before it, or after it and before its answer.
type cutFolder struct {
	catalog.Folder
	left int
	kept bool
}

var errCut = errors.New("the power is cut")

func (f *cutFolder) Put(ctx context.Context, entries ...folder.Entry) error {
	f.left--
	if f.left < 0 {
		return errCut
	}
	if f.left == 0 && !f.kept {
		return errCut
	}
	err := f.Folder.Put(ctx, entries...)
	if f.left == 0 {
		return errors.Join(err, errCut)
	}
	return err
}

// TestRemoveIsFinishedAfterAPowerCut: at each of its writes, before and after. The rest is never touched, and doing
// it again completes it.
func TestRemoveIsFinishedAfterAPowerCut(t *testing.T) {
	cuts := 0
	for _, kept := range []bool{false, true} {
		for at := 1; ; at++ {
			s := newSite(t, 64)
			all := s.rows(t, 200)
			mustFile(t, s, all)
			gone := []catalog.Row{all[1], all[2], all[70], all[130], all[199]}
			cut := &cutFolder{Folder: s.folder, left: at, kept: kept}
			c, err := catalog.Open(t.Context(), s.cfg, cut, s.slots, s.o.Log)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Remove(t.Context(), idsOf(gone)...)
			if err == nil {
				break // it has fewer writes than that
			}
			cuts++
			if !errors.Is(err, errCut) {
				t.Fatal(err)
			}
			s.reopen(t)
			got := ids(collect(t, s, catalog.Query{}))
			for _, id := range ids(without(all, gone)) {
				if !slices.Contains(got, id) {
					t.Fatalf("cut at %d: row %s is lost", at, id)
				}
			}
			mustRemove(t, s, idsOf(gone)...)
			s.reopen(t)
			if diff := cmp.Diff(ids(expected(without(all, gone), catalog.Query{})), ids(collect(t, s, catalog.Query{}))); diff != "" || len(s.Findings()) > 0 {
				t.Errorf("cut at %d: %v %s", at, s.Findings(), diff)
			}
		}
	}
	if cuts != 8 { // loose rows once, three blocks, each before and after
		t.Errorf("%d cuts, want 8", cuts)
	}
}

// TestABlockThatCannotBeReadGoesWhole: it might hold the row, so it cannot stay, and its rows come back by filing.
func TestABlockThatCannotBeReadGoesWhole(t *testing.T) {
	for _, what := range []byte{block.PrefixZone, block.PrefixGroup} {
		s := newSite(t, 64)
		all := s.rows(t, 130)
		mustFile(t, s, all)
		var entries []folder.Entry
		for _, prefix := range []byte{what, block.PrefixGroup} { // a zone is lost for good when its columns are, too
			if err := s.folder.Keys([]byte{prefix}, func(k []byte) error {
				entries = append(entries, folder.Entry{Key: slices.Clone(k), Value: []byte("noise")})
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.folder.Put(t.Context(), entries...); err != nil {
			t.Fatal(err)
		}
		s.reopen(t)
		blocks := s.Blocks()
		if len(blocks) != 2 || !slices.Equal(s.Holding(all[5].ID, all[70].ID), blocks) {
			t.Errorf("blocks %v, holding %v", blocks, s.Holding(all[5].ID, all[70].ID))
		}
		done := mustRemove(t, s, all[5].ID, all[70].ID)
		if done.Damaged != 2 || !slices.Equal(sorted(done.Retired), blocks) {
			t.Errorf("Remove: %+v, want both blocks gone", done)
		}
		mustFile(t, s, without(all, []catalog.Row{all[5], all[70]}))
		s.reopen(t)
		if got := len(collect(t, s, catalog.Query{})); got != 128 || len(s.Findings()) > 0 {
			t.Errorf("%d rows, findings %v", got, s.Findings())
		}
	}
}

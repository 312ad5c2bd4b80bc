package catalog_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/vault/catalog"
	"linekeep/vault/catalog/block"
	"linekeep/vault/catalog/number"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
)

// TestFindIsTheSameAsLooking: any combination of criteria gives what a plain look through all rows gives.
func TestFindIsTheSameAsLooking(t *testing.T) {
	for name, size := range map[string]int{"in order": 64, "shuffled": 64, "blocks of several pages": 700} {
		s := newSite(t, size)
		all := s.rows(t, 20*size/(1+size/100)) // blocks and loose rows
		for i := 100; i < 110; i++ {
			all[i].Start = all[100].Start // of the same time
		}
		order := slices.Clone(all)
		if name == "shuffled" {
			rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		mustFile(t, s, order)
		r := rand.New(rand.NewPCG(3, 4))
		for n := range 1000 {
			if n == 500 {
				s.reopen(t)
				if f := s.Findings(); len(f) > 0 {
					t.Fatalf("Findings: %v", f)
				}
			}
			q := anyQuery(r, all)
			if diff := cmp.Diff(ids(expected(all, q)), ids(collect(t, s, q))); diff != "" {
				t.Fatalf("%s, %+v: %s", name, q, diff)
			}
		}
		reveal := cmp.Transformer("reveal", func(n line.Number) []byte { return []byte(n.Reveal()) })
		for i := range all {
			all[i].Plain = number.Defaults().Plain(all[i].Number)
		}
		if diff := cmp.Diff(expected(all, catalog.Query{}), collect(t, s, catalog.Query{}), reveal); diff != "" {
			t.Errorf("%s: whole rows differ: %s", name, diff)
		}
	}
}

func ids(rows []catalog.Row) []string {
	var all []string
	for _, r := range rows {
		all = append(all, r.ID.String())
	}
	return all
}

// TestPages: reading page by page gives everything once.
func TestPages(t *testing.T) {
	s := newSite(t, 64)
	all := s.rows(t, 500)
	mustFile(t, s, all)
	var got []catalog.Row
	q := catalog.Query{Limit: 37}
	for {
		page := collect(t, s, q)
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
		last := page[len(page)-1].Cursor()
		q.Before = &last
	}
	if diff := cmp.Diff(ids(expected(all, catalog.Query{})), ids(got)); diff != "" {
		t.Error(diff)
	}
}

func TestFilingTwiceIsOnce(t *testing.T) {
	s := newSite(t, 64)
	all := s.rows(t, 200)
	mustFile(t, s, all)
	changed := slices.Clone(all)
	for i := range changed {
		changed[i].Line = "other"
	}
	mustFile(t, s, changed)
	mustFile(t, s, append(changed[:5:5], changed[:5]...))
	if diff := cmp.Diff(ids(expected(all, catalog.Query{})), ids(collect(t, s, catalog.Query{}))); diff != "" {
		t.Error(diff)
	}
	for _, r := range collect(t, s, catalog.Query{}) {
		if r.Line == "other" {
			t.Fatalf("row %s was overwritten by filing again", r.ID)
		}
	}
}

func TestReplace(t *testing.T) {
	s := newSite(t, 64)
	all := s.rows(t, 200)
	mustFile(t, s, all[:150])
	for i := 0; i < 200; i += 10 {
		all[i].Line = "moved"
		all[i].Start = all[i].Start.Add(-48 * time.Hour)
		if err := s.Replace(t.Context(), all[i]); err != nil {
			t.Fatal(err)
		}
	}
	want := append(all[:150:150], all[150], all[160], all[170], all[180], all[190])
	for range 2 {
		if diff := cmp.Diff(ids(expected(want, catalog.Query{})), ids(collect(t, s, catalog.Query{}))); diff != "" {
			t.Error(diff)
		}
		q := catalog.Query{Lines: []string{"moved"}}
		if diff := cmp.Diff(ids(expected(want, q)), ids(collect(t, s, q))); diff != "" {
			t.Error(diff)
		}
		if r, err := s.Row(all[20].ID); err != nil || r.Line != "moved" {
			t.Errorf("Row: %+v, %v", r, err)
		}
		s.reopen(t)
	}
	if _, err := s.Row(keys.ID{Shard: 5, Slot: 5}); !errors.Is(err, catalog.ErrMissing) {
		t.Errorf("Row of none: %v, want ErrMissing", err)
	}
}

// TestErasedRowIsGone: a loose row whose slot is erased is gone at the next opening, and no finding.
func TestErasedRowIsGone(t *testing.T) {
	s := newSite(t, 64)
	all := s.rows(t, 20)
	mustFile(t, s, all)
	s.slots.erased[all[3].ID] = true
	s.reopen(t)
	if len(s.Findings()) > 0 || len(collect(t, s, catalog.Query{})) != 19 {
		t.Errorf("%d rows, findings %v", len(collect(t, s, catalog.Query{})), s.Findings())
	}
}

// TestDamagedBlock: whatever value of the folder is lost, it is named, all rows elsewhere are found, and the
// rows come back by dropping what is damaged and filing again.
func TestDamagedBlock(t *testing.T) {
	s := newSite(t, 64)
	all := s.rows(t, 68)
	mustFile(t, s, all)
	var every [][]byte
	if err := s.folder.Keys(nil, func(k []byte) error { every = append(every, k); return nil }); err != nil {
		t.Fatal(err)
	}
	for _, key := range every {
		for _, with := range [][]byte{[]byte("not a box"), nil} {
			old, err := s.folder.Get(key)
			if err != nil {
				t.Fatal(err)
			}
			if key[0] == 'r' && with == nil {
				continue // a row taken out by someone with all keys: the store's check compares with manifests
			}
			if err := s.folder.Put(t.Context(), folder.Entry{Key: key, Value: with}); err != nil {
				t.Fatal(err)
			}
			s.reopen(t)
			found, named := 0, len(s.Findings())
			for _, err := range s.All(t.Context()) {
				if err != nil {
					named++
				} else {
					found++
				}
			}
			lost := len(all) - found
			if named == 0 || key[0] == 'c' && (lost == 64) != (key[9] == byte(block.Rows)) || key[0] == 'b' && lost != 0 || key[0] == 'r' && lost != 1 {
				t.Errorf("key %x: %d named, %d rows lost", key, named, lost)
			}
			if err := s.folder.Put(t.Context(), folder.Entry{Key: key, Value: old}); err != nil {
				t.Fatal(err)
			}
		}
	}
	// One of each again, and then put right.
	for _, i := range []int{0, len(every) / 2, len(every) - 1} {
		if err := s.folder.Put(t.Context(), folder.Entry{Key: every[i], Value: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	s.reopen(t)
	if n, err := s.DropDamaged(t.Context()); n == 0 || err != nil {
		t.Errorf("DropDamaged = %d, %v", n, err)
	}
	mustFile(t, s, all)
	s.reopen(t)
	if diff := cmp.Diff(ids(expected(all, catalog.Query{})), ids(collect(t, s, catalog.Query{}))); diff != "" || len(s.Findings()) > 0 {
		t.Errorf("%v %s", s.Findings(), diff)
	}
}

// TestQueryBesideChanges: a query that runs while rows are filed sees what was there when it began.
func TestQueryBesideChanges(t *testing.T) {
	s := newSite(t, 64)
	all := s.rows(t, 300)
	mustFile(t, s, all[:200])
	n := 0
	for _, err := range s.Find(t.Context(), catalog.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			mustFile(t, s, all[200:])
		}
		n++
	}
	if n != 200 {
		t.Errorf("%d rows, want the 200 there were", n)
	}
}

func TestRowsThatCannotBeWritten(t *testing.T) {
	s := newSite(t, 64)
	good := s.rows(t, 1)[0]
	for name, harm := range map[string]func(*catalog.Row){
		"no id":           func(r *catalog.Row) { r.ID = keys.ID{} },
		"endless":         func(r *catalog.Row) { r.Duration = 1 << 62 },
		"negative":        func(r *catalog.Row) { r.Bytes = -1 },
		"no start":        func(r *catalog.Row) { r.Start = time.Time{} },
		"a long name":     func(r *catalog.Row) { r.Line = string(make([]byte, 256)) },
		"a strange party": func(r *catalog.Row) { r.Parties = []segment.Party{9} },
		"direction":       func(r *catalog.Row) { r.Direction = 8 },
	} {
		bad := good
		harm(&bad)
		if err := s.File(t.Context(), bad); err == nil {
			t.Errorf("%s: File = nil, want an error", name)
		}
	}
}

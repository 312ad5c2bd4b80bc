package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"linekeep/drivers/line"
	"linekeep/vault/catalog"
	"linekeep/vault/catalog/block"
	"linekeep/vault/catalog/number"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
	"linekeep/vault/vaulttest/vectors"
)

// TestChangedRowsAreFoundAsTheyNowAre, loose and in blocks, by what was put to them and no more by what was taken; and the
// block that had them is one of the past.
func TestChangedRowsAreFoundAsTheyNowAre(t *testing.T) {
	s := newSite(t, 64)
	all := s.rows(t, 200)
	mustFile(t, s, all)
	for i := range all {
		all[i].Plain = plainOf(all[i].Number)
	}
	changed := []int{3, 5, 70, 199}
	before := s.Holding(all[3].ID, all[70].ID)
	var ids []keys.ID
	for _, i := range changed {
		all[i].Name, all[i].Number, all[i].Plain = "Changed Person", "01632 960555", "+441632960555"
		all[i].Tags, all[i].Cases = []string{"new"}, []string{"2027-1"}
		ids = append(ids, all[i].ID)
	}
	change := func(r *catalog.Row) {
		r.Name, r.Number, r.Tags, r.Cases = "Changed Person", "01632 960555", []string{"new", "new"}, []string{"2027-1"}
	}
	if err := s.Change(t.Context(), change, ids...); err != nil {
		t.Fatal(err)
	}
	for _, b := range s.Blocks() {
		for _, old := range before {
			if b == old {
				t.Errorf("block %s still stands with what was taken back", b)
			}
		}
	}
	for range 2 {
		for name, q := range map[string]catalog.Query{
			"number": {Numbers: []number.Pattern{{Text: "+44 1632 960555"}}}, "name": {Words: "changed"}, "tag": {Tags: []string{"NEW"}},
			"case": {Cases: []string{"2027-1"}}, "all": {},
		} {
			got, want := idsOf(collect(t, s, q)), idsOf(expected(all, q))
			if diff := cmp.Diff(want, got); diff != "" || name != "all" && len(got) != 4 {
				t.Errorf("%s: %s", name, diff)
			}
		}
		s.reopen(t)
	}
	if err := s.Change(t.Context(), change, all[0].ID, keys.ID{Shard: 9, Slot: 9}); !errors.Is(err, catalog.ErrMissing) {
		t.Errorf("changing what is not there: %v, want ErrMissing", err)
	}
	if r, err := s.Row(all[0].ID); err != nil || r.Name == "Changed Person" {
		t.Errorf("a change that was refused was half made: %v", err)
	}
	if err := s.Change(t.Context(), func(r *catalog.Row) { r.ID.Slot++ }, all[0].ID); err == nil {
		t.Error("a row became another recording's")
	}
}

// TestAQueryThatMakesNoSenseIsRefused, rather than finding everything or nothing.
func TestAQueryThatMakesNoSenseIsRefused(t *testing.T) {
	s := newSite(t, 64)
	mustFile(t, s, s.rows(t, 10))
	far := line.Direction(99)
	for name, q := range map[string]catalog.Query{
		"no digits": {Numbers: []number.Pattern{{Text: "()", Part: number.Start}}}, "no number": {Numbers: []number.Pattern{{}}},
		"no word": {Words: "-"}, "no tag": {Tags: []string{"?"}}, "no extension": {Extensions: []string{" "}}, "direction": {Direction: &far},
		"a party without digits": {Person: []catalog.Party{{Numbers: []number.Pattern{{Text: "", Part: number.End}}}}},
	} {
		n := 0
		for _, err := range s.Find(t.Context(), q) {
			if n++; !errors.Is(err, catalog.ErrQuery) {
				t.Errorf("%s: %v, want ErrQuery", name, err)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d answers", name, n)
		}
	}
	if got := collect(t, s, catalog.Query{Numbers: []number.Pattern{}, Person: []catalog.Party{}}); len(got) != 0 {
		t.Errorf("none of no numbers: %d rows", len(got))
	}
}

// TestP03_NothingPersonalStandsInAKeyOrFileOfTheFolder: keys are made of ids, groups and pages; and the files of the folder, which
// Badger encrypts besides, hold no number and no name.
func TestP03_NothingPersonalStandsInAKeyOrFileOfTheFolder(t *testing.T) {
	s := newSite(t, 64)
	all := s.rows(t, 130)
	for i := range all {
		all[i].Number, all[i].Name, all[i].Tags, all[i].Cases = "01632 960777", "Markername Person", []string{"markertag"}, []string{"markercase"}
	}
	mustFile(t, s, all)
	widths := map[byte]int{block.PrefixRow: 9, block.PrefixZone: 9, block.PrefixGroup: 11}
	if err := s.folder.Keys(nil, func(k []byte) error {
		if len(k) != widths[k[0]] {
			t.Errorf("key %x has %d bytes", k, len(k))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.folder.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(s.o.Path, "*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // a folder
		}
		for _, marker := range []string{"960777", "arkername", "arkertag", "arkercase"} {
			if bytes.Contains(data, []byte(marker)) {
				t.Errorf("%s holds %q", name, marker)
			}
		}
	}
	s.open(t)
}

// version1 is the block of the format's example of version 1, sealed under a slot of this site.
func version1(t *testing.T, slot keys.Slot) []folder.Entry {
	t.Helper()
	v, id := vectors.Read(t, "catalogue block of version 1"), slot.ID.Append(nil)
	entries := []folder.Entry{{Key: block.ZoneKey(slot.ID), Value: seal.Box(slot.Meta(), v.Bytes(t, "zone"), []byte("catalog zone"), id)}}
	for n, name := range []string{"criteria", "order", "rest"} {
		g := block.Group(n + 1)
		box := seal.Box(slot.Meta(), v.Bytes(t, name), []byte("catalog group"), id, []byte{byte(g), 0})
		entries = append(entries, folder.Entry{Key: block.GroupKey(slot.ID, g, 0), Value: box})
	}
	return entries
}

// TestABlockOfVersion1IsReadForEver: the block of the format's example of version 1 is found, by what it is known by now, and
// stands in the folder as a block of this version afterwards.
func TestABlockOfVersion1IsReadForEver(t *testing.T) {
	s := newSite(t, 64)
	slot, err := s.slots.Next(t.Context(), catalog.Class, s.cfg.Clock())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.folder.Put(t.Context(), version1(t, slot)...); err != nil {
		t.Fatal(err)
	}
	s.reopen(t)
	if f := s.Findings(); len(f) != 0 {
		t.Fatalf("Findings: %v", f)
	}
	got := collect(t, s, catalog.Query{Numbers: []number.Pattern{{Text: "0049 30 12345"}}})
	if len(got) != 2 || got[0].Line != "front" || got[1].Line != "back" {
		t.Errorf("rows %+v", got)
	}
	if err := s.folder.Keys([]byte{block.PrefixZone}, func(k []byte) error {
		if id, err := keys.IDFrom(k[1:]); err != nil || id == slot.ID {
			t.Errorf("the zone of version 1 is still there: %v", err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// written is a folder in which something is done between the disk's having a change and the catalogue's hearing of it.
type written struct {
	*folder.Folder
	then func()
}

func (w *written) Put(ctx context.Context, entries ...folder.Entry) error {
	err := w.Folder.Put(ctx, entries...)
	if w.then != nil {
		w.then()
	}
	return err
}

// TestABlockThatIsBeingRewrittenIsNotAltered: whoever reads at the moment when the disk has the new block, and the catalogue does
// not know it yet, hears that it changed, and finds all on asking again.
func TestABlockThatIsBeingRewrittenIsNotAltered(t *testing.T) {
	s := newSite(t, 64)
	all := s.rows(t, 128)
	mustFile(t, s, all)
	w := &written{Folder: s.folder}
	c, err := catalog.Open(t.Context(), s.cfg, w, s.asSlots, s.o.Log)
	if err != nil {
		t.Fatal(err)
	}
	changed := 0
	w.then = func() {
		for name, rows := range map[string]iter.Seq2[catalog.Row, error]{"Find": c.Find(t.Context(), catalog.Query{}), "All": c.All(t.Context())} {
			for _, err := range rows {
				if errors.Is(err, catalog.ErrChanged) {
					changed++
				} else if err != nil {
					t.Errorf("%s: %v, want ErrChanged", name, err)
				}
			}
		}
		if _, err := c.Row(all[3].ID); !errors.Is(err, catalog.ErrChanged) {
			t.Errorf("Row: %v, want ErrChanged", err)
		}
	}
	if err := c.Change(t.Context(), func(r *catalog.Row) { r.Tags = []string{"new"} }, all[3].ID); err != nil {
		t.Fatal(err)
	}
	if changed != 2 {
		t.Errorf("%d times ErrChanged, want twice", changed)
	}
	n := 0
	if err := c.Still(func() error {
		for _, err := range c.All(t.Context()) {
			if n++; err != nil {
				return err
			}
		}
		return nil
	}); err != nil || n != len(all) {
		t.Errorf("afterwards: %d rows, %v", n, err)
	}
}

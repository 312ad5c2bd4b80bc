package block

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"linekeep/drivers/line"
	"linekeep/vault/catalog/number"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
	"linekeep/vault/vaulttest/vectors"
)

func vectorKey(t *testing.T) keys.Key {
	t.Helper()
	k, err := keys.KeyFrom(vectors.Read(t, "common").Bytes(t, "vault key"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// vectorRows are the two rows of the format's example.
func vectorRows(t *testing.T) []Row {
	t.Helper()
	r := version1Row(t)
	r.Number, r.Plain, r.Extension, r.Name = "01632 960018", "+441632960018", "201", "Zoë O'Brien"
	r.Tags, r.Cases = []string{"Complaint"}, []string{"2026-014"}
	older := r
	older.ID.Slot, older.Line, older.Direction = 40, "back", 2
	older.Start, older.Duration = r.Start.Add(-time.Minute), time.Second
	older.Continues, older.Recovered = keys.ID{}, false
	older.Number, older.Plain, older.Name, older.Tags, older.Cases = "withheld", "withheld", "", nil, nil
	return []Row{r, older}
}

func version1Row(t *testing.T) Row {
	t.Helper()
	v := vectors.Read(t, "catalogue row of version 1")
	id, err := keys.IDFrom(v.Bytes(t, "id"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := OpenRow(vectorKey(t), id, v.Bytes(t, "box"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sameRows() cmp.Option {
	return cmp.Transformer("reveal", func(n line.Number) []byte { return []byte(n.Reveal()) })
}

func TestARowOfVersion1OpensForEver(t *testing.T) {
	r := version1Row(t)
	if r.Line != "front" || r.Duration != 90*time.Second || r.Number.Reveal() != "+493012345" || len(r.Parties) != 2 || !r.Recovered || r.GapTotal != time.Second {
		t.Errorf("row %+v", r)
	}
}

func TestARowIsAsTheFormatSays(t *testing.T) {
	v := vectors.Read(t, "catalogue row")
	want := vectorRows(t)[0]
	got, err := OpenRow(vectorKey(t), want.ID, v.Bytes(t, "box"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, sameRows()); diff != "" {
		t.Error(diff)
	}
	box, err := SealRow(vectorKey(t), want)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := seal.OpenBox(vectorKey(t), box, []byte("catalog row"), v.Bytes(t, "id"))
	if err != nil || !bytes.Equal(plain, v.Bytes(t, "plain")) {
		t.Errorf("plain %x, %v", plain, err)
	}
}

func TestABlockIsAsTheFormatSays(t *testing.T) {
	v := vectors.Read(t, "catalogue block")
	rows, id := vectorRows(t), v.Bytes(t, "block")
	block, err := keys.IDFrom(id)
	if err != nil {
		t.Fatal(err)
	}
	z, err := OpenZone(vectorKey(t), block, v.Bytes(t, "zone box"))
	if err != nil || z.Rows != 2 || len(z.Lines.List) != 2 || !z.First.Equal(rows[1].Start) {
		t.Errorf("zone %+v, %v", z, err)
	}
	made := ZoneOf(rows)
	box, err := made.Seal(vectorKey(t), block)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := seal.OpenBox(vectorKey(t), box, []byte("catalog zone"), id)
	if err != nil || !bytes.Equal(plain, v.Bytes(t, "zone")) {
		t.Errorf("zone %x, %v", plain, err)
	}
	for _, g := range Groups() {
		want := v.Bytes(t, g.String())
		plain, err := seal.OpenBox(vectorKey(t), v.Bytes(t, g.String()+" box"), []byte("catalog group"), id, []byte{byte(g), 0})
		if err != nil || !bytes.Equal(plain, want) {
			t.Errorf("%s opened %x, %v", g, plain, err)
		}
		box, err := g.Seal(vectorKey(t), block, 0, rows)
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := seal.OpenBox(vectorKey(t), box, []byte("catalog group"), id, []byte{byte(g), 0}); err != nil || !bytes.Equal(plain, want) {
			t.Errorf("%s encoded %x, %v", g, plain, err)
		}
	}
	back, err := ReadRows(v.Bytes(t, "rows")[3:], []int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rows, back, sameRows()); diff != "" {
		t.Error(diff)
	}
}

func TestABlockOfVersion1IsAsItWas(t *testing.T) {
	v := vectors.Read(t, "catalogue block of version 1")
	block, err := keys.IDFrom(v.Bytes(t, "block"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenZone(vectorKey(t), block, v.Bytes(t, "zone box")); !errors.Is(err, ErrVersion1) {
		t.Errorf("the zone: %v, want ErrVersion1", err)
	}
	names := map[Group]string{v1Criteria: "criteria box", v1Order: "order box", v1Rest: "rest box"}
	rows, err := ReadVersion1(vectorKey(t), block, func(key []byte) ([]byte, error) { return v.Bytes(t, names[Group(key[9])]), nil })
	if err != nil || len(rows) != 2 || rows[0].Line != "front" || rows[1].Duration != time.Second || rows[1].Number.Reveal() != "+493012345" {
		t.Errorf("rows %+v, %v", rows, err)
	}
}

// FuzzGroup: any plaintext of a group is taken apart or refused, and never read past its end.
func FuzzGroup(f *testing.F) {
	rows := []Row{{ID: keys.ID{Shard: 1, Slot: 2}, Line: "a", Plain: "+441632960018", Name: "ann", Tags: []string{"t"}, Cases: []string{"c"}, Start: time.Unix(0, 0)},
		{ID: keys.ID{Shard: 1, Slot: 3}, Line: "b", Plain: "withheld", Extension: "201", Start: time.Unix(1, 0)}}
	key, block := keys.NewKey(), keys.ID{Shard: 9, Slot: 1}
	for _, g := range Groups() {
		box, err := g.Seal(key, block, 0, rows)
		if err != nil {
			f.Fatal(err)
		}
		plain, err := seal.OpenBox(key, box, []byte("catalog group"), block.Append(nil), []byte{byte(g), 0})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(g), plain)
	}
	m, err := number.Defaults().Compile(number.Pattern{Text: "18", Part: number.End})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		body, err := Group(which).check(b, 0)
		if err == nil {
			search(t, Group(which), body, int(b[1])<<8|int(b[2]), m)
		}
	})
}

// search does with a group of n rows what a search does.
func search(t *testing.T, g Group, body []byte, n int, m number.Matcher) {
	places := []uint16{0, uint16(n - 1)}
	any := func(text string) bool { return len(text)%2 == 0 }
	var yes Wanted
	switch g {
	case Criteria:
		if f, err := ReadCriteria(body, n); err == nil {
			f.Lines.Mark(any, &yes)
			yes.Keep(f.Lines.Places, f.KeepFlags(1, 1, f.KeepQuarters(1, 9, places)))
		}
	case Numbers:
		if c, err := ReadNumbers(body, n); err == nil {
			if _, err := c.Mark(m, &yes); err == nil {
				yes.Keep(c.Places, places)
			}
		}
	case Extensions, Names:
		if d, err := ReadDictionary(body, n); err == nil {
			d.Mark(any, &yes)
			yes.Keep(d.Places, places)
			d.At(n - 1)
		}
	case Tags, Cases:
		if found, err := ReadLists(body, n, any); err == nil {
			for _, i := range Intersect(places, found) {
				if int(i) >= n {
					t.Errorf("row %d of %d", i, n)
				}
			}
		}
	case Rows:
		if rows, err := ReadRows(body, []int{0, n - 1}); err == nil && len(rows) != 2 {
			t.Errorf("%d rows", len(rows))
		}
	}
}

// FuzzZone: any plaintext of a zone is taken apart or refused; what is taken can be asked.
func FuzzZone(f *testing.F) {
	z := ZoneOf([]Row{{ID: keys.ID{Shard: 1, Slot: 2}, Line: "a", Plain: "+441632960018", Start: time.Unix(0, 0)}})
	key := keys.NewKey()
	box, err := z.Seal(key, keys.ID{})
	if err != nil {
		f.Fatal(err)
	}
	plain, err := seal.OpenBox(key, box, []byte("catalog zone"), keys.ID{}.Append(nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	var matchers []number.Matcher
	for _, p := range []number.Pattern{{Text: "01632 960018"}, {Text: "0018", Part: number.End}, {Text: "01632", Part: number.Start}} {
		m, err := number.Defaults().Compile(p)
		if err != nil {
			f.Fatal(err)
		}
		matchers = append(matchers, m)
	}
	f.Fuzz(func(_ *testing.T, b []byte) {
		z, err := parseZone(b)
		if err != nil {
			return
		}
		for _, m := range matchers {
			z.MayHaveNumber(m)
		}
		z.MayHave(keys.ID{Shard: 1, Slot: 2})
		z.Lines.May(func(string) bool { return false })
	})
}

// FuzzRow: any plaintext of a row, of either version, is read or refused; what is read is written the same.
func FuzzRow(f *testing.F) {
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, plain := range [][]byte{b, append([]byte{version1}, b...), append([]byte{formatVersion}, b...)} {
			key, id := keys.NewKey(), keys.ID{Shard: 1, Slot: 2}
			r, err := OpenRow(key, id, seal.Box(key, plain, []byte("catalog row"), id.Append(nil)))
			if err != nil {
				continue
			}
			box, err := SealRow(key, r)
			if err != nil {
				t.Fatal(err)
			}
			back, err := OpenRow(key, id, box)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(r, back, sameRows()); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// FuzzVersion1 does the same for what is read once.
func FuzzVersion1(f *testing.F) {
	f.Add([]byte{version1, 0, 0, 0, 1, 6, 0, 0, 0, 1, 1}, uint16(1))
	f.Fuzz(func(_ *testing.T, b []byte, n uint16) {
		cols, err := parseV1(b)
		if err != nil {
			return
		}
		if err := restV1(cols, make([]Row, n%v1PageRows)); err != nil {
			return
		}
		if _, err := namesV1(cols[v1Line], int(n)); err != nil {
			return
		}
	})
}

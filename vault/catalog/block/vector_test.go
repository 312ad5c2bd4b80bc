package block

import (
	"bytes"
	"testing"
	"time"

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
	v := vectors.Read(t, "catalogue row")
	id, err := keys.IDFrom(v.Bytes(t, "id"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := OpenRow(vectorKey(t), id, v.Bytes(t, "box"))
	if err != nil {
		t.Fatal(err)
	}
	older := r
	older.ID.Slot, older.Line, older.Direction = 40, "back", 2
	older.Start, older.Duration = r.Start.Add(-time.Minute), time.Second
	older.Continues, older.Recovered = keys.ID{}, false
	return []Row{r, older}
}

func TestARowIsAsTheFormatSays(t *testing.T) {
	v := vectors.Read(t, "catalogue row")
	r := vectorRows(t)[0]
	if r.Line != "front" || r.Duration != 90*time.Second || r.Number.Reveal() != "+493012345" || len(r.Parties) != 2 || !r.Recovered || r.GapTotal != time.Second {
		t.Errorf("row %+v", r)
	}
	box, err := SealRow(vectorKey(t), r)
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
	if err != nil || z.Rows != 2 || len(z.Lines) != 2 || !z.First.Equal(rows[1].Start) {
		t.Errorf("zone %+v, %v", z, err)
	}
	plain, err := seal.OpenBox(vectorKey(t), ZoneOf(rows).Seal(vectorKey(t), block), []byte("catalog zone"), id)
	if err != nil || !bytes.Equal(plain, v.Bytes(t, "zone")) {
		t.Errorf("zone %x, %v", plain, err)
	}
	for _, g := range Groups() {
		want := v.Bytes(t, g.String())
		plain, err := seal.OpenBox(vectorKey(t), v.Bytes(t, g.String()+" box"), []byte("catalog group"), id, []byte{byte(g), 0})
		if err != nil || !bytes.Equal(plain, want) {
			t.Errorf("%s opened %x, %v", g, plain, err)
		}
		if got, err := g.encode(rows); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s encoded %x, %v", g, got, err)
		}
	}
}

// FuzzGroup: any plaintext of a group is taken apart or refused, and never read past its end.
func FuzzGroup(f *testing.F) {
	f.Add([]byte{formatVersion, 0, 0, 0, 1, 6, 0, 0, 0, 1, 1})
	f.Fuzz(func(_ *testing.T, b []byte) {
		for _, g := range Groups() {
			cols, err := g.parse(b, 0)
			if err != nil {
				continue
			}
			for _, c := range []Column{ColLine, ColClass} {
				if names, err := OpenNames(cols[c], 1); err == nil {
					names.Place(0)
				}
			}
		}
	})
}

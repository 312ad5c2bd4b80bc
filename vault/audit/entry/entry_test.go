package entry

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"linekeep/vault/keys/shard"
)

func TestActionsAreDocumentedAndTellThemselvesApart(t *testing.T) {
	if os.Getenv("LINEKEEP_UPDATE") != "" {
		if err := os.WriteFile("ACTIONS.md", []byte(Document()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile("ACTIONS.md")
	if err != nil || string(text) != Document() {
		t.Errorf("ACTIONS.md is not what the table renders (LINEKEEP_UPDATE=1 go test): %v", err)
	}
	names := make(map[string]Action)
	last := Action(0)
	for _, a := range Actions() {
		if a <= last || names[a.String()] != 0 || !a.Known() {
			t.Errorf("act %d (%s) is out of order, or there twice", a, a)
		}
		last, names[a.String()] = a, a
	}
	if Action(9999).Known() || !strings.Contains(Action(9999).String(), "9999") {
		t.Error("an act that is not in the table is taken for one that is")
	}
}

func sample() Entry {
	return Entry{Seq: 12, At: time.Unix(1764000000, 5).UTC(), Boot: [16]byte{1, 2}, Up: time.Hour, Actor: Somebody(shard.ID{Shard: 7, Slot: 42}),
		Action: Hear, Outcome: Failed, Of: 12, Case: shard.ID{Shard: 6, Slot: 1}, Register: 3, About: []shard.ID{{Shard: 7, Slot: 43}},
		Hashes: [][32]byte{{9}}, Slot: shard.ID{Shard: 7, Slot: 43}, Details: [32]byte{8}}
}

func TestAnEntryComesBackAsItWas(t *testing.T) {
	for _, e := range []Entry{sample(), {At: time.Unix(0, 0).UTC()}} {
		data, err := e.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(data)
		if diff := cmp.Diff(e, back); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
		for i := range data {
			if _, err := Parse(data[:i]); err == nil {
				t.Fatalf("the first %d bytes were taken for an entry", i)
			}
		}
	}
	big := Entry{About: make([]shard.ID, MaxAbout+1)}
	if _, err := big.Bytes(); err == nil {
		t.Error("an entry about too much was written")
	}
}

func FuzzEntry(f *testing.F) {
	e := sample()
	data, err := e.Bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Parse(data)
		if err != nil {
			return
		}
		if back, err := e.Bytes(); err != nil || !bytes.Equal(back, data) {
			t.Errorf("an entry that is not what Bytes writes was taken: %x", data)
		}
	})
}

func FuzzDetails(f *testing.F) {
	whole, err := Details{{"terms", "4930"}, {"why", ""}}.Bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := ParseDetails(data)
		if err != nil || len(data)%detailsStep != 0 || len(data) > MaxDetails {
			return // padding that is cut short says nothing else
		}
		if back, err := d.Bytes(); err != nil || !bytes.Equal(back, data) {
			t.Errorf("details that are not what Bytes writes were taken: %x, %v", data, err)
		}
	})
}

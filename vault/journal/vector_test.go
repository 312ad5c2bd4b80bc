package journal

import (
	"bytes"
	"testing"

	"linekeep/audio/segment"
	"linekeep/vault/keys"
	"linekeep/vault/vaulttest/vectors"
)

func TestTheFormatsJournalIsWhatIsWrittenAndReadBack(t *testing.T) {
	v := vectors.Read(t, "journal")
	key, err := keys.KeyFrom(vectors.Read(t, "derivation").Bytes(t, "outer"))
	if err != nil {
		t.Fatal(err)
	}
	vaultID := [16]byte(vectors.Read(t, "common").Bytes(t, "vault id"))
	s := newSealer(key)
	g := Group{At: at(0), Opened: true, Marks: []keys.Mark{{Shard: 7, Next: 43}}, Counters: []Counter{{Folder: "calls/standard/2026-11", Commits: 12}},
		prev: link{group: 8, mac: [macSize]byte{1, 2, 3}}, oldest: 2}
	rec := Record{Kind: KindSegment, Party: segment.Caller, Flags: FlagLast, ID: keys.ID{Shard: 7, Slot: 42}, Seq: 121, Start: 484000, Len: 4000,
		Body: []byte("neither is this")}
	got := s.appendFileHeader(nil, vaultID, 3)
	got, _ = s.appendGroup(got, 3, 9, &g, []Record{rec})
	if want := v.Bytes(t, "file"); !bytes.Equal(got, want) {
		t.Errorf("got\n%x, the format says\n%x", got, want)
	}
	f := scan(newSealer(key), v.Bytes(t, "file"), vaultID, 3)
	if len(f.damages) > 0 || len(f.groups) != 1 || len(f.records) != 1 || f.records[0].Seq != 121 || f.groups[0].number != 9 {
		t.Errorf("read back: %+v", f)
	}
}

package journal

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"linekeep/drivers/line"
	"linekeep/vault/keys"
)

func testKey(t testing.TB) keys.Key {
	t.Helper()
	k, err := keys.KeyFrom(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func config(t testing.TB, dir string) Config {
	return Config{Dir: dir, VaultID: [16]byte{1, 2, 3}, Key: testKey(t), Log: slog.New(slog.DiscardHandler)}
}

func open(t testing.TB, cfg Config) (*Journal, *Replay) {
	t.Helper()
	j, r, err := Open(cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return j, r
}

// records makes a group of n segments of size bytes whose contents tell them apart.
func records(group, n, size int) []Record {
	rs := make([]Record, n)
	for i := range rs {
		rs[i] = Record{Kind: KindSegment, ID: keys.ID{Shard: 1, Slot: uint32(i)}, Seq: uint32(group),
			Start: line.Samples(group * 4000), Len: 4000, Body: bytes.Repeat([]byte{byte(group), byte(i)}, size/2)}
	}
	return rs
}

func appendGroup(t testing.TB, j *Journal, g Group, rs []Record) {
	t.Helper()
	if err := j.Append(g, rs); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

func at(i int) time.Time { return time.Unix(1_800_000_000+int64(i), 0) }

func noDamage(t testing.TB, r *Replay) {
	t.Helper()
	for _, d := range r.Damages {
		t.Errorf("damage: %v", d)
	}
}

func TestStoredGroupsComeBackInOrder(t *testing.T) {
	dir := t.TempDir()
	j, r := open(t, config(t, dir))
	if !r.Empty {
		t.Error("a new journal is not empty")
	}
	var want []Record
	for i := range 5 {
		rs := records(i, 4, 300)
		appendGroup(t, j, Group{At: at(i), Marks: []keys.Mark{{Shard: 1, Next: uint32(i)}},
			Counters: []Counter{{Folder: "calls/standard/2026-11", Commits: uint64(i)}}}, rs)
		for _, rec := range rs {
			if got, _, err := j.Read(rec.Pos, nil); err != nil || !bytes.Equal(got.Body, rec.Body) {
				t.Fatalf("Read: %v", err)
			}
		}
		want = append(want, rs...)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	_, r = open(t, config(t, dir))
	noDamage(t, r)
	if len(r.Records) != len(want) {
		t.Fatalf("replay gives %d records, want %d", len(r.Records), len(want))
	}
	for i, rec := range r.Records {
		if rec.Hash != want[i].Hash || rec.Pos != want[i].Pos || rec.ID != want[i].ID || rec.Seq != want[i].Seq || rec.Start != want[i].Start {
			t.Fatalf("record %d is another: %+v", i, rec)
		}
	}
	if r.Last.Marks[0].Next != 4 || r.Last.Counters[0].Commits != 4 || !r.Last.At.Equal(at(4)) {
		t.Errorf("the last group is another: %+v", r.Last)
	}
	if r.Clean {
		t.Error("clean, though nobody said so")
	}
}

func TestACleanEndIsToldApart(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		j, r := open(t, config(t, dir))
		if i > 0 && !r.Clean {
			t.Error("the clean end was forgotten")
		}
		noDamage(t, r)
		appendGroup(t, j, Group{At: at(i), Opened: true}, nil)
		appendGroup(t, j, Group{At: at(i), Clean: true}, records(i, 1, 100))
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestATornTailIsNoDamageAndIsCutOff(t *testing.T) {
	for _, keep := range []int64{0, 10, fileHeader, fileHeader + 50} {
		t.Run(fmt.Sprint("new file cut to ", keep), func(t *testing.T) { torn(t, 1, keep) })
	}
	for cut := int64(1); cut < 1500; cut += 97 {
		t.Run(fmt.Sprint("last group cut by ", cut), func(t *testing.T) { torn(t, 3, -cut) })
	}
}

// torn writes groups, cuts the file to keep bytes (or by -keep), and looks at what comes back.
func torn(t *testing.T, groups int, keep int64) {
	dir := t.TempDir()
	j, _ := open(t, config(t, dir))
	for i := range groups {
		appendGroup(t, j, Group{At: at(i)}, records(i, 4, 300))
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, fileName(1))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	size := keep
	if keep < 0 {
		size = info.Size() + keep
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	j, r := open(t, config(t, dir))
	noDamage(t, r)
	if len(r.Records) < 4*(groups-1) {
		t.Errorf("%d records come back, at least %d were in whole groups", len(r.Records), 4*(groups-1))
	}
	before := len(r.Records)
	appendGroup(t, j, Group{At: at(9), Opened: true}, records(9, 2, 300))
	if ds, err := j.Verify(); err != nil || len(ds) > 0 {
		t.Errorf("Verify after a torn tail: %v %v", ds, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	_, r = open(t, config(t, dir))
	noDamage(t, r)
	if len(r.Records) != before+2 {
		t.Errorf("%d records come back, want %d", len(r.Records), before+2)
	}
}

func TestEveryFlippedBitIsFoundAndCostsOneRecord(t *testing.T) {
	dir := t.TempDir()
	cfg := config(t, dir)
	cfg.Rotate = 3000
	j, _ := open(t, cfg)
	const groups, per = 6, 3
	appendGroup(t, j, Group{At: at(0), Opened: true}, nil)
	for i := range groups {
		appendGroup(t, j, Group{At: at(i), Clean: i == groups-1}, records(i, per, 200))
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	numbers, err := list(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range numbers {
		path := filepath.Join(dir, fileName(n))
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(data); i += 3 {
			data[i] ^= 1 << (i % 8)
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := Inspect(cfg)
			if err != nil {
				t.Fatalf("Inspect: %v", err)
			}
			if len(r.Damages) == 0 {
				t.Errorf("%s: a bit flipped at %d is not found", fileName(n), i)
			}
			if len(r.Records) < groups*per-1 {
				t.Errorf("%s: a bit flipped at %d costs %d records", fileName(n), i, groups*per-len(r.Records))
			}
			data[i] ^= 1 << (i % 8)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAMissingFileIsFound(t *testing.T) {
	for _, missing := range []uint64{1, 2, 3} {
		dir := t.TempDir()
		cfg := config(t, dir)
		cfg.Rotate = 1500
		j, _ := open(t, cfg)
		for i := range 8 {
			appendGroup(t, j, Group{At: at(i)}, records(i, 2, 200))
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, fileName(missing))); err != nil {
			t.Fatal(err)
		}
		r, err := Inspect(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Damages) == 0 {
			t.Errorf("file %d is missing and nobody noticed", missing)
		}
	}
}

func TestReleasedFilesGoAfterTheirGrace(t *testing.T) {
	dir := t.TempDir()
	cfg := config(t, dir)
	cfg.Rotate = 1500
	j, _ := open(t, cfg)
	var all []Record
	for i := range 20 {
		rs := records(i, 2, 400)
		appendGroup(t, j, Group{At: at(i)}, rs)
		all = append(all, rs...)
	}
	_, before, _ := j.Status()
	for _, r := range all {
		j.Release(r.Pos)
	}
	appendGroup(t, j, Group{At: at(20)}, nil)
	if err := j.Sweep(); err != nil {
		t.Fatal(err)
	}
	_, after, _ := j.Status()
	if before < 10 || after != GraceFiles+1 {
		t.Errorf("%d files before, %d after, want %d", before, after, GraceFiles+1)
	}
	if ds, err := j.Verify(); err != nil || len(ds) > 0 {
		t.Errorf("Verify: %v %v", ds, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	_, r := open(t, cfg)
	noDamage(t, r)
}

func TestNoRoomIsErrFullAndChangesNothing(t *testing.T) {
	cfg := config(t, t.TempDir())
	cfg.Max = 4000
	j, _ := open(t, cfg)
	var err error
	stored := 0
	for i := range 10 {
		if err = j.Append(Group{At: at(i)}, records(i, 2, 300)); err != nil {
			break
		}
		stored++
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("past its bound the journal says %v", err)
	}
	r, err := Inspect(cfg)
	if err != nil {
		t.Fatal(err)
	}
	noDamage(t, r)
	if len(r.Records) != 2*stored {
		t.Errorf("%d records, want %d", len(r.Records), 2*stored)
	}
}

func TestASteadyGroupAllocatesLittle(t *testing.T) {
	j, _ := open(t, config(t, t.TempDir()))
	rs := records(1, 64, 3000)
	appendGroup(t, j, Group{At: at(0)}, rs)
	n := testing.AllocsPerRun(20, func() { appendGroup(t, j, Group{At: at(1)}, rs) })
	if n > 4 { // for the group as a whole, not for each of its 64 records
		t.Errorf("%v allocations for a group of 64 records", n)
	}
}

func FuzzScan(f *testing.F) {
	s := newSealer(testKey(f))
	data := s.appendFileHeader(nil, [16]byte{1}, 1)
	data, _ = s.appendGroup(data, 1, 1, &Group{At: at(0), Marks: []keys.Mark{{Shard: 1, Next: 2}}}, records(1, 3, 100))
	f.Add(data)
	f.Add(data[:len(data)-30])
	f.Fuzz(func(t *testing.T, data []byte) {
		got := scan(s, data, [16]byte{1}, 1)
		for _, r := range got.records {
			body := data[r.Pos.Offset+headerSize:][:r.Size]
			if !r.matches(body) {
				t.Error("a record with an altered body is handed on")
			}
		}
		r := &Replay{files: []*scanned{got}}
		r.resolve(false)
		if _, _, err := parseGroup(0, data); err == nil && len(data) < 56 {
			t.Error("a group body too short is understood")
		}
	})
}

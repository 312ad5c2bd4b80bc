package folder_test

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"linekeep/vault/folder"
	"linekeep/vault/folder/guard"
	"linekeep/vault/keys"
)

// cutFolder is what a power cut leaves of a folder: one generation closed, one still in logs. The copy is made of
// the live files, which SyncWrites keeps whole between Puts.
func cutFolder(t *testing.T) (o folder.Options, acked uint64) {
	t.Helper()
	o = options(t, filepath.Join(t.TempDir(), "f"), keys.NewKey())
	f := mustOpen(t, o)
	put(t, f, 0, damageValues/2)
	mustClose(t, f)
	f = mustOpen(t, o)
	defer mustClose(t, f)
	put(t, f, damageValues/2, damageValues)
	cut := o
	cut.Path = filepath.Join(t.TempDir(), "cut")
	copyFolder(t, cut.Path, o.Path)
	return cut, f.Commits()
}

// copyFolder copies without the zeros that logs are mapped with at their ends.
func copyFolder(t *testing.T, to, from string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(to, "guard"), 0o700); err != nil {
		t.Fatal(err)
	}
	names := append(files(t, from), "guard/open")
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		path, size := filepath.Join(to, name), int64(len(b))
		if strings.HasSuffix(name, ".vlog") || strings.HasSuffix(name, ".mem") || strings.HasSuffix(name, "DISCARD") {
			b = bytes.TrimRight(b, "\x00")
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
	}
}

// dataEnd is where the zeros at the end of a file begin.
func dataEnd(t *testing.T, path string) int64 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(bytes.TrimRight(b, "\x00")))
}

func TestPowerCutLosesNothing(t *testing.T) {
	o, acked := cutFolder(t)
	v := examine(t, o)
	if v.refused != nil || len(v.named) > 0 || v.silent+v.wrong > 0 || v.commits != acked {
		t.Errorf("%+v, %d acked", v, acked)
	}
	if again := examine(t, o); again.refused != nil || len(again.named) > 0 || again.silent+again.wrong > 0 {
		t.Errorf("opened again: %+v", again)
	}
}

// TestATornValueIsNoDamage: a kill in the middle of a write leaves the beginning of an entry at the end of the last log.
func TestATornValueIsNoDamage(t *testing.T) {
	o, acked := cutFolder(t)
	logs, err := filepath.Glob(filepath.Join(o.Path, "*.vlog"))
	if err != nil {
		t.Fatal(err)
	}
	last := logs[0]
	for _, path := range logs { // the one with data at its mapped end
		if dataEnd(t, path) > 1000 {
			last = path
		}
	}
	log, err := os.OpenFile(last, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	entry := make([]byte, 900) // the head of the first entry, and a part of its value
	if _, err := log.ReadAt(entry, 20); err != nil {
		t.Fatal(err)
	}
	if _, err := log.WriteAt(entry, dataEnd(t, last)+4); err != nil { // the last checksum may itself end with zeros
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		v := examine(t, o)
		if v.refused != nil || len(v.named) > 0 || v.silent+v.wrong > 0 || v.commits != acked {
			t.Errorf("%+v, %d acked", v, acked)
		}
	}
}

// TestReadingAfterAPowerCut: Badger refuses to open for reading what was not closed; it is closed first.
func TestReadingAfterAPowerCut(t *testing.T) {
	o, acked := cutFolder(t)
	o.ReadOnly = true
	if v := examine(t, o); v.refused != nil || len(v.named) > 0 || v.silent+v.wrong > 0 || v.commits != acked {
		t.Errorf("%+v, %d acked", v, acked)
	}
}

// TestDamageAfterAPowerCut: whatever is harmed in a folder that was not closed, values that are gone are told by a
// name or by the commit counter, and a wrong value never comes without an error.
func TestDamageAfterAPowerCut(t *testing.T) {
	o, acked := cutFolder(t)
	harms := allHarms()
	harms["flipped early"] = func(path string) error { return flip(path, dataEnd(t, path)/4, 3) }
	harms["flipped in the middle"] = func(path string) error { return flip(path, dataEnd(t, path)/2, 5) }
	harms["flipped at 10"] = func(path string) error { return flip(path, min(10, dataEnd(t, path)-1), 1) }
	n, few := rand.IntN(4), 4 // a part of all pairs of file and harm, another one each time
	if os.Getenv("LONG") != "" {
		few = 1
	}
	delete(harms, "16 bytes more") // of a log mapped at twice its limit nothing is behind the end
	for _, name := range files(t, o.Path) {
		base := filepath.Base(name)
		if base == "LOCK" || base == "DISCARD" {
			continue // Badger's own diary and statistics, removed before each Open
		}
		for _, how := range slices.Sorted(maps.Keys(harms)) {
			if n++; n%few != 0 {
				continue
			}
			before := mustRead(t, o, name)
			same := len(before) <= 20 // a log without entries
			v := harmed(t, o, func(dir string) error {
				err := harms[how](filepath.Join(dir, name))
				if after, readErr := os.ReadFile(filepath.Join(dir, name)); readErr == nil {
					same = bytes.Equal(bytes.TrimRight(before, "\x00"), bytes.TrimRight(after, "\x00"))
				}
				return err
			})
			told := len(v.named) > 0 || v.commits < acked
			if v.refused != nil {
				t.Errorf("%s %s: Open refused: %v", name, how, v.refused)
				continue
			}
			if !told && (v.silent > 0 || !same && !strings.HasSuffix(name, ".mem")) {
				t.Errorf("%s %s: nothing told, %d values silently wrong", name, how, v.silent)
			}
			lost := 0
			switch filepath.Ext(name) {
			case ".vlog", ".mem":
				lost = damageValues // the records after a break in a log; of a cut or zeroed log its values
				if strings.HasPrefix(how, "flipped") && filepath.Ext(name) == ".vlog" {
					lost = 1
				}
			}
			if v.silent+v.wrong > lost {
				t.Errorf("%s %s: %d values lost, at most %d: %v", name, how, v.silent+v.wrong, lost, v.named)
			}
		}
	}
}

func mustRead(t *testing.T, o folder.Options, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(o.Path, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// harmed copies a folder that was cut, harms it, and examines the copy.
func harmed(t *testing.T, o folder.Options, harm func(dir string) error) verdict {
	t.Helper()
	o2 := o
	o2.Path = filepath.Join(t.TempDir(), "f")
	copyFolder(t, o2.Path, o.Path)
	if err := harm(o2.Path); err != nil {
		t.Fatal(err)
	}
	return examine(t, o2)
}

// Badger numbers the logs of its memtables anew once none is left; a list from before the cut knows another file of that name.
func TestALogMadeAnewUnderAnOldNameIsNotTakenForTheOld(t *testing.T) {
	o, _ := cutFolder(t)
	mems, err := filepath.Glob(filepath.Join(o.Path, "*.mem"))
	if err != nil || len(mems) == 0 {
		t.Fatalf("logs of memtables: %v, %v", mems, err)
	}
	for _, name := range mems { // as after a flush, when the kill comes before the list is made
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	key := o.Key
	g, err := guard.Open(t.Context(), guard.Options{Name: o.Name, Path: o.Path, Cloak: key.Derive("folder cloak"), List: key.Derive("folder list"), Mapped: 1 << 20, Log: o.Log})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Release(); err != nil { // killed as Badger has made the log and before it is listed
		t.Fatal(err)
	}
	for length := range int64(30) {
		cut := o
		cut.Path = filepath.Join(t.TempDir(), "cut")
		if err := os.CopyFS(cut.Path, os.DirFS(o.Path)); err != nil {
			t.Fatal(err)
		}
		head := bytes.Repeat([]byte{7}, int(min(length, 20)))
		clear(head[:min(len(head), 8)]) // the number of its key
		path := filepath.Join(cut.Path, filepath.Base(mems[0]))
		if err := os.WriteFile(path, head, 0o600); err != nil {
			t.Fatal(err)
		}
		if length > 20 {
			if err := os.Truncate(path, length*100); err != nil {
				t.Fatal(err)
			}
		}
		f := mustOpen(t, cut)
		for _, err := range f.Findings() {
			if strings.Contains(err.Error(), ".mem") {
				t.Errorf("%d bytes written: %v", length, err)
			}
		}
		mustClose(t, f)
	}
}

package exclusion

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"linekeep/drivers/line"
	"linekeep/vault/catalog"
	"linekeep/vault/catalog/number"
	"linekeep/vault/keys"
	"linekeep/vault/settings"
	"linekeep/vault/vaulttest/vectors"
)

var rules = number.Rules{Country: "GB", Area: "01632"}

// folder is a real one, on disk.
func folder(t testing.TB, dir string, key keys.Key) *settings.Folder {
	t.Helper()
	f, err := settings.Open(dir, [keys.VaultIDSize]byte{1}, key)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func load(t testing.TB, f *settings.Folder) *List {
	t.Helper()
	l := New(rules)
	if err := l.Load(f); err != nil {
		t.Fatalf("Load: %v", err)
	}
	return l
}

func add(t testing.TB, l *List, texts ...string) {
	t.Helper()
	for _, text := range texts {
		e, err := Parse(text)
		if err == nil {
			e.Since = time.Date(2026, 11, 24, 17, 0, 0, 999, time.UTC)
			err = l.Add(e)
		}
		if err != nil {
			t.Fatalf("add %s: %v", text, err)
		}
	}
}

// TestP08_ANumberIsExcludedInEveryFormItIsWrittenIn, after a restart too.
func TestP08_ANumberIsExcludedInEveryFormItIsWrittenIn(t *testing.T) {
	dir, key := t.TempDir(), keys.NewKey()
	add(t, load(t, folder(t, dir, key)), "01632 960 018", "+44 7700 900123", "21", "020 7946*", "0049 30 12*")
	l := load(t, folder(t, dir, key))
	for _, c := range []struct {
		n    line.Number
		want bool
	}{
		{"01632960018", true}, {"+441632960018", true}, {"0044 (0)1632-960018", true}, {"1632960018", true}, {"960018", true}, {"14101632960018", true},
		{"01632960019", false}, {"0163296001", false}, {"07700900123", true}, {"00447700900123", true}, {"07700900124", false},
		{"21", true}, {"2", false}, {"210", false}, {"02079460000", true}, {"+442079461234", true}, {"2079460000", true}, {"02079470000", false},
		{"+49301234567", true}, {"0049301234567", true}, {"+49311234567", false},
		{"", false}, {"withheld", false}, {"anonymous", false}, {"999", false},
	} {
		if got := l.Excluded(c.n); got != c.want {
			t.Errorf("%s: excluded %v, expected %v", c.n.Reveal(), got, c.want)
		}
		if got := l.Row(catalog.Row{Extension: c.n}); got != c.want {
			t.Errorf("%s, as an extension: excluded %v, expected %v", c.n.Reveal(), got, c.want)
		}
	}
}

func TestWhatIsTakenOffIsRecordedAgain(t *testing.T) {
	dir, key := t.TempDir(), keys.NewKey()
	l := load(t, folder(t, dir, key))
	add(t, l, "01632 960 018", "020 7946*")
	for _, again := range []string{"+441632960018", "960018", "020-7946*"} {
		e, err := Parse(again)
		if err := errors.Join(err, l.Add(e)); !errors.Is(err, ErrThere) {
			t.Errorf("add %s again: %v", again, err)
		}
	}
	for _, off := range []string{"0044 1632 960018", "0207946*"} {
		e, _ := Parse(off)
		if err := l.Remove(e); err != nil {
			t.Errorf("remove %s: %v", off, err)
		}
		if err := l.Remove(e); !errors.Is(err, ErrNone) {
			t.Errorf("remove %s again: %v", off, err)
		}
	}
	for _, l := range []*List{l, load(t, folder(t, dir, key))} {
		if left, err := l.Entries(); err != nil || len(left) != 0 || l.Excluded("01632960018") || l.Excluded("02079460000") {
			t.Errorf("left: %v, %v", left, err)
		}
	}
}

func TestWhatCannotBeExcludedIsRefused(t *testing.T) {
	l := load(t, folder(t, t.TempDir(), keys.NewKey()))
	for _, text := range []string{"", "*", "withheld", "alice", "()", "0*", "+44*", "0044*", "020*", fmt.Sprintf("%050d", 1)} {
		e, err := Parse(text)
		if err == nil {
			err = l.Add(e)
		}
		if !errors.Is(err, ErrBad) {
			t.Errorf("%q: %v, expected ErrBad", text, err)
		}
	}
	for i := range MaxEntries {
		if i == 3 { // the rest at once: each change writes two files
			break
		}
		add(t, l, fmt.Sprint(5000+i))
	}
	all := make([]Entry, 0, MaxEntries)
	for i := range MaxEntries {
		all = append(all, Entry{Number: line.Number(fmt.Sprintf("+44 (0)1632 960 %06d ----------------- ", i)[:maxText]), Start: true, Since: time.Unix(1, 0)})
	}
	f := folder(t, t.TempDir(), keys.NewKey())
	if err := f.Save(name, encode(all)); err != nil {
		t.Fatalf("the longest list has no room in a setting: %v", err)
	}
	l = load(t, f)
	if err := l.Add(Entry{Number: "21"}); !errors.Is(err, ErrFull) {
		t.Errorf("one more: %v", err)
	}
}

// TestP03_NothingOfTheListStandsInClear, on the disk or in what is printed.
func TestP03_NothingOfTheListStandsInClear(t *testing.T) {
	dir := t.TempDir()
	l := load(t, folder(t, dir, keys.NewKey()))
	add(t, l, "01632960018")
	for _, path := range []string{name, "copy/" + name} {
		if raw, err := os.ReadFile(filepath.Join(dir, path)); err != nil || bytes.Contains(raw, []byte("960018")) {
			t.Errorf("%s: %v, or the number is in clear", path, err)
		}
	}
	entries, err := l.Entries()
	e, bad := Parse("01632960018 alice")
	said := fmt.Sprintf("%v %+v %v %v %v", entries, entries, err, e, bad)
	if bytes.Contains([]byte(said), []byte("960018")) || bytes.Contains([]byte(said), []byte("alice")) {
		t.Errorf("said: %s", said)
	}
}

func TestAListThatCannotBeReadExcludesNobodyAndIsNotWrittenOver(t *testing.T) {
	dir, key := t.TempDir(), keys.NewKey()
	add(t, load(t, folder(t, dir, key)), "01632960018")
	l := New(rules)
	if err := l.Add(Entry{Number: "21"}); !errors.Is(err, ErrUnread) {
		t.Errorf("Add before Load: %v", err)
	}
	if err := l.Load(folder(t, dir, keys.NewKey())); !errors.Is(err, ErrUnread) || !errors.Is(err, settings.ErrAltered) {
		t.Errorf("under another key: %v", err)
	}
	if l.Excluded("01632960018") {
		t.Error("a list that was not read excludes")
	}
	for _, err := range []error{l.Add(Entry{Number: "21"}), l.Remove(Entry{Number: "21"})} {
		if !errors.Is(err, ErrUnread) {
			t.Errorf("a change of it: %v", err)
		}
	}
	if _, err := l.Entries(); !errors.Is(err, ErrUnread) {
		t.Errorf("Entries: %v", err)
	}
	if !load(t, folder(t, dir, key)).Excluded("960018") {
		t.Error("the list was written over")
	}
}

func TestAChangeThatIsNotStoredIsNone(t *testing.T) {
	dir := t.TempDir()
	l := load(t, folder(t, dir, keys.NewKey()))
	add(t, l, "21")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := l.Add(Entry{Number: "22"}); err == nil || l.Excluded("22") || !l.Excluded("21") {
		t.Errorf("Add without a folder: %v; 22 %v, 21 %v", err, l.Excluded("22"), l.Excluded("21"))
	}
}

func TestItMayBeAskedWhileItChanges(t *testing.T) {
	l := load(t, folder(t, t.TempDir(), keys.NewKey()))
	add(t, l, "01632960018")
	var asking sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if !l.Excluded("+441632960018") {
					t.Error("for a moment it was not excluded")
					return
				}
			}
		})
	}
	for i := range 20 {
		add(t, l, fmt.Sprint(100+i))
	}
	close(stop)
	asking.Wait()
}

// TestTheDescribedBytesAreTheseEntries reads the worked example of FORMAT.md, section 13.
func TestTheDescribedBytesAreTheseEntries(t *testing.T) {
	v := vectors.Read(t, "excluded numbers")
	want := []Entry{{Number: "01632 960018", Since: time.Date(2026, 11, 24, 17, 0, 0, 0, time.UTC)},
		{Number: "020 7946", Start: true, Since: time.Date(2026, 11, 24, 17, 0, 1, 0, time.UTC)}}
	got, err := decode(v.Bytes(t, "value"))
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %v, %v", got, err)
	}
	if b := encode(want); !bytes.Equal(b, v.Bytes(t, "value")) {
		t.Errorf("encoded: %x", b)
	}
}

// FuzzList: what is read is what would be written, and never more than there may be.
func FuzzList(f *testing.F) {
	f.Add(encode(nil))
	f.Add(encode([]Entry{{Number: "01632 960018", Since: time.Unix(1e9, 0)}, {Number: "020 7946", Start: true, Since: time.Unix(1e9, 0)}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := decode(data)
		if err != nil {
			return
		}
		if !bytes.Equal(encode(entries), data) || len(entries) > MaxEntries {
			t.Errorf("%x reads as what is written %x", data, encode(entries))
		}
		if _, err := New(rules).ready(entries); err != nil && !errors.Is(err, ErrBad) {
			t.Errorf("made ready: %v", err)
		}
	})
}

// BenchmarkExcluded is one question, with the longest list of numbers and a few beginnings.
func BenchmarkExcluded(b *testing.B) {
	entries := []Entry{{Number: "020 7946", Start: true}, {Number: "0049 30 12", Start: true}}
	for i := range MaxEntries - 2 {
		entries = append(entries, Entry{Number: line.Number(fmt.Sprintf("07700 9%05d", i))})
	}
	l := New(rules)
	s, err := l.ready(entries)
	if err != nil {
		b.Fatal(err)
	}
	l.now.Store(s)
	for b.Loop() {
		if l.Excluded("+441632960018") {
			b.Fatal("excluded")
		}
	}
}

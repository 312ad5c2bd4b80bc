package folder_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"linekeep/vault/folder"
	"linekeep/vault/keys"
)

const damageValues = 60

// closedFolder makes a folder with two generations of tables and logs, closed in good order.
func closedFolder(t *testing.T) folder.Options {
	t.Helper()
	o := options(t, filepath.Join(t.TempDir(), "f"), keys.NewKey())
	f := mustOpen(t, o)
	put(t, f, 0, damageValues/2)
	mustClose(t, f)
	f = mustOpen(t, o)
	put(t, f, damageValues/2, damageValues)
	if err := f.Put(t.Context(), folder.Entry{Key: []byte("dead"), Value: value(1)}); err != nil {
		t.Fatal(err)
	}
	if err := f.Put(t.Context(), folder.Entry{Key: []byte("dead")}); err != nil { // a value no key names any more
		t.Fatal(err)
	}
	mustClose(t, f)
	return o
}

// files are all plain files below a folder, guard included, that have a byte to damage.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		st, err := d.Info()
		if err != nil || st.Size() == 0 {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		found = append(found, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// verdict is what a damaged folder says of itself.
type verdict struct {
	refused error
	commits uint64
	named   []string // every finding, read error and word of Verify
	wrong   int      // values that came with an error
	silent  int      // values that came wrong or not at all, without one
}

func examine(t *testing.T, o folder.Options) verdict {
	t.Helper()
	f, err := folder.Open(t.Context(), o)
	if err != nil {
		return verdict{refused: err}
	}
	defer mustClose(t, f)
	v := verdict{commits: f.Commits()}
	for _, err := range f.Findings() {
		v.named = append(v.named, err.Error())
	}
	for i := range damageValues {
		got, err := f.Get(key(i))
		switch {
		case errors.Is(err, folder.ErrAltered):
			v.wrong++
			v.named = append(v.named, err.Error())
		case err != nil || !bytes.Equal(got, value(i)):
			v.silent++
		}
	}
	walked := 0
	if err := f.Walk([]byte("k"), func(_, _ []byte, _ error) error { walked++; return nil }); err != nil {
		v.named = append(v.named, err.Error())
	}
	if walked != damageValues {
		v.silent += damageValues - walked
	}
	for _, err := range f.Verify(t.Context()) {
		v.named = append(v.named, err.Error())
	}
	return v
}

// damaged copies a folder, harms it, and examines the copy.
func damaged(t *testing.T, o folder.Options, harm func(dir string) error) verdict {
	t.Helper()
	o2 := o
	o2.Path = filepath.Join(t.TempDir(), "f")
	if err := os.CopyFS(o2.Path, os.DirFS(o.Path)); err != nil {
		t.Fatal(err)
	}
	if err := harm(o2.Path); err != nil {
		t.Fatal(err)
	}
	return examine(t, o2)
}

func flip(path string, at int64, bit uint) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[at] ^= 1 << bit
	return os.WriteFile(path, b, 0o600)
}

// TestOneFlippedBit: wherever a bit flips in a closed folder, something names the file or the value, and at most
// that one value is lost.
func TestOneFlippedBit(t *testing.T) {
	o := closedFolder(t)
	all := files(t, o.Path)
	t.Log(all)
	for _, readOnly := range []bool{false, true} {
		o.ReadOnly = readOnly
		each := 5
		if readOnly {
			each = 2
		}
		if os.Getenv("LONG") != "" {
			each = 60
		}
		for _, name := range all {
			st, err := os.Stat(filepath.Join(o.Path, name))
			if err != nil {
				t.Fatal(err)
			}
			for n := range each {
				at, bit := rand.Int64N(st.Size()), rand.UintN(8)
				if n == 0 {
					at = 0
				}
				if n == 1 {
					at = min(10, st.Size()-1) // in the IV of a log
				}
				v := damaged(t, o, func(dir string) error { return flip(filepath.Join(dir, name), at, bit) })
				where := fmt.Sprintf("%s byte %d of %d bit %d readonly %v", name, at, st.Size(), bit, readOnly)
				judge(t, where, name, v)
			}
		}
	}
}

func judge(t *testing.T, where, name string, v verdict) {
	t.Helper()
	if v.refused != nil {
		t.Errorf("%s: Open refused: %v", where, v.refused)
		return
	}
	if len(v.named) == 0 || v.silent > 0 {
		t.Errorf("%s: %d named, %d values silently wrong", where, len(v.named), v.silent)
	}
	lost := 0
	if strings.HasSuffix(name, ".vlog") {
		lost = 1
	}
	if v.wrong > lost {
		t.Errorf("%s: %d values lost, at most %d: %v", where, v.wrong, lost, v.named)
	}
	for _, n := range v.named {
		if strings.Contains(n, filepath.Base(name)) {
			return
		}
	}
	t.Errorf("%s: nothing names the file: %v", where, v.named)
}

// allHarms are the ways a file can be harmed but for a flipped bit.
func allHarms() map[string]func(path string) error {
	cut := func(by int64) func(string) error {
		return func(path string) error {
			st, err := os.Stat(path)
			if err != nil {
				return err
			}
			return os.Truncate(path, max(0, st.Size()-by))
		}
	}
	return map[string]func(path string) error{
		"zero bytes":    func(path string) error { return os.Truncate(path, 0) },
		"3 bytes short": cut(3),
		"half": func(path string) error {
			st, err := os.Stat(path)
			return errors.Join(err, os.Truncate(path, st.Size()/2))
		},
		"10 bytes left":  func(path string) error { return os.Truncate(path, 10) },
		"missing":        os.Remove,
		"16 bytes more":  func(path string) error { return grow(path, 16) },
		"a page of zero": func(path string) error { return zero(path) },
	}
}

// TestDamage: the other ways a file can be harmed, each found, with no value silently wrong.
func TestDamage(t *testing.T) {
	o := closedFolder(t)
	harms := allHarms()
	n, few := rand.IntN(2), 2 // a part of all pairs of file and harm, another one each time
	if os.Getenv("LONG") != "" {
		few = 1
	}
	for _, name := range files(t, o.Path) {
		for how, harm := range harms {
			if n++; n%few != 0 {
				continue
			}
			v := damaged(t, o, func(dir string) error { return harm(filepath.Join(dir, name)) })
			if v.refused != nil {
				t.Errorf("%s %s: Open refused: %v", name, how, v.refused)
				continue
			}
			if len(v.named) == 0 || v.silent > 0 {
				t.Errorf("%s %s: %d named, %d values silently wrong", name, how, len(v.named), v.silent)
			}
			if !strings.HasSuffix(name, ".vlog") && v.wrong > 0 {
				t.Errorf("%s %s: %d values lost: %v", name, how, v.wrong, v.named)
			}
		}
	}
}

func grow(path string, n int) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, bytes.Repeat([]byte{0x5a}, n)...), 0o600)
}

func zero(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	clear(b[len(b)/4 : len(b)/4+min(4096, len(b)-len(b)/4)])
	return os.WriteFile(path, b, 0o600)
}

// TestForeignFiles: files that are not of the folder do not get in.
func TestForeignFiles(t *testing.T) {
	o := closedFolder(t)
	for _, name := range []string{"00099.mem", "000077.sst", "000088.vlog", "whatever"} {
		v := damaged(t, o, func(dir string) error {
			return os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte{7}, 4096), 0o600)
		})
		if v.refused != nil || v.silent+v.wrong > 0 || len(v.named) == 0 || !strings.Contains(v.named[0], name) {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

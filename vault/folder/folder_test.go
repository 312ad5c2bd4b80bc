package folder_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"linekeep/vault/folder"
	"linekeep/vault/keys"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func options(t *testing.T, path string, key keys.Key) folder.Options {
	t.Helper()
	return folder.Options{Name: "calls/standard/2026-11", Path: path, Key: key, Log: quiet()}
}

func mustOpen(t *testing.T, o folder.Options) *folder.Folder {
	t.Helper()
	f, err := folder.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return f
}

func mustClose(t *testing.T, f *folder.Folder) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// value is what key i holds: small (in a table) or large (in a value log) in turns, and different for each i.
func value(i int) []byte {
	n := 300
	if i%2 == 1 {
		n = 5000
	}
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(i), byte(i >> 8)})
	_, _ = r.Read(b) // never an error
	return b
}

func key(i int) []byte { return fmt.Appendf(nil, "k%06d", i) }

func put(t *testing.T, f *folder.Folder, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := f.Put(t.Context(), folder.Entry{Key: key(i), Value: value(i)}); err != nil {
			t.Fatalf("Put %d: %v", i, err)
		}
	}
}

// checkPlain looks at the folder of TestPutGet.
func checkPlain(t *testing.T, f *folder.Folder) {
	t.Helper()
	if got := f.Commits(); got != 21 {
		t.Errorf("Commits = %d, want 21", got)
	}
	if len(f.Findings()) > 0 {
		t.Errorf("Findings = %v, want none", f.Findings())
	}
	if found := f.Verify(t.Context()); len(found) > 0 {
		t.Errorf("Verify = %v, want nothing", found)
	}
	if _, err := f.Get(key(3)); !errors.Is(err, folder.ErrMissing) {
		t.Errorf("deleted key: %v, want ErrMissing", err)
	}
	if b, err := f.Get([]byte("empty")); err != nil || len(b) != 0 {
		t.Errorf("empty value: %x, %v", b, err)
	}
	seen := 0
	err := f.Walk([]byte("k"), func(k, v []byte, err error) error {
		var i int
		if _, err := fmt.Sscanf(string(k), "k%d", &i); err != nil {
			return err
		}
		if err != nil || !bytes.Equal(v, value(i)) {
			t.Errorf("key %s: wrong value, %v", k, err)
		}
		seen++
		return nil
	})
	if err != nil || seen != 19 {
		t.Errorf("Walk saw %d keys, %v, want 19", seen, err)
	}
}

// TestPutGet: the plain life of a folder.
func TestPutGet(t *testing.T) {
	defer goleak.VerifyNone(t)
	o := options(t, filepath.Join(t.TempDir(), "f"), keys.NewKey())
	f := mustOpen(t, o)
	put(t, f, 0, 20)
	if err := f.Put(t.Context(), folder.Entry{Key: key(3)}, folder.Entry{Key: []byte("empty"), Value: []byte{}}); err != nil {
		t.Fatal(err)
	}
	checkPlain(t, f)
	if err := f.Trim(t.Context()); err != nil {
		t.Errorf("Trim: %v", err)
	}
	checkPlain(t, f)
	mustClose(t, f)
	f = mustOpen(t, o)
	checkPlain(t, f)
	mustClose(t, f)
	o.ReadOnly = true
	f = mustOpen(t, o)
	g := mustOpen(t, o) // readers share
	checkPlain(t, f)
	checkPlain(t, g)
	if err := f.Put(t.Context(), folder.Entry{Key: key(1), Value: value(1)}); !errors.Is(err, folder.ErrReadOnly) {
		t.Errorf("Put while reading: %v, want ErrReadOnly", err)
	}
	mustClose(t, f)
	mustClose(t, g)
}

func TestOnlyOneWriter(t *testing.T) {
	o := options(t, filepath.Join(t.TempDir(), "f"), keys.NewKey())
	f := mustOpen(t, o)
	defer mustClose(t, f)
	if _, err := folder.Open(t.Context(), o); !errors.Is(err, folder.ErrBusy) {
		t.Errorf("second Open: %v, want ErrBusy", err)
	}
	o.ReadOnly = true
	if _, err := folder.Open(t.Context(), o); !errors.Is(err, folder.ErrBusy) {
		t.Errorf("reading beside a writer: %v, want ErrBusy", err)
	}
}

// TestPlaintextNowhere: no value and no key of the caller stands in any file, open or closed.
func TestPlaintextNowhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "f")
	o := options(t, dir, keys.NewKey())
	f := mustOpen(t, o)
	small, large, name := []byte("MARKERsmallMARKER"), bytes.Repeat([]byte("MARKERlarge"), 600), []byte("NAMEmarkerNAME")
	if err := f.Put(t.Context(), folder.Entry{Key: name, Value: small}, folder.Entry{Key: []byte("b"), Value: large}); err != nil {
		t.Fatal(err)
	}
	control := filepath.Join(dir, "control")
	if err := os.WriteFile(control, append([]byte("xx"), small...), 0o600); err != nil {
		t.Fatal(err)
	}
	look := func(want ...string) {
		t.Helper()
		var found []string
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			for _, marker := range [][]byte{small, []byte("MARKERlarge"), name, o.Key.Bytes()[:]} {
				if bytes.Contains(b, marker) {
					found = append(found, filepath.Base(path))
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Join(found, " ") != strings.Join(want, " ") {
			t.Errorf("markers in %v, want %v", found, want)
		}
	}
	look("control") // the positive control: this search finds what is there
	if err := os.Remove(control); err != nil {
		t.Fatal(err)
	}
	look()
	mustClose(t, f)
	look()
}

func TestPutIsBounded(t *testing.T) {
	f := mustOpen(t, options(t, filepath.Join(t.TempDir(), "f"), keys.NewKey()))
	defer mustClose(t, f)
	many := make([]folder.Entry, folder.MaxEntries)
	for i := range many {
		many[i] = folder.Entry{Key: key(i)}
	}
	if err := f.Put(t.Context(), many...); err != nil {
		t.Errorf("Put of MaxEntries deletions: %v", err)
	}
	for name, entries := range map[string][]folder.Entry{
		"nothing":         nil,
		"too many":        append(many, folder.Entry{Key: []byte("x")}),
		"too large":       {{Key: []byte("x"), Value: make([]byte, folder.MaxBytes)}},
		"too many small":  small(1500),
		"key of ours":     {{Key: []byte{0, 'c'}, Value: []byte("x")}},
		"no key":          {{Value: []byte("x")}},
		"a very long key": {{Key: make([]byte, 5000), Value: []byte("x")}},
	} {
		if err := f.Put(t.Context(), entries...); err == nil {
			t.Errorf("%s: Put = nil, want an error", name)
		}
	}
	if got := f.Commits(); got != 1 {
		t.Errorf("Commits = %d after refused Puts, want 1", got)
	}
}

func small(n int) []folder.Entry {
	var es []folder.Entry
	for i := range n {
		es = append(es, folder.Entry{Key: key(i), Value: make([]byte, 900)})
	}
	return es
}

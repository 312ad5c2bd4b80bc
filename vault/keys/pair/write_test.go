package pair

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// script is a disk that writes down what is done to it, and fails at one step.
type script struct {
	Disk
	done   []string
	fail   string // prefix of the step that fails
	forged []byte // what ReadBack finds instead
}

var errDisk = errors.New("the disk fails")

func (s *script) step(format string, args ...any) error {
	step := fmt.Sprintf(format, args...)
	s.done = append(s.done, step)
	if s.fail != "" && strings.HasPrefix(step, s.fail) {
		return errDisk
	}
	return nil
}

// short is a path from "keys" on.
func short(path string) string { return path[max(0, strings.Index(path, "keys")):] }

func (s *script) Create(path string, data []byte) error {
	return errors.Join(s.step("create %s", short(path)), s.Disk.Create(path, data))
}

func (s *script) Sync(path string) error {
	return errors.Join(s.step("sync %s", short(path)), s.Disk.Sync(path))
}

func (s *script) Rename(from, to string) error {
	return errors.Join(s.step("rename %s", short(from)), s.Disk.Rename(from, to))
}

func (s *script) SyncDir(dir string) error {
	return errors.Join(s.step("last %s", short(dir)), s.Disk.SyncDir(dir))
}

func (s *script) ReadBack(path string) ([]byte, bool, error) {
	if s.forged != nil {
		return s.forged, true, nil
	}
	data, direct, err := s.Disk.ReadBack(path)
	return data, direct, errors.Join(s.step("back %s", short(path)), err)
}

func newScript(t *testing.T) (*Folder, *script, string) {
	t.Helper()
	s := new(script)
	dir := filepath.Join(t.TempDir(), "keys")
	f := At(dir, s)
	if err := f.Make(); err != nil {
		t.Fatal(err)
	}
	s.done = nil
	return f, s, dir
}

func TestFilesAreSyncedBeforeTheyHaveTheirNamesAndReadBackAtLast(t *testing.T) {
	f, s, _ := newScript(t)
	if err := f.WriteAll(File{"a", []byte("1")}, File{"b", []byte("2")}); err != nil {
		t.Fatal(err)
	}
	want := `create keys/a.tmp, create keys/b.tmp, create keys/copy/a.tmp, create keys/copy/b.tmp, ` +
		`sync keys/a.tmp, sync keys/b.tmp, sync keys/copy/a.tmp, sync keys/copy/b.tmp, ` +
		`rename keys/a.tmp, rename keys/b.tmp, rename keys/copy/a.tmp, rename keys/copy/b.tmp, last keys, last keys/copy, ` +
		`back keys/a, back keys/b, back keys/copy/a, back keys/copy/b`
	if got := strings.Join(s.done, ", "); got != want {
		t.Errorf("steps: %s", got)
	}
	s.done = nil
	if err := f.Lay(File{"c", []byte("3")}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.done, ", "); got != `create keys/c, create keys/copy/c, sync keys/c, sync keys/copy/c, last keys, last keys/copy, back keys/c, back keys/copy/c` {
		t.Errorf("steps of Lay: %s", got)
	}
	copies, err := f.Copies("b")
	if err != nil || string(copies[0]) != "2" || string(copies[1]) != "2" {
		t.Errorf("copies %q, %v", copies, err)
	}
	if copies, err := f.Copies("none"); err != nil || copies[0] != nil || copies[1] != nil {
		t.Errorf("no file: copies %q, %v", copies, err)
	}
}

func TestEveryFailureOfTheDiskIsTold(t *testing.T) {
	for _, step := range []string{"create", "sync", "rename", "last", "back"} {
		f, s, dir := newScript(t)
		if err := f.Write("a", []byte("old")); err != nil {
			t.Fatal(err)
		}
		s.fail = step
		if err := f.Write("a", []byte("new")); !errors.Is(err, errDisk) {
			t.Errorf("%s: %v", step, err)
		}
		for _, path := range []string{filepath.Join(dir, "a"), filepath.Join(dir, "copy", "a")} {
			if data, err := os.ReadFile(path); err != nil || string(data) != "old" && string(data) != "new" {
				t.Errorf("%s: %s is %q, %v", step, path, data, err)
			}
		}
	}
	f, s, _ := newScript(t)
	s.forged = []byte("other")
	if err := f.Write("a", []byte("new")); !errors.Is(err, ErrAltered) {
		t.Errorf("a medium that gives back something else: %v", err)
	}
}

func TestWhatIsReadBackComesFromTheMediumOrIsSaidNotTo(t *testing.T) {
	dir := t.TempDir()
	for _, size := range []int{0, 1, 511, 4095, 4096, 4097, 524386} {
		data := bytes.Repeat([]byte{7}, size)
		path := filepath.Join(dir, "file")
		if err := errors.Join(Disk{}.Create(path, data), Disk{}.Sync(path)); err != nil {
			t.Fatal(err)
		}
		back, _, err := Disk{}.ReadBack(path)
		if err != nil || !bytes.Equal(back, data) {
			t.Errorf("%d bytes: %d back, %v", size, len(back), err)
		}
		if forgotten, err := readForgotten(path); err != nil || !bytes.Equal(forgotten, data) {
			t.Errorf("%d bytes through the kernel: %d back, %v", size, len(forgotten), err)
		}
	}
	if _, _, err := (Disk{}).ReadBack(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	f, s, _ := newScript(t)
	if err := f.Write("a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if _, direct, err := s.Disk.ReadBack(filepath.Join(f.dirs[0], "a")); err != nil || direct != f.Direct() {
		t.Errorf("one file direct: %t, the folder: %t, %v", direct, f.Direct(), err)
	}
}

package pair

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func newFolder(t *testing.T) (f *Folder, main, second string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	f = At(dir, Disk{})
	if err := f.Make(); err != nil {
		t.Fatal(err)
	}
	if err := f.Write("name", []byte("data")); err != nil {
		t.Fatal(err)
	}
	return f, filepath.Join(dir, "name"), filepath.Join(dir, "copy", "name")
}

func isData(data []byte) error {
	if string(data) != "data" {
		return errors.New("not data")
	}
	return nil
}

func TestAWriteIsInBothFoldersAndOpenToNobodyElse(t *testing.T) {
	f, main, second := newFolder(t)
	for _, path := range []string{main, second} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 4 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if data, findings, err := f.Read("name", isData); string(data) != "data" || len(findings) != 0 || err != nil {
		t.Errorf("Read: %q, %v, %v", data, findings, err)
	}
	if f.Sizes("name") != [2]int64{4, 4} || f.Sizes("other") != [2]int64{-1, -1} {
		t.Errorf("sizes %v", f.Sizes("name"))
	}
}

func TestOneBadCopyIsNamedAndMended(t *testing.T) {
	f, main, second := newFolder(t)
	for _, path := range []string{main, second} {
		for what, spoil := range map[error]func() error{
			ErrAltered: func() error { return os.WriteFile(path, []byte("dat"), 0o600) },
			ErrMissing: func() error { return os.Remove(path) },
		} {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			data, findings, err := f.Read("name", isData)
			if string(data) != "data" || err != nil || len(findings) != 1 || !errors.Is(findings[0], what) || !strings.Contains(findings[0].Error(), path) {
				t.Errorf("Read: %q, %v, %v", data, findings, err)
			}
			if mended, err := os.ReadFile(path); err != nil || string(mended) != "data" {
				t.Errorf("%s is now %q, %v", path, mended, err)
			}
		}
	}
}

func TestACopyThatCannotBeMendedIsSaidSo(t *testing.T) {
	f, main, second := newFolder(t)
	if err := os.Remove(second); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(second, 0o700); err != nil { // a folder where the file should be
		t.Fatal(err)
	}
	data, findings, err := f.Read("name", isData)
	if string(data) != "data" || err != nil || len(findings) != 1 || !strings.Contains(findings[0].Error(), "not mended") {
		t.Errorf("Read: %q, %v, %v", data, findings, err)
	}
	if err := os.Remove(main); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Read("name", isData); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), second) {
		t.Errorf("both bad: %v", err)
	}
}

func TestNamesAreThoseOfEitherFolderWithoutHalfWrittenFiles(t *testing.T) {
	f, main, second := newFolder(t)
	for _, path := range []string{main + ".tmp", second + ".tmp", filepath.Join(filepath.Dir(second), "only")} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	names, err := f.Names()
	if err != nil || strings.Join(names, " ") != "name only" {
		t.Errorf("names %q, %v", names, err)
	}
	if _, err := os.Stat(main + ".tmp"); !errors.Is(err, os.ErrNotExist) {
		t.Error("the half-written file is still there")
	}
	if names, err := At(t.TempDir()+"/none", Disk{}).Names(); err != nil || len(names) != 0 {
		t.Errorf("no folder: %q, %v", names, err)
	}
}

func TestRenameAndRemovePassOverACopyThatIsNotThere(t *testing.T) {
	f, _, second := newFolder(t)
	if err := os.Remove(second); err != nil {
		t.Fatal(err)
	}
	if err := f.Rename("name", "other"); err != nil {
		t.Fatal(err)
	}
	if names, err := f.Names(); err != nil || strings.Join(names, " ") != "other" {
		t.Errorf("names %q, %v", names, err)
	}
	if err := errors.Join(f.Remove("other"), f.Remove("other")); err != nil {
		t.Fatal(err)
	}
}

package keys

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"linekeep/vault/vaulttest/vectors"
)

func vectorKey(t *testing.T, v vectors.Vector, field string) Key {
	t.Helper()
	k, err := KeyFrom(v.Bytes(t, field))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestDerivedKeysAreThoseOfTheFormat(t *testing.T) {
	v := vectors.Read(t, "derivation")
	base := vectorKey(t, vectors.Read(t, "common"), "vault key")
	path, purpose := v.Bytes(t, "folder path"), v.Bytes(t, "outer purpose")
	slot := Slot{key: base}
	for _, test := range []struct {
		field string
		info  []byte
		got   Key
	}{
		{"folder", Info("folder", path), folderKey(base, string(path))},
		{"outer", Info("outer", purpose), outerKey(base, string(purpose))},
		{"slot meta", Info("slot meta"), slot.Meta()},
		{"slot audit", Info("slot audit"), slot.Audit()},
		{"slot wrap", Info("slot wrap"), slot.Wrap()},
	} {
		if !bytes.Equal(test.info, v.Bytes(t, test.field+" info")) {
			t.Errorf("%s: info is %x", test.field, test.info)
		}
		if !bytes.Equal(test.got.Bytes()[:], v.Bytes(t, test.field)) {
			t.Errorf("%s: another key", test.field)
		}
	}
}

// Who adds a purpose to the code adds it to the format's description too.
func TestEveryDerivationLabelStandsInTheFormat(t *testing.T) {
	text, err := os.ReadFile("../FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	call := regexp.MustCompile(`\b(?:Derive|Info)\("([^"]+)"`)
	found := 0
	err = filepath.WalkDir("..", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range call.FindAllSubmatch(source, -1) {
			found++
			if !bytes.Contains(text, append(append([]byte("`"), m[1]...), '`')) {
				t.Errorf("%s: label %q is not in FORMAT.md", path, m[1])
			}
		}
		return err
	})
	if err != nil || found < 9 {
		t.Errorf("%d labels found, %v", found, err)
	}
}

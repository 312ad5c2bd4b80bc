package pair

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestOfTwoGoodCopiesTheNewerCounts: a power cut between the two writings is no damage; what is altered or missing is.
func TestOfTwoGoodCopiesTheNewerCounts(t *testing.T) {
	good := func(data []byte) (uint64, error) {
		if len(data) != 2 || data[0] != 'v' {
			return 0, errors.New("no version")
		}
		return uint64(data[1] - '0'), nil
	}
	for _, c := range []struct {
		main, second, want string
		findings           int
	}{
		{"v1", "v1", "v1", 0}, {"v2", "v1", "v2", 0}, {"v1", "v2", "v2", 0}, {"x", "v1", "v1", 1}, {"v1", "x", "v1", 1},
		{"", "v3", "v3", 1}, {"v3", "", "v3", 1}, {"x", "x", "", 0}, {"", "", "", 0},
	} {
		dir := filepath.Join(t.TempDir(), "keys")
		f := At(dir, Disk{})
		if err := f.Make(); err != nil {
			t.Fatal(err)
		}
		paths := [2]string{filepath.Join(dir, "name"), filepath.Join(dir, "copy", "name")}
		for i, text := range []string{c.main, c.second} {
			if text == "" {
				continue
			}
			if err := os.WriteFile(paths[i], []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		data, findings, err := f.ReadNewest("name", good)
		if string(data) != c.want || len(findings) != c.findings || (err == nil) != (c.want != "") {
			t.Errorf("%q and %q: %q, %v, %v", c.main, c.second, data, findings, err)
		}
		for _, path := range paths {
			if mended, err := os.ReadFile(path); c.want != "" && (err != nil || string(mended) != c.want) {
				t.Errorf("%q and %q: %s is now %q, %v", c.main, c.second, path, mended, err)
			}
		}
	}
}

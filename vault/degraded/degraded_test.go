package degraded

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestANumberIsNeverUsedTwice(t *testing.T) {
	dir := t.TempDir()
	begin := func() int {
		t.Helper()
		n, err := Begin(dir)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if numbers, err := Numbers(dir); err != nil || len(numbers) != 0 {
		t.Errorf("none yet: %v, %v", numbers, err)
	}
	for want := 1; want <= 3; want++ {
		if got := begin(); got != want {
			t.Errorf("Begin: %d, want %d", got, want)
		}
	}
	if err := Retire(dir, 3); err != nil {
		t.Fatal(err)
	}
	if err := Keep(dir, 2); err != nil {
		t.Fatal(err)
	}
	if got := begin(); got != 4 {
		t.Errorf("after the third was retired: %d, want 4", got)
	}
	if err := os.WriteFile(filepath.Join(dir, Dir, "7"), nil, 0o600); err != nil { // no vault, but no number either
		t.Fatal(err)
	}
	if got := begin(); got != 8 {
		t.Errorf("beside a file called 7: %d, want 8", got)
	}
	if numbers, err := Numbers(dir); err != nil || !slices.Equal(numbers, []int{1, 4, 8}) {
		t.Errorf("Numbers: %v, %v", numbers, err)
	}
	retired, kept, err := Aside(dir)
	if err != nil || !slices.Equal(retired, []string{"degraded/3.merged"}) || !slices.Equal(kept, []string{"degraded/2.damaged"}) {
		t.Errorf("Aside: %v, %v, %v", retired, kept, err)
	}
	if err := Purge(dir); err != nil {
		t.Fatal(err)
	}
	if retired, kept, err := Aside(dir); err != nil || len(retired) != 0 || len(kept) != 1 {
		t.Errorf("after Purge: %v, %v, %v", retired, kept, err)
	}
}

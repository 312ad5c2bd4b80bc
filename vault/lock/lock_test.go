package lock

import (
	"errors"
	"testing"
)

func TestAFolderHasOneOwner(t *testing.T) {
	dir := t.TempDir()
	f, err := Take(dir)
	if err != nil {
		t.Fatalf("Take: %v", err)
	}
	if _, err := Take(dir); !errors.Is(err, ErrTaken) {
		t.Errorf("a second time: %v, want ErrTaken", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f, err = Take(dir)
	if err != nil {
		t.Fatalf("after it was given back: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Take(dir + "/none"); err == nil {
		t.Error("a folder that is not there was locked")
	}
}

// Package degraded is how a box records whose root does not open: into a vault beside the vault, whose root is wrapped to
// a spare key; and how what was recorded comes into the main vault once that opens again.
//
// Stage: line -> call -> encode -> [seal -> store] -> search -> release.
//
//	In:    the spare public key, out of the clear file; later the opened main vault
//	Out:   a Sealer in the chip's place; the same recordings in the main vault, byte for byte
//	Owner: no goroutine
//	Full:  a merge that finds no room stops where it is, and goes on from there
//
// A degraded vault lies in degraded/<n>/ and is made of the same parts as any vault, under the same vault id and the same
// custody key. One that a power cut has ended cannot be opened again by the box: its root key is wrapped to a key whose
// private half lies in the main root. So each start of the box begins another, and the merge closes what was open.
package degraded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Dir is where degraded vaults lie, below the main one.
const Dir = "degraded"

// The endings of a degraded vault's folder that is not to be merged any more.
const (
	mergedSuffix = ".merged"  // all of it is in the main vault; it is being removed
	keptSuffix   = ".damaged" // what could be read is in the main vault; the rest stays for somebody to look at
)

// Numbers are those of the degraded vaults in dir, oldest first.
func Numbers(dir string) ([]int, error) {
	entries, err := os.ReadDir(filepath.Join(dir, Dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list degraded vaults: %w", err)
	}
	var numbers []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n > 0 && e.IsDir() {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// Path is the folder of a degraded vault.
func Path(dir string, n int) string { return filepath.Join(dir, Dir, strconv.Itoa(n)) }

// Begin makes the folder of a new degraded vault. Its number was never used before, merged or not.
func Begin(dir string) (int, error) {
	if err := os.MkdirAll(filepath.Join(dir, Dir), 0o700); err != nil {
		return 0, fmt.Errorf("make the degraded vault's folder: %w", err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, Dir))
	if err != nil {
		return 0, fmt.Errorf("list degraded vaults: %w", err)
	}
	next := 1
	for _, e := range entries {
		name, _, _ := strings.Cut(e.Name(), ".")
		if n, err := strconv.Atoi(name); err == nil {
			next = max(next, n+1)
		}
	}
	if err := os.Mkdir(Path(dir, next), 0o700); err != nil {
		return 0, fmt.Errorf("make the degraded vault's folder: %w", err)
	}
	return next, syncDirs(filepath.Join(dir, Dir), dir)
}

// Retire says that all of a degraded vault is in the main one. Its folder stays until Purge, so that whoever is cut off
// between the two knows that the spare key, which opens what is left of it, has yet to be replaced.
func Retire(dir string, n int) error { return rename(dir, n, mergedSuffix) }

// Keep puts a vault aside of which not everything could be read. It is not merged again, and not removed.
func Keep(dir string, n int) error { return rename(dir, n, keptSuffix) }

func rename(dir string, n int, suffix string) error {
	if err := os.Rename(Path(dir, n), Path(dir, n)+suffix); err != nil {
		return fmt.Errorf("put the degraded vault %d aside: %w", n, err)
	}
	return syncDirs(filepath.Join(dir, Dir))
}

// Aside are the folders that were retired, and those that were kept; the names are below dir.
func Aside(dir string) (retired, kept []string, err error) {
	entries, err := os.ReadDir(filepath.Join(dir, Dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("list degraded vaults: %w", err)
	}
	for _, e := range entries {
		name := filepath.Join(Dir, e.Name())
		switch {
		case strings.HasSuffix(e.Name(), mergedSuffix):
			retired = append(retired, name)
		case strings.HasSuffix(e.Name(), keptSuffix):
			kept = append(kept, name)
		}
	}
	return retired, kept, nil
}

// Purge removes what was retired.
func Purge(dir string) error {
	retired, _, err := Aside(dir)
	for _, name := range retired {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, name)))
	}
	if err != nil {
		return fmt.Errorf("remove merged vaults: %w", err)
	}
	return nil
}

func syncDirs(dirs ...string) error {
	for _, dir := range dirs {
		d, err := os.Open(dir)
		if err != nil {
			return fmt.Errorf("sync folder: %w", err)
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return fmt.Errorf("sync folder: %w", err)
		}
	}
	return nil
}

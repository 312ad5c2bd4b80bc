// Package pair keeps small files that must never be lost in two copies: in a folder, and in its subfolder "copy".
//
//	In:    whole files, at most some hundred kilobytes
//	Out:   the same bytes, from whichever copy is good, and a finding for each copy that was not
//	Owner: the caller, who takes turns; no goroutine
//	Full:  a write that finds no room leaves both old copies as they were
//
// One flipped bit in a file of keys could cost a month of recordings, so one copy is not enough. Each
// write goes to a temporary name, is synced, renamed, its folder synced, read back and compared, first in
// the one folder and then in the other: at any moment at least one copy is whole.
package pair

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// copyName is the subfolder of second copies.
const copyName = "copy"

// tmpSuffix marks a file that is being written; after a power cut it is worth nothing.
const tmpSuffix = ".tmp"

var (
	// ErrAltered reports that a copy is there, but not what it should be.
	ErrAltered = errors.New("altered")
	// ErrMissing reports that a copy is not there.
	ErrMissing = errors.New("missing")
)

// FS is what a Folder does to the disk. Disk is the real one; tests cut the power between its steps.
type FS interface {
	// Create writes a file anew and syncs it.
	Create(path string, data []byte) error
	Rename(from, to string) error
	Remove(path string) error
	// SyncDir makes renames and removals in dir last.
	SyncDir(dir string) error
	Read(path string) ([]byte, error)
	List(dir string) ([]string, error)
	MkdirAll(dir string) error
}

// Folder is a folder and its copy.
type Folder struct {
	fs   FS
	mu   sync.Mutex // two mendings of one file would share its temporary name
	dirs [2]string  // the folder, its copy
}

// At names the folder; Make makes it.
func At(dir string, fs FS) *Folder {
	return &Folder{fs: fs, dirs: [2]string{dir, filepath.Join(dir, copyName)}}
}

// Make makes both folders if they are missing, open to nobody else, and syncs the folder above.
func (f *Folder) Make() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fs.MkdirAll(f.dirs[1]); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	for _, dir := range []string{f.dirs[0], filepath.Dir(f.dirs[0])} {
		if err := f.fs.SyncDir(dir); err != nil {
			return fmt.Errorf("sync folder: %w", err)
		}
	}
	return nil
}

// Names lists the files in either folder, each name once, in order; what a power cut left half written is removed.
func (f *Folder) Names() ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for _, dir := range f.dirs {
		found, err := f.fs.List(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list folder: %w", err)
		}
		for _, name := range found {
			if strings.HasSuffix(name, tmpSuffix) {
				if err := f.fs.Remove(filepath.Join(dir, name)); err != nil {
					return nil, fmt.Errorf("remove half-written file: %w", err)
				}
				continue
			}
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Write writes both copies, one after the other. When it returns nil both are on disk and read back as data.
func (f *Folder) Write(name string, data []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, dir := range f.dirs {
		if err := f.writeOne(dir, name, data); err != nil {
			return err
		}
	}
	return nil
}

func (f *Folder) writeOne(dir, name string, data []byte) error {
	path := filepath.Join(dir, name)
	if err := f.fs.Create(path+tmpSuffix, data); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.fs.Rename(path+tmpSuffix, path); err != nil {
		return fmt.Errorf("rename: %w", err)
	}
	if err := f.fs.SyncDir(dir); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	back, err := f.fs.Read(path)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if !bytes.Equal(back, data) {
		return fmt.Errorf("read back %s: %w", path, ErrAltered)
	}
	return nil
}

// Read gives the first copy that good accepts, and mends the other from it. Each finding names a copy that was
// missing or altered and says whether it was mended. When no copy is good the error names both and wraps what good said.
func (f *Folder) Read(name string, good func([]byte) error) (data []byte, findings []error, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var copies [2][]byte
	var faults [2]error
	chosen := -1
	for i, dir := range f.dirs {
		path := filepath.Join(dir, name)
		copies[i], faults[i] = f.fs.Read(path)
		switch {
		case errors.Is(faults[i], fs.ErrNotExist):
			faults[i] = fmt.Errorf("%s: %w", path, ErrMissing)
		case faults[i] != nil: // a path error, it names the file
		case chosen >= 0:
			if !bytes.Equal(copies[i], copies[chosen]) {
				faults[i] = fmt.Errorf("%s: %w", path, ErrAltered)
			}
		default:
			if err := good(copies[i]); err != nil {
				faults[i] = fmt.Errorf("%s: %w: %w", path, ErrAltered, err)
			} else {
				chosen = i
			}
		}
	}
	if chosen < 0 {
		return nil, nil, errors.Join(faults[0], faults[1])
	}
	other := 1 - chosen
	if faults[other] == nil {
		return copies[chosen], nil, nil
	}
	outcome := "mended from its copy"
	if err := f.writeOne(f.dirs[other], name, copies[chosen]); err != nil {
		outcome = "not mended: " + err.Error()
	}
	return copies[chosen], []error{fmt.Errorf("%w (%s)", faults[other], outcome)}, nil
}

// Sizes gives the size of each copy, -1 for one that is missing or cannot be looked at.
func (f *Folder) Sizes(name string) [2]int64 {
	sizes := [2]int64{-1, -1}
	for i, dir := range f.dirs {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			sizes[i] = info.Size()
		}
	}
	return sizes
}

// Rename renames both copies. A copy that is not there under its old name is passed over.
func (f *Folder) Rename(from, to string) error {
	return f.each(func(dir string) error {
		return f.fs.Rename(filepath.Join(dir, from), filepath.Join(dir, to))
	})
}

// Remove removes both copies. A copy that is not there is passed over.
func (f *Folder) Remove(name string) error {
	return f.each(func(dir string) error { return f.fs.Remove(filepath.Join(dir, name)) })
}

func (f *Folder) each(do func(dir string) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, dir := range f.dirs {
		if err := do(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := f.fs.SyncDir(dir); err != nil {
			return fmt.Errorf("sync folder: %w", err)
		}
	}
	return nil
}

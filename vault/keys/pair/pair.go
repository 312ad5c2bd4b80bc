// Package pair keeps small files that must never be lost in two copies: in a folder, and in its subfolder "copy".
//
//	In:    whole files, at most some hundred kilobytes
//	Out:   the same bytes, from whichever copy is good, and a finding for each copy that was not
//	Owner: the caller, who takes turns; no goroutine
//	Full:  a write that finds no room leaves both old copies as they were
//
// One flipped bit in a file of keys could cost a month of recordings, so one copy is not enough. Each
// write goes to a temporary name, is synced, renamed, its folder synced, and read back from the medium and
// compared: at any moment each copy is whole, old or new.
package pair

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
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
	// Create writes a file anew, and may begin to bring it to the medium.
	Create(path string, data []byte) error
	// Sync makes what is in a file last.
	Sync(path string) error
	Rename(from, to string) error
	Remove(path string) error
	// SyncDir makes renames and removals in dir last.
	SyncDir(dir string) error
	Read(path string) ([]byte, error)
	// ReadBack reads a file from the medium itself; direct says whether it could.
	ReadBack(path string) (data []byte, direct bool, err error)
	Size(path string) (int64, error)
	List(dir string) ([]string, error)
	MkdirAll(dir string) error
}

// Folder is a folder and its copy.
type Folder struct {
	fs   FS
	mu   sync.Mutex // guards all below; two mendings of one file would share its temporary name
	dirs [2]string  // the folder, its copy
	// cached: something was read back through the kernel's memory.
	cached bool
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

// Names lists the files in either folder, each name once, in order; what a power cut left half written is removed. It is
// for whoever has the folder to itself, at the start.
func (f *Folder) Names() ([]string, error) { return f.list(true) }

// List is Names without the removal.
func (f *Folder) List() ([]string, error) { return f.list(false) }

func (f *Folder) list(tidy bool) ([]string, error) {
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
			if !strings.HasSuffix(name, tmpSuffix) {
				names = append(names, name)
				continue
			}
			if !tidy {
				continue
			}
			if err := f.fs.Remove(filepath.Join(dir, name)); err != nil {
				return nil, fmt.Errorf("remove half-written file: %w", err)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Copies are the copies of a file as they are, good or bad; nil where there is none.
func (f *Folder) Copies(name string) (copies [2][]byte, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, dir := range f.dirs {
		var fault error
		copies[i], fault = f.fs.Read(filepath.Join(dir, name))
		if fault != nil && !errors.Is(fault, fs.ErrNotExist) {
			err = errors.Join(err, fault)
		}
	}
	return copies, err
}

// File is a name in the folder and what is to stand there.
type File struct {
	Name string
	Data []byte
}

// Write writes both copies. When it returns nil both are on disk and read back as data.
func (f *Folder) Write(name string, data []byte) error {
	return f.WriteAll(File{Name: name, Data: data})
}

// WriteAll writes several files in both copies. A power cut leaves each copy of each as it was or as it should be. When it
// returns nil all are on disk and read back as they should be.
func (f *Folder) WriteAll(files ...File) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.write(f.dirs[:], tmpSuffix, files)
}

// Lay is WriteAll for names that nobody relies on yet: a power cut may leave part of a file. It saves a step that the disk
// has to make last.
func (f *Folder) Lay(files ...File) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.write(f.dirs[:], "", files)
}

// write writes files in folders, under another name first if there is a suffix. Each kind of step is done for all files
// before the next one: a journalling file system makes all of them last with the first, and the others cost next to nothing.
func (f *Folder) write(dirs []string, suffix string, files []File) error {
	each := func(do func(path string, data []byte) error) error {
		for _, dir := range dirs {
			for _, file := range files {
				if err := do(filepath.Join(dir, file.Name), file.Data); err != nil {
					return err
				}
			}
		}
		return nil
	}
	err := each(func(path string, data []byte) error {
		if err := f.fs.Create(path+suffix, data); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = each(func(path string, _ []byte) error {
		if err := f.fs.Sync(path + suffix); err != nil {
			return fmt.Errorf("sync %s: %w", path, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if suffix != "" {
		if err := each(func(path string, _ []byte) error { return f.fs.Rename(path+suffix, path) }); err != nil {
			return fmt.Errorf("rename: %w", err)
		}
	}
	for _, dir := range dirs {
		if err := f.fs.SyncDir(dir); err != nil {
			return fmt.Errorf("sync folder: %w", err)
		}
	}
	return each(func(path string, data []byte) error { return f.compare(path, data) })
}

// compare reads a file back.
func (f *Folder) compare(path string, data []byte) error {
	back, direct, err := f.fs.ReadBack(path)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if !bytes.Equal(back, data) {
		return fmt.Errorf("read back %s: %w", path, ErrAltered)
	}
	f.cached = f.cached || !direct
	return nil
}

// Direct says whether all that was written so far was read back from the medium, and not from the kernel's memory.
func (f *Folder) Direct() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.cached
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
	if err := f.write(f.dirs[other:other+1], tmpSuffix, []File{{Name: name, Data: copies[chosen]}}); err != nil {
		outcome = "not mended: " + err.Error()
	}
	return copies[chosen], []error{fmt.Errorf("%w (%s)", faults[other], outcome)}, nil
}

// Sizes gives the size of each copy, -1 for one that is missing or cannot be looked at.
func (f *Folder) Sizes(name string) [2]int64 {
	sizes := [2]int64{-1, -1}
	for i, dir := range f.dirs {
		if size, err := f.fs.Size(filepath.Join(dir, name)); err == nil {
			sizes[i] = size
		}
	}
	return sizes
}

// Step is a renaming, or with no To a removal.
type Step struct{ From, To string }

// Rename renames both copies. A copy that is not there under its old name is passed over.
func (f *Folder) Rename(from, to string) error { return f.Steps(Step{From: from, To: to}) }

// Remove removes both copies. A copy that is not there is passed over.
func (f *Folder) Remove(names ...string) error { return f.Steps(Removals(names)...) }

// Removals are the steps that remove files.
func Removals(names []string) []Step {
	steps := make([]Step, len(names))
	for i, name := range names {
		steps[i].From = name
	}
	return steps
}

// Steps renames and removes both copies of several files; each folder is synced once. What is not there is passed over.
func (f *Folder) Steps(steps ...Step) error {
	if len(steps) == 0 {
		return nil
	}
	return f.do(steps, f.fs.SyncDir)
}

// Later is Steps and syncs nothing: a power cut may undo any of them, until the next sync.
func (f *Folder) Later(steps ...Step) error {
	return f.do(steps, func(string) error { return nil })
}

func (f *Folder) do(steps []Step, sync func(dir string) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, dir := range f.dirs {
		for _, s := range steps {
			var err error
			if s.To == "" {
				err = f.fs.Remove(filepath.Join(dir, s.From))
			} else {
				err = f.fs.Rename(filepath.Join(dir, s.From), filepath.Join(dir, s.To))
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	for _, dir := range f.dirs {
		if err := sync(dir); err != nil {
			return fmt.Errorf("sync folder: %w", err)
		}
	}
	return nil
}

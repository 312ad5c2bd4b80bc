// Package disk is what the audit log does to a disk, so that tests can cut its power.
//
//	In:    paths; bytes at places
//	Out:   the same bytes, once they were synced, whatever happens
//	Owner: the caller; no goroutine
//	Full:  a write that finds no room is an error
package disk

import (
	"errors"
	"os"
)

// FS is what a Log does to the disk. Disk is the real one; tests cut the power between its steps.
type FS interface {
	// Open opens a file for reading and writing; create makes it if it is not there.
	Open(path string, create bool) (File, error)
	Rename(from, to string) error
	Remove(path string) error
	// SyncDir makes names in dir last.
	SyncDir(dir string) error
	List(dir string) ([]string, error)
	MkdirAll(dir string) error
}

// File is an open file.
type File interface {
	ReadAt(b []byte, off int64) (int, error)
	WriteAt(b []byte, off int64) (int, error)
	Truncate(size int64) error
	Size() (int64, error)
	Sync() error // what was written before it lasts
	Close() error
}

// Disk is the real file system.
type Disk struct{}

var _ FS = Disk{}

type diskFile struct{ *os.File }

// Size is how long the file is.
func (f diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Open opens a file that only its owner may read.
func (Disk) Open(path string, create bool) (File, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

// Rename renames; the folder is not synced.
func (Disk) Rename(from, to string) error { return os.Rename(from, to) }

// Remove removes; the folder is not synced.
func (Disk) Remove(path string) error { return os.Remove(path) }

// SyncDir syncs a folder.
func (Disk) SyncDir(dir string) (err error) {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}

// List lists the files of a folder.
func (Disk) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// MkdirAll makes folders that only their owner may enter.
func (Disk) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }

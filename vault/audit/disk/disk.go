// Package disk is what the audit log does to a disk, so that tests can cut its power.
//
//	In:    paths; bytes at places
//	Out:   the same bytes, once they were synced, whatever happens
//	Owner: the caller; no goroutine
//	Full:  a write that finds no room is an error
package disk

import (
	"os"

	"linekeep/vault/keys/pair"
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

// Disk is the real file system: that of small files in pairs, and files that stay open.
type Disk struct{ pair.Disk }

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

package disk

import (
	"errors"
	"io"
	"io/fs"
)

// ReadOnly is a disk that is only read.
type ReadOnly struct{ FS }

var errReadOnly = errors.New("open for reading only")

// Open never makes a file; one that is not there is empty, but for those of entries and the tree.
func (u ReadOnly) Open(path string, create bool) (File, error) {
	f, err := u.FS.Open(path, false)
	if errors.Is(err, fs.ErrNotExist) && create {
		return Nothing{}, nil
	}
	if err != nil {
		return nil, err
	}
	return onlyRead{f}, nil
}

// Remove removes nothing: what a power cut left half made is passed over.
func (ReadOnly) Remove(string) error { return nil }

// Rename is refused.
func (ReadOnly) Rename(string, string) error { return errReadOnly }

// SyncDir has nothing to sync.
func (ReadOnly) SyncDir(string) error { return nil }

// MkdirAll makes nothing: a folder that is missing is told when it is read.
func (ReadOnly) MkdirAll(string) error { return nil }

type onlyRead struct{ File }

func (onlyRead) WriteAt([]byte, int64) (int, error) { return 0, errReadOnly }
func (onlyRead) Truncate(int64) error               { return nil } // what stands behind the end is passed over
func (onlyRead) Sync() error                        { return nil }

// Nothing is an empty file.
type Nothing struct{}

// ReadAt is at the end at once.
func (Nothing) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }

// WriteAt is refused.
func (Nothing) WriteAt([]byte, int64) (int, error) { return 0, errReadOnly }

// Truncate has nothing to cut.
func (Nothing) Truncate(int64) error { return nil }

// Size is 0.
func (Nothing) Size() (int64, error) { return 0, nil }

// Sync has nothing to sync.
func (Nothing) Sync() error { return nil }

// Close does nothing.
func (Nothing) Close() error { return nil }

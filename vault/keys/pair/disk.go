package pair

import (
	"errors"
	"os"
)

// Disk is the real file system.
type Disk struct{}

var _ FS = Disk{}

// Create writes a file that only its owner may read. The kernel is told to begin writing it to the medium, so that several
// files go there at once.
func (Disk) Create(path string, data []byte) (err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(data); err != nil {
		return err
	}
	begin(file)
	return nil
}

// Sync syncs a file.
func (Disk) Sync(path string) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return file.Sync()
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

// Read reads a whole file.
func (Disk) Read(path string) ([]byte, error) { return os.ReadFile(path) }

// Size is how long a file is.
func (Disk) Size(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// List lists the files of a folder, without its subfolders.
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

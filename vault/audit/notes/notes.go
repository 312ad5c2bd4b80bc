// Package notes is the file of checkpoints beside the audit log.
//
//	In:    checkpoints, signed
//	Out:   all of them again; of those of long ago the last of each day
//	Owner: the caller, who takes turns; no goroutine
//	Full:  a checkpoint that finds no room is an error, and the file is as it was
package notes

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/vault/audit/disk"
	"linekeep/vault/audit/proof"
	"linekeep/vault/keys"
)

// Name is the file's.
const Name = "checkpoints"

const (
	temp = "checkpoints.tmp"
	// most is when the file is thinned: some 3,500 checkpoints.
	most = 2 << 20
	// kept is how many of the newest stay whole; of those before, the last of each day.
	kept = 1000
)

// File is the file. All fields are needed.
type File struct {
	Dir     string
	FS      disk.FS
	VaultID [keys.VaultIDSize]byte
	Chip    func() tpm.Identity // whose checkpoints they are
	Altered func(error)         // is told of a checkpoint that is not as it was written
	Failed  func(error)         // is told of what failed and costs nothing but room

	size int64 // as far as it counts
}

func (n *File) path(name string) string { return filepath.Join(n.Dir, name) }

// Aside puts the file away under a name of its own, as of another chip: the next one begins another.
func (n *File) Aside(chip []byte) error {
	err := n.FS.Rename(n.path(Name), n.path(fmt.Sprintf("%s.%x", Name, chip)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put the checkpoints of another chip aside: %w", err)
	}
	return nil
}

// Read reads the checkpoints beside the log. What is left of one that a power cut caught is cut off. One that cannot be
// read is a finding.
func (n *File) Read() (all []proof.Signed, err error) {
	f, err := n.FS.Open(n.path(Name), true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	notes, rest := proof.Split(b)
	chip := n.Chip()
	for i, text := range notes {
		s, err := proof.Open(text, chip)
		if err != nil || s.VaultID != n.VaultID {
			n.Altered(fmt.Errorf("checkpoint %d beside the log: %w", i+1, errors.Join(err, proof.ErrBad)))
			continue
		}
		all = append(all, s)
	}
	n.size = size - int64(len(rest))
	if len(rest) > 0 {
		err = f.Truncate(n.size)
	}
	return all, err
}

// Keep appends a checkpoint to those beside the log.
func (n *File) Keep(text []byte) (err error) {
	if n.size > most {
		if err := n.thin(); err != nil {
			n.Failed(fmt.Errorf("thin the checkpoints beside the log: %w", err))
		}
	}
	f, err := n.FS.Open(n.path(Name), true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.WriteAt(text, n.size); err != nil {
		return errors.Join(err, f.Truncate(n.size))
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if n.size == 0 { // a new file: its name must last, too
		if err := n.FS.SyncDir(n.Dir); err != nil {
			return err
		}
	}
	n.size += int64(len(text))
	return nil
}

// thin writes the file anew with the last checkpoint of each day, and all of the newest.
func (n *File) thin() (err error) {
	all, err := n.Read()
	if err != nil {
		return err
	}
	var b []byte
	for i, s := range all {
		day := func(i int) string { return all[i].At.Format(time.DateOnly) }
		if i >= len(all)-kept || day(i) != day(i+1) {
			b = append(b, s.Note...)
		}
	}
	f, err := n.FS.Open(n.path(temp), true)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Truncate(int64(len(b)))
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := n.FS.Rename(n.path(temp), n.path(Name)); err != nil {
		return err
	}
	n.size = int64(len(b))
	return n.FS.SyncDir(n.Dir)
}

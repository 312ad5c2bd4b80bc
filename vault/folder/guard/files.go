package guard

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"linekeep/vault/folder/badgerfile"
)

// Names of ours in a folder.
const (
	guardDir = "guard"
	asideDir = "aside" // below guard: what was there before a Badger that might spoil it
	openMark = "open"  // below guard: present from Open to a clean Close. Empty: no bit of it can flip
)

// listNames are the two files the list is written to, one after the other.
func listNames() [2]string { return [2]string{"list.1", "list.2"} }

// names are the plain files of the folder, sorted.
func (g *Guard) names() ([]string, error) {
	entries, err := os.ReadDir(g.path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Name() != guardDir {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// ofKind are the files of one kind, in the order of their numbers.
func (g *Guard) ofKind(k badgerfile.Kind) ([]string, error) {
	all, err := g.names()
	if err != nil {
		return nil, err
	}
	var some []string
	for _, n := range all {
		if got, ok := badgerfile.KindOf(n); ok && got == k {
			some = append(some, n)
		}
	}
	slices.SortFunc(some, func(a, b string) int {
		na, _ := badgerfile.NumberOf(a) // a name without a number sorts first; Badger refuses it anyway
		nb, _ := badgerfile.NumberOf(b)
		return int(int64(na) - int64(nb))
	})
	return some, nil
}

func (g *Guard) at(name string) string      { return filepath.Join(g.path, name) }
func (g *Guard) guarded(name string) string { return filepath.Join(g.path, guardDir, name) }

// hashFile reads with read(2), not through a map: a bad sector is then an error and no signal.
func hashFile(path string) (size int64, sum [sha256.Size]byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, sum, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	h := sha256.New()
	size, err = io.Copy(h, file)
	return size, [sha256.Size]byte(h.Sum(nil)), err
}

// writeFile replaces a file so that after a power cut the old one or the new one is there, whole.
func writeFile(path string, content io.Reader) (err error) {
	tmp := path + ".new"
	file, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, removeIfThere(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func writeBytes(path string, b []byte) error { return writeFile(path, bytes.NewReader(b)) }

// copyFile makes a real copy. A hard link would share the bits that flip.
func copyFile(to, from string) (err error) {
	file, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return writeFile(to, file)
}

func syncDir(path string) (err error) {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}

// acquire locks the folder: alone for writing; for reading alone too at first, so that what is found altered
// can be mended, and else with other readers, of whom the first has mended.
func (g *Guard) acquire() error {
	d, err := os.Open(g.guarded(""))
	if err != nil {
		return err
	}
	err = unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	g.alone = err == nil
	if err != nil && g.o.ReadOnly {
		err = unix.Flock(int(d.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	}
	if err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrBusy
		}
		return errors.Join(err, d.Close())
	}
	g.lock = d
	return nil
}

// share lets other readers in.
func (g *Guard) share() error { return unix.Flock(int(g.lock.Fd()), unix.LOCK_SH|unix.LOCK_NB) }

func removeIfThere(path string) error {
	err := os.Remove(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

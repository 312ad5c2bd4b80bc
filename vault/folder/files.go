package folder

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Names in a folder. Badger's are fixed by v4.9.6.
const (
	guardDir     = "guard"
	asideDir     = "aside" // below guard: what was there before a Badger that might spoil it
	openMark     = "open"  // below guard: present from Open to a clean Close. Empty: no bit of it can flip
	manifestName = "MANIFEST"
	registryName = "KEYREGISTRY"
	discardName  = "DISCARD"
	lockName     = "LOCK"
)

// listNames are the two files the list is written to, one after the other.
func listNames() [2]string { return [2]string{"list.1", "list.2"} }

func logName(n uint32, ext string) string {
	if ext == ".mem" {
		return fmt.Sprintf("%05d%s", n, ext)
	}
	return fmt.Sprintf("%06d%s", n, ext)
}

// kindOf says what a file of a folder is by its name; false for one that is not Badger's own.
func kindOf(name string) (kind, bool) {
	switch {
	case name == manifestName:
		return manifestFile, true
	case name == registryName:
		return registryFile, true
	}
	switch filepath.Ext(name) {
	case ".sst":
		return tableFile, true
	case ".vlog":
		return valueLog, true
	case ".mem":
		return memLog, true
	}
	return 0, false
}

// numberOf is the number in a log's or table's name.
func numberOf(name string) (uint32, bool) {
	n, err := strconv.ParseUint(strings.TrimSuffix(name, filepath.Ext(name)), 10, 32)
	return uint32(n), err == nil
}

// names are the plain files of the folder, sorted.
func (f *Folder) names() ([]string, error) {
	entries, err := os.ReadDir(f.path)
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
func (f *Folder) ofKind(k kind) ([]string, error) {
	all, err := f.names()
	if err != nil {
		return nil, err
	}
	var some []string
	for _, n := range all {
		if got, ok := kindOf(n); ok && got == k {
			some = append(some, n)
		}
	}
	slices.SortFunc(some, func(a, b string) int {
		na, _ := numberOf(a) // a name without a number sorts first; Badger refuses it anyway
		nb, _ := numberOf(b)
		return int(int64(na) - int64(nb))
	})
	return some, nil
}

func (f *Folder) at(name string) string      { return filepath.Join(f.path, name) }
func (f *Folder) guarded(name string) string { return filepath.Join(f.path, guardDir, name) }

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

// readHead is the first bytes of a log, fewer when it is shorter.
func readHead(path string) (head []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	head = make([]byte, logHeader)
	n, err := io.ReadFull(file, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return head[:n], err
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
func (f *Folder) acquire() error {
	d, err := os.Open(f.guarded(""))
	if err != nil {
		return err
	}
	err = unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	f.alone = err == nil
	if err != nil && f.o.ReadOnly {
		err = unix.Flock(int(d.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	}
	if err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrBusy
		}
		return errors.Join(err, d.Close())
	}
	f.lock = d
	return nil
}

// share lets other readers in.
func (f *Folder) share() error { return unix.Flock(int(f.lock.Fd()), unix.LOCK_SH|unix.LOCK_NB) }

// lastData is the end of the last page of a file that holds anything but zeros.
func lastData(path string) (end int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	const page = 4096
	buf, zero := make([]byte, 64*page), make([]byte, page)
	for end = (size + page - 1) / page * page; end > 0; {
		from := max(0, end-int64(len(buf)))
		n, err := file.ReadAt(buf[:end-from], from)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		for p := (n - 1) / page * page; p >= 0 && n > 0; p -= page {
			if got := buf[p:min(n, p+page)]; !bytes.Equal(got, zero[:len(got)]) {
				return min(size, from+int64(p)+page), nil
			}
		}
		end = from
	}
	return 0, nil
}

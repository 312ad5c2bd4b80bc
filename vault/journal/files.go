package journal

import (
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

const suffix = ".lkj"

func fileName(number uint64) string { return fmt.Sprintf("%08d%s", number, suffix) }

// list gives the numbers of the files in dir, oldest first.
func list(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list the journal: %w", err)
	}
	var numbers []uint64
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || fileName(n) != e.Name() {
			continue
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers, nil
}

// readInto reads at most limit bytes of a file into b; limit < 0 is all of it.
func readInto(b []byte, path string, limit int64) (_ []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return b, err
	}
	n := info.Size()
	if limit >= 0 {
		n = min(n, limit)
	}
	b = slices.Grow(b, int(n))[:n]
	if _, err := io.ReadFull(f, b); err != nil {
		return b, fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	return b, nil
}

// Open reads the journal in cfg.Dir, which may be empty, and makes it ready for writing. The next group goes to a
// new file: a file that may end torn is never written to again.
func Open(cfg Config) (*Journal, *Replay, error) {
	cfg = cfg.withDefaults()
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make the journal's folder: %w", err)
	}
	numbers, err := list(cfg.Dir)
	if err != nil {
		return nil, nil, err
	}
	j := &Journal{cfg: cfg, seal: newSealer(cfg.Key)}
	j.read.New = func() any { return newSealer(cfg.Key) }
	r, err := load(cfg, j.seal, numbers, func(uint64) int64 { return -1 }, false)
	if err != nil {
		return nil, nil, err
	}
	if len(numbers) > 0 {
		j.number = numbers[len(numbers)-1]
	}
	if err := j.adopt(r, numbers); err != nil {
		return nil, nil, errors.Join(err, j.Close())
	}
	return j, r, nil
}

func (c Config) withDefaults() Config {
	if c.Rotate == 0 {
		c.Rotate = RotateBytes
	}
	if c.Max == 0 {
		c.Max = MaxBytes
	}
	if c.Grace == 0 {
		c.Grace = GraceFiles
	}
	if c.create == nil {
		c.create = func(path string) (handle, error) {
			f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return nil, err
			}
			return disk{f}, nil
		}
	}
	return c
}

// adopt takes over the files that replay read: removes those needed no longer, cuts off what a torn write left.
func (j *Journal) adopt(r *Replay, numbers []uint64) error {
	left := make(map[uint64]*file)
	for i, s := range r.files {
		path := filepath.Join(j.cfg.Dir, s.name)
		empty := len(s.records) == 0 && len(s.groups) == 0
		if i == len(r.files)-1 && empty && len(r.Damages) == 0 {
			continue // made, and cut off before its first group was there
		}
		torn := i == len(r.files)-1 && r.Torn > 0 && s.end < s.size
		h, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("open the journal: %w", err)
		}
		f := &file{number: s.number, name: s.name, h: disk{h}, size: s.size}
		j.order = append(j.order, f)
		j.files.Store(f.number, f)
		left[f.number] = f
		j.bytes += f.size
		if torn { // what comes next goes to a new file; this one ends where its last whole record does
			if err := errors.Join(h.Truncate(s.end), h.Sync()); err != nil {
				return fmt.Errorf("cut off the torn end of %s: %w", s.name, err)
			}
			f.size = s.end
		}
		for k := range s.groups {
			if n := s.groups[k].number; n > j.prev.group {
				j.prev = link{group: n, mac: s.groups[k].mac}
			}
		}
	}
	for i := range r.Records {
		if n := r.Records[i].Group; n > j.prev.group {
			j.prev = link{group: n} // its group record was torn, its records are taken as stored all the same
		}
	}
	j.next = j.prev.group + 1
	for i := range r.Records {
		rec := &r.Records[i]
		if f := left[rec.Pos.File]; f != nil && rec.Kind.kept() {
			f.live++
		}
	}
	for _, n := range numbers {
		if left[n] != nil {
			continue
		}
		if err := os.Remove(filepath.Join(j.cfg.Dir, fileName(n))); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove a journal file that is needed no longer: %w", err)
		}
	}
	return nil
}

// writable gives the file the next group of need bytes goes to, and whether it is new and so lacks its header.
func (j *Journal) writable(need int64) (*file, bool, error) {
	if j.writing {
		f := j.order[len(j.order)-1]
		if f.size+need <= j.cfg.Rotate {
			return f, false, nil
		}
		j.writing = false
	}
	j.number++
	name := fileName(j.number)
	h, err := j.cfg.create(filepath.Join(j.cfg.Dir, name))
	if isFull(err) {
		return nil, false, fmt.Errorf("%w: %w", ErrFull, err)
	}
	if err != nil {
		return nil, false, fmt.Errorf("make a journal file: %w", err)
	}
	f := &file{number: j.number, name: name, h: h}
	j.order = append(j.order, f)
	j.files.Store(f.number, f)
	j.writing = true
	return f, true, nil
}

// drop forgets f and removes it.
func (j *Journal) drop(f *file) error {
	j.order = slices.DeleteFunc(j.order, func(o *file) bool { return o == f })
	j.files.Delete(f.number)
	j.bytes -= f.size
	err := f.h.Close()
	if rerr := os.Remove(filepath.Join(j.cfg.Dir, f.name)); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	if err != nil {
		return fmt.Errorf("remove journal file: %w", err)
	}
	return nil
}

// disk is a real file.
type disk struct{ *os.File }

// Sync is fdatasync: the times of the inode need not be on disk, its size is where that grew.
func (d disk) Sync() error {
	for {
		if err := unix.Fdatasync(int(d.Fd())); err != unix.EINTR {
			return err
		}
	}
}

func syncDir(dir string) (err error) {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}

func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

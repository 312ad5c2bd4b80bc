package folder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"linekeep/vault/folder/badgerfile"
)

const (
	// window is how far ahead of the last value blocks are held in a value log: a few Puts of chunks.
	window = 4 << 20
	// smallNeed covers what every Put writes beside its values: keys, pointers, the counter, their log entries.
	smallNeed = 64 << 10
	// headroom is what Badger may begin by itself during a Put: the next memtable's log, the next value log's
	// first window, a table, and what we copy of it.
	headroom = logBlocks + window + 2*memTable
	// openNeed and closeNeed are the same for Open and Close, which write no values but may write tables.
	openNeed  = headroom + 1<<20
	closeNeed = 3*memTable + 1<<20
	// logBlocks is what a memtable's log can grow to: its limit and one transaction (15 %) with entry heads.
	logBlocks = memTable * 3 / 2
	// entryHead is the most that an entry of a log has beside key and value: head, version of the key, CRC.
	entryHead = 22 + 8 + 4
)

// allocation is what is known of the logs now written to. Badger maps them as sparse files of twice their limit;
// a write to a page that has no block on a full disk is SIGBUS, in Badger's goroutine, and the end of the process.
type allocation struct {
	mem, vlog uint32 // numbers of the newest logs
	used      int64  // of the value log, at most: what was put in since it was begun
	held      int64  // of the value log: up to here blocks are allocated
}

// newest are the numbers of the logs now written to; 0 where there is none.
func (f *Folder) newest() (mem, vlog uint32) {
	last := func(ext string) (most uint32) {
		names, err := filepath.Glob(filepath.Join(f.path, "*"+ext))
		if err != nil {
			return 0 // unreachable: the pattern is good
		}
		for _, n := range names {
			if k, ok := badgerfile.NumberOf(filepath.Base(n)); ok {
				most = max(most, k)
			}
		}
		return most
	}
	return last(".mem"), last(".vlog")
}

// allocate sees to it that need more bytes of values find their blocks. It must be called before each write, and
// after it too, when Badger may have begun new logs.
func (f *Folder) allocate(need int64) error {
	if err := f.follow(); err != nil {
		return err
	}
	want := f.alloc.used + need
	if want <= f.alloc.held {
		return nil
	}
	size := 2 * f.options().ValueLogFileSize
	for _, to := range []int64{min(want+window, size), min(want, size)} {
		err := fallocate(f.at(badgerfile.ValueLogName(f.alloc.vlog)), f.alloc.held, to)
		if err == nil {
			f.alloc.held = to
			return nil
		}
		if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
			return err
		}
	}
	return fmt.Errorf("%w: no blocks for %d bytes", ErrFull, need)
}

// follow notices new logs: two stats, a few microseconds.
func (f *Folder) follow() error {
	moved := f.alloc == allocation{}
	if moved {
		f.alloc.mem, f.alloc.vlog = f.newest()
		f.alloc.used = badgerfile.LogHeader
	}
	newMem := moved
	for f.there(badgerfile.MemLogName(f.alloc.mem + 1)) {
		f.alloc.mem++
		newMem = true
	}
	for f.there(badgerfile.ValueLogName(f.alloc.vlog + 1)) {
		f.alloc = allocation{mem: f.alloc.mem, vlog: f.alloc.vlog + 1, used: badgerfile.LogHeader}
		moved = true
	}
	if !newMem && !moved {
		return nil
	}
	f.calm()
	if newMem {
		err := fallocate(f.at(badgerfile.MemLogName(f.alloc.mem)), 0, logBlocks)
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			f.alloc = allocation{} // to be tried again before the next write
			return fmt.Errorf("%w: no blocks for the memtable's log", ErrFull)
		}
		if err != nil {
			return err
		}
	}
	return syncDir(f.path) // Badger does not: the names of its new logs
}

func (f *Folder) at(name string) string { return filepath.Join(f.path, name) }

func (f *Folder) there(name string) bool {
	_, err := os.Lstat(f.at(name))
	return err == nil
}

func syncDir(path string) (err error) {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}

// fallocate gives a file blocks from..to without changing its length.
func fallocate(path string, from, to int64) (err error) {
	if from >= to {
		return nil
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_KEEP_SIZE, from, to-from); err != nil {
		return fmt.Errorf("allocating %s: %w", path, err)
	}
	return nil
}

// room says whether need bytes are free for opening or closing, whatever the guard keeps back: it keeps them
// back for just that.
func (f *Folder) room(need int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(f.path, &st); err != nil {
		return fmt.Errorf("asking for free space: %w", err)
	}
	if free := int64(st.Bavail) * st.Bsize; free < need {
		return fmt.Errorf("%w: %d MiB free, %d needed to open or close", ErrFull, free>>20, need>>20)
	}
	return nil
}

package folder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// tidyTables is how many tables may lie in level 0 before Trim merges them. Chunk folders never get there.
const tidyTables = 8

// Trim keeps a folder small: call it about once a minute. It lists and copies tables and logs that are new, merges tables when
// they are many and there is room for it, and gives pages back to the kernel.
func (f *Folder) Trim(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	if err := f.trim(ctx); err != nil {
		return fmt.Errorf("trimming folder %s: %w", f.o.Name, err)
	}
	return nil
}

func (f *Folder) trim(context.Context) error {
	if f.o.ReadOnly {
		return f.forget()
	}
	if err := f.watch.broken(); err != nil {
		return err
	}
	if err := f.merge(); err != nil {
		return err
	}
	stale, err := f.guard.Stale()
	if err == nil && stale {
		err = f.guard.Renew(f.commits.Load())
	}
	return errors.Join(err, f.forget())
}

// merge compacts on our own goroutine's time, when the disk has room for the tables twice over: Badger's own
// compactors would start at any time and die of SIGBUS on a full disk.
func (f *Folder) merge() error {
	tables, err := filepath.Glob(filepath.Join(f.path, "*.sst"))
	if err != nil || len(tables) < tidyTables {
		return err
	}
	level0 := 0
	for _, t := range f.db.Tables() {
		if t.Level == 0 {
			level0++
		}
	}
	if level0 < tidyTables {
		return nil
	}
	var size int64
	for _, n := range tables {
		st, err := os.Stat(n)
		if err != nil {
			return err
		}
		size += st.Size()
	}
	if !f.mayMerge(size) {
		return nil // later
	}
	if err := f.db.Flatten(1); err != nil {
		return fmt.Errorf("merging tables: %w", err)
	}
	return nil
}

// mayMerge says whether there is room to write tables of so many bytes once more.
func (f *Folder) mayMerge(size int64) bool {
	return f.room(2*size+closeNeed) == nil && (f.o.Room == nil || f.o.Room(2*size+headroom) == nil)
}

// Package folder keeps one Badger folder so that nothing in it is lost or altered in silence.
//
// Stage: line -> call -> encode -> seal -> [store] -> search -> release.
//
//	In:    keys and values of the store (60 s chunks, wraps, manifests) or of the catalogue (rows, columns)
//	Out:   the same values, each either right or with an error that names it
//	Owner: Badger's goroutines live from Open to Close; this package starts none that outlives a call
//	Full:  Put answers ErrFull before it writes; nothing acked is lost and nothing crashes
//
// Badger is a committed store, not a guard: some damage makes it drop records or hand out wrong ones with no
// error, some makes it panic in a goroutine of its own, and a full disk kills the process. So each value is
// sealed by us, blocks are allocated before Badger touches them, and the files whose damage Badger does not
// survive (manifest, key registry, tables, the first bytes of logs) have a list of hashes and real copies in the
// sub-folder guard/, compared before Badger sees them. FORMAT.md section 7 has the bytes.
package folder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"

	"linekeep/vault/folder/guard"
	"linekeep/vault/keys"
)

var (
	// ErrMissing reports that there is no such key.
	ErrMissing = errors.New("folder: no such key")
	// ErrAltered reports that a value or a file is not what was written. The bytes are not handed on.
	ErrAltered = guard.ErrAltered
	// ErrFull reports that there is not enough room to write safely. Nothing was written.
	ErrFull = errors.New("folder: not enough room to write safely")
	// ErrBusy reports that another process, or another part of this one, has the folder open.
	ErrBusy = guard.ErrBusy
	// ErrTooBig reports more in one Put than MaxEntries or MaxBytes.
	ErrTooBig = errors.New("folder: too much for one transaction")
	// ErrBroken reports that a sync failed, or that Badger can no longer write its tables. What was acked
	// before stays stored; nothing more can be, until the folder is opened anew.
	ErrBroken = errors.New("folder: can no longer write")
	// ErrReadOnly reports a Put into a folder opened for reading.
	ErrReadOnly = errors.New("folder: open for reading only")
)

// The bounds of one Put. Badger's own limit does not count values that go to the value log, and its limit on
// the rest depends on the memtable (15 % of it: 600 KiB here).
const (
	MaxEntries = 5000
	MaxBytes   = 8 << 20
)

// Options of a folder.
type Options struct {
	Name     string // path below the vault, such as "calls/standard/2026-11"; bound into every value
	Path     string
	Key      keys.Key // keys.Folder(Name)
	Rows     bool     // small values (catalogue) rather than 60 s chunks
	ReadOnly bool
	Room     func(need int64) error // asked before each write; an error when it would be unsafe (space.Guard.Room)
	Log      *slog.Logger
}

// Entry is one change of a Put. Value nil deletes. A key must not begin with a zero byte, which is ours.
type Entry struct {
	Key, Value []byte
}

// Folder is an open folder. Its methods may be called from several goroutines.
type Folder struct {
	o     Options
	path  string // absolute, without symbolic links: as the kernel names it in /proc/self/maps
	keys  subkeys
	guard *guard.Guard
	db    *badger.DB
	watch *watch // Badger's logger

	commits  atomic.Uint64
	mu       sync.Mutex // one Put, Trim, Verify of open logs, or Close at a time
	closed   bool
	alloc    allocation
	findings []error
}

// Open opens a folder, making it when it is not there. What was found altered, mended or not, is in Findings;
// an error means that the folder cannot be used at all.
func Open(ctx context.Context, o Options) (*Folder, error) {
	f := &Folder{o: o, keys: derive(o.Key), watch: newWatch(o.Log.With(slog.String("folder", o.Name)))}
	if err := f.open(ctx); err != nil {
		if errors.Is(err, unix.ENOSPC) {
			err = fmt.Errorf("%w: %w", ErrFull, err)
		}
		return nil, fmt.Errorf("opening folder %s: %w", o.Name, err)
	}
	for _, err := range f.findings {
		o.Log.ErrorContext(ctx, "folder altered", slog.String("folder", o.Name), slog.Any("err", err))
	}
	return f, nil
}

func (f *Folder) open(ctx context.Context) (err error) {
	if f.o.ReadOnly {
		if _, err := os.Stat(f.o.Path); err != nil {
			return err
		}
	}
	if f.path, err = guard.Make(f.o.Path); err != nil {
		return err
	}
	if !f.o.ReadOnly {
		if err := f.room(openNeed); err != nil {
			return err
		}
	}
	f.guard, err = guard.Open(ctx, f.guarded())
	if errors.Is(err, guard.ErrUnclean) {
		err = f.cleanFirst(ctx)
	}
	if err != nil {
		return err
	}
	f.findings = append(f.findings, f.guard.Findings()...)
	if err := f.start(ctx); err != nil {
		return errors.Join(err, f.guard.Release())
	}
	if err := f.settle(); err != nil {
		return errors.Join(err, f.db.Close(), f.guard.Release())
	}
	return nil
}

func (f *Folder) guarded() guard.Options {
	return guard.Options{Name: f.o.Name, Path: f.path, Cloak: f.keys.cloak, List: f.keys.list,
		Mapped: 2 * f.options().ValueLogFileSize, ReadOnly: f.o.ReadOnly, Log: f.o.Log}
}

// cleanFirst opens for writing and closes: Badger refuses to open for reading what was not closed.
func (f *Folder) cleanFirst(ctx context.Context) error {
	o := f.o
	o.ReadOnly = false
	w, err := Open(ctx, o)
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	f.findings = w.Findings()
	f.guard, err = guard.Open(ctx, f.guarded())
	return err
}

// subkeys are what a folder derives from its base key.
type subkeys struct {
	cloak keys.Key // Badger's encryption: hides keys and lengths in its files, protects nothing
	value keys.Key // seals every value
	list  keys.Key // authenticates the guard's list
}

func derive(base keys.Key) subkeys {
	return subkeys{cloak: base.Derive("folder cloak"), value: base.Derive("folder value"), list: base.Derive("folder list")}
}

// settle reads what only an open Badger tells, and sees to it that the next write finds its blocks.
func (f *Folder) settle() error {
	n, err := f.readCounter()
	if err != nil {
		f.find(fmt.Errorf("commit counter: %w", err))
	}
	// A list from a clean stop knows the counter too; less than it means that Badger lost records in silence.
	if n < f.guard.Commits() {
		f.find(fmt.Errorf("%w: commits go only to %d, %d were listed", ErrAltered, n, f.guard.Commits()))
		n = f.guard.Commits() // never count backwards: a number must not be given twice
	}
	if err := f.guard.Unlisted(); err != nil && n > 0 {
		f.find(err)
	}
	f.commits.Store(n)
	f.calm()
	if f.o.ReadOnly {
		return nil
	}
	if err := f.checkCloaked(); err != nil {
		return err
	}
	if err := f.guard.Renew(n); err != nil {
		return err
	}
	return f.allocate(0)
}

// Commits is the folder's commit counter: one for each Put that was ever acked. The caller keeps it outside
// Badger too (in the journal's group record): if it comes back smaller, a tail was lost in silence.
func (f *Folder) Commits() uint64 { return f.commits.Load() }

// Findings are what Open found altered (and mended from its copy, or not); each names its file.
func (f *Folder) Findings() []error { return f.findings }

func (f *Folder) find(err error) { f.findings = append(f.findings, err) }

// Close ends in good order: everything in tables, files listed and copied. It needs room for that; without, it
// answers ErrFull and leaves Badger open, to be ended with the process: all that was acked is synced, and the
// next Open replays it. So free the ballast before (space.Guard.Release), and call Close again if room comes.
func (f *Folder) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	if err := f.finish(); err != nil {
		return fmt.Errorf("closing folder %s: %w", f.o.Name, err)
	}
	return nil
}

func (f *Folder) finish() error {
	if f.o.ReadOnly {
		f.closed = true
		return errors.Join(f.stop(), f.guard.Release())
	}
	if err := f.room(closeNeed); err != nil {
		return err
	}
	broken := f.watch.broken()
	err := f.stop()
	if errors.Is(err, errStuck) {
		return err // Badger hangs in its flush: what it holds must not be touched
	}
	f.closed = true
	if err == nil && broken == nil {
		err = f.guard.Seal(f.commits.Load()) // only now is the stop clean: after a failed sync the pages may differ from the disk
	}
	return errors.Join(err, broken, f.guard.Release())
}

package folder

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"linekeep/vault/folder/badgerfile"
)

const (
	memTable = 4 << 20 // of chunks it holds only keys and pointers: a day of 32 calls before it is written out
	chunkLog = 64 << 20
	rowLog   = 16 << 20

	// valueThreshold: larger values go to the value log. Rows of the catalogue and wraps stay in the tables.
	valueThreshold = 1024
)

// options are Badger's for this folder. Small tables and caches keep a folder at a few megabytes (measured:
// defaults 411 MB resident, this set 33 MB).
func (f *Folder) options() badger.Options {
	vlog := int64(chunkLog)
	o := badger.DefaultOptions(f.path)
	if f.o.Rows {
		vlog = rowLog
	}
	o = o.WithCompression(options.None). // sealed values do not compress
						WithMemTableSize(memTable).WithNumMemtables(2).WithValueThreshold(valueThreshold).
						WithValueLogFileSize(vlog).WithBlockCacheSize(4 << 20).WithIndexCacheSize(4 << 20).
						WithSyncWrites(!f.o.ReadOnly).WithVerifyValueChecksum(true).
						WithChecksumVerificationMode(options.OnTableAndBlockRead).
						WithDetectConflicts(false).WithMetricsEnabled(false).
						WithNumVersionsToKeep(1).WithNumGoroutines(1).
						WithEncryptionKey(f.keys.cloak.Bytes()[:]).WithEncryptionKeyRotationDuration(badgerfile.Rotation).
						WithReadOnly(f.o.ReadOnly).WithLogger(f.watch)
	// No compactor of Badger's own: one that starts when the disk is full dies of SIGBUS and takes the
	// process along. Trim compacts, when there is room. So level 0 must never stall a writer.
	return o.WithNumCompactors(0).WithNumLevelZeroTables(tidyTables - 1).WithNumLevelZeroTablesStall(stallTables)
}

// stallTables is more tables than level 0 will ever have: Trim merges them at tidyTables.
const stallTables = 10_000

// start opens Badger: once, and again after putting back what a first attempt may have spoilt.
func (f *Folder) start(ctx context.Context) error {
	var first error
	for attempt := range attempts {
		db, err := open(f.options())
		if err == nil {
			f.db = db
			if first != nil {
				f.find(fmt.Errorf("%w: opened at attempt %d, after: %w", ErrAltered, attempt+1, first))
			}
			return nil
		}
		f.o.Log.WarnContext(ctx, "folder does not open", slog.String("folder", f.o.Name), slog.Int("attempt", attempt+1), slog.Any("err", err))
		if first == nil {
			first = err
		}
		if f.o.ReadOnly {
			continue
		}
		if err := f.guard.FallBack(attempt); err != nil {
			return errors.Join(first, err)
		}
	}
	return first
}

// attempts: as it is; as it is once more (an empty log makes the first Open fail and the second work, Badger
// issue 2207); with the manifest and logs put back from the copies.
const attempts = 3

// open is badger.Open with its panics as errors. A panic in one of Badger's goroutines cannot be caught, which
// is why tables are vetted before.
func open(o badger.Options) (db *badger.DB, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("badger panicked: %v\n%s", r, debug.Stack())
		}
	}()
	return badger.Open(o)
}

var errStuck = errors.New("badger hangs: it cannot write its tables")

// stop closes Badger. Its flush tries again for ever when it cannot write a table; then the answer is errStuck
// and the goroutine that closes stays with it, because nothing can end it.
func (f *Folder) stop() error {
	done := make(chan error, 1) // one answer, read or not
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- fmt.Errorf("badger panicked while closing: %v", r)
			}
		}()
		done <- f.db.Close()
	}()
	select {
	case err := <-done:
		return err
	case <-f.watch.stuck:
		return fmt.Errorf("%w: %w", errStuck, f.watch.broken())
	}
}

// checkCloaked refuses a folder whose logs Badger writes in clear: key id 0 in the newest value log's header.
func (f *Folder) checkCloaked() error {
	_, vlog := f.newest()
	head, err := badgerfile.ReadHead(f.at(badgerfile.ValueLogName(vlog)))
	if err != nil {
		return err
	}
	if len(head) < badgerfile.LogHeader || binary.BigEndian.Uint64(head) == 0 {
		return errors.New("badger writes without encryption: key registry has no data key")
	}
	return nil
}

// watch is Badger's logger. Badger only logs some errors that mean loss; they are caught here.
type watch struct {
	log   *slog.Logger
	stuck chan struct{} // closed when Badger cannot write its tables
	once  sync.Once

	mu    sync.Mutex
	first error
}

func newWatch(log *slog.Logger) *watch { return &watch{log: log, stuck: make(chan struct{})} }

// broken is the first error after which nothing may be acked, or nil.
func (w *watch) broken() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first
}

func (w *watch) breakWith(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.first == nil {
		w.first = err
	}
}

// Errorf hears of a failed sync (value.go of v4.9.6 logs it and acks the commit) and of a table that cannot be
// written (db.go tries again for ever).
func (w *watch) Errorf(format string, args ...any) {
	msg := strings.TrimSpace(fmt.Sprintf(format, args...))
	switch {
	case strings.Contains(format, "curlf sync"):
		w.breakWith(fmt.Errorf("%w: value log not synced: %s", ErrBroken, msg))
	case strings.Contains(format, "flushing memtable"):
		w.breakWith(fmt.Errorf("%w: table not written: %s", ErrBroken, msg))
		w.once.Do(func() { close(w.stuck) })
	case strings.HasPrefix(format, "Unable to read: Key"), strings.HasPrefix(format, "Key: %v"):
		return // the reader gets an empty value and names it; these lines would show keys
	}
	w.log.Error("badger", slog.String("err", msg)) //nolint:sloglint // Badger's logger has no context to pass on
}

// Warningf and the rest are Badger's diary: of use only when one looks for a fault in it.
func (w *watch) Warningf(format string, args ...any) { w.diary(slog.LevelDebug, format, args) }
func (w *watch) Infof(format string, args ...any)    { w.diary(slog.LevelDebug-1, format, args) }

// Debugf is dropped: it can show keys.
func (w *watch) Debugf(string, ...any) {}

func (w *watch) diary(level slog.Level, format string, args []any) {
	ctx := context.Background()
	if w.log.Enabled(ctx, level) {
		w.log.Log(ctx, level, "badger", slog.String("said", strings.TrimSpace(fmt.Sprintf(format, args...))))
	}
}

package eraser

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/catalog"
	"linekeep/vault/envelope"
	"linekeep/vault/erasure"
	"linekeep/vault/folder"
	"linekeep/vault/journal"
	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
	"linekeep/vault/library"
	"linekeep/vault/recording"
	"linekeep/vault/store"
)

// rows is the catalogue's folder, in memory.
type rows struct {
	mu  sync.Mutex
	all map[string][]byte
}

func (r *rows) Put(_ context.Context, entries ...folder.Entry) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range entries {
		if e.Value == nil {
			delete(r.all, string(e.Key))
		} else {
			r.all[string(e.Key)] = bytes.Clone(e.Value)
		}
	}
	return nil
}

func (r *rows) Get(key []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if value, ok := r.all[string(key)]; ok {
		return bytes.Clone(value), nil
	}
	return nil, folder.ErrMissing
}

func (r *rows) Walk(prefix []byte, visit func(key, value []byte, err error) error) error {
	r.mu.Lock()
	all := make(map[string][]byte)
	for key, value := range r.all {
		if strings.HasPrefix(key, string(prefix)) {
			all[key] = value
		}
	}
	r.mu.Unlock()
	for key, value := range all {
		if err := visit([]byte(key), bytes.Clone(value), nil); err != nil {
			return err
		}
	}
	return nil
}

func (r *rows) Keys(prefix []byte, visit func(key []byte) error) error {
	return r.Walk(prefix, func(key, _ []byte, _ error) error { return visit(key) })
}

// box is a vault's parts around an eraser: real keys on a chip in memory, and a real list, journal and catalogue. It is
// started anew on the same disk.
type box struct {
	t       *testing.T
	dir     string
	chip    *tpmtest.Memory
	rows    *rows
	public  envelope.Public
	keys    *keys.Keys
	journal *journal.Journal
	months  *library.Months
	eraser  *Eraser
	catalog *catalog.Catalog
	done    []erasure.Certificate
}

func newBox(t *testing.T) *box {
	t.Helper()
	b := &box{t: t, dir: t.TempDir(), chip: tpmtest.NewMemory(), rows: &rows{all: make(map[string][]byte)}}
	private, err := envelope.New()
	b.must(err)
	b.public = private.Public()
	k, err := keys.Create(t.Context(), b.keysConfig(), b.chip)
	b.must(err)
	b.must(k.Close())
	b.start()
	return b
}

func (b *box) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) keysConfig() keys.Config {
	return keys.Config{Dir: filepath.Join(b.dir, "keys"), Clock: time.Now}
}

func (b *box) start() {
	b.t.Helper()
	ctx, log := b.t.Context(), slog.New(slog.DiscardHandler)
	var err error
	b.keys, err = keys.Open(ctx, b.keysConfig(), b.chip)
	b.must(err)
	var replay *journal.Replay
	b.journal, replay, err = journal.Open(journal.Config{Dir: filepath.Join(b.dir, "journal"), VaultID: b.keys.VaultID(), Key: b.keys.Outer("journal"),
		Room: func(int64) error { return nil }, Log: log})
	b.must(err)
	b.must(b.keys.Resume(replay.Marks(), replay.Clean || replay.Empty))
	b.must(b.keys.Prepare(ctx, []string{"standard", "catalog"}, time.Now()))
	b.eraser, err = Open(Config{Keys: b.keys, Blocks: "catalog", Mend: func() {}, Clock: time.Now, Log: log,
		Done: func(_ context.Context, c erasure.Certificate) { b.done = append(b.done, c) },
		List: erasure.Config{Dir: filepath.Join(b.dir, "erasures"), VaultID: b.keys.VaultID(), Key: b.keys.Outer("erasure"), FS: pair.Disk{}, Clock: time.Now,
			Head: func() erasure.Head { return erasure.Head{} }}})
	b.must(err)
	cfg := catalog.Defaults()
	cfg.Clock, cfg.Hidden = time.Now, b.eraser.Hidden
	b.catalog, err = catalog.Open(ctx, cfg, b.rows, b.keys, log)
	b.must(err)
	b.months = library.NewMonths(library.MonthsConfig{Dir: b.dir, Key: b.keys.Folder, Move: func(int64) error { return nil }, Clock: time.Now, Log: log})
	s, err := store.New(ctx, store.Config{Keys: b.keys, Public: b.public, Custody: 2, Journal: b.journal, Guard: always{}, Months: b.months,
		Filer: b.catalog, Clock: time.Now, Log: log}, replay)
	b.must(err)
	b.eraser.Join(Parts{Catalog: b.catalog, Library: &library.Library{Keys: b.keys, Months: b.months, Hidden: b.eraser.Hides}, Store: s})
}

// always is a disk with room.
type always struct{}

func (always) Calls() error { return nil }

// stop leaves the disk as a power cut does: nothing is finished.
func (b *box) stop() {
	b.t.Helper()
	b.must(errors.Join(b.months.Close(), b.journal.Close(), b.keys.Close()))
}

// call files a recording.
func (b *box) call() keys.ID {
	b.t.Helper()
	slot, err := b.keys.Next(b.t.Context(), "standard", time.Now())
	b.must(err)
	slot.Wipe()
	m := recording.Manifest{ID: slot.ID}
	m.Opening.Start, m.Opening.Class, m.Opening.Line = time.Now().UTC(), "standard", "reception"
	b.must(b.catalog.File(b.t.Context(), m.Row()))
	return slot.ID
}

// found says whether a search gives the call out.
func (b *box) found(id keys.ID) bool {
	b.t.Helper()
	for r, err := range b.catalog.Find(b.t.Context(), catalog.Query{}) {
		b.must(err)
		if r.ID == id {
			return true
		}
	}
	return false
}

// run runs the eraser for a while of virtual time.
func (b *box) run(d time.Duration) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), d)
	defer cancel()
	b.must(b.eraser.Run(ctx))
}

// erased says whether the call's key is gone, and a certificate that verifies says so.
func (b *box) erased(id keys.ID) bool {
	b.t.Helper()
	c, err := b.eraser.Certificate(id)
	if err != nil {
		if b.eraser.erased(id) {
			b.t.Errorf("the key of %s is gone and there is no certificate: %v", id, err)
		}
		return false
	}
	if _, err := c.Verify(); err != nil || !b.eraser.erased(id) {
		b.t.Errorf("certificate of %s: %v; its key is gone: %v", id, err, b.eraser.erased(id))
	}
	return true
}

// spend uses the day's budget up.
func (b *box) spend() {
	b.t.Helper()
	for {
		id := b.call()
		_, err := b.eraser.Erase(b.t.Context(), erasure.Order, id)
		if errors.Is(err, ErrWaits) {
			return
		}
		b.must(err)
		if !b.erased(id) {
			b.t.Fatal("within the budget an urgent order is not done at once")
		}
	}
}

func TestAnUrgentOrderIsDoneAtOnceWithinTheBudgetAndThenWithinTheHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(5 * time.Hour) // virtual; the day begins at midnight
		b := newBox(t)
		defer b.stop()
		b.spend()
		if w := b.keys.Wear(); w.Today < w.Budget || len(b.done) == 0 {
			t.Fatalf("an order waits with %d of %d moves made", w.Today, w.Budget)
		}
		late := b.call()
		if _, err := b.eraser.Erase(t.Context(), erasure.Order, late); !errors.Is(err, ErrWaits) {
			t.Fatalf("past the budget: %v", err)
		}
		if b.found(late) || !b.eraser.Hides(late) || !b.keys.Doomed(late) {
			t.Error("what is ordered is not hidden at once")
		}
		b.run(50 * time.Minute)
		if b.erased(late) {
			t.Error("the chip's counter moved again within the hour")
		}
		b.run(15 * time.Minute)
		if !b.erased(late) || b.eraser.Status().Waiting != 0 {
			t.Errorf("an hour later it is still there: %+v", b.eraser.Status())
		}
	})
}

func TestWhatCanWaitIsHiddenAtOnceAndErasedByNight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(5 * time.Hour)
		b := newBox(t)
		defer b.stop()
		id, other := b.call(), b.call()
		if err := b.eraser.Later(t.Context(), erasure.Retention, id); err != nil {
			t.Fatal(err)
		}
		if b.found(id) || !b.found(other) || !b.keys.Doomed(id) {
			t.Error("not hidden, or the wrong one is")
		}
		before := b.chip
		epoch, err := before.Epoch(t.Context())
		b.must(err)
		b.run(21*time.Hour + 30*time.Minute) // half past two
		if now, err := before.Epoch(t.Context()); err != nil || now != epoch || b.erased(id) {
			t.Errorf("by day the counter moved from %d to %d, %v", epoch, now, err)
		}
		b.run(time.Hour)
		if !b.erased(id) || b.erased(other) || !b.found(other) {
			t.Error("after three in the morning it is still there, or the other is gone")
		}
	})
}

func TestAnOrderSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(5 * time.Hour)
		b := newBox(t)
		id := b.call()
		b.must(b.eraser.Later(t.Context(), erasure.Objection, id))
		b.stop()
		b.start()
		defer func() { b.stop() }()
		if b.found(id) || !b.eraser.Hides(id) || b.eraser.Status().Waiting != 1 {
			t.Errorf("after a restart: %+v", b.eraser.Status())
		}
		b.run(23 * time.Hour)
		c, err := b.eraser.Certificate(id)
		if err != nil || !b.erased(id) || c.Entry.Why != erasure.Objection {
			t.Errorf("%+v, %v", c.Entry, err)
		}
		b.stop()
		b.start()
		if !b.erased(id) || b.found(id) {
			t.Error("it is back after a restart")
		}
	})
}

// TestKeysInAShardOfWhichBothCopiesAreDamagedAreToldAndTriedAgain: they cannot be taken out of it, and its others must not go.
func TestKeysInAShardOfWhichBothCopiesAreDamagedAreToldAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(5 * time.Hour)
		b := newBox(t)
		id := b.call()
		b.must(b.eraser.Later(t.Context(), erasure.Order, id))
		b.stop()
		whole := b.damage()
		b.start()
		defer func() { b.stop() }()
		b.run(23 * time.Hour)
		st := b.eraser.Status()
		if !errors.Is(st.Failed, errLeft) || st.Since.IsZero() || st.Waiting != 1 {
			t.Fatalf("not told: %+v", st)
		}
		if !b.eraser.Hides(id) || b.found(id) {
			t.Error("it is not hidden any more")
		}
		for path, data := range whole { // from an archive
			b.must(os.WriteFile(path, data, 0o600))
		}
		b.run(25 * time.Hour)
		if st := b.eraser.Status(); st.Failed != nil || st.Waiting != 0 || !b.erased(id) {
			t.Errorf("mended, and still not erased: %+v", st)
		}
	})
}

// damage flips a bit in both copies of a shard, and gives what they were.
func (b *box) damage() map[string][]byte {
	b.t.Helper()
	k, err := keys.Open(b.t.Context(), b.keysConfig(), b.chip)
	b.must(err)
	b.must(k.Close())
	whole := make(map[string][]byte)
	for _, dir := range []string{"keys", "keys/copy"} {
		files, err := filepath.Glob(filepath.Join(b.dir, dir, "standard-*"))
		b.must(err)
		for _, path := range files {
			data, err := os.ReadFile(path)
			b.must(err)
			whole[path] = bytes.Clone(data)
			data[len(data)/2] ^= 1
			b.must(os.WriteFile(path, data, 0o600))
		}
	}
	if len(whole) != 2 {
		b.t.Fatalf("%d copies of a shard", len(whole))
	}
	return whole
}

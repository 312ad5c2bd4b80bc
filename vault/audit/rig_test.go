package audit

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/audit/entry"
	"linekeep/vault/keys"
)

// desk is a log under test, with the real keys of a vault on a chip in memory.
type desk struct {
	*Log
	t    testing.TB
	chip tpm.Sealer
	keys *keys.Keys
	cfg  Config
	mu   sync.Mutex
	now  time.Time
}

func (d *desk) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(time.Second)
	return d.now
}

func newDesk(t testing.TB, perFile int64) *desk {
	t.Helper()
	return newDeskIn(t, t.TempDir(), perFile)
}

func newDeskIn(t testing.TB, dir string, perFile int64) *desk {
	t.Helper()
	d := &desk{t: t, chip: tpmtest.NewMemory(), now: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)}
	var err error
	if d.keys, err = keys.Create(t.Context(), keys.Config{Dir: filepath.Join(dir, "keys"), Clock: d.clock}, d.chip); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.keys.Close() }) // it fails in no way that matters here
	d.cfg = Config{Dir: filepath.Join(dir, "audit"), Keys: d.keys, Clock: d.clock, Log: slog.New(slog.DiscardHandler), perFile: perFile,
		Uptime: func() ([16]byte, time.Duration) { return [16]byte{1}, time.Minute }}
	d.open()
	return d
}

func (d *desk) open() {
	d.t.Helper()
	var err error
	if d.Log, err = Open(d.t.Context(), d.cfg); err != nil {
		d.t.Fatalf("Open: %v", err)
	}
	log := d.Log
	d.t.Cleanup(func() { _ = log.Close() }) // again
}

func (d *desk) again() {
	d.t.Helper()
	if err := d.Close(); err != nil {
		d.t.Fatalf("Close: %v", err)
	}
	d.open()
}

// search is an act with details.
func search(terms string) Act {
	return Act{Who: entry.Actor{Kind: entry.Machine}, What: entry.Search, Details: Details{Say("terms", terms)}}
}

func (d *desk) write(acts ...Act) uint64 {
	d.t.Helper()
	n, err := d.Append(d.t.Context(), acts...)
	if err != nil {
		d.t.Fatalf("Append: %v", err)
	}
	return n
}

func (d *desk) many(n int) {
	d.t.Helper()
	for range n {
		d.write(search("4930"))
	}
}

// sound fails the test for anything found.
func (d *desk) sound() Report {
	d.t.Helper()
	r, err := d.Verify(d.t.Context())
	if err != nil || len(r.Findings) > 0 {
		d.t.Fatalf("Verify: %v, %v", err, r.Findings)
	}
	if found := d.Findings(); len(found) > 0 {
		d.t.Fatalf("found: %v", found)
	}
	return r
}

func (d *desk) slot(class string) keys.ID {
	d.t.Helper()
	s, err := d.keys.Next(context.Background(), class, d.now)
	if err != nil {
		d.t.Fatal(err)
	}
	defer s.Wipe()
	return s.ID
}

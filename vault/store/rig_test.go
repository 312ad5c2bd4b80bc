package store

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/catalog"
	"linekeep/vault/envelope"
	"linekeep/vault/journal"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
	"linekeep/vault/seal"
	"linekeep/vault/vaulttest/talk"
)

// rig is a vault's parts on a disk that outlive a store, so that a test can stop and start it.
type rig struct {
	t     testing.TB
	dir   string
	chip  *tpmtest.Memory
	clock func() time.Time
	guard *fakeGuard
	rows  *rows

	keys    *keys.Keys
	private envelope.Private // of the custody key
	journal *journal.Journal
	months  *library.Months
	store   *Store
	rotate  int64
	noRoom  bool // for moving
	onMove  func()
	full    bool // for the journal
}

type fakeGuard struct{ err error }

func (g *fakeGuard) Calls() error { return g.err }

// rows is a catalogue that may be away, and what was told of each filed recording.
type rows struct {
	mu  sync.Mutex
	all map[keys.ID]recording.Manifest
	err error
}

func (r *rows) File(context.Context, ...catalog.Row) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (r *rows) filed(m recording.Manifest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[m.ID] = m
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), chip: tpmtest.NewMemory(), guard: &fakeGuard{},
		clock: time.Now, rows: &rows{all: make(map[keys.ID]recording.Manifest)}, rotate: 1 << 20}
	k, err := keys.Create(t.Context(), r.keysConfig(), r.chip)
	if err != nil {
		t.Fatalf("create keys: %v", err)
	}
	if r.private, err = envelope.New(); err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	r.start()
	t.Cleanup(r.kill)
	return r
}

func (r *rig) keysConfig() keys.Config {
	return keys.Config{Dir: filepath.Join(r.dir, "keys"), Clock: func() time.Time { return r.clock() }}
}

func (r *rig) start() {
	r.t.Helper()
	log := slog.New(slog.DiscardHandler)
	must := func(err error) {
		r.t.Helper()
		if err != nil {
			r.t.Fatal(err)
		}
	}
	var err error
	r.keys, err = keys.Open(r.t.Context(), r.keysConfig(), r.chip)
	must(err)
	var replay *journal.Replay
	r.journal, replay, err = journal.Open(journal.Config{Dir: filepath.Join(r.dir, "journal"), VaultID: r.keys.VaultID(),
		Key: r.keys.Outer("journal"), Rotate: r.rotate, Log: log,
		Room: func(int64) error {
			if r.full {
				return errors.New("full")
			}
			return nil
		}})
	must(err)
	must(r.keys.Resume(replay.Marks(), replay.Clean || replay.Empty))
	must(r.keys.Prepare(r.t.Context(), []string{"standard"}, r.clock()))
	r.months = library.NewMonths(library.MonthsConfig{Dir: r.dir, Key: r.keys.Folder, Move: r.room, Clock: r.clock, Log: log})
	r.store, err = New(r.t.Context(), Config{Keys: r.keys, Public: r.private.Public(), Custody: 2, Journal: r.journal, Guard: r.guard,
		Months: r.months, Filer: r.rows, Filed: r.rows.filed, Clock: func() time.Time { return r.clock() }, Log: log}, replay)
	must(err)
}

func (r *rig) room(int64) error {
	if r.onMove != nil {
		r.onMove()
	}
	if r.noRoom {
		return errors.New("no room")
	}
	return nil
}

// kill stops without any word: what is on disk is what a crash leaves.
func (r *rig) kill() {
	if r.journal == nil {
		return
	}
	if err := errors.Join(r.months.Close(), r.journal.Close(), r.keys.Close()); err != nil {
		r.t.Errorf("stop: %v", err)
	}
	r.journal = nil
}

// stop closes in good order.
func (r *rig) stop() {
	r.t.Helper()
	r.store.pass(r.t.Context())
	if err := r.store.Close(r.t.Context()); err != nil {
		r.t.Fatalf("Close: %v", err)
	}
	r.kill()
}

func (r *rig) library() *library.Library { return &library.Library{Keys: r.keys, Months: r.months} }

// speak commits ticks groups of the call, opening and closing it where asked.
func (r *rig) speak(k *talk.Talk, ticks int, open, end bool) {
	r.t.Helper()
	for _, g := range k.Groups(ticks, open, end) {
		if err := r.store.Commit(r.t.Context(), &g); err != nil {
			r.t.Fatalf("Commit: %v", err)
		}
	}
}

// only gives the one recording that was filed.
func (r *rig) only() recording.Manifest {
	r.t.Helper()
	if len(r.rows.all) != 1 {
		r.t.Fatalf("%d recordings are filed, want 1; %+v", len(r.rows.all), r.store.Status())
	}
	for _, row := range r.rows.all {
		return row
	}
	return recording.Manifest{}
}

// plays opens the recording with the custody key and compares its sound with what was said.
func (r *rig) plays(row recording.Manifest, k *talk.Talk, ticks int) {
	r.t.Helper()
	rec, err := r.library().Open(r.t.Context(), row.ID)
	if err != nil {
		r.t.Fatalf("open recording: %v", err)
	}
	defer rec.Close()
	if rec.Custody != 2 {
		r.t.Errorf("recording %s is under custody key %d", row.ID, rec.Custody)
	}
	key, err := seal.Unwrap(r.keys.VaultID(), rec.Slot, r.private, rec.Wrap)
	if err != nil {
		r.t.Fatalf("unwrap: %v", err)
	}
	for _, track := range rec.Manifest.Tracks {
		n := 0
		for _, part := range track.Parts {
			c, err := rec.Chunk(track.Party, part)
			if err != nil {
				r.t.Fatal(err)
			}
			for _, s := range c.Segments {
				h := seal.Header{ID: c.ID, Party: c.Party, Last: s.Last, Seq: s.Seq, Start: s.Start, Len: s.Len}
				plain, err := key.OpenSegment(nil, r.keys.VaultID(), h, s.Body)
				if err != nil {
					r.t.Fatalf("segment %d: %v", s.Seq, err)
				}
				got, err := segment.Decode(plain)
				if err != nil {
					r.t.Fatal(err)
				}
				if !bytes.Equal(got.Data, k.Said[track.Party][n].Data) {
					r.t.Fatalf("segment %d of %s is not what was said", s.Seq, track.Party)
				}
				n++
			}
		}
		if n != ticks {
			r.t.Errorf("%s has %d segments, want %d", track.Party, n, ticks)
		}
	}
}

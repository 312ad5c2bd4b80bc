package store

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/catalog"
	"linekeep/vault/custody"
	"linekeep/vault/journal"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
	"linekeep/vault/vaulttest/talk"
)

// rig is a vault's parts on a disk that outlive a store, so that a test can stop and start it.
type rig struct {
	t     testing.TB
	dir   string
	chip  *tpmtest.Memory
	code  custody.Code
	clock func() time.Time
	guard *fakeGuard
	rows  *rows

	keys    *keys.Keys
	custody *custody.Custody
	journal *journal.Journal
	months  *Months
	store   *Store
	rotate  int64
	noRoom  bool
}

type fakeGuard struct{ err error }

func (g *fakeGuard) Calls() error { return g.err }

// rows is a catalogue that may be away, and what was told of each filed recording.
type rows struct {
	mu  sync.Mutex
	all map[keys.ID]Manifest
	err error
}

func (r *rows) File(context.Context, ...catalog.Row) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (r *rows) filed(m Manifest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[m.ID] = m
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), chip: tpmtest.NewMemory(), code: custody.NewCode(), guard: &fakeGuard{},
		clock: time.Now, rows: &rows{all: make(map[keys.ID]Manifest)}, rotate: 1 << 20}
	k, err := keys.Create(t.Context(), r.keysConfig(), r.chip)
	if err != nil {
		t.Fatalf("create keys: %v", err)
	}
	if _, err := custody.Create(r.keysConfig().Dir, k.VaultID(), k.Outer("custody"), r.code); err != nil {
		t.Fatalf("create custody: %v", err)
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
	r.custody, err = custody.Load(r.keysConfig().Dir, r.keys.VaultID(), r.keys.Outer("custody"))
	must(err)
	var replay *journal.Replay
	r.journal, replay, err = journal.Open(journal.Config{Dir: filepath.Join(r.dir, "journal"), VaultID: r.keys.VaultID(),
		Key: r.keys.Outer("journal"), Rotate: r.rotate, Log: log})
	must(err)
	must(r.keys.Resume(replay.Marks(), replay.Clean || replay.Empty))
	must(r.keys.Prepare(r.t.Context(), []string{"standard"}, r.clock()))
	r.months = NewMonths(MonthsConfig{Dir: r.dir, Key: r.keys.Folder, Move: r.room, Clock: r.clock, Log: log})
	r.store, err = New(r.t.Context(), Config{Keys: r.keys, Public: r.custody.Public(), Journal: r.journal, Guard: r.guard,
		Months: r.months, Filer: r.rows, Filed: r.rows.filed, Clock: func() time.Time { return r.clock() }, Log: log}, replay)
	must(err)
}

func (r *rig) room(int64) error {
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

func (r *rig) library() *Library { return &Library{Keys: r.keys, Months: r.months} }

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
func (r *rig) only() Manifest {
	r.t.Helper()
	if len(r.rows.all) != 1 {
		r.t.Fatalf("%d recordings are filed, want 1; %+v", len(r.rows.all), r.store.Status())
	}
	for _, row := range r.rows.all {
		return row
	}
	return Manifest{}
}

// plays opens the recording with the custody key and compares its sound with what was said.
func (r *rig) plays(row Manifest, k *talk.Talk, ticks int) {
	r.t.Helper()
	rec, err := r.library().Open(r.t.Context(), row.ID)
	if err != nil {
		r.t.Fatalf("open recording: %v", err)
	}
	defer rec.Close()
	private, err := r.custody.Recover(r.code)
	if err != nil {
		r.t.Fatal(err)
	}
	key, err := seal.Unwrap(r.keys.VaultID(), rec.Slot, private, rec.Wrap)
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

func TestACallIsStoredMovedFiledAndPlaysBack(t *testing.T) {
	r := newRig(t)
	k := talk.New(1, time.Now())
	const ticks = 300 // 2.5 minutes
	r.speak(k, ticks, true, true)
	r.store.pass(t.Context())
	row := r.only()
	if row.Closing.Number != "+441632960123" || row.Opening.Line != "reception" || row.Recovered || row.Tracks[0].Gaps > 0 {
		t.Errorf("manifest: %+v", row)
	}
	if n := len(row.Tracks[0].Parts); n != 3 {
		t.Errorf("%d chunks for 2.5 minutes", n)
	}
	r.plays(row, k, ticks)
	r.stop()
	r.start()
	if f := r.store.Findings(); len(f) > 0 {
		t.Errorf("findings after a clean stop: %v", f)
	}
	r.plays(row, k, ticks)
}

func TestMinutesAreMovedWhileTheCallIsUp(t *testing.T) {
	r := newRig(t)
	k := talk.New(1, time.Now())
	r.speak(k, 250, true, false)
	r.store.pass(t.Context())
	var found int
	f, release, err := r.months.Use(t.Context(), r.store.recordings()[0].folder, false)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if err := f.Keys([]byte{prefixChunk}, func([]byte) error { found++; return nil }); err != nil {
		t.Fatal(err)
	}
	if found != 4 {
		t.Errorf("%d chunks moved of a call of 2 minutes and 5 seconds with two parties, want 4", found)
	}
}

func TestACutCallIsClosedFromTheJournalWithoutItsKey(t *testing.T) {
	for _, moved := range []bool{false, true} {
		r := newRig(t)
		k := talk.New(1, time.Now())
		r.speak(k, 200, true, false)
		if moved {
			r.store.pass(t.Context())
		}
		r.kill()
		r.start()
		r.store.pass(t.Context())
		row := r.only()
		m := row
		if !m.Recovered || m.Closing.Reason != segment.EndRecovery || m.Closing.Length != k.At || m.Opening.Line != "reception" {
			t.Errorf("moved %v: manifest: %+v", moved, m)
		}
		r.plays(row, k, 200)
		if f := r.store.Findings(); len(f) > 0 {
			t.Errorf("a cut call is no finding: %v", f)
		}
	}
}

func TestACallSoonAfterACutOneOnItsLineContinuesIt(t *testing.T) {
	r := newRig(t)
	k := talk.New(1, time.Now())
	r.speak(k, 10, true, false)
	r.kill()
	r.start()
	next := talk.New(1, k.Now().Add(20*time.Second))
	r.speak(next, 2, true, true)
	other := talk.New(2, k.Now().Add(20*time.Second))
	r.speak(other, 2, true, true)
	r.store.pass(t.Context())
	var cut, joined keys.ID
	for id, row := range r.rows.all {
		if row.Recovered {
			cut = id
		}
		if row.Opening.Continues != (keys.ID{}) {
			joined = row.Opening.Continues
		}
	}
	if len(r.rows.all) != 3 || joined != cut || cut == (keys.ID{}) {
		t.Errorf("%d filed, cut %v, joined to %v", len(r.rows.all), cut, joined)
	}
}

func TestALongCallGoesOnInTheNextRecording(t *testing.T) {
	r := newRig(t)
	k := talk.New(1, time.Now())
	r.speak(k, 2, true, false)
	g := segment.Group{}
	k.Speak(&g, true)
	end := k.Closing()
	end.Reason = segment.EndLength
	g.Closings = append(g.Closings, end)
	next := talk.New(2, k.Now())
	o := next.Opening()
	o.Continues, o.Trigger = 1, segment.ByLength
	g.Openings = append(g.Openings, o)
	if err := r.store.Commit(t.Context(), &g); err != nil {
		t.Fatal(err)
	}
	r.speak(next, 2, false, true)
	r.store.pass(t.Context())
	var continued int
	for _, row := range r.rows.all {
		if c := row.Opening.Continues; c != (keys.ID{}) {
			continued++
			if r.rows.all[c].Closing.Reason != segment.EndLength {
				t.Error("continues another recording")
			}
		}
	}
	if continued != 1 || len(r.rows.all) != 2 {
		t.Errorf("%d filed, %d continue one", len(r.rows.all), continued)
	}
}

func TestANearlyFullDiskRefusesNewCallsOnly(t *testing.T) {
	r := newRig(t)
	up := talk.New(1, time.Now())
	r.speak(up, 4, true, false)
	r.guard.err = errors.New("low")
	late := talk.New(2, time.Now())
	r.speak(late, 4, true, false)
	if st := r.store.Status(); st.Waiting != 1 || st.Up != 1 || st.Lost != 8*talk.Tick {
		t.Errorf("status: %+v", st)
	}
	r.guard.err = nil
	r.speak(late, 4, false, true)
	r.speak(up, 4, false, true)
	r.store.pass(t.Context())
	for _, row := range r.rows.all {
		m := row
		if late := m.Closing.Length == late.At && m.Tracks[0].Lost > 0; late && (m.Tracks[0].Gaps != 1 || m.Tracks[0].Lost != 4*talk.Tick) {
			t.Errorf("the call that waited: %+v", m)
		}
	}
	if len(r.rows.all) != 2 {
		t.Errorf("%d filed", len(r.rows.all))
	}
}

func TestWhatCannotBeMovedWaitsInTheJournal(t *testing.T) {
	r := newRig(t)
	k := talk.New(1, time.Now())
	r.noRoom = true
	r.speak(k, 200, true, true)
	r.store.pass(t.Context())
	if st := r.store.Status(); st.MoveError == "" || len(r.rows.all) != 0 {
		t.Errorf("status: %+v", st)
	}
	r.kill()
	r.start()
	r.noRoom = false
	r.store.pass(t.Context())
	r.plays(r.only(), k, 200)
}

func TestADoneThingDoneTwiceIsTheSame(t *testing.T) {
	r := newRig(t)
	k := talk.New(1, time.Now())
	r.speak(k, 200, true, true)
	r.rows.err = errors.New("catalogue away")
	r.store.pass(t.Context()) // all is moved, the manifest stands, nothing is filed
	r.kill()
	r.start()
	r.rows.err = nil
	r.store.pass(t.Context())
	first := r.only()
	r.kill() // the word "filed" never reached the journal
	r.start()
	r.store.pass(t.Context())
	if again := r.only(); !reflect.DeepEqual(again, first) {
		t.Error("the manifest changed")
	}
	r.plays(first, k, 200)
}

// copyTree copies a folder, to put an older state of it back later.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderThatLostItsTailIsMendedFromTheJournalAndSaidSo(t *testing.T) {
	r := newRig(t)
	first := talk.New(1, time.Now())
	r.speak(first, 150, true, true)
	r.stop()
	month := filepath.Join(r.dir, filepath.FromSlash(FolderName("standard", keys.MonthOf(first.Start))))
	old := filepath.Join(t.TempDir(), "old")
	copyTree(t, month, old)
	r.start()
	second := talk.New(1, time.Now())
	r.speak(second, 150, true, true)
	r.stop()
	if err := os.RemoveAll(month); err != nil {
		t.Fatal(err)
	}
	copyTree(t, old, month)
	r.start()
	r.store.pass(t.Context())
	told := false
	for _, err := range r.store.Findings() {
		told = told || errors.Is(err, ErrTailLost)
	}
	if !told {
		t.Errorf("nobody said that the folder lost its tail: %v", r.store.Findings())
	}
	for id, row := range r.rows.all {
		k := first
		if row.Opening.Start.Equal(second.Start) {
			k = second
		}
		r.plays(row, k, 150)
		_ = id
	}
}

func TestNothingPersonalStandsInKeysOrNames(t *testing.T) {
	r := newRig(t)
	k := talk.New(1, time.Now())
	k.Line = "VERY-PERSONAL-LINE"
	r.speak(k, 20, true, true)
	r.stop()
	err := filepath.WalkDir(r.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, marker := range []string{"VERY-PERSONAL-LINE", "1632960123"} {
			if bytes.Contains(b, []byte(marker)) || strings.Contains(path, marker) {
				t.Errorf("%s holds %q in clear", path, marker)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

package retention

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/keys"
	"linekeep/vault/register/ledger"
	"linekeep/vault/retention/clock"
	"linekeep/vault/retention/note"
	"linekeep/vault/vaulttest/reference"
)

// memory is a disk in memory.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
}

func (m *memory) Create(path string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[path] = slices.Clone(data)
	return nil
}
func (m *memory) Sync(string) error { return nil }
func (m *memory) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[to] = m.files[from]
	delete(m.files, from)
	return nil
}
func (m *memory) Remove(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, path)
	return nil
}
func (m *memory) SyncDir(string) error { return nil }
func (m *memory) Read(path string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.files[path]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return slices.Clone(data), nil
}
func (m *memory) ReadBack(path string) ([]byte, bool, error) {
	data, err := m.Read(path)
	return data, true, err
}
func (m *memory) Size(path string) (int64, error) {
	data, err := m.Read(path)
	return int64(len(data)), err
}
func (m *memory) List(dir string) (names []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for path := range m.files {
		if filepath.Dir(path) == filepath.Clean(dir) {
			names = append(names, filepath.Base(path))
		}
	}
	return names, nil
}
func (m *memory) MkdirAll(string) error { return nil }

// table is a register in memory: what it is told it has.
type table struct{ values map[string][]byte }

func (r *table) Commit(_ context.Context, _ Act, changes ...ledger.Change) error {
	for _, c := range changes {
		if name := c.Kind + "\x00" + string(c.Key); c.Value == nil {
			delete(r.values, name)
		} else {
			r.values[name] = c.Value
		}
	}
	return nil
}

func (r *table) Walk(kind string, visit func(key, value []byte, err error) error) error {
	for _, name := range slices.Sorted(maps.Keys(r.values)) {
		if k, key, _ := strings.Cut(name, "\x00"); k == kind {
			if err := visit([]byte(key), r.values[name], nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *table) Findings() []error { return nil }

// call is a recording of the world, with what only the world knows.
type call struct {
	Recording
	began  time.Time // in truth
	folder string
	kept   bool
}

func (c *call) known() *reference.Call {
	return &reference.Call{ID: c.ID, Class: c.Class, Start: c.Start, Began: c.began}
}

// world is an office, its box and its clocks, over years.
type world struct {
	t       *testing.T
	rnd     *rand.Rand
	place   *time.Location
	disk    *memory
	table   *table
	keys    *keys.Keys
	now     time.Time     // the truth
	lie     time.Duration // wall clock minus truth
	up      time.Duration
	keeper  *Keeper
	calls   map[keys.ID]*call
	shards  map[string]uint32
	folders map[string]bool
	next    map[uint32]uint32
	newest  uint32
	open    []string // shards that slots come from: the newest few, as after a start
	cases   map[int][]keys.ID
	holds   map[keys.ID][]keys.ID
	model   *reference.Model
	agreed  string // the token consented to
	wrap    func(Store) Store
	decide  func(w *world) func(Facts) Verdict
	seen    [verdicts]int
	erased  int
	drops   int
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	place, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 7)), place: place, disk: &memory{files: map[string][]byte{}}, table: &table{values: map[string][]byte{}},
		now: time.Date(2026, 1, 10, 8, 0, 0, 0, time.UTC), calls: map[keys.ID]*call{}, shards: map[string]uint32{}, folders: map[string]bool{}, next: map[uint32]uint32{},
		cases: map[int][]keys.ID{}, holds: map[keys.ID][]keys.ID{}}
	w.model = reference.New(place, map[string]int{"standard": 6, "financial": 60, "short": 1}, func() time.Time { return w.now }, w)
	w.keys, err = keys.Create(t.Context(), keys.Config{Dir: filepath.Join(t.TempDir(), "keys"), Clock: w.wall}, tpmtest.NewMemory())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.keys.Close() }) // a test's own
	return w
}

func (w *world) wall() time.Time { return w.now.Add(w.lie) }

func (w *world) start() {
	var store Store = w
	if w.wrap != nil {
		store = w.wrap(w)
	}
	cfg := Config{Periods: map[string]Months{"standard": Standard, "financial": Financial, "short": 1}, Place: w.place, Store: store, Cases: w,
		Slots: w.keys, Register: w.table, Wall: w.wall, Up: func() time.Duration { return w.up }, Marks: w.marks, Newest: func() time.Time { return time.Time{} },
		Note: note.Config{Dir: "/r", FS: w.disk, Key: keys.Key{}, Fresh: func() uint64 { return 1 << 62 }}, Log: slog.New(slog.DiscardHandler)}
	cfg.Note.Key = w.keys.Outer("retention")
	if w.decide != nil {
		cfg.decide = w.decide(w)
	}
	var err error
	if w.keeper, err = Open(w.t.Context(), cfg); err != nil {
		w.t.Fatalf("Open: %v", err)
	}
	if f := w.keeper.Findings(); len(f) > 0 {
		w.t.Fatalf("findings: %v", f)
	}
}

func (w *world) marks() clock.Marks {
	var m clock.Marks
	for _, name := range w.open {
		shard := w.shards[name]
		m.Next = append(m.Next, keys.Mark{Shard: shard, Next: w.next[shard]})
	}
	m.Newest = w.newest
	return m
}

// pass lets time go by while the box is up.
func (w *world) pass(d time.Duration) {
	w.now, w.up = w.now.Add(d), w.up+d
	w.tick()
}

// tick is what Run does.
func (w *world) tick() {
	if err := w.keeper.clock.Tick(); err != nil {
		w.t.Fatal(err)
	}
	if !w.keeper.passDue() {
		return
	}
	if err := w.keeper.Pass(w.t.Context()); err != nil {
		w.t.Fatalf("Pass: %v", err)
	}
	st := w.keeper.Status()
	for i, n := range st.Counts {
		w.seen[i] += n
	}
	w.model.Blocked = st.Blocked != nil
	if st.Blocked != nil && w.rnd.IntN(3) == 0 {
		w.agreed = st.Blocked.Token
		if err := w.keeper.Consent(w.t.Context(), st.Blocked.Token, "Ann"); err != nil {
			w.t.Fatalf("Consent: %v", err)
		}
		w.agreed, w.model.Blocked = "", false
	}
	for _, c := range w.sorted() {
		w.model.Stays(c.known())
	}
}

// record begins a call now.
func (w *world) record(class string) *call {
	wall := w.wall()
	name := class + " " + string(keys.MonthOf(wall))
	if !slices.Contains(w.open, name) { // another part, where the month had one before
		w.newest++
		w.shards[name] = w.newest
		w.open = append(w.open[max(0, len(w.open)-5):], name)
	}
	shard := w.shards[name]
	id := keys.ID{Shard: shard, Slot: w.next[shard]}
	w.next[shard]++
	w.folders[name] = true
	c := &call{Recording: Recording{ID: id, Class: class, Start: wall, Bytes: 1000 + w.rnd.Int64N(1000)}, began: w.now, folder: name}
	w.calls[id] = c
	return c
}

// sorted are the calls in one order: a seed must do the same things every time.
func (w *world) sorted() []*call {
	all := slices.Collect(maps.Values(w.calls))
	slices.SortFunc(all, func(a, b *call) int { return compareIDs(a.ID, b.ID) })
	return all
}

// gone takes a call out, and has the model judge that.
func (w *world) gone(id keys.ID, how string) {
	c := w.calls[id]
	if c == nil {
		return
	}
	delete(w.calls, id)
	w.erased++
	w.model.Deleted(c.known(), how)
}

// Recordings is part of Store; so are the next ones.
func (w *world) Recordings(context.Context) ([]Recording, error) {
	var all []Recording
	for _, c := range w.sorted() {
		all = append(all, c.Recording)
	}
	return all, nil
}

func (w *world) There(_ context.Context, ids ...keys.ID) error {
	for _, id := range ids {
		if w.calls[id] == nil {
			return errors.New("not there")
		}
	}
	return nil
}

func (w *world) Gone(id keys.ID) bool { return w.calls[id] == nil }

func (w *world) Order(_ context.Context, ids ...keys.ID) error {
	if 2*len(ids) > len(w.calls) && w.agreed == "" {
		w.model.Fault("%d of %d recordings were purged, and nobody was asked", len(ids), len(w.calls))
	}
	for _, id := range ids {
		w.gone(id, "expired")
	}
	return nil
}

func (w *world) Folders(context.Context) ([]Folder, error) {
	live := map[string][]Recording{}
	for name := range w.folders {
		live[name] = nil
	}
	for _, c := range w.sorted() {
		if !c.kept {
			live[c.folder] = append(live[c.folder], c.Recording)
		}
	}
	var all []Folder
	for _, name := range slices.Sorted(maps.Keys(live)) {
		month, recordings := keys.Month(strings.Fields(name)[1]), live[name]
		if month < keys.MonthOf(w.wall()) {
			all = append(all, Folder{Name: name, Month: month, Live: func(context.Context) ([]Recording, error) { return recordings, nil }})
		}
	}
	return all, nil
}

func (w *world) Drop(_ context.Context, f Folder, stay []keys.ID) error {
	w.drops++
	for _, c := range w.sorted() {
		if c.folder != f.Name || c.kept {
			continue
		}
		if slices.Contains(stay, c.ID) {
			c.kept = true
		} else {
			w.gone(c.ID, "went with its month")
		}
	}
	delete(w.folders, f.Name)
	return nil
}

func (w *world) Frozen(context.Context) (map[keys.ID]bool, error) {
	all := map[keys.ID]bool{}
	for _, ids := range w.cases {
		for _, id := range ids {
			all[id] = true
		}
	}
	return all, nil
}

var _ Store = (*world)(nil)

// some picks recordings to be held or frozen: the old ones are what matters.
func (w *world) some() (ids []keys.ID) {
	all := slices.SortedFunc(maps.Keys(w.calls), compareIDs)
	for range 1 + w.rnd.IntN(5) {
		if len(all) > 0 {
			ids = append(ids, all[min(w.rnd.IntN(len(all)), w.rnd.IntN(len(all)))])
		}
	}
	slices.SortFunc(ids, compareIDs)
	return slices.Compact(ids)
}

func (w *world) String() string { return fmt.Sprintf("%v (wall %v)", w.now, w.wall()) }

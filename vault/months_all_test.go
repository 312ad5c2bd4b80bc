package vault_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault"
	"linekeep/vault/catalog"
	"linekeep/vault/custody"
	"linekeep/vault/erasure"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/retention"
	"linekeep/vault/retention/hold"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/reference"
	"linekeep/vault/vaulttest/talk"
)

// monthsEnv has the months go as another run's did: what is drawn, not how far the mover is when a hold is set.
const monthsEnv = "LINEKEEP_MONTHS_SEED"

// spoken is a call, and what was said in it.
type spoken struct {
	reference.Call
	talk *talk.Talk
}

// firm is an office with its box, over months: a real vault, whose clocks alone are not real.
type firm struct {
	*vaulttest.Vault
	t      *testing.T
	random *rand.Rand
	model  *reference.Model

	mu    sync.Mutex // the vault's goroutines ask for these
	now   time.Time  // the truth
	lie   time.Duration
	up    time.Duration
	cases map[int][]keys.ID

	misdated bool // calls were recorded with a date far off, and some months came twice: a check cannot tell them apart
	number   segment.Call
	unfiled  map[int64]*spoken // by their start
	calls    map[keys.ID]*spoken
	gone     []keys.ID
	holds    map[keys.ID][]keys.ID
	nth      int // of days
	waits    int // orders that wait for the next night
	counts   map[string]int
}

func newFirm(t *testing.T, seed uint64) *firm {
	t.Helper()
	place, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	f := &firm{Vault: vaulttest.At(t, filepath.Join(t.TempDir(), "vault"), tpmtest.NewMemory(), custody.Code{}), t: t, random: rand.New(rand.NewPCG(seed, 9)),
		now: time.Date(2027, 1, 4, 12, 0, 0, 0, place), cases: make(map[int][]keys.ID), unfiled: make(map[int64]*spoken), calls: make(map[keys.ID]*spoken),
		holds: make(map[keys.ID][]keys.ID), counts: make(map[string]int)}
	f.model = reference.New(place, map[string]int{"brief": 1, "standard": 2, "financial": 3}, f.truth, f)
	f.Config.Classes = []string{"brief", "standard", "financial"}
	f.Config.Clock = f.wall
	f.Config.Retention = vault.Retention{Periods: map[string]retention.Months{"brief": 1, "standard": 2, "financial": 3}, Place: place, Cases: f, Uptime: f.uptime}
	vault.SmallBlocks(&f.Config, blockRows)
	if err := vault.Create(t.Context(), f.Config, f.Chip); err != nil {
		t.Fatal(err)
	}
	f.HandOver()
	f.Start()
	return f
}

func (f *firm) truth() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *firm) wall() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now.Add(f.lie)
}

func (f *firm) uptime() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.up
}

func (f *firm) String() string {
	return fmt.Sprintf("day %d, %s (wall %s)", f.nth, f.truth().Format(time.DateTime), f.wall().Format(time.DateTime))
}

// Frozen has the firm be its register of cases.
func (f *firm) Frozen(context.Context) (map[keys.ID]bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[keys.ID]bool)
	for _, ids := range f.cases {
		for _, id := range ids {
			all[id] = true
		}
	}
	return all, nil
}

// morning lets a night go by. The wall clock tells something else now and then, and is put right; when all is quiet it is right.
func (f *firm) morning(quiet bool) {
	f.t.Helper()
	f.mu.Lock()
	then := f.now.AddDate(0, 0, 1)
	f.up += then.Sub(f.now)
	f.now = then
	f.mu.Unlock()
	f.tick()
	lie := f.lie
	switch f.random.IntN(60) {
	case 0:
		lie = 10 * 365 * 24 * time.Hour
	case 1:
		lie = -40 * 24 * time.Hour
	case 2:
		lie = time.Duration(f.random.Int64N(int64(20*24*time.Hour))) - 10*24*time.Hour
	case 3, 4, 5, 6, 7, 8, 9, 10, 11, 12:
		lie = 0
	}
	if quiet {
		lie = 0
	}
	f.mu.Lock()
	f.lie = lie
	f.mu.Unlock()
	f.tick()
	f.nth++
	if err := f.Vault.Vault.Keys().Prepare(f.t.Context(), f.Config.Classes, f.wall()); err != nil {
		f.t.Fatalf("%s: Prepare: %v", f, err)
	}
}

// tick is what the vault does every ten seconds; these days are shorter than that.
func (f *firm) tick() {
	f.t.Helper()
	if err := f.Retention().Tick(); err != nil {
		f.t.Fatalf("%s: Tick: %v", f, err)
	}
}

// record has the firm called.
func (f *firm) record() {
	f.t.Helper()
	f.misdated = f.misdated || f.wall().Sub(f.truth()).Abs() > 0
	for range 1 + f.random.IntN(3) {
		f.number++
		start := f.wall().Add(time.Duration(f.number) * time.Second)
		k := talk.New(f.number, start)
		k.Line, k.Class = []string{"reception", "sales"}[f.random.IntN(2)], f.Config.Classes[f.random.IntN(3)]
		f.unfiled[start.UnixNano()] = &spoken{Call: reference.Call{Class: k.Class, Start: start, Began: f.truth()}, talk: k}
		f.Say(k.Groups(1+f.random.IntN(2), true, true)...)
	}
}

// look finds out what is filed by now, and what is there no more: the model judges that.
func (f *firm) look() (went int) {
	f.t.Helper()
	rows, err := f.Find(f.t.Context(), catalog.Query{})
	if err != nil {
		f.t.Fatalf("%s: Find: %v", f, err)
	}
	for _, r := range rows {
		if s := f.unfiled[r.Start.UnixNano()]; s != nil {
			s.ID = r.ID
			f.calls[r.ID] = s
			delete(f.unfiled, r.Start.UnixNano())
		} else if f.calls[r.ID] == nil {
			f.t.Errorf("%s: call %s is found, and is gone, or was never made", f, r.ID)
		}
	}
	have := f.Catalog().Have(slices.Collect(maps.Keys(f.calls))...)
	waits := f.Status().Erasing.Waiting > 0
	for id, s := range f.calls {
		if !have[id] || waits && f.Gone(id) { // ordered to be erased: nobody is shown it from now on
			f.model.Deleted(&s.Call, "expired")
			f.goes(id)
			f.counts["expired"]++
			went++
		}
	}
	return went
}

func (f *firm) goes(id keys.ID) {
	delete(f.calls, id)
	f.gone = append(f.gone, id)
}

// some picks calls, the old ones most often: they are what matters.
func (f *firm) some() (ids []keys.ID) {
	all := slices.SortedFunc(maps.Values(f.calls), func(a, b *spoken) int { return a.Began.Compare(b.Began) })
	for range 1 + f.random.IntN(4) {
		if len(all) > 0 {
			ids = append(ids, all[min(f.random.IntN(len(all)), f.random.IntN(len(all)))].ID)
		}
	}
	slices.SortFunc(ids, func(a, b keys.ID) int { return slices.Compare([]uint32{a.Shard, a.Slot}, []uint32{b.Shard, b.Slot}) })
	return slices.Compact(ids)
}

// people set and end holds and restrictions, open and close cases, and have calls erased.
func (f *firm) people() {
	f.t.Helper()
	ids := f.some()
	if len(ids) == 0 {
		return
	}
	switch f.random.IntN(10) {
	case 0, 1:
		f.hold(ids)
	case 2:
		f.mu.Lock()
		f.cases[f.nth] = ids
		f.mu.Unlock()
		f.model.Keep(fmt.Sprint("case ", f.nth), ids)
		f.counts["case"]++
	case 3:
		for id, held := range f.holds {
			if f.random.IntN(3) > 0 {
				continue
			}
			if err := f.Retention().EndHold(f.t.Context(), id, "Ann Controller"); err != nil && !errors.Is(err, hold.ErrNone) { // it ended by itself
				f.t.Fatalf("%s: EndHold: %v", f, err)
			}
			f.model.Release("hold "+id.String(), held)
			delete(f.holds, id)
			f.counts["lifted"]++
		}
	case 4:
		for n, frozen := range f.cases {
			if err := f.Retention().Thaw(f.t.Context(), frozen...); err != nil {
				f.t.Fatal(err)
			}
			f.mu.Lock()
			delete(f.cases, n)
			f.mu.Unlock()
			f.model.Release(fmt.Sprint("case ", n), frozen)
			break
		}
	case 5:
		f.erase(ids[0])
	}
}

func (f *firm) hold(ids []keys.ID) {
	f.t.Helper()
	h := hold.Hold{Kind: hold.Kind(1 + f.random.IntN(2)), Reason: "a dispute", By: "Ann Controller", Calls: ids}
	if f.random.IntN(3) == 0 {
		h.Until = f.wall().AddDate(0, 0, 1+f.random.IntN(90))
	}
	set, err := f.Retention().Hold(f.t.Context(), h)
	if err != nil {
		f.t.Fatalf("%s: Hold: %v", f, err)
	}
	name := "hold " + set.ID.String()
	f.holds[set.ID] = ids
	f.model.Keep(name, ids)
	if !h.Until.IsZero() {
		f.model.Until[name] = f.truth().Add(h.Until.Sub(f.wall()))
	}
	f.counts[h.Kind.String()]++
}

// erase is an order, which is refused where something keeps the call.
func (f *firm) erase(id keys.ID) {
	f.t.Helper()
	held := f.Retention().Held(id)
	_, err := f.Erase(f.t.Context(), erasure.Order, id)
	switch {
	case held && !errors.Is(err, vault.ErrHeld), !held && err != nil && !errors.Is(err, vault.ErrErasureWaits):
		f.t.Errorf("%s: erase call %s, held %v: %v", f, id, held, err)
	case !held:
		f.goes(id)
		f.counts["erased"]++
	}
}

// night is what the box does then, and the morning's look at it.
func (f *firm) night() (went int) {
	f.t.Helper()
	ctx := f.t.Context()
	vaulttest.Eventually(f.t, time.Minute, "nobody reads in what must go", func() bool {
		err := f.Retention().Pass(ctx)
		if err != nil && !errors.Is(err, folder.ErrBusy) {
			f.t.Fatalf("%s: Pass: %v", f, err)
		}
		return err == nil
	})
	b := f.Status().Retention.Blocked
	if f.model.Blocked = b != nil; f.model.Blocked {
		f.counts["asked"]++
		if f.random.IntN(3) == 0 {
			err := f.Retention().Consent(ctx, b.Token, "Ann Controller")
			if err != nil && !errors.Is(err, folder.ErrBusy) {
				f.t.Fatalf("%s: Consent: %v", f, err)
			}
			f.model.Blocked = false
		}
	}
	f.ErasePass(ctx)
	f.waits = f.Status().Erasing.Waiting // a wall clock that was put back has had this night
	went = f.look()
	for _, s := range f.calls {
		f.model.Stays(&s.Call)
	}
	return went
}

// day is one of the firm's.
func (f *firm) day() {
	f.t.Helper()
	f.morning(false)
	f.record()
	f.people()
	f.night()
	if f.random.IntN(12) == 0 {
		f.restart()
	}
	f.judge()
}

// restart switches the box off, for a moment or for days, and the wall clock may tell anything afterwards.
func (f *firm) restart() {
	f.t.Helper()
	f.Stop()
	f.mu.Lock()
	before, wall := f.now, f.now.Add(f.lie)
	if f.random.IntN(2) == 0 {
		f.now = f.now.AddDate(0, 0, f.random.IntN(10))
	}
	switch f.random.IntN(8) {
	case 0:
		f.lie += 4 * 365 * 24 * time.Hour
	case 1:
		f.lie -= 30 * 24 * time.Hour
	}
	f.up = 0
	off, moved := f.now.Sub(before), f.now.Add(f.lie).Sub(wall)
	f.mu.Unlock()
	f.model.Stopped(before, off, moved)
	f.Start()
	f.counts["restart"]++
}

func (f *firm) judge() {
	f.t.Helper()
	for _, fault := range f.model.Faults {
		f.t.Error(fault)
	}
	if f.t.Failed() {
		f.t.FailNow()
	}
}

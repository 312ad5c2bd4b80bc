package rewrap_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/envelope"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/recording"
	"linekeep/vault/rewrap"
	"linekeep/vault/seal"
	"linekeep/vault/store"
)

const month = "calls/standard/2026-11"

// box is one month's folder with recordings under the first of two custody keys, and the custody of both.
type box struct {
	t       *testing.T
	keys    *keys.Keys
	folder  *folder.Folder
	pairs   map[uint32]envelope.Private
	ids     []keys.ID
	data    map[keys.ID]seal.DataKey
	retired []uint32
	// somebody is signed in for so many wraps more
	signedIn int
	under    bool
	now      time.Time
}

func newBox(t *testing.T, recordings int) *box {
	t.Helper()
	b := &box{t: t, pairs: map[uint32]envelope.Private{}, data: map[keys.ID]seal.DataKey{}, retired: []uint32{1}, now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	dir := t.TempDir()
	var err error
	if b.keys, err = keys.Create(t.Context(), keys.Config{Dir: filepath.Join(dir, "keys"), Clock: b.clock}, tpmtest.NewMemory()); err != nil {
		t.Fatal(err)
	}
	o := folder.Options{Name: month, Path: filepath.Join(dir, "month"), Key: b.keys.Folder(month), Log: slog.New(slog.DiscardHandler)}
	if b.folder, err = folder.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(b.folder.Close(), b.keys.Close()); err != nil {
			t.Error(err)
		}
	})
	for n := range uint32(2) {
		if b.pairs[n+1], err = envelope.New(); err != nil {
			t.Fatal(err)
		}
	}
	for range recordings {
		b.record()
	}
	return b
}

func (b *box) clock() time.Time { return b.now }

// record files the opening of a recording under custody key 1.
func (b *box) record() {
	b.t.Helper()
	slot, err := b.keys.Next(b.t.Context(), "standard", b.now)
	if err != nil {
		b.t.Fatal(err)
	}
	b.data[slot.ID] = seal.NewDataKey()
	wrap, err := seal.Wrap(b.keys.VaultID(), slot, b.pairs[1].Public(), b.data[slot.ID])
	if err != nil {
		b.t.Fatal(err)
	}
	body := recording.Forms{VaultID: b.keys.VaultID(), ID: slot.ID, Meta: slot.Meta()}.SealOpening(wrap,
		recording.Opening{Line: "reception", Class: "standard", Start: b.now, Parties: []segment.Party{segment.Both}, Custody: 1})
	b.put(recording.WrapKey(slot.ID), body)
	b.ids = append(b.ids, slot.ID)
}

func (b *box) put(key, value []byte) {
	b.t.Helper()
	if err := b.folder.Put(b.t.Context(), folder.Entry{Key: key, Value: value}); err != nil {
		b.t.Fatal(err)
	}
}

// damage makes the wrap of a recording one that no key opens, while its opening stays readable.
func (b *box) damage(id keys.ID) {
	b.t.Helper()
	body, err := b.folder.Get(recording.WrapKey(id))
	if err != nil {
		b.t.Fatal(err)
	}
	body = slices.Clone(body)
	body[10] ^= 1
	b.put(recording.WrapKey(id), body)
}

func (b *box) Names() ([]string, error) { return []string{month}, nil }

func (b *box) Use(context.Context, string, bool) (*folder.Folder, func(), error) {
	return b.folder, func() {}, nil
}

func (b *box) KeepRewraps(ctx context.Context, _ string, all []store.Rewrapped) error {
	for _, one := range all {
		if err := b.folder.Put(ctx, folder.Entry{Key: recording.RewrapKey(one.ID), Value: one.Rewrap.Append(nil)}); err != nil {
			return err
		}
	}
	return nil
}

func (b *box) Under(uint32) bool { return b.under }

func (b *box) Retired() ([]uint32, uint32, error) { return b.retired, 2, nil }

func (b *box) Unwrapping(do func(func(keys.Slot, uint32, []byte) ([]byte, error)) error) error {
	return do(func(slot keys.Slot, number uint32, wrap []byte) ([]byte, error) {
		if b.signedIn == 0 {
			return nil, rewrap.ErrNobody
		}
		b.signedIn--
		return seal.Rewrap(b.keys.VaultID(), slot, b.pairs[number], b.pairs[2].Public(), wrap)
	})
}

func (b *box) Drop(_ context.Context, numbers []uint32) error {
	if !slices.Equal(numbers, b.retired) {
		b.t.Errorf("dropped %v", numbers)
	}
	b.retired = nil
	return nil
}

func (b *box) runner(elsewhere func(uint32) bool) *rewrap.Runner {
	return rewrap.New(rewrap.Config{Keys: b.keys, Months: b, Store: b, Custody: b, Clock: b.clock, Elsewhere: elsewhere})
}

func (b *box) pass(r *rewrap.Runner) rewrap.Status {
	b.t.Helper()
	if err := r.Pass(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	return r.Status()
}

// opens wants a recording to open with the second key alone.
func (b *box) opens(id keys.ID) {
	b.t.Helper()
	value, err := b.folder.Get(recording.RewrapKey(id))
	if err != nil {
		b.t.Fatalf("%s: %v", id, err)
	}
	later, err := recording.ParseRewrap(value)
	if err != nil || later.Custody != 2 {
		b.t.Fatalf("%s: %+v, %v", id, later, err)
	}
	slot, err := b.keys.Slot(id)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := seal.Unwrap(b.keys.VaultID(), slot, b.pairs[2], later.Wrap); err != nil {
		b.t.Errorf("%s with the new key: %v", id, err)
	}
}

func TestAPassThatWasCutShortGoesOnWhereItLeftOff(t *testing.T) {
	b := newBox(t, 5)
	r := b.runner(nil)
	if st := b.pass(r); st.Left != 5 || st.Done != 0 || st.Error != "" {
		t.Errorf("with nobody there: %+v", st)
	}
	b.signedIn = 3
	if st := b.pass(r); st.Left != 2 || st.Done != 3 || len(b.retired) == 0 {
		t.Errorf("signed out after three: %+v", st)
	}
	b.signedIn = 100
	if st := b.pass(r); st.Left != 0 || st.Done != 5 || st.Error != "" || b.retired != nil {
		t.Errorf("at last: %+v, retired %v", st, b.retired)
	}
	if b.signedIn != 98 {
		t.Errorf("%d wraps were made twice", 98-b.signedIn)
	}
	for _, id := range b.ids {
		b.opens(id)
	}
}

func TestARecordingThatCannotBeWrappedAnewIsCountedAndKeepsItsKey(t *testing.T) {
	b := newBox(t, 4)
	b.damage(b.ids[1])
	r := b.runner(nil)
	b.pass(r)
	b.signedIn = 100
	if st := b.pass(r); st.Left != 0 || st.Done != 3 || st.Damaged != 1 || st.Error == "" || len(b.retired) == 0 {
		t.Errorf("%+v, retired %v", st, b.retired)
	}
	b.opens(b.ids[2])
	b.signedIn = 0 // nobody there: what was found out before still holds
	if st := b.pass(r); st.Damaged != 1 || st.Left != 1 {
		t.Errorf("afterwards: %+v", st)
	}
	if err := b.keys.Doom(t.Context(), b.ids[1]); err != nil {
		t.Fatal(err)
	}
	if _, err := b.keys.Commit(t.Context(), keys.Change{}); err != nil {
		t.Fatal(err)
	}
	b.signedIn = 100
	if st := b.pass(r); st.Damaged != 0 || st.Error != "" || b.retired != nil {
		t.Errorf("once it is erased: %+v, retired %v", st, b.retired)
	}
}

func TestEarlierKeysStayWhileSomethingElseMayBeUnderThem(t *testing.T) {
	elsewhere := true
	b := newBox(t, 1)
	r := b.runner(func(number uint32) bool { return elsewhere && number == 2 })
	b.signedIn = 100
	b.pass(r)
	if len(b.retired) == 0 {
		t.Fatal("dropped while a vault is yet to be merged")
	}
	elsewhere, b.under = false, true
	b.pass(r)
	if len(b.retired) == 0 {
		t.Fatal("dropped while a call is up under it")
	}
	b.under = false
	b.pass(r)
	if b.retired != nil {
		t.Error("not dropped at last")
	}
}

func TestWaitingForADayIsAStall(t *testing.T) {
	b := newBox(t, 1)
	r := b.runner(nil)
	if st := b.pass(r); st.Stalled(b.now) {
		t.Errorf("at once: %+v", st)
	}
	b.now = b.now.Add(rewrap.Patience + time.Minute)
	if st := b.pass(r); !st.Stalled(b.now) {
		t.Errorf("after a day: %+v", st)
	}
	b.signedIn = 1
	if st := b.pass(r); st.Stalled(b.now) {
		t.Errorf("when it is done: %+v", st)
	}
}

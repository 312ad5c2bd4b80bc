package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/vaulttest/vectors"
)

// desk is a register on real Badger and a real audit log.
type desk struct {
	*Ledger
	t      *testing.T
	dir    string
	keys   *keys.Keys
	folder *folder.Folder
	log    *audit.Log
	floor  uint64
	fail   error // of the audit log
}

func now() time.Time { return time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC) }

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir()}
	var err error
	if d.keys, err = keys.Create(t.Context(), keys.Config{Dir: filepath.Join(d.dir, "keys"), Clock: now}, tpmtest.NewMemory()); err != nil {
		t.Fatal(err)
	}
	if err = d.keys.Prepare(t.Context(), []string{"standard"}, now()); err != nil {
		t.Fatal(err)
	}
	d.open()
	t.Cleanup(d.close)
	return d
}

func (d *desk) Append(ctx context.Context, acts ...audit.Act) (uint64, error) {
	if d.fail != nil {
		return 0, d.fail
	}
	return d.log.Append(ctx, acts...)
}

func (d *desk) Registered() (uint64, [32]byte) { return d.log.Registered() }

func (d *desk) open() {
	d.t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	var err error
	if d.log, err = audit.Open(d.t.Context(), audit.Config{Dir: filepath.Join(d.dir, "audit"), Keys: d.keys, Clock: now, Log: quiet}); err != nil {
		d.t.Fatal(err)
	}
	o := folder.Options{Name: "register", Path: filepath.Join(d.dir, "register"), Key: d.keys.Folder("register"), Rows: true, Log: quiet}
	if d.folder, err = folder.Open(d.t.Context(), o); err != nil {
		d.t.Fatal(err)
	}
	if d.Ledger, err = Open(Config{Folder: d.folder, Keys: d.keys, Log: d, Clock: now, Floor: d.floor}); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) close() {
	if err := errors.Join(d.folder.Close(), d.log.Close()); err != nil {
		d.t.Error(err)
	}
}

func (d *desk) again() { d.t.Helper(); d.close(); d.open() }

func (d *desk) slot(class string) keys.ID {
	d.t.Helper()
	s, err := d.keys.Next(d.t.Context(), class, now())
	if err != nil {
		d.t.Fatal(err)
	}
	defer s.Wipe()
	return s.ID
}

func (d *desk) put(slot keys.ID, key, value string) {
	d.t.Helper()
	if err := d.Commit(d.t.Context(), audit.Act{What: entry.HoldSet}, Change{Kind: "hold", Key: []byte(key), Slot: slot, Value: []byte(value)}); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) wants(key, value string, want error) {
	d.t.Helper()
	got, err := d.Get("hold", []byte(key))
	if !errors.Is(err, want) || string(got) != value {
		d.t.Errorf("%s: got %q, %v; want %q, %v", key, got, err, value, want)
	}
}

func TestValuesAreAsTheyWereLastSet(t *testing.T) {
	d := newDesk(t)
	slot := d.slot(keys.Office)
	for i := range 20 {
		d.put(slot, fmt.Sprint("k", i%7), fmt.Sprint(i))
	}
	if err := d.Commit(t.Context(), audit.Act{What: entry.HoldEnd}, Change{Kind: "hold", Key: []byte("k3"), Slot: slot}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		d.wants("k5", "19", nil)
		d.wants("k0", "14", nil)
		d.wants("k3", "", ErrMissing)
		n := 0
		err := d.Walk("hold", func(_, _ []byte, err error) error { n++; return err })
		if err != nil || n != 6 || d.Newest() != 21 || len(d.Findings()) > 0 {
			t.Errorf("%d values, %v, transaction %d, found %v", n, err, d.Newest(), d.Findings())
		}
		d.again()
	}
}

func TestP13_AValueDiesWithItsSlot(t *testing.T) {
	d := newDesk(t)
	call, other := d.slot("standard"), d.slot("standard")
	d.put(call, "a", "held for the court")
	d.put(other, "b", "held as well")
	if err := d.keys.Doom(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	d.wants("a", "", ErrErased)
	if _, err := d.keys.Commit(t.Context(), keys.Change{}); err != nil {
		t.Fatal(err)
	}
	d.again()
	d.wants("a", "", ErrErased)
	d.wants("b", "held as well", nil)
	if len(d.Findings()) > 0 {
		t.Errorf("found %v", d.Findings())
	}
}

func TestP17_WhatIsNotInTheLogDoesNotCount(t *testing.T) {
	d := newDesk(t)
	slot := d.slot(keys.Office)
	d.put(slot, "a", "1")
	d.fail = errors.New("no room")
	if err := d.Commit(t.Context(), audit.Act{}, Change{Kind: "hold", Key: []byte("a"), Slot: slot, Value: []byte("2")}); !errors.Is(err, d.fail) {
		t.Fatalf("Commit: %v", err)
	}
	d.fail = nil
	d.wants("a", "1", nil)
	d.again()
	d.wants("a", "1", nil)
	d.put(slot, "a", "3")
	d.again()
	d.wants("a", "3", nil)
	if d.Newest() != 2 || len(d.Findings()) > 0 {
		t.Errorf("transaction %d, found %v", d.Newest(), d.Findings())
	}
}

func TestP17_ARegisterThatWasRolledBackOrAlteredIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(d *desk) error
		want error
	}{
		"its end taken away":    {func(d *desk) error { return d.folder.Put(d.t.Context(), folder.Entry{Key: keyOf(5)}) }, ErrRolledBack},
		"one in the middle":     {func(d *desk) error { return d.folder.Put(d.t.Context(), folder.Entry{Key: keyOf(3)}) }, ErrAltered},
		"all of it":             {wipe, ErrRolledBack},
		"another one put in":    {swap, ErrAltered},
		"the journal knows one": {func(d *desk) error { d.floor = 6; return nil }, ErrRolledBack},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			slot := d.slot(keys.Office)
			for i := range 5 {
				d.put(slot, fmt.Sprint(i), "held")
			}
			if err := c.harm(d); err != nil {
				t.Fatal(err)
			}
			d.again()
			if err := errors.Join(d.Findings()...); !errors.Is(err, c.want) {
				t.Errorf("found %v, want %v", err, c.want)
			}
			d.put(slot, "new", "held") // and it goes on
			d.wants("new", "held", nil)
		})
	}
}

func wipe(d *desk) error {
	for i := range 5 {
		if err := d.folder.Put(d.t.Context(), folder.Entry{Key: keyOf(uint64(i + 1))}); err != nil {
			return err
		}
	}
	return nil
}

// swap puts the fourth transaction's changes under the fifth's number.
func swap(d *desk) error {
	data, err := d.folder.Get(keyOf(4))
	if err != nil {
		return err
	}
	four, err := parse(data)
	if err != nil {
		return err
	}
	four.seq, four.before = 5, sha256.Sum256(data)
	if data, err = four.bytes(); err != nil {
		return err
	}
	return d.folder.Put(d.t.Context(), folder.Entry{Key: keyOf(5), Value: data})
}

func FuzzTransaction(f *testing.F) {
	t := transaction{seq: 2, at: now(), changes: []change{{kind: "hold", key: []byte("k"), slot: keys.ID{Shard: 1, Slot: 2}, sealed: []byte("sealed")}, {kind: "x", key: []byte("y")}}}
	data, err := t.bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(vectors.Read(f, "register").Bytes(f, "transaction"))
	f.Add(vectors.Read(f, "register changes").Bytes(f, "transaction"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tx, err := parse(data)
		if err != nil {
			return
		}
		if back, err := tx.bytes(); err != nil || !bytes.Equal(back, data) {
			t.Errorf("a transaction that is not what bytes writes was taken: %x", data)
		}
	})
}

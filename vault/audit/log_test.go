package audit

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"linekeep/vault/audit/entry"
	"linekeep/vault/audit/proof"
	"linekeep/vault/keys"
)

func TestP17_WhatWasWrittenIsReadBack(t *testing.T) {
	d := newDesk(t, 10)
	d.sound()
	for i := range 57 {
		if n := d.write(search(fmt.Sprint(i))); n != uint64(i) {
			t.Fatalf("entry %d got number %d", i, n)
		}
		if i%13 == 0 {
			d.again()
		}
	}
	d.again()
	r := d.sound()
	if size, root := d.Head(); size != 57 || r.Entries != 57 || r.Root != root {
		t.Errorf("%d entries, %d verified", size, r.Entries)
	}
	if r, err := Inspect(t.Context(), d.cfg); err != nil || r.Entries != 57 || len(r.Findings) > 0 {
		t.Errorf("whoever looks at it stopped sees %d entries, %v, %v", r.Entries, err, r.Findings)
	}
	s, err := d.Entry(t.Context(), 41)
	if err != nil {
		t.Fatal(err)
	}
	details, err := d.Details(s)
	if diff := cmp.Diff(Details{Say("terms", "41")}, details); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if _, err := d.Entry(t.Context(), 57); !errors.Is(err, ErrNotThere) {
		t.Errorf("an entry that is not there: %v", err)
	}
}

func TestP17_ManyAtOnceShareOneSyncAndLoseNothing(t *testing.T) {
	d := newDesk(t, 100)
	var g sync.WaitGroup
	numbers := make([]uint64, 300)
	for i := range numbers {
		g.Go(func() {
			n, err := d.Append(t.Context(), search(fmt.Sprint(i)), search("second"))
			if err != nil {
				t.Errorf("Append: %v", err)
			}
			numbers[i] = n
		})
	}
	g.Wait()
	d.again()
	if r := d.sound(); r.Entries != 600 {
		t.Errorf("%d entries", r.Entries)
	}
	for i, n := range numbers {
		s, err := d.Entry(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if details, err := d.Details(s); err != nil || details.Of("terms") != fmt.Sprint(i) {
			t.Errorf("entry %d is not that of %d: %v %v", n, i, details, err)
		}
	}
}

func TestP17_AProofVerifiesWithNoChip(t *testing.T) {
	d := newDesk(t, 10)
	d.many(8)
	older, err := d.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.many(29)
	p, err := d.Prove(t.Context(), 12)
	if err != nil {
		t.Fatal(err)
	}
	_, chip, err := proof.ParseKey(proof.Key(d.keys.VaultID(), d.keys.Chip()))
	if err != nil {
		t.Fatal(err)
	}
	back, err := proof.Parse(p.Text())
	if err != nil {
		t.Fatal(err)
	}
	e, signed, err := back.Verify(chip)
	if err != nil || e.Action != entry.Search || e.Seq != 12 || signed.Size != 37 || signed.Counter == 0 || signed.Before != older.Hash() {
		t.Errorf("%v, entry %+v, checkpoint %+v", err, e, signed.Checkpoint)
	}
	hashes, err := d.Continues(older.Size, signed.Size)
	if err != nil {
		t.Fatal(err)
	}
	if err := proof.Continues(older.Checkpoint, signed.Checkpoint, hashes); err != nil {
		t.Error(err)
	}
	other := older.Checkpoint
	other.Root[0] ^= 1
	if err := proof.Continues(other, signed.Checkpoint, hashes); !errors.Is(err, proof.ErrNotProved) {
		t.Errorf("another log is said to go on: %v", err)
	}
	d.sound()
}

func TestP13_DetailsDieWithTheirSlotAndTheLogStaysWhole(t *testing.T) {
	d := newDesk(t, 10)
	if err := d.keys.Prepare(t.Context(), []string{"standard"}, d.now); err != nil {
		t.Fatal(err)
	}
	call, other := d.slot("standard"), d.slot("standard")
	a := Act{Who: entry.Somebody(keys.ID{Shard: 9, Slot: 1}), What: entry.Hear, About: []keys.ID{call}, Under: call, Details: Details{Say("tracks", "both")}}
	gone := d.write(a)
	a.Under, a.About = other, []keys.ID{other}
	kept := d.write(a)
	before, err := d.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.keys.Doom(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	if _, err := d.keys.Commit(t.Context(), keys.Change{}); err != nil {
		t.Fatal(err)
	}
	d.write(Act{What: entry.Erase, About: []keys.ID{call}, Under: call, Details: Details{Say("list", "1")}})
	d.again()
	s, err := d.Entry(t.Context(), gone)
	if err != nil {
		t.Fatal(err)
	}
	if details, err := d.Details(s); !errors.Is(err, ErrErased) {
		t.Errorf("the details of an erased call: %v, %v", details, err)
	}
	for _, n := range []uint64{kept, kept + 1} {
		if s, err = d.Entry(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		if details, err := d.Details(s); err != nil || len(details) != 1 {
			t.Errorf("entry %d: %v, %v", n, details, err)
		}
	}
	if r, err := d.Verify(t.Context(), before.Checkpoint); err != nil || len(r.Findings) > 0 {
		t.Errorf("the log is not whole: %v %v", err, r.Findings)
	}
}

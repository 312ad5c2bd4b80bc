package audit

import (
	"errors"
	"slices"
	"syscall"
	"testing"

	"linekeep/vault/audit/entry"
	"linekeep/vault/vaulttest/loopdisk"
)

// TestP17_OnAFullDiskNothingIsDoneUnwrittenAndTheLogGoesOnByItself fills a real ext4 to the brim again and again, with the ends of the
// log's files at other places in their blocks each time: so now the entries find no room, now the hashes of the tree.
func TestP17_OnAFullDiskNothingIsDoneUnwrittenAndTheLogGoesOnByItself(t *testing.T) {
	disk := loopdisk.New(t, 32<<20)
	d := newDeskIn(t, disk.Dir, 40)
	wrote, waited := 0, 0
	for range 24 {
		d.many(3)
		wrote += 3
		empty := disk.Fill(t)
		var err error
		for err == nil {
			if _, err = d.Append(t.Context(), search("4930")); err == nil {
				wrote++
			}
			if d.tree.Owed() > 0 {
				waited++
			}
		}
		if !errors.Is(err, ErrNotWritten) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("on a full disk: %v", err)
		}
		if err := d.Happened(t.Context(), Act{What: entry.SignOut}); err != nil {
			t.Fatalf("what is over already: %v", err)
		}
		empty()
		d.many(1)
		if err := d.catchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		wrote += 2
		if r := d.sound(); r.Entries != uint64(wrote) {
			t.Fatalf("%d entries, want %d", r.Entries, wrote)
		}
	}
	if waited == 0 {
		t.Error("the hashes always found room: that they need not is not shown")
	}
	proveAll(d)
	d.again()
	d.sound()
	proveAll(d)
}

func proveAll(d *desk) {
	d.t.Helper()
	for n := range d.Size() {
		if _, err := d.Prove(d.t.Context(), n); err != nil {
			d.t.Fatalf("entry %d: %v", n, err)
		}
	}
}

// TestP17_WhatHappenedOnAFullDiskIsToldOnceThereIsRoom: in its order and with its time, and what memory had no place for as a loss.
func TestP17_WhatHappenedOnAFullDiskIsToldOnceThereIsRoom(t *testing.T) {
	disk := loopdisk.New(t, 32<<20)
	d := newDeskIn(t, disk.Dir, 1000)
	d.many(5)
	empty := disk.Fill(t)
	for err := error(nil); err == nil; {
		_, err = d.Append(t.Context(), search("4930"))
	}
	size := d.Size()
	why := errors.New("the disk was full")
	if err := d.Undone(t.Context(), search("4930"), 3, why); err == nil || err.Error() != why.Error() {
		t.Errorf("a failure that cannot be written down: %v", err)
	}
	for range maxLate + 4 {
		if err := d.Happened(t.Context(), Act{What: entry.SignOut}); err != nil {
			t.Fatal(err)
		}
	}
	empty()
	if err := d.Close(); err != nil { // nothing else came by
		t.Fatal(err)
	}
	if found := d.Findings(); len(found) != 1 || !errors.Is(found[0], ErrLost) {
		t.Errorf("findings: %v", found)
	}
	d.open()
	var acts []entry.Action
	for n := size; n < d.Size(); n++ {
		s, err := d.Entry(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		acts = append(acts, s.Action)
		details, err := d.Details(s)
		if err != nil || s.Action != entry.LogLoss && details.Of("happened") == "" || s.Action == entry.LogLoss && details.Of("entries") != "5" {
			t.Errorf("entry %d: %v, %v", n, details, err)
		}
	}
	if len(acts) != maxLate+1 || acts[0] != entry.Search || acts[maxLate] != entry.LogLoss || slices.Contains(acts[:maxLate], entry.LogLoss) {
		t.Errorf("%d entries: %v", len(acts), acts)
	}
	d.sound()
}

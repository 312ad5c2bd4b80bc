package keys

import (
	"errors"

	"path/filepath"
	"slices"
	"testing"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/vault/envelope"
)

func mustDoom(t *testing.T, k *Keys, ids ...ID) {
	t.Helper()
	if err := k.Doom(t.Context(), ids...); err != nil {
		t.Fatalf("Doom: %v", err)
	}
}

func mustCommit(t *testing.T, k *Keys, change Change) Committed {
	t.Helper()
	done, err := k.Commit(t.Context(), change)
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	return done
}

// gone wants ids erased and the others as they were.
func gone(t *testing.T, k *Keys, erased []Slot, kept []Slot) {
	t.Helper()
	for _, s := range erased {
		if _, err := k.Slot(s.ID); !errors.Is(err, ErrNoSlot) {
			t.Errorf("erased slot %s: %v", s.ID, err)
		}
	}
	for _, s := range kept {
		if back, err := k.Slot(s.ID); err != nil || !back.Meta().Equal(s.Meta()) {
			t.Errorf("kept slot %s: %v", s.ID, err)
		}
	}
}

func slots(t *testing.T, k *Keys, n int) []Slot {
	t.Helper()
	all := make([]Slot, n)
	for i := range all {
		all[i] = mustNext(t, k, "standard", november)
	}
	return all
}

func TestACommitErasesWhatIsDoomedAndNothingElse(t *testing.T) {
	k, c, chip := newKeys(t)
	s := slots(t, k, 3)
	before := k.Epoch()
	mustDoom(t, k, s[1].ID)
	if !k.Doomed(s[1].ID) || k.Doomed(s[0].ID) || !slices.Equal(k.AllDoomed(), []ID{s[1].ID}) {
		t.Error("not doomed")
	}
	if _, err := k.Slot(s[1].ID); err != nil {
		t.Errorf("a doomed slot before the commit: %v", err) // what stands beside it is written anew with it
	}
	if k := mustOpen(t, c, chip); !k.Doomed(s[1].ID) {
		t.Error("the order is lost after opening again")
	}
	done := mustCommit(t, k, Change{})
	if done.Epoch != before+1 || done.Moves != 1 || !slices.Equal(done.Erased, []ID{s[1].ID}) || k.Epoch() != done.Epoch || len(k.AllDoomed()) != 0 {
		t.Errorf("committed %+v", done)
	}
	gone(t, k, s[1:2], []Slot{s[0], s[2]})
	again := mustOpen(t, c, chip)
	gone(t, again, s[1:2], []Slot{s[0], s[2]})
	if f := again.Verify(t.Context()); len(f) != 0 {
		t.Errorf("findings: %v", f)
	}
	if names, err := again.files.List(); err != nil || len(names) != 2 {
		t.Errorf("files left: %v, %v", names, err)
	}
	if next := mustNext(t, k, "standard", november); next.ID != (ID{Shard: 1, Slot: 3}) {
		t.Errorf("next is %s", next.ID)
	}
	mustDoom(t, k, s[1].ID) // erased already
	if done := mustCommit(t, k, Change{}); done.Epoch != before+1 || done.Moves != 0 {
		t.Errorf("a commit with nothing to do: %+v", done)
	}
	if err := k.Doom(t.Context(), ID{Shard: 9, Slot: 1}); !errors.Is(err, ErrNoSlot) {
		t.Errorf("an id that never was: %v", err)
	}
}

func TestAnOldCopyOfTheDiskIsRefusedAsOlderThanTheTPM(t *testing.T) {
	k, c, chip := newKeys(t)
	s := slots(t, k, 2)
	old := copied(t, c.Dir)
	past := chip.Clone()
	mustDoom(t, k, s[0].ID)
	mustCommit(t, k, Change{})
	if _, err := Open(t.Context(), old, chip); !errors.Is(err, ErrOlder) || !errors.Is(err, tpm.ErrRefused) || errors.Is(err, tpm.ErrUnavailable) {
		t.Errorf("got %v, want ErrOlder", err)
	}
	gone(t, mustOpen(t, old, past), nil, s) // the positive control: the chip's past state, which nobody has
}

func TestOfficeSlotsNeedNoJournal(t *testing.T) {
	k, c, chip := newKeys(t)
	seen := make(map[ID]bool)
	at := november
	for range 5 {
		for range officeStep + 1 {
			s := mustNext(t, k, Office, at)
			if seen[s.ID] || s.ID.Shard != 1 {
				t.Fatalf("slot %s", s.ID)
			}
			seen[s.ID] = true
		}
		at = at.AddDate(0, 2, 0)
		if len(k.Marks()) != 0 {
			t.Errorf("marks %v", k.Marks())
		}
		k = mustOpen(t, c, chip) // as after a power cut: nobody tells it any mark
		if err := k.Prepare(t.Context(), []string{Office}, at); err != nil {
			t.Fatal(err)
		}
	}
	k.office.next, k.office.reserved = k.office.end, k.office.end
	if s := mustNext(t, k, Office, at); s.ID != (ID{Shard: 2, Slot: 0}) {
		t.Errorf("after a full shard: %s", s.ID)
	}
	if info, err := k.Shard(2); err != nil || info.Class != Office || info.Month != MonthOf(at) {
		t.Errorf("shard 2 is %+v, %v", info, err)
	}
}

func TestADroppedMonthKeepsItsSurvivorsOnly(t *testing.T) {
	k, c, chip := newKeys(t)
	s := slots(t, k, 3)
	later := november.AddDate(0, 2, 0)
	k.clock = func() time.Time { return later }
	drop := MonthDrop{Class: "standard", Month: MonthOf(november), Keep: []ID{s[2].ID}}
	if _, err := k.Commit(t.Context(), Change{Months: []MonthDrop{{Class: "standard", Month: MonthOf(later)}}}); err == nil {
		t.Error("the month that goes on was dropped")
	}
	mustCommit(t, k, Change{Months: []MonthDrop{drop}})
	gone(t, k, s[:2], s[2:])
	if next := mustNext(t, k, "standard", november); next.ID.Shard == 1 {
		t.Errorf("slot %s of a dropped month", next.ID)
	}
	marks := []Mark{{Shard: 1, Next: 3}}
	again := mustOpen(t, c, chip)
	gone(t, again, s[:2], s[2:])
	drop.Keep = nil
	again.clock = k.clock
	mustCommit(t, again, Change{Months: []MonthDrop{drop}})
	gone(t, again, s, nil)
	if _, err := again.Shard(1); !errors.Is(err, ErrNoSlot) {
		t.Errorf("its line is still there: %v", err)
	}
	if files, err := filepath.Glob(filepath.Join(c.Dir, "standard-2026-11-1.*")); err != nil || len(files) != 0 {
		t.Errorf("its file is still there: %v", files)
	}
	last := mustOpen(t, c, chip)
	if err := last.Resume(marks, true); err != nil {
		t.Errorf("a mark of a dropped shard: %v", err)
	}
	mustDoom(t, last, s[0].ID) // gone already
}

func TestHandOverDestroysTheCommissioningKey(t *testing.T) {
	k, c, chip := newKeys(t)
	before, ok := k.Commissioning()
	if !ok {
		t.Fatal("no commissioning key")
	}
	value := *before.Bytes()
	if back, ok := mustOpen(t, c, chip).Commissioning(); !ok || *back.Bytes() != value {
		t.Error("another commissioning key after opening again")
	}
	old := copied(t, c.Dir)
	mustCommit(t, k, Change{EndCommissioning: true})
	if _, ok := k.Commissioning(); ok {
		t.Error("still there")
	}
	if _, ok := mustOpen(t, c, chip).Commissioning(); ok {
		t.Error("still there after opening again")
	}
	if _, err := Open(t.Context(), old, chip); !errors.Is(err, ErrOlder) {
		t.Errorf("an earlier image: %v", err)
	}
}

func TestTheSpareKeyIsReplaced(t *testing.T) {
	k, c, chip := newKeys(t)
	info := Info("data key")
	wrapped, err := k.Spare().Wrap(info, NewKey())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mustOpen(t, c, chip).OpenSpare(wrapped, info); err != nil {
		t.Errorf("OpenSpare: %v", err)
	}
	mustCommit(t, k, Change{NewSpare: true})
	if _, err := k.OpenSpare(wrapped, info); !errors.Is(err, envelope.ErrAltered) {
		t.Errorf("the old spare key opens: %v", err)
	}
	if again := mustOpen(t, c, chip); again.Spare().Bytes() != k.Spare().Bytes() {
		t.Error("another spare key after opening again")
	}
}

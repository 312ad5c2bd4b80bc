package keys

import (
	"errors"
	"testing"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/envelope"
)

// ground is a vault on paper with a slot handed out in it.
type ground struct {
	c        Config
	disk     *paper
	chip     *tpmtest.Memory
	recovery envelope.Private
	slot     Slot
}

func newGround(t *testing.T, backedUp bool) ground {
	t.Helper()
	g := ground{c: config("/keys"), disk: newPaper(), chip: tpmtest.NewMemory(), recovery: newRecovery(t)}
	k, err := create(t.Context(), g.c, g.chip, g.disk)
	if err != nil {
		t.Fatal(err)
	}
	if backedUp {
		if err := k.SetRecovery(t.Context(), g.recovery.Public()); err != nil {
			t.Fatal(err)
		}
	}
	g.slot = mustNext(t, k, "standard", november)
	return g
}

// everyStep does something to a copy of the vault once for each step of the disk and each way the power goes at it, and looks
// at what is there when the power is back.
func (g ground) everyStep(t *testing.T, do func(disk *paper, chip *tpmtest.Memory) error, look func(disk *paper, chip *tpmtest.Memory, done bool)) {
	t.Helper()
	rehearsal := g.disk.copyFor(-1, paperCut, 0)
	if err := do(rehearsal, g.chip.Clone()); err != nil {
		t.Fatal(err)
	}
	if rehearsal.steps < 15 {
		t.Fatalf("%d steps are not what is tested here", rehearsal.steps)
	}
	for mode := paperCut; mode < paperModes; mode++ {
		for step := range rehearsal.steps {
			disk, chip := g.disk.copyFor(step, mode, uint64(step)), g.chip.Clone()
			err := do(disk, chip)
			look(disk.restart(), chip, err == nil)
			if t.Failed() {
				t.Fatalf("disk %s at %d", mode, step)
			}
		}
	}
}

// sound wants a vault that opens with the slot in it and without a fault.
func (g ground) sound(t *testing.T, disk *paper, chip tpm.Sealer) *Keys {
	t.Helper()
	if _, err := open(t.Context(), g.c, chip, disk); err != nil { // this one mends
		t.Errorf("Open: %v", err)
		return nil
	}
	k, err := open(t.Context(), g.c, chip, disk)
	if err != nil {
		t.Errorf("Open: %v", err)
		return nil
	}
	gone(t, k, nil, []Slot{g.slot})
	if f := k.Verify(t.Context()); len(f) != 0 {
		t.Errorf("findings %v", f)
	}
	return k
}

func TestAPowerCutDuringRecoveryLeavesAVaultThatIsRecovered(t *testing.T) {
	g := newGround(t, true)
	var fresh *tpmtest.Memory
	g.everyStep(t, func(disk *paper, _ *tpmtest.Memory) error {
		fresh = tpmtest.NewMemory()
		_, err := recovered(t.Context(), g.c, fresh, g.recovery, disk)
		return err
	}, func(disk *paper, _ *tpmtest.Memory, _ bool) {
		if _, err := recovered(t.Context(), g.c, fresh, g.recovery, disk); err != nil {
			t.Errorf("Recover: %v", err)
			return
		}
		g.sound(t, disk, fresh)
		if owner, lockout, err := fresh.Owned(t.Context()); err != nil || !owner || !lockout {
			t.Errorf("owned: %t, %t, %v", owner, lockout, err)
		}
	})
}

func TestAPowerCutAtHandOverLeavesTheLockoutUnderTheRecoveryKeyOrUnset(t *testing.T) {
	g := newGround(t, false)
	g.everyStep(t, func(disk *paper, chip *tpmtest.Memory) error {
		k, err := open(t.Context(), g.c, chip, disk)
		if err != nil {
			return err
		}
		return k.SetRecovery(t.Context(), g.recovery.Public())
	}, func(disk *paper, chip *tpmtest.Memory, done bool) {
		k := g.sound(t, disk, chip)
		if k == nil {
			return
		}
		if _, set := k.Recovery(); done && !set {
			t.Error("the recovery key is lost")
		}
		if err := k.SetRecovery(t.Context(), g.recovery.Public()); err != nil {
			t.Errorf("again: %v", err)
			return
		}
		auth, err := k.root.Contents().Lockout.Open(k.VaultID(), g.recovery)
		if err != nil {
			t.Errorf("the lockout's authorisation: %v", err)
			return
		}
		if err := chip.Unlock(t.Context(), auth.Bytes()[:]); err != nil {
			t.Errorf("the chip has another: %v", err)
		}
	})
}

func TestAPowerCutDuringAnImportLeavesAllShardsOrNone(t *testing.T) {
	g := newGround(t, true)
	degraded, theirs := newDegraded(t)
	shards := mustExport(t, degraded)
	g.everyStep(t, func(disk *paper, chip *tpmtest.Memory) error {
		k, err := open(t.Context(), g.c, chip, disk)
		if err != nil {
			return err
		}
		return k.Import(t.Context(), shards)
	}, func(disk *paper, chip *tpmtest.Memory, done bool) {
		k := g.sound(t, disk, chip)
		if k == nil {
			return
		}
		there := 0
		for _, s := range theirs {
			if back, err := k.Slot(s.ID); err == nil && back.Meta().Equal(s.Meta()) {
				there++
			} else if !errors.Is(err, ErrNoSlot) {
				t.Errorf("slot %s: %v", s.ID, err)
			}
		}
		if there != len(theirs) && (there != 0 || done) {
			t.Errorf("%d of %d slots; done: %t", there, len(theirs), done)
		}
		if err := k.Import(t.Context(), shards); err != nil {
			t.Errorf("again: %v", err)
		}
		gone(t, k, nil, theirs)
	})
}

func TestAPowerCutAnywhereInADroppedMonthLeavesItOrItsSurvivors(t *testing.T) {
	g := newGround(t, true)
	later := november.AddDate(0, 3, 0)
	drop := Change{NewSpare: true, EndCommissioning: true, Months: []MonthDrop{{Class: "standard", Month: MonthOf(november)}}}
	g.c.Clock = func() time.Time { return later }
	g.everyStep(t, func(disk *paper, chip *tpmtest.Memory) error {
		k, err := open(t.Context(), g.c, chip, disk)
		if err != nil {
			return err
		}
		_, err = k.Commit(t.Context(), drop)
		return err
	}, func(disk *paper, chip *tpmtest.Memory, done bool) {
		k, err := open(t.Context(), g.c, chip, disk)
		if err != nil {
			t.Errorf("Open: %v", err)
			return
		}
		_, errSlot := k.Slot(g.slot.ID)
		_, commissioning := k.Commissioning()
		if errSlot == nil != commissioning || done && commissioning {
			t.Errorf("slot: %v; commissioning key there: %t; done: %t", errSlot, commissioning, done)
		}
		if _, err := k.Commit(t.Context(), drop); err != nil {
			t.Errorf("again: %v", err)
		}
		gone(t, k, []Slot{g.slot}, nil)
		names, err := k.files.List()
		if err != nil || len(names) != 2 { // the root and its backup
			t.Errorf("files left: %v, %v", names, err)
		}
	})
}

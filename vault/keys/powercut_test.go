package keys

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/keys/pair"
)

var errCut = errors.New("the power is cut")

func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// cutMode is what a power cut does to the step it hits.
type cutMode int

const (
	cutBefore cutMode = iota // nothing of the step is done
	cutHalf                  // a file is half written
	cutUndone                // what was renamed or removed since the folder was last synced is as it was
	cutModes
)

// cutDisk is a real disk whose power goes after some steps.
type cutDisk struct {
	pair.Disk
	left  int // steps until the cut
	steps int // steps done
	mode  cutMode
	cut   bool
	undo  map[string][]func() // by folder, not yet synced
}

func newCutDisk(left int, mode cutMode) *cutDisk {
	return &cutDisk{left: left, mode: mode, undo: make(map[string][]func())}
}

// step counts, and cuts when it is time.
func (d *cutDisk) step() bool {
	if d.cut {
		return false
	}
	if d.left == 0 {
		d.cut = true
		if d.mode == cutUndone {
			for _, changes := range d.undo {
				for i := len(changes) - 1; i >= 0; i-- {
					changes[i]()
				}
			}
		}
		return false
	}
	d.left--
	d.steps++
	return true
}

// before gives what brings a path back to what it is now.
func before(path string) func() {
	data, err := os.ReadFile(path)
	if err != nil {
		return func() { _ = os.Remove(path) } // it may never have come to be
	}
	return func() {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			panic(err)
		}
	}
}

func (d *cutDisk) Create(path string, data []byte) error {
	if !d.step() {
		if d.mode == cutHalf {
			_ = os.WriteFile(path, data[:len(data)/2], 0o600) // the folder may be gone: as good as nothing
			d.mode = cutBefore
		}
		return errCut
	}
	return d.Disk.Create(path, data)
}

func (d *cutDisk) Sync(path string) error {
	if !d.step() {
		return errCut
	}
	return d.Disk.Sync(path)
}

func (d *cutDisk) Rename(from, to string) error {
	old, new := before(from), before(to)
	if !d.step() {
		return errCut
	}
	dir := filepath.Dir(from)
	d.undo[dir] = append(d.undo[dir], func() { new(); old() })
	return d.Disk.Rename(from, to)
}

func (d *cutDisk) Remove(path string) error {
	old := before(path)
	if !d.step() {
		return errCut
	}
	dir := filepath.Dir(path)
	d.undo[dir] = append(d.undo[dir], old)
	return d.Disk.Remove(path)
}

func (d *cutDisk) SyncDir(dir string) error {
	if !d.step() {
		return errCut
	}
	d.undo[dir] = nil
	return d.Disk.SyncDir(dir)
}

// copied is a copy of a folder in a place of its own.
func copied(t *testing.T, dir string) Config {
	t.Helper()
	to := filepath.Join(t.TempDir(), "keys")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return config(to)
}

// whole checks that a vault after a power cut opens, has lost nothing and goes on.
func whole(t *testing.T, c Config, chip tpm.Sealer, slot Slot, grown bool) {
	t.Helper()
	k := mustOpen(t, c, chip)
	back, err := k.Slot(slot.ID)
	if err != nil || !back.Meta().Equal(slot.Meta()) {
		t.Fatalf("the slot from before: %v", err)
	}
	if n := len(k.Shards()); n != 1 && n != 2 || grown && n != 2 {
		t.Fatalf("%d shards", n)
	}
	for _, info := range k.Shards() {
		if _, err := k.Slot(ID{Shard: info.Number, Slot: 0}); err != nil {
			t.Fatalf("shard %d: %v", info.Number, err)
		}
	}
	fresh := mustNext(t, k, "standard", november.AddDate(0, 1, 0))
	again := mustOpen(t, c, chip)
	if f := again.Verify(t.Context()); len(f) != 0 {
		t.Fatalf("still wrong after it was mended: %v", f)
	}
	if _, err := again.Slot(fresh.ID); err != nil {
		t.Fatal(err)
	}
	if leftovers, err := filepath.Glob(filepath.Join(c.Dir, "*.new")); err != nil || len(leftovers) != 0 {
		t.Fatalf("leftovers %v", leftovers)
	}
}

func TestAPowerCutAtAnyStepOfARootWriteLeavesAVaultThatOpens(t *testing.T) {
	k, base, chip := newKeys(t)
	slot := mustNext(t, k, "standard", november)
	december := november.AddDate(0, 1, 0)
	grow := func(c Config, d *cutDisk, steps int, mode cutMode) error {
		d.left = 1000 // enough for the opening
		running, err := open(t.Context(), c, chip, d)
		if err != nil {
			t.Fatal(err)
		}
		d.left, d.steps, d.mode = steps, 0, mode
		return running.Prepare(t.Context(), []string{"standard"}, december)
	}
	rehearsal := newCutDisk(1000, cutBefore)
	if err := grow(copied(t, base.Dir), rehearsal, 1000, cutBefore); err != nil {
		t.Fatal(err)
	}
	if rehearsal.steps < 15 {
		t.Fatalf("a root write of %d steps is not what is tested here", rehearsal.steps)
	}
	for mode := range cutModes {
		for steps := range rehearsal.steps {
			c, d := copied(t, base.Dir), newCutDisk(0, mode)
			err := grow(c, d, steps, mode)
			if mode == cutHalf && d.mode == cutHalf {
				continue // this step writes no file: it was cut before, as in the first mode
			}
			if second := steps % 7; os.Getenv("LONG") != "" || mode == cutUndone { // and another one while it is put right
				_, _ = open(t.Context(), c, chip, newCutDisk(second, mode)) // what it says does not matter, what it leaves does
			}
			t.Run(fmt.Sprintf("mode %d step %d", mode, steps), func(t *testing.T) { whole(t, c, chip, slot, err == nil) })
		}
	}
}

func TestAPowerCutWhileAVaultIsMadeLeavesNoneOrOneThatOpens(t *testing.T) {
	for mode := range cutModes {
		for steps := range 40 {
			c, chip := config(filepath.Join(t.TempDir(), "keys")), tpmtest.NewMemory()
			if _, err := create(t.Context(), c, chip, newCutDisk(steps, mode)); err == nil {
				break // enough steps
			}
			_, err := Open(t.Context(), c, chip)
			if errors.Is(err, ErrNoVault) {
				_, err = Create(t.Context(), c, chip)
			}
			if err != nil {
				t.Errorf("mode %d step %d: %v", mode, steps, err)
			}
		}
	}
}

func TestAFullDiskOrASilentChipLeavesTheRootInForce(t *testing.T) {
	_, c, chip := newKeys(t)
	d := newCutDisk(1000, cutBefore)
	k, err := open(t.Context(), c, chip, d)
	if err != nil {
		t.Fatal(err)
	}
	slot := mustNext(t, k, "standard", november)
	december := november.AddDate(0, 1, 0)
	chip.Fail(tpm.ErrUnavailable)
	if _, err := k.Commit(t.Context(), Change{NewSpare: true}); !errors.Is(err, tpm.ErrUnavailable) {
		t.Errorf("silent chip: %v", err)
	}
	sinceSilent := mustNext(t, k, "high", november) // a new shard is of the same epoch, and needs no chip
	chip.Fail(nil)
	for steps := range 12 {
		d.left, d.cut = steps, false
		if _, err := k.Next(t.Context(), "standard", december); !errors.Is(err, errCut) {
			t.Fatalf("step %d: %v", steps, err)
		}
	}
	d.left, d.cut = 1000, false
	fresh := mustNext(t, k, "standard", december)
	again := mustOpen(t, c, chip)
	for _, s := range []Slot{slot, sinceSilent, fresh} {
		if back, err := again.Slot(s.ID); err != nil || !back.Meta().Equal(s.Meta()) {
			t.Errorf("%s: %v", s.ID, err)
		}
	}
	if f := again.Verify(t.Context()); len(f) != 0 {
		t.Errorf("findings %v", f)
	}
}

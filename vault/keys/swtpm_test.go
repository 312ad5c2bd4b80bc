package keys

import (
	"errors"
	"testing"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
)

// TestEveryCallOfACommitAtASoftwareTPM takes a real TPM's power away before and after each thing that is asked of it in a
// commit, when the counter moves twice: so between its two moves, too.
func TestEveryCallOfACommitAtASoftwareTPM(t *testing.T) {
	chip := tpmtest.Start(t)
	s := newSite(t, chip.Open(t), true)
	state := chip.Snapshot(t)
	again := func(mode flakyMode, call int) (calls int) {
		chip.Restore(t, state)
		faulty := &flaky{Sealer: chip.Open(t), mode: mode, hit: call, die: chip.Stop}
		s.run(t, cutPlan{step: -1, chip: mode, call: call, twice: -1}, faulty, func() tpm.Sealer {
			chip.Restart(t)
			return chip.Open(t)
		})
		return faulty.calls
	}
	calls := again(chipWell, 0)
	for call := range calls {
		again(chipDead, call)
		again(chipDeadAfter, call)
	}
}

func TestAnOldDiskAtASoftwareTPMIsOlderAndItsPastStateWouldOpenIt(t *testing.T) {
	chip, c := tpmtest.Start(t), config(t.TempDir())
	k, err := Create(t.Context(), c, chip.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	s := slots(t, k, 2)
	disk, past := copied(t, c.Dir), chip.Snapshot(t)
	mustDoom(t, k, s[0].ID)
	done := mustCommit(t, k, Change{})
	if _, err := Open(t.Context(), disk, chip.Open(t)); !errors.Is(err, ErrOlder) {
		t.Errorf("got %v, want ErrOlder", err)
	}
	certificate, err := k.Certify(t.Context(), [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	if at, err := tpm.Verify(k.Chip(), certificate, [32]byte{1}); err != nil || at != done.Epoch {
		t.Errorf("the certificate says %d, %v", at, err)
	}
	chip.Restore(t, past)
	gone(t, mustOpen(t, disk, chip.Open(t)), nil, s)
}

package keys

import (
	"context"
	"errors"
	"testing"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/keys/root"
)

// lose fails the whole chip at one of its calls.
func lose(m *tpmtest.Memory, hit int, mode flakyMode) *flaky {
	return &flaky{Sealer: m, mode: mode, hit: hit}
}

func TestTheOwnersAuthorisationIsOnTheDiskBeforeTheChipHasIt(t *testing.T) {
	for hit := range 12 { // whichever call is lost or stops, creating or at the opening after it
		for mode := chipLost; mode < chipModes; mode++ {
			c, memory := config(t.TempDir()), tpmtest.NewMemory()
			if k, err := Create(t.Context(), c, lose(memory, hit, mode)); err == nil {
				_ = k.Close()
			}
			k, err := Open(t.Context(), c, memory)
			if errors.Is(err, ErrNoVault) {
				k, err = Create(t.Context(), c, memory)
			}
			if err != nil {
				t.Fatalf("call %d %s: %v", hit, mode, err)
			}
			if owner, lockout, err := memory.Owned(t.Context()); err != nil || !owner || lockout {
				t.Fatalf("call %d %s: owned %t, %t, %v", hit, mode, owner, lockout, err)
			}
			s := slots(t, k, 1)
			mustDoom(t, k, s[0].ID)
			mustCommit(t, k, Change{}) // which takes the right authorisation
		}
	}
}

func TestTheLockoutsAuthorisationIsOnlyEverUnderTheRecoveryKey(t *testing.T) {
	for hit := range 10 {
		for mode := chipLost; mode < chipModes; mode++ {
			k, c, memory := newKeys(t)
			if err := k.Close(); err != nil {
				t.Fatal(err)
			}
			recovery := newRecovery(t)
			if k, err := Open(t.Context(), c, lose(memory, hit, mode)); err == nil {
				_ = k.SetRecovery(t.Context(), recovery.Public()) // what it says does not matter, what it leaves does
			}
			k = mustOpen(t, c, memory)
			if err := k.SetRecovery(t.Context(), recovery.Public()); err != nil {
				t.Fatalf("call %d %s: %v", hit, mode, err)
			}
			wrapped := k.root.Contents().Lockout
			auth, err := wrapped.Open(k.VaultID(), recovery)
			if err != nil {
				t.Fatalf("call %d %s: %v", hit, mode, err)
			}
			if err := memory.Unlock(t.Context(), auth.Bytes()[:]); err != nil {
				t.Fatalf("call %d %s: the chip has another: %v", hit, mode, err)
			}
			if b := backupOf(t, c); b.To != recovery.Public().Bytes() {
				t.Fatalf("call %d %s: backup for another key", hit, mode)
			}
		}
	}
}

func TestAVaultTakesNoChipOfAnother(t *testing.T) {
	_, c, chip := newKeys(t)
	if _, err := Create(t.Context(), config(t.TempDir()), chip); !errors.Is(err, tpm.ErrOwned) {
		t.Errorf("a second vault on one chip: %v", err)
	}
	other, _, otherChip := newKeys(t)
	slots(t, other, 1)
	if _, err := Open(t.Context(), c, otherChip); !errors.Is(err, ErrOtherChip) || errors.Is(err, ErrOlder) {
		t.Errorf("the chip of another vault: %v", err)
	}
	chip.Clear()
	if _, err := Open(t.Context(), c, chip); !errors.Is(err, tpm.ErrRefused) || errors.Is(err, tpm.ErrUnavailable) {
		t.Errorf("a chip that was cleared: %v", err)
	}
}

func TestAStateThatTheVendorDidNotSignIsRefusedAndTheRootStays(t *testing.T) {
	k, c, chip := newKeys(t)
	s := slots(t, k, 1)
	chip.Distrust(true)
	if _, err := Open(t.Context(), c, chip); !errors.Is(err, tpm.ErrRefused) || errors.Is(err, ErrOlder) || errors.Is(err, ErrOtherChip) {
		t.Errorf("got %v, want a refusal by the chip", err)
	}
	chip.Distrust(false)
	gone(t, mustOpen(t, c, chip), nil, s)
}

func TestWithinAnEpochARootOnlyGains(t *testing.T) {
	k, _, _, _ := newBackedUp(t)
	var before *root.Contents
	for range 4 {
		now := k.root.Contents()
		if before != nil {
			for _, l := range before.Shards {
				if same, ok := now.Shard(l.Number); !ok || same.Hash != l.Hash {
					t.Errorf("shard %d is not as it was", l.Number)
				}
			}
			for _, id := range before.Doomed {
				if !now.IsDoomed(id) {
					t.Errorf("the order for %s is gone", id)
				}
			}
			if now.Spent < before.Spent || now.NextShard < before.NextShard || !now.Vault.Equal(before.Vault) || !now.Spare.Equal(before.Spare) {
				t.Error("something was taken away or replaced")
			}
		}
		before = now
		s := mustNext(t, k, "standard", november)
		mustDoom(t, k, s.ID)
		mustNext(t, k, Office, november)
		mustNext(t, k, "class", november)
	}
	if k.Epoch() != before.Spent-1 {
		t.Errorf("epoch %d, spent %d", k.Epoch(), before.Spent)
	}
}

func TestAnEpochIsSealedForOnce(t *testing.T) {
	k, c, memory := newKeys(t)
	s := slots(t, k, 2)
	mustDoom(t, k, s[0].ID)
	first := k.Epoch()
	sealing := &sealing{flaky: lose(memory, -1, chipWell), byEpoch: map[uint64]int{}}
	k, err := Open(t.Context(), c, sealing)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // each attempt writes its root, and then the chip does not move
		sealing.stuck = true
		if _, err := k.Commit(t.Context(), Change{}); !errors.Is(err, tpm.ErrUnavailable) || errors.Is(err, ErrUnfinished) {
			t.Fatalf("Commit: %v", err)
		}
		if k.Epoch() != first || k.Unfinished() {
			t.Errorf("epoch %d after an attempt that was given up", k.Epoch())
		}
		gone(t, k, nil, s)
	}
	sealing.stuck = false
	done := mustCommit(t, k, Change{})
	if done.Epoch != first+5 || done.Moves != 5 { // the one announced before the opening, three attempts, this one
		t.Errorf("committed %+v, the first epoch was %d", done, first)
	}
	for epoch, n := range sealing.byEpoch {
		if epoch > first && n != 1 {
			t.Errorf("sealed %d times for epoch %d", n, epoch)
		}
	}
	gone(t, mustOpen(t, c, memory), s[:1], s[1:])
}

func TestAChipThatStopsBetweenTwoMovesLeavesTheNewStateAndIsMovedOnAtTheOpening(t *testing.T) {
	k, c, memory := newKeys(t)
	s := slots(t, k, 2)
	mustDoom(t, k, s[0].ID)
	first := k.Epoch()
	k, err := Open(t.Context(), c, &flaky{Sealer: memory, mode: chipStops})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Commit(t.Context(), Change{}); !errors.Is(err, ErrUnfinished) || !errors.Is(err, tpm.ErrUnavailable) {
		t.Errorf("Commit: %v", err)
	}
	if !k.Unfinished() {
		t.Error("it is called finished")
	}
	if at, err := memory.Epoch(t.Context()); err != nil || at != first+1 {
		t.Fatalf("the chip stands at %d, %v", at, err)
	}
	again := mustOpen(t, c, memory)
	gone(t, again, s[:1], s[1:])
	if at, err := memory.Epoch(t.Context()); err != nil || at != first+2 || again.Epoch() != at || again.Unfinished() {
		t.Errorf("the chip stands at %d, the root at %d, %v", at, again.Epoch(), err)
	}
}

// While the chip does not say whether it moved, recording goes on with the slots there are, and no root is written.
func TestAfterALostWordNoRootIsWrittenUntilTheChipSpeaksAgain(t *testing.T) {
	for _, happened := range []bool{false, true} {
		k, c, memory := newKeys(t)
		s := slots(t, k, 2)
		mode := chipDead
		if happened {
			mode = chipDeadAfter
		}
		counting := lose(memory, -1, chipWell)
		k, err := Open(t.Context(), c, counting)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Resume([]Mark{{Shard: 1, Next: 2}}, true); err != nil {
			t.Fatal(err)
		}
		mustDoom(t, k, s[0].ID)
		counting.mode, counting.hit, counting.calls = mode, 2, 0 // Seal, Unseal, and this is the move
		if _, err := k.Commit(t.Context(), Change{}); !errors.Is(err, ErrUnfinished) || !k.Unfinished() {
			t.Fatalf("Commit: %v", err)
		}
		mustNext(t, k, "standard", november)
		if err := k.Doom(t.Context(), s[1].ID); !errors.Is(err, ErrUnfinished) {
			t.Errorf("Doom: %v", err)
		}
		if _, err := k.Next(t.Context(), "standard", november.AddDate(0, 1, 0)); !errors.Is(err, ErrUnfinished) {
			t.Errorf("Next: %v", err)
		}
		counting.dead, counting.mode = false, chipWell
		done := mustCommit(t, k, Change{})
		if k.Unfinished() || happened == (done.Moves > 0) {
			t.Errorf("finished by %+v; it had happened: %t", done, happened)
		}
		gone(t, k, s[:1], s[1:])
		gone(t, mustOpen(t, c, memory), s[:1], s[1:])
	}
}

func TestTwentyMovesADayAreFreeAndThenOneAnHour(t *testing.T) {
	_, c, chip := newKeys(t)
	now := november
	c.Clock = func() time.Time { return now }
	k := mustOpen(t, c, chip)
	for n := range 20 {
		if w := k.Wear(); w.Today != n || w.Budget != 20 || w.Total != uint64(n) || !k.Due().Equal(now) {
			t.Fatalf("before commit %d: %+v, due %v", n, w, k.Due())
		}
		mustCommit(t, k, Change{NewSpare: true})
	}
	if due := k.Due(); !due.Equal(now.Add(time.Hour)) {
		t.Errorf("due %v", due)
	}
	now = now.Add(59 * time.Minute)
	if due := k.Due(); !due.Equal(november.Add(time.Hour)) {
		t.Errorf("due %v", due)
	}
	now = now.Add(time.Minute)
	if due := k.Due(); !due.Equal(now) {
		t.Errorf("due %v", due)
	}
	again := mustOpen(t, c, chip)
	if w := again.Wear(); w.Today != 20 || w.Total != 20 {
		t.Errorf("after opening again: %+v", w)
	}
	now = november.AddDate(0, 0, 1)
	if w := k.Wear(); w.Today != 0 || w.Total != 20 || !k.Due().Equal(now) {
		t.Errorf("on the next day: %+v, due %v", w, k.Due())
	}
	now = november.AddDate(0, 0, -7) // a clock put back does not put erasure off for a week
	if due := k.Due(); !due.Equal(now) {
		t.Errorf("with the clock put back: %v", due)
	}
}

// sealing counts for which epoch it was asked to seal, and loses every move while it is stuck.
type sealing struct {
	*flaky
	byEpoch map[uint64]int
	stuck   bool
}

func (s *sealing) Seal(ctx context.Context, secret []byte, epoch uint64) (tpm.Blob, error) {
	s.byEpoch[epoch]++
	return s.flaky.Seal(ctx, secret, epoch)
}

func (s *sealing) Advance(ctx context.Context, owner []byte, from uint64) (uint64, error) {
	if s.stuck {
		return 0, errChip
	}
	return s.flaky.Advance(ctx, owner, from)
}

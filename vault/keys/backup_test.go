package keys

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/envelope"
	"linekeep/vault/keys/root"
)

func newRecovery(t testing.TB) envelope.Private {
	t.Helper()
	p, err := envelope.New()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// newBackedUp makes a vault with a recovery key.
func newBackedUp(t *testing.T) (*Keys, Config, *tpmtest.Memory, envelope.Private) {
	t.Helper()
	k, c, chip := newKeys(t)
	recovery := newRecovery(t)
	if err := k.SetRecovery(t.Context(), recovery.Public()); err != nil {
		t.Fatal(err)
	}
	return k, c, chip, recovery
}

// backupOf reads the key backup.
func backupOf(t *testing.T, c Config) root.Backup {
	t.Helper()
	b, err := root.ParseBackup(read(t, both(c, root.BackupName)[0]))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheKeyBackupIsOfTheRootInForceAfterEachWriting(t *testing.T) {
	k, c, chip, _ := newBackedUp(t)
	check := func(k *Keys) {
		t.Helper()
		copies := both(c, root.BackupName)
		if !bytes.Equal(read(t, copies[0]), read(t, copies[1])) || !bytes.Equal(backupOf(t, c).Root, k.root.File()) {
			t.Error("the backup is of another root")
		}
		if b := k.Backup(); b.Off || b.Err != nil || !b.At.Equal(november) {
			t.Errorf("state %+v", b)
		}
	}
	check(k)
	s := slots(t, k, 2) // a new shard
	check(k)
	mustDoom(t, k, s[0].ID)
	check(k)
	mustCommit(t, k, Change{})
	check(k)
	mustCommit(t, k, Change{NewSpare: true})
	check(k)
	for _, path := range both(c, root.BackupName) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if f := k.Verify(t.Context()); len(f) != 1 || k.Backup().Err == nil {
		t.Errorf("a lost backup: findings %v, state %+v", f, k.Backup())
	}
	if _, err := k.Commit(t.Context(), Change{NewSpare: true}); err != nil {
		t.Errorf("a commit after it: %v", err) // announcing its epoch wrote another
	}
	check(k)
	for _, path := range both(c, root.BackupName) {
		flip(t, path, 100, 1)
	}
	check(mustOpen(t, c, chip))
}

func TestWithoutARecoveryKeyOrWithNoCopyOnTheBoxThereIsNoBackup(t *testing.T) {
	k, c, chip := newKeys(t)
	none := func(k *Keys) {
		t.Helper()
		for _, path := range both(c, root.BackupName) {
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: %v", path, err)
			}
		}
		if b := k.Backup(); !b.Off || b.Err != nil {
			t.Errorf("state %+v", b)
		}
	}
	none(k)
	if err := k.SetRecovery(t.Context(), newRecovery(t).Public()); err != nil {
		t.Fatal(err)
	}
	c.NoBackup = true
	k = mustOpen(t, c, chip)
	none(k)
	s := slots(t, k, 1)
	mustDoom(t, k, s[0].ID)
	mustCommit(t, k, Change{})
	none(k)
}

func TestAVaultIsRecoveredOntoANewChipAndWhatWasErasedStaysErased(t *testing.T) {
	k, c, old, recovery := newBackedUp(t)
	s := slots(t, k, 3)
	office := mustNext(t, k, Office, november)
	mustDoom(t, k, s[0].ID)
	mustCommit(t, k, Change{})
	mustDoom(t, k, s[1].ID) // ordered, not yet done
	vaultID, folder := k.VaultID(), k.Folder("catalog")
	chip := tpmtest.NewMemory()
	if _, err := Open(t.Context(), c, chip); !errors.Is(err, tpm.ErrNotReady) || !errors.Is(err, tpm.ErrRefused) {
		t.Errorf("a chip as from the factory: %v", err)
	}
	if _, err := Recover(t.Context(), c, chip, newRecovery(t)); !errors.Is(err, ErrWrongKey) {
		t.Errorf("another recovery key: %v", err)
	}
	r, err := Recover(t.Context(), c, chip, recovery)
	if err != nil {
		t.Fatalf("Recover: %v", err)
	}
	check := func(r *Keys) {
		t.Helper()
		gone(t, r, s[:1], append(s[1:], office))
		if r.VaultID() != vaultID || !r.Folder("catalog").Equal(folder) || !r.Doomed(s[1].ID) {
			t.Error("not the same vault")
		}
		if f := r.Verify(t.Context()); len(f) != 0 {
			t.Errorf("findings: %v", f)
		}
		if owner, lockout, err := chip.Owned(t.Context()); err != nil || !owner || !lockout {
			t.Errorf("owned: %t, %t, %v", owner, lockout, err)
		}
		if epoch, err := chip.Epoch(t.Context()); err != nil || epoch != r.Epoch() {
			t.Errorf("the chip stands at %d, the root at %d, %v", epoch, r.Epoch(), err)
		}
	}
	check(r)
	if w := r.Wear(); w.Total != 0 {
		t.Errorf("the new chip is worn: %+v", w)
	}
	check(mustOpen(t, c, chip))
	mustCommit(t, r, Change{NewSpare: true})
	gone(t, mustOpen(t, c, chip), s[:2], append(s[2:], office))
	if _, err := Open(t.Context(), c, old); !errors.Is(err, ErrOtherChip) || !errors.Is(err, tpm.ErrRefused) {
		t.Errorf("the old chip: %v", err)
	}
	if names, err := r.files.List(); err != nil || len(names) != 4 { // root, backup, two shards
		t.Errorf("files left: %v, %v", names, err)
	}
	other, _, taken := newKeys(t)
	if _, err := Recover(t.Context(), c, taken, recovery); !errors.Is(err, tpm.ErrOwned) {
		t.Errorf("onto the chip of another vault: %v", err)
	}
	slots(t, other, 1)
}

func TestAVaultIsRecoveredOntoItsOwnChipAfterAnOldDiskWasPutBack(t *testing.T) {
	k, c, chip, recovery := newBackedUp(t)
	s := slots(t, k, 2)
	old := copied(t, c.Dir)
	mustDoom(t, k, s[0].ID)
	mustCommit(t, k, Change{})
	was := k.Epoch()
	if _, err := Open(t.Context(), old, chip); !errors.Is(err, ErrOlder) {
		t.Fatal(err)
	}
	r, err := Recover(t.Context(), old, chip, recovery)
	if err != nil {
		t.Fatalf("Recover: %v", err)
	}
	gone(t, r, nil, s) // as THREATS.md says: who has the code and an old copy of the disk undoes what was erased since
	if r.Epoch() <= was || r.Unfinished() {
		t.Errorf("epoch %d after %d", r.Epoch(), was)
	}
	mustDoom(t, r, s[0].ID) // the erased list is replayed
	mustCommit(t, r, Change{})
	gone(t, mustOpen(t, old, chip), s[:1], s[1:])
	if _, err := Open(t.Context(), c, chip); !errors.Is(err, ErrOlder) {
		t.Errorf("the disk that was left behind: %v", err)
	}
}

func TestRecoverOpensWhatOpensAndDoesNothingElse(t *testing.T) {
	k, c, chip, recovery := newBackedUp(t)
	s := slots(t, k, 1)
	before := k.root.ID()
	r, err := Recover(t.Context(), c, chip, recovery)
	if err != nil || r.root.ID() != before {
		t.Errorf("Recover: %v", err)
	}
	gone(t, r, nil, s)
	if err := r.SetRecovery(t.Context(), recovery.Public()); err != nil {
		t.Errorf("the same key again: %v", err)
	}
	if err := r.SetRecovery(t.Context(), newRecovery(t).Public()); !errors.Is(err, ErrRecoverySet) {
		t.Errorf("another key: %v", err)
	}
	bare, config, _ := newKeys(t)
	slots(t, bare, 1)
	if _, err := Recover(t.Context(), config, tpmtest.NewMemory(), recovery); !errors.Is(err, ErrNoBackup) {
		t.Errorf("no backup: %v", err)
	}
}

func TestShardsNewerThanTheBackupAreNamedAndTheirNumbersNeverUsedAgain(t *testing.T) {
	k, c, _, recovery := newBackedUp(t)
	s := slots(t, k, 1)
	copies := both(c, root.BackupName)
	old := read(t, copies[0])
	lost := mustNext(t, k, "standard", november.AddDate(0, 1, 0))
	for _, path := range copies {
		write(t, path, old)
	}
	r, err := Recover(t.Context(), c, tpmtest.NewMemory(), recovery)
	if err != nil {
		t.Fatalf("Recover: %v", err)
	}
	gone(t, r, []Slot{lost}, s)
	if len(r.Findings()) == 0 {
		t.Error("nothing is said of it")
	}
	if err := r.Resume([]Mark{{Shard: lost.ID.Shard, Next: 1}}, true); err != nil {
		t.Errorf("its mark: %v", err)
	}
	if next := mustNext(t, r, "standard", november); next.ID.Shard <= lost.ID.Shard {
		t.Errorf("next is %s after %s was lost", next.ID, lost.ID)
	}
}

func TestANewRecoveryKeyEndsTheOldOneAndTheShardsItKnew(t *testing.T) {
	k, c, chip, old := newBackedUp(t)
	s := slots(t, k, 1)
	office := mustNext(t, k, Office, november)
	marks := k.Marks()
	before := backupOf(t, c)
	fresh := newRecovery(t)
	public := fresh.Public()
	mustCommit(t, k, Change{Recovery: &public, OldRecovery: &old})
	b := backupOf(t, c)
	if _, err := b.Open(old); !errors.Is(err, ErrWrongKey) {
		t.Errorf("the old key opens the new backup: %v", err)
	}
	contents, err := b.Open(fresh)
	if err != nil {
		t.Fatalf("the new key: %v", err)
	}
	auth, err := contents.Lockout.Open(k.VaultID(), fresh)
	if err != nil {
		t.Fatalf("the lockout's authorisation under the new key: %v", err)
	}
	if err := chip.Unlock(t.Context(), auth.Bytes()[:]); err != nil {
		t.Errorf("the chip does not take it: %v", err)
	}
	known, err := before.Open(old)
	if err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, c, chip)
	if err := again.Resume(marks, true); err != nil {
		t.Fatal(err)
	}
	for _, k := range []*Keys{k, again} {
		for _, class := range []string{"standard", Office} {
			if next := mustNext(t, k, class, november); known.Knew(next.ID.Shard) {
				t.Errorf("slot %s is in a shard that the old backup opens", next.ID)
			}
		}
	}
	gone(t, again, nil, append(s, office))
}

package vault_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault"
	"linekeep/vault/custody"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/loopdisk"
	"linekeep/vault/vaulttest/talk"
)

// onTPM is a vault on a software TPM that the test can switch off, wipe and lock.
func onTPM(t *testing.T) (*vaulttest.Vault, *tpmtest.Chip) {
	t.Helper()
	chip := tpmtest.Start(t)
	return vaulttest.NewOn(t, "", chip.Open(t)), chip
}

// shut sees that the vault does not open, and records beside it. It gives how long that took, from asking the chip to the
// first stored sound.
func shut(t *testing.T, v *vaulttest.Vault, want error, k *talk.Talk) (*beside, time.Duration) {
	t.Helper()
	began := time.Now()
	_, err := vault.Open(t.Context(), v.Config, v.Chip, v.Log)
	if !vault.Locked(err) || !errors.Is(err, want) {
		t.Fatalf("Open: %v, want %v", err, want)
	}
	b := openBeside(t, v, err)
	groups := k.Groups(2, true, false)
	for i := range groups {
		if err := b.Commit(t.Context(), &groups[i]); err != nil {
			t.Fatalf("Commit: %v", err)
		}
	}
	return b, time.Since(began)
}

func TestTheTPMIsKilledInMidCall(t *testing.T) {
	v, chip := onTPM(t)
	v.Start()
	start := time.Now().Add(-time.Hour)
	up, next := talkAt(0, start), talkAt(1, start)
	v.Say(up.Groups(3, true, false)...)
	chip.Stop()
	v.Say(up.Groups(3, false, true)...) // the call goes on as if nothing were
	v.Record(next, 4)                   // and so does the next one
	if err := v.Heartbeat(t.Context()); err != nil {
		t.Errorf("Heartbeat: %v", err)
	}
	v.Stop()
	beyond := talkAt(2, start)
	b, took := shut(t, v, tpm.ErrUnavailable, beyond)
	t.Logf("recording %v after the start", took)
	b.stop() // in mid-call
	chip.Restart(t)
	v.Start()
	merged(t, v)
	said{up, next, beyond}.play(t, v)
	v.Stop()
}

func TestTheTPMsStateIsWiped(t *testing.T) {
	v, chip := onTPM(t)
	v.Start()
	start := time.Now().Add(-time.Hour)
	before, meanwhile := talkAt(0, start), talkAt(1, start)
	v.Record(before, 4)
	v.Stop()
	chip.Wipe(t)
	v.Chip = chip.Open(t)
	b, took := shut(t, v, tpm.ErrNotReady, meanwhile)
	t.Logf("recording %v after the start", took)
	if err := vault.Recover(t.Context(), v.Config, v.Chip, custody.NewCode(), v.Log); !errors.Is(err, vault.ErrWrongCode) {
		t.Errorf("Recover with another box's code: %v", err)
	}
	if err := vault.Recover(t.Context(), v.Config, v.Chip, v.Code, v.Log); err != nil { // while the box records
		t.Fatalf("Recover: %v", err)
	}
	b.stop()
	v.Start()
	merged(t, v)
	said{before, meanwhile}.play(t, v)
	after := talkAt(2, start)
	v.Record(after, 4)
	v.Stop()
	v.Start()
	said{before, meanwhile, after}.play(t, v)
	if err := vault.Recover(t.Context(), v.Config, v.Chip, v.Code, v.Log); !errors.Is(err, vault.ErrLocked) {
		t.Errorf("Recover of a vault that is open: %v", err)
	}
	v.Stop()
}

// The lockout is for accounts alone: nothing of the vault's own is under it.
func TestTheTPMIsLockedByWrongPasswords(t *testing.T) {
	v, chip := onTPM(t)
	v.Start()
	start := time.Now().Add(-time.Hour)
	up := talkAt(0, start)
	v.Say(up.Groups(3, true, false)...)
	people := chip.Open(t)
	right, wrong := bytes.Repeat([]byte{1}, tpm.AuthSize), bytes.Repeat([]byte{2}, tpm.AuthSize)
	account, err := people.NewAccount(t.Context(), right)
	if err != nil {
		t.Fatal(err)
	}
	for range tpm.LockoutAfter {
		if _, err := people.OpenAccount(t.Context(), account.Secret, wrong); err == nil {
			t.Fatal("a wrong password opens the account")
		}
	}
	if _, err := people.OpenAccount(t.Context(), account.Secret, right); !errors.Is(err, tpm.ErrLocked) {
		t.Fatalf("the chip is not locked: %v", err)
	}
	v.Say(up.Groups(3, false, true)...)
	v.Settle()
	v.Stop()
	v.Start() // the root opens while accounts are locked
	after := talkAt(1, start)
	v.Record(after, 4)
	said{up, after}.play(t, v)
	if f := v.Findings(); len(f) > 0 {
		t.Errorf("Findings: %v", f)
	}
	v.Stop()
}

func TestTheTPMIsAbsentAtBoot(t *testing.T) {
	v, chip := onTPM(t)
	v.Start()
	start := time.Now().Add(-time.Hour)
	before, meanwhile := talkAt(0, start), talkAt(1, start)
	v.Record(before, 4)
	v.Stop()
	chip.Stop()
	b, took := shut(t, v, tpm.ErrUnavailable, meanwhile)
	t.Logf("recording %v after the start", took)
	rest := meanwhile.Groups(140, false, true)
	for i := range rest {
		if err := b.Commit(t.Context(), &rest[i]); err != nil {
			t.Fatalf("Commit: %v", err)
		}
	}
	b.stop()
	chip.Restart(t)
	v.Start()
	merged(t, v)
	said{before, meanwhile}.play(t, v)
	v.Stop()
}

// A power cut beside the vault costs no more than one beside none: every group that was said to be stored is there.
func TestAPowerCutBesideTheVaultLosesNothingStored(t *testing.T) {
	rounds := 2
	if long() {
		rounds = 20
	}
	disk := loopdisk.New(t, 512<<20)
	memory := tpmtest.NewMemory()
	v := vaulttest.NewOn(t, filepath.Join(disk.Dir, "vault"), memory)
	r := startRecorder(t, orders{Dir: v.Config.Dir, Beside: true})
	for round := range rounds {
		<-time.After(between())
		signal(t, r, syscall.SIGSTOP)
		vaulttest.Eventually(t, 10*time.Second, "the child has stopped", func() bool { return state(t, r) == "T" })
		t.Run(fmt.Sprint("cut ", round), func(t *testing.T) {
			cut := disk.Cut(t)
			after := v.Elsewhere(t, filepath.Join(cut.Dir, "vault"))
			after.Chip = memory.Clone() // each cut has a chip of its own, whose counter the merge moves
			after.Start()
			merged(t, after)
			after.Settle()
			r.acked.holds(t, after)
			after.Stop()
		})
		signal(t, r, syscall.SIGCONT)
		if t.Failed() {
			break
		}
	}
	r.kill()
}

func TestNothingRecordedBesideTheVaultIsInClear(t *testing.T) {
	var logged bytes.Buffer
	memory := tpmtest.NewMemory()
	v := vaulttest.NewOn(t, "", memory)
	v.Log = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))
	wanted := secrets(t, v)
	b := lock(t, v, memory, tpm.ErrUnavailable)
	b.record(marked(t, 1), 130, true)
	b.record(marked(t, 2), 30, false)
	if found := look(t, v.Config.Dir, wanted); len(found) > 0 {
		t.Errorf("in clear, while recording: %v", found)
	}
	b.stop()
	if found := look(t, v.Config.Dir, wanted); len(found) > 0 {
		t.Errorf("in clear, stopped: %v", found)
	}
	memory.Fail(nil)
	v.Start()
	merged(t, v)
	if found := look(t, v.Config.Dir, wanted); len(found) > 0 {
		t.Errorf("in clear, merged: %v", found)
	}
	v.Stop()
	for what, marker := range wanted {
		if bytes.Contains(logged.Bytes(), marker) {
			t.Errorf("the log tells %s", what)
		}
	}
	control := t.TempDir()
	if err := os.WriteFile(filepath.Join(control, "x"), bytes.Join([][]byte{wanted["the number"], wanted["the tone"]}, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	if found := look(t, control, wanted); len(found) != 2 {
		t.Errorf("the search finds %v of two things in clear", found)
	}
}

package vault_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault"
	"linekeep/vault/catalog"
	"linekeep/vault/custody"
	"linekeep/vault/keys"
	"linekeep/vault/store"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/talk"
)

func TestRunAndCloseLeaveNoGoroutineBehind(t *testing.T) {
	v := vaulttest.NewOn(t, "", tpmtest.NewMemory())
	v.Start() // once before: what Badger's libraries start, they start once for the process
	v.Stop()
	ignore := goleak.IgnoreCurrent()
	v.Start()
	v.Record(talk.New(1, time.Now()), 130)
	v.Stop()
	goleak.VerifyNone(t, ignore)
}

func TestAVaultIsOpenInOneProcessOnly(t *testing.T) {
	v := vaulttest.New(t, "")
	if _, err := vault.Open(t.Context(), v.Config, v.Chip, v.Log); !errors.Is(err, vault.ErrLocked) {
		t.Errorf("a second Open: %v", err)
	}
	if _, err := vault.CheckStopped(t.Context(), v.Config, v.Chip, v.Log); !errors.Is(err, vault.ErrLocked) {
		t.Errorf("an offline check of a vault that runs: %v", err)
	}
	v.Stop()
	if err := vault.Create(t.Context(), v.Config, v.Chip); !errors.Is(err, vault.ErrExists) {
		t.Errorf("a second Create: %v", err)
	}
}

func TestPlaySaysWhyItCannot(t *testing.T) {
	v := vaulttest.New(t, "")
	up := talk.New(1, time.Now())
	v.Say(up.Groups(3, true, false)...)
	if ids := v.Unfiled(); len(ids) != 1 {
		t.Errorf("%d unfiled", len(ids))
	} else if _, err := v.Play(t.Context(), ids[0], v.Code); !errors.Is(err, vault.ErrNotFiled) {
		t.Errorf("a call that is up: %v", err)
	}
	v.Say(up.Groups(1, false, true)...)
	v.Settle()
	if _, err := v.Play(t.Context(), keys.ID{Shard: 99, Slot: 1}, v.Code); !errors.Is(err, vault.ErrNotThere) {
		t.Errorf("a call nobody made: %v", err)
	}
	rows, err := v.Find(t.Context(), catalog.Query{})
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	if _, err := v.Play(t.Context(), rows[0].ID, custody.NewCode()); !errors.Is(err, vault.ErrWrongCode) {
		t.Errorf("another code: %v", err)
	}
}

func TestADamagedCatalogueIsCompletedFromTheManifests(t *testing.T) {
	v := vaulttest.New(t, "")
	v.Record(talk.New(1, time.Now().Add(-time.Hour)), 3)
	v.Stop()
	old := filepath.Join(t.TempDir(), "old")
	dir := filepath.Join(v.Config.Dir, "catalog")
	if err := os.CopyFS(old, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	v.Start()
	v.Record(talk.New(2, time.Now()), 3)
	v.Stop()
	if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(old))); err != nil {
		t.Fatal(err)
	}
	v.Start()
	vaulttest.Eventually(t, 20*time.Second, "both calls are found", func() bool {
		rows, err := v.Find(t.Context(), catalog.Query{})
		return err == nil && len(rows) == 2
	})
	if !found(v, store.ErrTailLost) {
		t.Errorf("nobody said that the catalogue lost its tail: %v", v.Findings())
	}
}

func TestAnOldJournalIsNoticedAndNoSlotIsUsedTwice(t *testing.T) {
	v := vaulttest.New(t, "")
	v.Record(talk.New(1, time.Now().Add(-time.Hour)), 3)
	v.Stop()
	old, dir := filepath.Join(t.TempDir(), "old"), filepath.Join(v.Config.Dir, "journal")
	if err := os.CopyFS(old, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	v.Start()
	second := talk.New(2, time.Now())
	v.Record(second, 3)
	v.Stop()
	if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(old))); err != nil {
		t.Fatal(err)
	}
	v.Start()
	if !found(v, store.ErrJournalOld) {
		t.Errorf("nobody said that the journal is old: %v", v.Findings())
	}
	v.Record(talk.New(3, time.Now()), 3)
	rows, err := v.Find(t.Context(), catalog.Query{})
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d calls are found, want 3: %v", len(rows), err)
	}
	for _, r := range rows {
		if r.Start.Equal(second.Start) {
			v.Plays(r.ID, second)
		}
	}
}

func TestALostJournalIsSaidAndNoSlotIsUsedTwice(t *testing.T) {
	v := vaulttest.New(t, "")
	first := talk.New(1, time.Now().Add(-time.Hour))
	v.Record(first, 3)
	v.Stop()
	if err := os.RemoveAll(filepath.Join(v.Config.Dir, "journal")); err != nil {
		t.Fatal(err)
	}
	v.Start()
	if len(v.Findings()) == 0 {
		t.Error("nobody said that the journal is gone")
	}
	v.Record(talk.New(2, time.Now()), 3)
	rows, err := v.Find(t.Context(), catalog.Query{})
	if err != nil || len(rows) != 2 {
		t.Fatalf("%d calls are found, want 2: %v", len(rows), err)
	}
	v.Plays(rows[1].ID, first)
}

func found(v *vaulttest.Vault, target error) bool {
	for _, err := range v.Findings() {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

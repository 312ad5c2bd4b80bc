package vault_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/check"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
	"linekeep/vault/retention/hold"
	"linekeep/vault/vaulttest"
)

// TestTheCheckOfARunningVaultReadsWhatWasRecordedBesideIt, once that is merged: damage in it is found as in all else.
func TestTheCheckOfARunningVaultReadsWhatWasRecordedBesideIt(t *testing.T) {
	memory := tpmtest.NewMemory()
	v := vaulttest.NewOn(t, "", memory)
	start := time.Now().Add(-time.Hour)
	b := lock(t, v, memory, tpm.ErrUnavailable)
	for n := range 2 {
		b.record(talkAt(n, start), 4, true)
	}
	b.stop()
	memory.Fail(nil)
	v.Start()
	merged(t, v)
	if report, err := v.Check(t.Context()); err != nil || len(report.Findings) > 0 || report.Calls != 2 || report.Chunks == 0 {
		t.Errorf("Check: %+v, %v", report, err)
	}
	id := all(t, v)[0].ID
	if id.Shard < keys.FirstDegraded {
		t.Fatalf("%s was not recorded beside the vault", id)
	}
	v.Stop()
	box := openKeys(t, v)
	name := library.FolderName("standard", keys.MonthOf(start))
	f, err := folder.Open(t.Context(), folder.Options{Name: name, Path: filepath.Join(v.Config.Dir, name), Key: box.Folder(name), Log: v.Log})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Put(t.Context(), folder.Entry{Key: recording.ChunkKey(id, segment.Caller, 0), Value: []byte("not what was written")}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	v.Start()
	report, err := v.Check(t.Context())
	if err != nil || len(report.Findings) != 1 || report.Findings[0].Kind != check.Altered || !strings.Contains(report.Findings[0].What, id.String()) {
		t.Errorf("of one altered minute of %s: %v, %v", id, report.Findings, err)
	}
	v.Stop()
}

// TestP12_AMonthThatComesBackHidesNothingOfWhatWasKeptOfIt: under a wall clock that was put back, calls are recorded in a month that was
// dropped. What had been carried out of it stands where it stood, and a check reads it there.
func TestP12_AMonthThatComesBackHidesNothingOfWhatWasKeptOfIt(t *testing.T) {
	a := newAgeing(t, 4)
	then := a.now
	a.hold(hold.Keep, a.ids[1], a.ids[2])
	month, kept := a.month("standard", a.ids[1]), a.month(library.Kept, a.ids[1])
	a.wait(200)
	a.nights()
	a.wait(1)
	a.nights()
	if exists(month) || !exists(kept) {
		t.Fatalf("the month's folder is there: %v; what was kept of it: %v", exists(month), exists(kept))
	}
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.now, a.up = then.Add(time.Minute), 0
	a.Start()
	a.record(99)
	a.Stop()
	a.Vault.Open()
	if !exists(month) {
		t.Fatal("the month did not come back")
	}
	a.whole(3)
	for _, i := range []int{1, 2} {
		a.Plays(a.ids[i], a.calls[i])
	}
}

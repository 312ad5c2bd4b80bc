package vault_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linekeep/vault"
	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/audit/proof"
	"linekeep/vault/keys"
	"linekeep/vault/past"
	"linekeep/vault/register/ledger"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/talk"
)

// rollback is a vault with an older copy of its disk, and a checkpoint of after the copy that left the box.
type rollback struct {
	*vaulttest.Vault
	t          *testing.T
	now, older string // the disk as it is, and as it was
	checkpoint proof.Signed
	chip       string // its key, as whoever keeps the checkpoint has it
}

func newRollback(t *testing.T) *rollback {
	t.Helper()
	r := &rollback{Vault: vaulttest.New(t, ""), t: t, older: filepath.Join(t.TempDir(), "older")}
	r.Record(talk.New(1, time.Now()), 4)
	r.hold(r.Vault, "first")
	r.Stop()
	r.now = r.Config.Dir
	copyDisk(t, r.now, r.older)
	r.Start()
	r.Record(talk.New(2, time.Now()), 4)
	r.hold(r.Vault, "second")
	signed, err := r.Audit().Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.chip = r.Audit().Key()
	if r.checkpoint, err = proof.Read(signed.Note); err != nil { // as it comes back from paper or stick
		t.Fatal(err)
	}
	r.Stop()
	return r
}

func copyDisk(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// hold is a transaction of the register, of a kind that nobody else reads.
func (r *rollback) hold(v *vaulttest.Vault, key string) {
	r.t.Helper()
	slot, err := v.Vault.Keys().Next(r.t.Context(), keys.Office, time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	defer slot.Wipe()
	change := ledger.Change{Kind: "trial", Key: []byte(key), Slot: slot.ID, Value: []byte("for the court")}
	if err := v.Register().Commit(r.t.Context(), audit.Act{What: entry.HoldSet}, change); err != nil {
		r.t.Fatal(err)
	}
}

// with is the vault as it is, with some of its folders as they were.
func (r *rollback) with(folders ...string) *vaulttest.Vault {
	r.t.Helper()
	dir := filepath.Join(r.t.TempDir(), "vault")
	copyDisk(r.t, r.now, dir)
	for _, name := range folders {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			r.t.Fatal(err)
		}
		copyDisk(r.t, filepath.Join(r.older, name), filepath.Join(dir, name))
	}
	return r.Elsewhere(r.t, dir)
}

// wants holds the log of an open vault against the checkpoint.
func (r *rollback) wants(v *vaulttest.Vault, want error, says string) {
	r.t.Helper()
	report, err := v.Audit().Verify(r.t.Context(), r.checkpoint.Checkpoint)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := errors.Join(report.Findings...); !errors.Is(err, want) || !strings.Contains(err.Error(), says) {
		r.t.Errorf("held against the checkpoint: %v; want %q", err, says)
	}
}

// TestP17_RegisterAndLogRolledBackTogetherAreToldByAnEarlierCheckpoint: both folders of a real vault are put back to the same older
// moment, so they fit each other. The root tells it, and the vault stays shut. Where the whole disk was put back, and nothing on it can, a checkpoint that
// left the box tells it: at once, and after the log has grown past it.
func TestP17_RegisterAndLogRolledBackTogetherAreToldByAnEarlierCheckpoint(t *testing.T) {
	r := newRollback(t)
	when := r.checkpoint.At.Format("2006-01-02 15:04:05")
	t.Run("the two folders", func(t *testing.T) {
		v := r.with(past.AuditDir, past.RegisterDir)
		stopped, err := vault.CheckStopped(t.Context(), v.Config, v.Chip, v.Log)
		if err != nil || len(stopped.Findings) == 0 {
			t.Errorf("stopped: %v, %v", stopped.Findings, err)
		}
		_, err = vault.Open(t.Context(), v.Config, v.Chip, v.Log)
		if !errors.Is(err, audit.ErrRolledBack) || !errors.Is(err, audit.ErrLost) {
			t.Errorf("it opens: %v", err)
		}
	})
	t.Run("the whole disk", func(t *testing.T) {
		v := r.Elsewhere(t, filepath.Join(t.TempDir(), "vault"))
		copyDisk(t, r.older, v.Config.Dir)
		v.Start()
		defer v.Stop()
		if found := v.Findings(); len(found) > 0 {
			t.Fatalf("nothing on this disk can know, and still: %v", found)
		}
		r.wants(v, audit.ErrLost, "; the checkpoint of "+when+" knows of ")
		for v.Audit().Size() <= r.checkpoint.Size {
			r.hold(v, "third")
		}
		r.wants(v, audit.ErrAltered, "entries are not those that the checkpoint of "+when+" knows")
		if report, err := v.Audit().Verify(t.Context()); err != nil || len(report.Findings) > 0 {
			t.Errorf("without the checkpoint something is told: %v, %v", err, report.Findings)
		}
		r.noProof(v)
	})
	t.Run("nothing", func(t *testing.T) { // the control
		v := r.with()
		v.Open()
		defer v.Stop()
		report, err := v.Audit().Verify(t.Context(), r.checkpoint.Checkpoint)
		if found := append(report.Findings, v.Findings()...); err != nil || len(found) > 0 {
			t.Errorf("found %v, %v", found, err)
		}
	})
}

// noProof tries to show somebody who has the checkpoint and the chip's key, and no box, that the log goes on from it.
func (r *rollback) noProof(v *vaulttest.Vault) {
	r.t.Helper()
	_, chip, err := proof.ParseKey(r.chip)
	if err != nil {
		r.t.Fatal(err)
	}
	earlier, err := proof.Open(r.checkpoint.Note, chip)
	if err != nil {
		r.t.Fatal(err)
	}
	signed, err := v.Audit().Checkpoint(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	newer, err := proof.Open(signed.Note, chip)
	if err != nil {
		r.t.Fatal(err)
	}
	hashes, err := v.Audit().Continues(earlier.Size, newer.Size)
	if err == nil {
		err = proof.Continues(earlier.Checkpoint, newer.Checkpoint, hashes)
	}
	if !errors.Is(err, proof.ErrNotProved) {
		r.t.Errorf("the log is proved to go on from the checkpoint: %v", err)
	}
}

// TestP17_ARegisterRolledBackAloneIsToldByTheLog of a real vault, stopped and running.
func TestP17_ARegisterRolledBackAloneIsToldByTheLog(t *testing.T) {
	r := newRollback(t)
	v := r.with(past.RegisterDir)
	stopped, err := vault.CheckStopped(t.Context(), v.Config, v.Chip, v.Log)
	if err != nil || len(stopped.Findings) == 0 {
		t.Errorf("stopped: %v, %v", stopped.Findings, err)
	}
	v.Open()
	defer v.Stop()
	if err := errors.Join(v.Findings()...); !errors.Is(err, ledger.ErrRolledBack) || errors.Is(err, audit.ErrLost) {
		t.Errorf("the vault says %v", err)
	}
	if report, err := v.Audit().Verify(t.Context(), r.checkpoint.Checkpoint); err != nil || len(report.Findings) > 0 {
		t.Errorf("the log is whole, and still: %v, %v", err, report.Findings)
	}
}

// TestP17_TheChipSignsTheLogsHeadWithEachErasure: in the certificate where recordings go, and in a checkpoint of the new epoch whatever goes.
func TestP17_TheChipSignsTheLogsHeadWithEachErasure(t *testing.T) {
	v := newErasable(t, 1)
	c := v.mustErase(v.ids[0])
	if _, err := c.Verify(); err != nil || c.Entry.Log == nil || c.Entry.Log.Size == 0 {
		t.Fatalf("%v, %+v", err, c.Entry.Log)
	}
	named := proof.Checkpoint{VaultID: c.Entry.VaultID, Size: c.Entry.Log.Size, Root: c.Entry.Log.Root, At: c.Entry.Erased}
	if r, err := v.Audit().Verify(t.Context(), named); err != nil || len(r.Findings) > 0 {
		t.Errorf("the log is not the one that the certificate names: %v, %v", r.Findings, err)
	}
	named.Root[0] ^= 1
	if r, err := v.Audit().Verify(t.Context(), named); err != nil || len(r.Findings) != 1 {
		t.Errorf("a log that is not the one that the certificate names: %v, %v", r.Findings, err)
	}
	if newest := v.Audit().Newest(); newest.Epoch != c.Entry.Epoch || newest.Counter < c.Entry.Epoch || newest.Size <= c.Entry.Log.Size {
		t.Errorf("after epoch %d and entry %d the newest checkpoint is %+v", c.Entry.Epoch, c.Entry.Log.Size, newest.Checkpoint)
	}
	slot, err := v.Vault.Vault.Keys().Next(t.Context(), keys.Office, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer slot.Wipe()
	if err := v.Vault.Vault.Keys().Doom(t.Context(), slot.ID); err != nil {
		t.Fatal(err)
	}
	if err := v.CommitErasures(t.Context()); err != nil {
		t.Fatal(err)
	}
	if newest := v.Audit().Newest(); newest.Epoch != c.Entry.Epoch+1 || newest.Counter != c.Entry.Epoch+1 {
		t.Errorf("keys that are no recording's went, and the newest checkpoint is %+v", newest.Checkpoint)
	}
}

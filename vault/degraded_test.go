package vault_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault"
	"linekeep/vault/catalog"
	"linekeep/vault/keys"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/talk"
)

// beside is a degraded vault under test.
type beside struct {
	*vault.Degraded
	t      *testing.T
	cancel context.CancelFunc
	done   chan error
}

// lock makes the chip fail, sees that the vault does not open, and records beside it.
func lock(t *testing.T, v *vaulttest.Vault, chip *tpmtest.Memory, why error) *beside {
	t.Helper()
	chip.Fail(why)
	_, err := vault.Open(t.Context(), v.Config, v.Chip, v.Log)
	if !vault.Locked(err) {
		t.Fatalf("Open without a chip: %v", err)
	}
	return openBeside(t, v, err)
}

func openBeside(t *testing.T, v *vaulttest.Vault, why error) *beside {
	t.Helper()
	d, err := vault.OpenDegraded(t.Context(), v.Config, why, v.Log)
	if err != nil {
		t.Fatalf("OpenDegraded: %v", err)
	}
	b := &beside{Degraded: d, t: t, done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	go func() { b.done <- d.Run(ctx) }()
	t.Cleanup(b.stop)
	return b
}

func (b *beside) stop() {
	if b.cancel == nil {
		return
	}
	b.cancel()
	b.cancel = nil
	if err := <-b.done; err != nil {
		b.t.Errorf("Run: %v", err)
	}
	if err := b.Close(context.Background()); err != nil {
		b.t.Errorf("Close: %v", err)
	}
}

// record stores a call of so many ticks, and waits until it is filed where it is to be filed.
func (b *beside) record(k *talk.Talk, ticks int, end bool) {
	b.t.Helper()
	groups := k.Groups(ticks, true, end)
	for i := range groups {
		if err := b.Commit(b.t.Context(), &groups[i]); err != nil {
			b.t.Fatalf("Commit: %v", err)
		}
	}
	if end {
		vaulttest.Eventually(b.t, 30*time.Second, "what was recorded has its manifest", func() bool { return b.Status().Unfiled == b.Status().Up })
	}
}

// merged waits until nothing is left beside the vault.
func merged(t *testing.T, v *vaulttest.Vault) {
	t.Helper()
	vaulttest.Eventually(t, 60*time.Second, "all is merged", func() bool {
		entries, err := os.ReadDir(filepath.Join(v.Config.Dir, "degraded"))
		return err == nil && len(entries) == 0
	})
}

// all is what the vault finds, oldest first.
func all(t *testing.T, v *vaulttest.Vault) []catalog.Row {
	t.Helper()
	rows, err := v.Find(t.Context(), catalog.Query{})
	if err != nil {
		t.Fatalf("Find: %v", err)
	}
	for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
		rows[i], rows[j] = rows[j], rows[i]
	}
	return rows
}

func talkAt(n int, start time.Time) *talk.Talk {
	return talk.New(segment.Call(n+1), start.Add(time.Duration(n)*time.Minute))
}

func TestACallRecordedWhileTheChipIsAwayPlaysOnceItIsBack(t *testing.T) {
	chip := tpmtest.NewMemory()
	v := vaulttest.NewOn(t, "", chip)
	v.Start()
	start := time.Now().Add(-time.Hour)
	before := talkAt(0, start)
	v.Record(before, 4)
	v.Stop()

	b := lock(t, v, chip, tpm.ErrUnavailable)
	if st := b.Status(); !errors.Is(st.Locked, tpm.ErrUnavailable) || st.Custody == "" {
		t.Errorf("Status: %+v", st)
	}
	if err := b.Heartbeat(t.Context()); err != nil {
		t.Errorf("Heartbeat: %v", err)
	}
	ended, cut := talkAt(1, start), talkAt(2, start)
	b.record(ended, 130, true) // more than a minute: two chunks
	b.record(cut, 4, false)    // still up when the box stops
	b.stop()

	chip.Fail(nil)
	v.Start()
	merged(t, v)
	rows := all(t, v)
	if len(rows) != 3 {
		t.Fatalf("%d recordings found, want 3", len(rows))
	}
	for i, k := range []*talk.Talk{before, ended, cut} {
		if degraded := rows[i].ID.Shard >= keys.FirstDegraded; degraded != (i > 0) {
			t.Errorf("recording %d has the id %s", i, rows[i].ID)
		}
		v.Plays(rows[i].ID, k)
	}
	if f := v.Findings(); len(f) > 0 {
		t.Errorf("Findings: %v", f)
	}
	report, err := v.Check(t.Context())
	if err != nil || len(report.Findings) > 0 {
		t.Errorf("Check: %v, %v", report.Findings, err)
	}
	after := talkAt(3, start)
	v.Record(after, 4)
	v.Stop()
	v.Start()
	if rows := all(t, v); len(rows) != 4 {
		t.Errorf("after a restart %d recordings are found", len(rows))
	} else {
		v.Plays(rows[1].ID, ended)
		v.Plays(rows[3].ID, after)
	}
	if f := v.Findings(); len(f) > 0 {
		t.Errorf("Findings after a restart: %v", f)
	}
	v.Stop()
}

func TestWithoutACopyInClearNothingCanBeRecordedAndItIsSaidSo(t *testing.T) {
	chip := tpmtest.NewMemory()
	v := vaulttest.NewOn(t, "", chip)
	for _, name := range []string{"keys/clear", "keys/copy/clear"} {
		if err := os.Remove(filepath.Join(v.Config.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := vault.OpenDegraded(t.Context(), v.Config, tpm.ErrUnavailable, v.Log); !errors.Is(err, vault.ErrNoClear) {
		t.Errorf("OpenDegraded: %v, want ErrNoClear", err)
	}
}

func TestOnlyAClosedRootIsAReasonToRecordBesideTheVault(t *testing.T) {
	for err, want := range map[error]bool{
		tpm.ErrUnavailable: true, tpm.ErrRefused: true, tpm.ErrSpent: true, tpm.ErrNotReady: true, tpm.ErrLocked: true, keys.ErrOlder: true,
		keys.ErrAltered: true, keys.ErrRolledBack: true, vault.ErrLocked: false, keys.ErrNoVault: false, os.ErrPermission: false,
	} {
		if got := vault.Locked(fmt.Errorf("open: %w", err)); got != want {
			t.Errorf("Locked(%v) = %v", err, got)
		}
	}
}

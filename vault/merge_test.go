package vault_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault"
	"linekeep/vault/catalog"
	"linekeep/vault/clear"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/talk"
)

// dying is a chip that is gone from its n-th use on; 0 is never.
type dying struct {
	*tpmtest.Memory

	mu   sync.Mutex
	left int
	used int
}

func (d *dying) use() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.used++
	if d.left > 0 && d.used >= d.left {
		return tpm.ErrUnavailable
	}
	return nil
}

func (d *dying) after(n int) { d.mu.Lock(); defer d.mu.Unlock(); d.left, d.used = n, 0 }

func (d *dying) Seal(ctx context.Context, secret []byte, epoch uint64) (tpm.Blob, error) {
	if err := d.use(); err != nil {
		return nil, err
	}
	return d.Memory.Seal(ctx, secret, epoch)
}

func (d *dying) Unseal(ctx context.Context, blob tpm.Blob, epoch uint64) ([]byte, error) {
	if err := d.use(); err != nil {
		return nil, err
	}
	return d.Memory.Unseal(ctx, blob, epoch)
}

func (d *dying) Advance(ctx context.Context, owner []byte, from uint64) (uint64, error) {
	if err := d.use(); err != nil {
		return 0, err
	}
	return d.Memory.Advance(ctx, owner, from)
}

func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "vault")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// prepared is a stopped vault with one call in it and two beside it, one of them cut, and what was said.
func prepared(t *testing.T, chip tpm.Chip, memory *tpmtest.Memory) (*vaulttest.Vault, []*talk.Talk) {
	t.Helper()
	v := vaulttest.NewOn(t, "", chip)
	v.Start()
	start := time.Now().Add(-time.Hour)
	said := []*talk.Talk{talkAt(0, start), talkAt(1, start), talkAt(2, start)}
	v.Record(said[0], 4)
	v.Stop()
	b := lock(t, v, memory, tpm.ErrUnavailable)
	b.record(said[1], 4, true)
	b.record(said[2], 3, false)
	b.stop()
	memory.Fail(nil)
	return v, said
}

func (s said) play(t *testing.T, v *vaulttest.Vault) {
	t.Helper()
	rows := all(t, v)
	if len(rows) != len(s) {
		t.Fatalf("%d recordings found, want %d", len(rows), len(s))
	}
	for i, k := range s {
		v.Plays(rows[i].ID, k)
	}
}

type said []*talk.Talk

func (d *dying) died() bool { d.mu.Lock(); defer d.mu.Unlock(); return d.left > 0 && d.used >= d.left }

// running is a vault that is run for a while and not closed.
type running struct{ *vaulttest.Vault }

// runUntil runs the vault until cut says so, and tells whether the chip had died.
func (r running) runUntil(t *testing.T, cut func() bool) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1) // one result
	go func() { done <- r.Run(ctx) }()
	vaulttest.Eventually(t, 30*time.Second, "the chip dies, or all is merged", cut)
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	return r.Chip.(*dying).died()
}

func nothingBeside(t *testing.T, v *vaulttest.Vault) bool {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(v.Config.Dir, "degraded"))
	return err == nil && len(entries) == 0
}

// The chip dies at each of its uses in a merge, and the power goes there: on the copy of the disk the next start ends it.
func TestAMergeThatIsCutOffAtAnyUseOfTheChipIsFinishedByTheNextStart(t *testing.T) {
	memory := tpmtest.NewMemory()
	chip := &dying{Memory: memory}
	v, calls := prepared(t, chip, memory)
	for n := 1; ; n++ {
		c := running{v.Elsewhere(t, copyDir(t, v.Config.Dir))}
		mine := memory.Clone() // each cut has a past of its own
		c.Chip = &dying{Memory: mine}
		c.Open()
		c.Chip.(*dying).after(n)
		done := c.runUntil(t, func() bool { return c.Chip.(*dying).died() || nothingBeside(t, c.Vault) })
		cut := c.Elsewhere(t, copyDir(t, c.Config.Dir))
		if err := c.Close(context.Background()); err != nil {
			t.Logf("close after the cut: %v", err)
		}
		c.Chip.(*dying).after(0)
		cut.Chip = c.Chip
		cut.Start()
		merged(t, cut)
		said(calls).play(t, cut)
		if f := cut.Findings(); len(f) > 0 {
			t.Errorf("cut at use %d: findings %v", n, f)
		}
		cut.Stop()
		if !done { // it was never cut
			if n < 4 {
				t.Errorf("a merge used the chip only %d times: nothing was tried", n)
			}
			t.Logf("cut at each of %d uses of the chip", n-1)
			return
		}
	}
}

// What is left of a degraded vault on the disk opens with the spare key of its time, and that is gone after the merge.
func TestAfterAMergeNothingOpensWhatWasBesideTheVault(t *testing.T) {
	memory := tpmtest.NewMemory()
	v, _ := prepared(t, memory, memory)
	before := readClear(t, v.Config.Dir)
	old := copyDir(t, v.Config.Dir)
	v.Start()
	merged(t, v)
	after := readClear(t, v.Config.Dir)
	if before.Spare.Bytes() == after.Spare.Bytes() {
		t.Fatal("the spare key is the old one")
	}
	v.Stop()
	// An old copy of the folder beside the vault is put back: the vault cannot open it, says so, and leaves it alone.
	if err := os.CopyFS(filepath.Join(v.Config.Dir, "degraded"), os.DirFS(filepath.Join(old, "degraded"))); err != nil {
		t.Fatal(err)
	}
	v.Start()
	vaulttest.Eventually(t, 30*time.Second, "the folder is reported", func() bool { return len(v.Findings()) > 0 })
	if f := v.Findings(); !errors.Is(f[0], tpm.ErrRefused) {
		t.Errorf("Findings: %v", f)
	}
	v.Stop()
}

func readClear(t *testing.T, dir string) clear.File {
	t.Helper()
	f, _, err := clear.Read(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Somebody puts keys of their own into the clear file while the vault is closed: the box records under them, because sound
// under a doubtful key is better than none, says so by its fingerprint, and never takes such calls for its own.
func TestCallsUnderAForeignCustodyKeyAreReportedAndNeverMerged(t *testing.T) {
	memory := tpmtest.NewMemory()
	v := vaulttest.NewOn(t, "", memory)
	genuine := readClear(t, v.Config.Dir)
	theirs, err := envelope.New()
	if err != nil {
		t.Fatal(err)
	}
	planted := genuine.Clear
	planted.Custody = theirs.Public()
	f, err := clear.Make(planted, keys.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	if err := clear.Write(filepath.Join(v.Config.Dir, "keys"), f); err != nil {
		t.Fatal(err)
	}
	b := lock(t, v, memory, tpm.ErrUnavailable)
	if b.Status().Custody != theirs.Public().Fingerprint() {
		t.Errorf("the fingerprint is said to be %s", b.Status().Custody)
	}
	b.record(talkAt(0, time.Now().Add(-time.Hour)), 4, true)
	b.stop()
	memory.Fail(nil)
	v.Start()
	vaulttest.Eventually(t, 30*time.Second, "both are reported", func() bool { return len(v.Findings()) >= 2 })
	for _, f := range v.Findings() {
		if !errors.Is(f, vault.ErrForeign) || !strings.Contains(f.Error(), theirs.Public().Fingerprint()) {
			t.Errorf("finding: %v", f)
		}
	}
	if rows := all(t, v); len(rows) != 0 {
		t.Errorf("%d calls were merged", len(rows))
	}
	if again := readClear(t, v.Config.Dir); again.Custody.Bytes() != genuine.Custody.Bytes() {
		t.Error("the clear file still names the foreign key")
	}
	if _, err := os.Stat(filepath.Join(v.Config.Dir, "degraded", "1")); err != nil {
		t.Errorf("what was recorded is gone: %v", err)
	}
	v.Stop()
}

// Numbers that are never recorded cannot be looked up while the vault is locked; the merge leaves their calls out.
func TestAnExcludedNumberIsDroppedByTheMerge(t *testing.T) {
	memory := tpmtest.NewMemory()
	v := vaulttest.NewOn(t, "", memory)
	start := time.Now().Add(-time.Hour)
	b := lock(t, v, memory, tpm.ErrUnavailable)
	kept, dropped := talkAt(0, start), talkAt(1, start)
	dropped.Number = "+441632960999"
	b.record(kept, 4, true)
	b.record(dropped, 4, true)
	b.stop()
	memory.Fail(nil)
	v.Config.Excluded = func(r catalog.Row) bool { return r.Number.Reveal() == "+441632960999" }
	v.Start()
	merged(t, v)
	said{kept}.play(t, v)
	report, err := v.Check(t.Context())
	if err != nil || len(report.Findings) > 0 {
		t.Errorf("Check: %v, %v", report.Findings, err)
	}
	v.Stop()
}

func TestSeveralRunsBesideTheVaultAreMergedTogether(t *testing.T) {
	memory := tpmtest.NewMemory()
	v := vaulttest.NewOn(t, "", memory)
	start := time.Now().Add(-time.Hour)
	var calls said
	for n := range 3 {
		b := lock(t, v, memory, tpm.ErrUnavailable)
		k := talkAt(n, start)
		b.record(k, 3, n != 1)
		calls = append(calls, k)
		b.stop()
	}
	empty := lock(t, v, memory, tpm.ErrUnavailable)
	empty.stop()
	if err := os.Mkdir(filepath.Join(v.Config.Dir, "degraded", "9"), 0o700); err != nil { // a power cut before its first file
		t.Fatal(err)
	}
	memory.Fail(nil)
	v.Start()
	merged(t, v)
	calls.play(t, v)
	v.Stop()
}

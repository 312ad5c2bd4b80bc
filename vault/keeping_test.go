package vault_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault"
	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/catalog"
	"linekeep/vault/erasure"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/register/ledger"
	"linekeep/vault/retention"
	"linekeep/vault/retention/hold"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/forensics"
)

// ageing is a vault whose clocks a test moves, both together unless it says otherwise.
type ageing struct {
	*erasable
	now time.Time
	up  time.Duration
}

// newAgeing has calls in it, and is open and does not run: retention and erasure do only what the test has them do.
func newAgeing(t *testing.T, calls int) *ageing {
	t.Helper()
	chip := tpmtest.NewMemory()
	a := &ageing{erasable: &erasable{Vault: vaulttest.NewOn(t, "", chip), t: t, chip: chip}, now: time.Now().Round(0)}
	a.fill(calls)
	return a
}

func (a *ageing) fill(calls int) {
	a.t.Helper()
	a.Start()
	for n := range calls {
		a.record(segment.Call(n + 1))
	}
	a.Stop()
	a.clocks()
	a.Vault.Open()
	a.t.Cleanup(func() {
		if err := a.Close(context.Background()); err != nil {
			a.t.Error(err)
		}
	})
}

func (a *ageing) clocks() {
	a.Config.Clock = func() time.Time { return a.now }
	a.Config.Retention.Uptime = func() time.Duration { return a.up }
}

// reopen is a stop in good order that takes no time.
func (a *ageing) reopen() {
	a.t.Helper()
	if err := a.Close(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
	a.up = 0
	a.Vault.Open()
}

// wait lets days go by, at noon.
func (a *ageing) wait(days int) {
	then := a.now.AddDate(0, 0, days)
	then = time.Date(then.Year(), then.Month(), then.Day(), 12, 0, 0, 0, then.Location())
	a.up += then.Sub(a.now)
	a.now = then
}

// pass makes a pass, and consents to whatever it asks.
func (a *ageing) pass() {
	a.t.Helper()
	vaulttest.Eventually(a.t, time.Minute, "nobody reads in what must go", func() bool { // the mover does, after a start
		err := a.Retention().Pass(a.t.Context())
		if err != nil && !errors.Is(err, folder.ErrBusy) {
			a.t.Fatalf("Pass: %v", err)
		}
		return err == nil
	})
	if b := a.Status().Retention.Blocked; b != nil {
		if err := a.Retention().Consent(a.t.Context(), b.Token, "Ann"); err != nil {
			a.t.Fatalf("Consent: %v", err)
		}
	}
}

// nights lets two nights go by: what expired is erased, and then the months of which nothing is left go.
func (a *ageing) nights() {
	a.t.Helper()
	a.pass()
	a.wait(1)
	a.ErasePass(a.t.Context())
	a.pass()
}

func (a *ageing) hold(kind hold.Kind, ids ...keys.ID) hold.Hold {
	a.t.Helper()
	h, err := a.Retention().Hold(a.t.Context(), hold.Hold{Kind: kind, Reason: "a dispute about an invoice", By: "Ann Controller", Calls: ids})
	if err != nil {
		a.t.Fatalf("Hold: %v", err)
	}
	return h
}

func (a *ageing) month(class string, id keys.ID) string {
	a.t.Helper()
	rows, err := a.Catalog().Row(id)
	if err != nil {
		a.t.Fatal(err)
	}
	return filepath.Join(a.Config.Dir, filepath.FromSlash(library.FolderName(class, keys.MonthOf(rows.Start))))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// whole wants no findings, of a check or otherwise.
func (a *ageing) whole(calls int) {
	a.t.Helper()
	report, err := a.Check(a.t.Context())
	if err != nil || len(report.Findings) > 0 || report.Calls != calls {
		a.t.Errorf("Check: %d calls, want %d; %v, %v", report.Calls, calls, report.Findings, err)
	}
	if f := a.Findings(); len(f) > 0 {
		a.t.Errorf("findings: %v", f)
	}
}

// told counts the acts of the audit log.
func (a *ageing) told() map[entry.Action]int {
	a.t.Helper()
	n := make(map[entry.Action]int)
	if err := a.Audit().Walk(a.t.Context(), 0, func(s audit.Stored, err error) error {
		n[s.Action]++
		return err
	}); err != nil {
		a.t.Fatal(err)
	}
	return n
}

// wasTold wants in the audit log: a hold set, ended and forgotten; two purges, and the consent to one.
func (a *ageing) wasTold() {
	a.t.Helper()
	if len(a.Retention().Holds()) > 0 {
		a.t.Error("the words of a hold of which nothing is left are still there")
	}
	told := a.told()
	if told[entry.HoldSet] != 1 || told[entry.HoldEnd] != 2 || told[entry.Expire] != 2 || told[entry.Consent] != 1 {
		a.t.Errorf("the audit log has %v", told)
	}
}

// TestP12_AHeldCallPlaysAfterItsMonthWasDropped, with all that comes before and after: what expires is erased with a certificate,
// the month's folder is gone from the disk, the held call plays, also after a restart; and when the hold ends it stays for
// the grace, and then goes with what was kept of the month.
func TestP12_AHeldCallPlaysAfterItsMonthWasDropped(t *testing.T) {
	a := newAgeing(t, 5)
	h := a.hold(hold.Keep, a.ids[1], a.ids[2], a.ids[4])
	month, kept := a.month("standard", a.ids[1]), a.month(library.Kept, a.ids[1])
	a.wait(170)
	a.nights()
	if len(a.found()) != 5 || !exists(month) {
		t.Fatal("something expired before its time")
	}
	a.wait(30)
	a.nights()
	for _, i := range []int{0, 3} {
		a.gone(a.ids[i])
		c, err := a.Certificate(a.ids[i])
		if err != nil || c.Entry.Why != erasure.Retention {
			t.Errorf("certificate: %+v, %v", c.Entry, err)
		}
		if _, err := c.Verify(); err != nil {
			t.Error(err)
		}
	}
	if exists(month) || !exists(kept) {
		t.Fatalf("the month's folder is there: %v; what was kept of it: %v", exists(month), exists(kept))
	}
	for range 2 {
		for _, i := range []int{1, 2, 4} {
			a.Plays(a.ids[i], a.calls[i])
		}
		a.whole(3)
		a.reopen()
	}
	if err := a.Retention().EndHold(t.Context(), h.ID, "Ann Controller"); err != nil {
		t.Fatal(err)
	}
	for _, days := range []int{1, 3} {
		a.wait(days)
		a.nights()
		a.Plays(a.ids[1], a.calls[1])
	}
	a.wait(3)
	a.nights()
	for _, id := range a.ids {
		a.gone(id)
	}
	a.wait(1)
	a.nights()
	if exists(kept) {
		t.Error("what was kept of the month is still there")
	}
	for _, s := range a.Vault.Vault.Keys().Shards() {
		if s.Class == "standard" && s.Month < keys.MonthOf(a.now) && s.Number == a.ids[0].Shard {
			t.Errorf("the month's shard is still in the root: %+v", s)
		}
	}
	a.whole(0)
	a.wasTold()
}

func TestP13_ARestrictedCallIsNeitherFoundNorPlayedNorExpires(t *testing.T) {
	a := newAgeing(t, 4)
	h := a.hold(hold.Restrict, a.ids[2])
	for range 2 {
		if slices.Contains(a.found(), a.ids[2]) {
			t.Error("it is found")
		}
		if rows, err := a.Find(t.Context(), catalog.Query{Limit: 2}); err != nil || len(rows) != 2 {
			t.Errorf("the newest two without it: %d, %v", len(rows), err)
		}
		if _, err := a.Play(t.Context(), a.ids[2], a.Code); !errors.Is(err, vault.ErrNotThere) {
			t.Errorf("it is played: %v", err)
		}
		if _, err := a.Erase(t.Context(), erasure.Order, a.ids[2]); !errors.Is(err, vault.ErrHeld) {
			t.Errorf("it is erased under the restriction: %v", err)
		}
		a.whole(4)
		a.reopen()
	}
	if err := a.Retention().EndHold(t.Context(), h.ID, "Ann"); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(a.found(), a.ids[2]) {
		t.Error("it is not found once the restriction has ended")
	}
	a.Plays(a.ids[2], a.calls[2])
}

// TestP17_AnOlderListOfHoldsIsToldAndNothingExpires: a copy of the register of before a hold is put in place. The vault says so, and
// lets nothing go that the hold may have been on.
func TestP17_AnOlderListOfHoldsIsToldAndNothingExpires(t *testing.T) {
	a := newAgeing(t, 3)
	a.hold(hold.Keep, a.ids[0])
	register, before := filepath.Join(a.Config.Dir, "register"), filepath.Join(t.TempDir(), "register")
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(before, os.DirFS(register)); err != nil {
		t.Fatal(err)
	}
	a.up = 0
	a.Vault.Open()
	a.hold(hold.Restrict, a.ids[1])
	if err := errors.Join(a.Close(t.Context()), os.RemoveAll(register), os.CopyFS(register, os.DirFS(before))); err != nil {
		t.Fatal(err)
	}
	a.up = 0
	a.Vault.Open()
	if err := errors.Join(a.Findings()...); !errors.Is(err, hold.ErrRolledBack) || !errors.Is(err, ledger.ErrRolledBack) {
		t.Errorf("findings: %v", err)
	}
	a.wait(300)
	if err := a.Retention().Pass(t.Context()); !errors.Is(err, retention.ErrUnsafe) {
		t.Errorf("Pass: %v", err)
	}
	if len(a.found()) != 3 || !errors.Is(a.Status().Retention.Trouble, retention.ErrUnsafe) {
		t.Errorf("%d calls are there; %+v", len(a.found()), a.Status().Retention)
	}
}

// TestP12_AJumpOfTheClockErasesNothing, ahead or back, while the box is up or off.
func TestP12_AJumpOfTheClockErasesNothing(t *testing.T) {
	a := newAgeing(t, 3)
	for _, years := range []int{10, -11, 1} {
		a.now = a.now.AddDate(years, 0, 0)
		a.nights()
		if years == 10 {
			if st := a.Status().Retention; !st.DayOff() || st.Counts[retention.Young] != 3 {
				t.Errorf("ten years ahead: %+v", st)
			}
		}
		a.reopen()
		a.nights()
		for i := range a.ids {
			a.Plays(a.ids[i], a.calls[i])
		}
	}
}

// TestP12_APurgeOfMoreThanHalfStopsAndAsks: until somebody consents to just that, nothing is erased.
func TestP12_APurgeOfMoreThanHalfStopsAndAsks(t *testing.T) {
	a := newAgeing(t, 3)
	a.wait(200)
	for range 3 {
		if err := a.Retention().Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.wait(1)
		a.ErasePass(t.Context())
		if b := a.Status().Retention.Blocked; b == nil || b.Recordings != 3 || b.Of != 3 || len(a.found()) != 3 {
			t.Fatalf("not asked: %+v, %d calls; %+v; clock %v, wall %v", b, len(a.found()), a.Status().Retention, a.Retention().Now(), a.now)
		}
	}
	if err := a.Retention().Consent(t.Context(), "000000000000", "Ann"); !errors.Is(err, retention.ErrNothingAsked) || len(a.found()) != 3 {
		t.Errorf("consent to something else: %v", err)
	}
	if err := a.Retention().Consent(t.Context(), a.Status().Retention.Blocked.Token, "Ann"); err != nil || len(a.found()) != 0 {
		t.Errorf("consent: %v, %d calls", err, len(a.found()))
	}
}

// TestP12_AMonthThatGoesIsFinishedAfterAPowerCut: at each step, and at each word to the chip: after the restart and another pass
// the month is gone, what was held plays, and a check finds nothing.
func TestP12_AMonthThatGoesIsFinishedAfterAPowerCut(t *testing.T) {
	chip := tpmtest.NewMemory()
	dir := filepath.Join(t.TempDir(), "vault")
	watched := forensics.Watch(t, chip, filepath.Join(dir, "keys"))
	a := &ageing{erasable: &erasable{Vault: vaulttest.NewOn(t, dir, watched), t: t, chip: chip}, now: time.Now().Round(0)}
	a.fill(4)
	a.hold(hold.Keep, a.ids[0], a.ids[3])
	month := a.month("standard", a.ids[0])
	a.wait(200)
	a.pass()
	a.wait(1)
	a.ErasePass(t.Context())
	var cuts []cut
	shoot := func(word string) {
		at := filepath.Join(t.TempDir(), "vault")
		if err := os.CopyFS(at, os.DirFS(dir)); err != nil {
			t.Error(err)
		}
		cuts = append(cuts, cut{word, at, chip.Clone()})
	}
	watched.Step = shoot
	a.Step(shoot)
	a.pass()
	watched.Step = nil
	a.Step(nil)
	if exists(month) || len(cuts) < 10 {
		t.Fatalf("the month is there: %v; %d cuts", exists(month), len(cuts))
	}
	for i, c := range cuts {
		t.Run(fmt.Sprintf("%d %s", i, c.word), func(t *testing.T) { a.goesOn(t, c, filepath.Base(month)) })
	}
}

// goesOn starts what a cut left.
func (a *ageing) goesOn(t *testing.T, c cut, month string) {
	back := &ageing{erasable: &erasable{Vault: a.Elsewhere(t, c.dir), t: t, chip: c.chip, calls: a.calls, ids: a.ids}, now: a.now}
	back.Chip = c.chip
	back.clocks()
	back.Start()
	back.wait(1)
	back.pass()
	if dir := filepath.Join(c.dir, "calls", "standard", month); exists(dir) || exists(dir+".gone") {
		t.Error("the month is still there")
	}
	for range 2 {
		back.Plays(a.ids[0], a.calls[0])
		back.Plays(a.ids[3], a.calls[3])
		back.gone(a.ids[1])
		back.whole(2)
		back.Stop()
		back.up = 0
		back.Start()
	}
	back.Stop()
}

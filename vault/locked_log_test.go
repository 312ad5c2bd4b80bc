package vault_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/catalog"
	"linekeep/vault/keys"
	"linekeep/vault/vaulttest"
)

// entries are those from one on, each with its details.
func entries(t *testing.T, v *vaulttest.Vault, from uint64) (all []audit.Stored, details []audit.Details) {
	t.Helper()
	err := v.Audit().Walk(t.Context(), from, func(s audit.Stored, err error) error {
		if err != nil {
			return err
		}
		d, err := v.Audit().Details(s)
		all, details = append(all, s), append(details, d)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, details
}

// TestP17_TheTimeInWhichTheVaultWasLockedStandsInItsLog: since when, why, who was refused what, what came over, and until when;
// once, however often the box starts afterwards.
func TestP17_TheTimeInWhichTheVaultWasLockedStandsInItsLog(t *testing.T) {
	chip := tpmtest.NewMemory()
	v := vaulttest.NewOn(t, "", chip)
	v.Config.Version = "v1.2.3"
	v.Start()
	size := v.Audit().Size()
	v.Stop()
	size++ // its stop
	b := lock(t, v, chip, tpm.ErrUnavailable)
	b.record(talkAt(1, time.Now().Add(-time.Hour)), 4, true)
	b.record(talkAt(2, time.Now().Add(-time.Hour)), 4, false)
	for range 3 {
		b.Refused(t.Context(), entry.Visitor, "recover", "wrong recovery code")
	}
	b.Refused(t.Context(), entry.Machine, "search", "the vault is locked")
	b.stop()
	chip.Fail(nil)
	v.Start()
	merged(t, v)
	v.Stop()
	v.Start()

	rows, err := v.Find(t.Context(), catalog.Query{})
	if err != nil || len(rows) != 2 {
		t.Fatalf("Find: %d, %v", len(rows), err)
	}
	got, filed := lockedTold(t, v, size)
	want := []string{"box box.start", "box box.degraded", "visitor denied", "machine denied", "box call.filed", "box call.filed", "box box.degraded-end",
		"box box.stop", "box box.start"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, row := range rows {
		if !filed[row.ID] {
			t.Errorf("the log has no manifest of %s", row.ID)
		}
	}
	if report, err := v.Check(t.Context()); err != nil || len(report.Findings) > 0 {
		t.Errorf("Check: %v, %v", report.Findings, err)
	}
}

// lockedTold are the acts from one on, and the recordings filed among them; what each tells under seal is looked at.
func lockedTold(t *testing.T, v *vaulttest.Vault, from uint64) (got []string, filed map[keys.ID]bool) {
	t.Helper()
	all, details := entries(t, v, from)
	filed = make(map[keys.ID]bool)
	for i, s := range all {
		got = append(got, s.Actor.String()+" "+s.Action.String())
		switch s.Action {
		case entry.BoxStart:
			if details[i].Of("version") != "v1.2.3" {
				t.Errorf("the start tells the version %q", details[i].Of("version"))
			}
		case entry.Degraded:
			if details[i].Of("from") == "" || details[i].Of("why") == "" {
				t.Errorf("%v", details[i])
			}
		case entry.Filed:
			filed[s.About[0]] = true
		case entry.Denied:
			if want := map[entry.Kind]string{entry.Visitor: "3", entry.Machine: "1"}[s.Actor.Kind]; details[i].Of("times") != want || s.Outcome != entry.Refused {
				t.Errorf("%s %s: %v", s.Actor, s.Outcome, details[i])
			}
		case entry.DegradedEnd:
			if d := details[i]; d.Of("until") == "" || d.Of("in good order") != "yes" || d.Of("recordings merged") != "2" || d.Of("unreadable") != "0" {
				t.Errorf("%v", d)
			}
		}
	}
	return got, filed
}

// TestP17_AStartAfterAPowerCutSaysWhatItRepairs, and one after a stop in good order says nothing of the kind.
func TestP17_AStartAfterAPowerCutSaysWhatItRepairs(t *testing.T) {
	v := vaulttest.NewOn(t, "", tpmtest.NewMemory())
	v.Open() // not run: nothing is moved
	size := v.Audit().Size()
	for n := range 2 {
		v.Say(talkAt(n, time.Now().Add(-time.Hour)).Groups(4, true, false)...)
	}
	v.Say(talkAt(3, time.Now().Add(-time.Hour)).Groups(4, true, true)...)
	after := v.Elsewhere(t, copyDir(t, v.Config.Dir))
	if err := v.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	v.Open()
	clean, _ := entries(t, v, size)
	if err := v.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, s := range clean {
		if s.Action == entry.Unclean {
			t.Error("a stop in good order is said to be none")
		}
	}
	after.Start()
	told, details := entries(t, after, size)
	if len(told) < 2 || told[0].Action != entry.BoxStart || told[1].Action != entry.Unclean || details[1].Of("recordings cut off") != "2" {
		t.Fatalf("%v", details)
	}
	after.Settle()
	if rows := all(t, after); len(rows) != 3 {
		t.Errorf("%d recordings found", len(rows))
	}
}

package check_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/catalog"
	"linekeep/vault/check"
	"linekeep/vault/erasure"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/talk"
)

// closed makes a vault with some calls that ended after its log began, in the order of their slots.
func closed(t *testing.T, calls int) (*vaulttest.Vault, []keys.ID) {
	t.Helper()
	v := vaulttest.New(t, "")
	closeMore(v, calls)
	rows, err := v.Find(t.Context(), catalog.Query{})
	if err != nil || len(rows) != calls {
		t.Fatalf("Find: %d rows, %v", len(rows), err)
	}
	ids := make([]keys.ID, 0, calls)
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	slices.SortFunc(ids, func(a, b keys.ID) int { return int(a.Slot) - int(b.Slot) })
	return v, ids
}

func closeMore(v *vaulttest.Vault, calls int) {
	start := time.Now().Truncate(time.Second)
	for i := range calls {
		v.Say(talk.New(segment.Call(start.UnixNano()+int64(i)), start.Add(time.Duration(i)*time.Second).UTC()).Groups(130, true, true)...)
	}
	v.Settle()
}

func month() string { return library.FolderName("standard", keys.MonthOf(time.Now())) }

// forged is the recording's manifest, sealed anew as whoever has the vault's keys can.
func forged(t *testing.T, v *vaulttest.Vault, id keys.ID) folder.Entry {
	t.Helper()
	k, err := keys.Open(t.Context(), keys.Config{Dir: filepath.Join(v.Config.Dir, "keys"), Clock: time.Now}, v.Chip)
	if err != nil {
		t.Fatal(err)
	}
	f, err := folder.Open(t.Context(), folder.Options{Name: month(), Path: filepath.Join(v.Config.Dir, month()), Key: k.Folder(month()), Log: v.Log})
	if err != nil {
		t.Fatal(err)
	}
	slot, err := k.Slot(id)
	if err != nil {
		t.Fatal(err)
	}
	forms := recording.Forms{VaultID: k.VaultID(), ID: id, Meta: slot.Meta()}
	sealed, err := f.Get(recording.ManifestKey(id))
	if err != nil {
		t.Fatal(err)
	}
	m, err := recording.OpenManifest(forms, sealed)
	if err != nil {
		t.Fatal(err)
	}
	e := folder.Entry{Key: recording.ManifestKey(id), Value: m.Seal(forms)}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	return e
}

// all are the keys of everything that a folder holds of a call of 130 ticks.
func all(id keys.ID) (gone []folder.Entry) {
	places := []recording.Place{{Kind: recording.AtWrap, ID: id}, {Kind: recording.AtManifest, ID: id}}
	for _, p := range []segment.Party{segment.Office, segment.Caller} {
		for n := range uint32(3) {
			places = append(places, recording.Place{Kind: recording.AtChunk, ID: id, Party: p, Number: n})
		}
	}
	for _, p := range places {
		gone = append(gone, folder.Entry{Key: p.Key()})
	}
	return gone
}

func TestARecordingThatWasTakenAwayOrWrittenAnewIsToldFromTheLogAndOneThatWasErasedIsNot(t *testing.T) {
	v, ids := closed(t, 4)
	if _, err := v.Erase(t.Context(), erasure.Order, ids[0]); err != nil {
		t.Fatal(err)
	}
	if report, err := v.Check(t.Context()); err != nil || len(report.Findings) > 0 {
		t.Errorf("running, one erased: %v %v", report.Findings, err)
	}
	v.Stop()
	if report := stopped(t, v, v.Config); len(report.Findings) > 0 {
		t.Errorf("stopped, one erased: %v", report.Findings)
	}
	// Whoever has the keys can take one out everywhere, row and all, and write another's manifest so that it is whole in itself.
	plant(t, v, month(), false, append(all(ids[1]), forged(t, v, ids[2]))...)
	plant(t, v, "catalog", true, folder.Entry{Key: ids[1].Append([]byte{'r'})})
	report := stopped(t, v, v.Config)
	wants(t, report, check.Missing, "recording "+ids[1].String(), "nothing of it is here", "nobody ordered it to be erased")
	wants(t, report, check.Altered, "recording "+ids[2].String(), "not the one that the audit log has the hash of", "Do not rely on it")
	if len(report.Findings) != 2 {
		t.Errorf("besides: %v", report.Findings)
	}
}

// compare checks a stopped vault against its log as keep leaves it.
func compare(t *testing.T, v *vaulttest.Vault, keep func(*audit.Stored) error) check.Report {
	t.Helper()
	k, err := keys.Open(t.Context(), keys.Config{Dir: filepath.Join(v.Config.Dir, "keys"), Clock: time.Now}, v.Chip)
	if err != nil {
		t.Fatal(err)
	}
	l, err := audit.Read(t.Context(), audit.Config{Dir: filepath.Join(v.Config.Dir, "audit"), Keys: k, Clock: time.Now, Log: v.Log})
	if err != nil {
		t.Fatal(err)
	}
	months := library.NewMonths(library.MonthsConfig{Dir: v.Config.Dir, Key: k.Folder, ReadOnly: true, Clock: time.Now, Log: v.Log})
	report, err := check.Run(t.Context(), &check.Vault{Dir: v.Config.Dir, Library: &library.Library{Keys: k, Months: months},
		Log: func(ctx context.Context, from uint64, visit func(audit.Stored, error) error) error {
			return l.Walk(ctx, from, func(s audit.Stored, err error) error {
				if s.Action == entry.Filed || err != nil {
					if err := keep(&s); err != nil {
						return visit(s, err)
					}
				}
				return visit(s, err)
			})
		}})
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []func() error{months.Close, l.Close, k.Close} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
	return report
}

func TestARecordingThatTheLogDoesNotKnowIsToldUnlessNobodyCouldHaveLoggedIt(t *testing.T) {
	v, ids := closed(t, 2)
	v.Stop()
	forget := func(s *audit.Stored) error {
		if slices.Contains(s.About, ids[0]) {
			s.Action = entry.View
		}
		return nil
	}
	report := compare(t, v, forget)
	wants(t, report, check.Missing, "recording "+ids[0].String(), "does not stand in the audit log")
	if len(report.Findings) != 1 {
		t.Errorf("besides: %v", report.Findings)
	}
	report = compare(t, v, func(s *audit.Stored) error {
		if slices.Contains(s.About, ids[0]) {
			return audit.ErrLost
		}
		return nil
	})
	wants(t, report, check.Missing, "audit: Recordings have no entry in the audit log, as far as that can be read")
	if len(report.Findings) != 1 {
		t.Errorf("a log of which part is lost: %v", report.Findings)
	}
	// What ended before the log went on without a part of it, which it says itself.
	report = compare(t, v, func(s *audit.Stored) error {
		s.Action, s.At = entry.LogLoss, time.Now().Add(time.Hour)
		return nil
	})
	if len(report.Findings) != 0 {
		t.Errorf("a loss that the log tells: %v", report.Findings)
	}
}

// TestAVaultFromBeforeTheLogHasNoFindings: its recordings were closed when nobody wrote that down.
func TestAVaultFromBeforeTheLogHasNoFindings(t *testing.T) {
	v, said := record(t, 2) // an hour before the log's first entry
	v.Stop()
	report := compare(t, v, func(s *audit.Stored) error { s.Action = entry.View; return nil })
	if report.Calls != len(said) || len(report.Findings) != 0 {
		t.Errorf("%+v", report)
	}
}

func TestALogThatWasPutBackDoesNotMakeEachRecordingSinceADamagedOne(t *testing.T) {
	v, _ := closed(t, 2)
	v.Stop()
	old := filepath.Join(t.TempDir(), "audit")
	if err := os.CopyFS(old, os.DirFS(filepath.Join(v.Config.Dir, "audit"))); err != nil {
		t.Fatal(err)
	}
	v.Start()
	closeMore(v, 3)
	v.Stop()
	if err := os.RemoveAll(filepath.Join(v.Config.Dir, "audit")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(v.Config.Dir, "audit"), os.DirFS(old)); err != nil {
		t.Fatal(err)
	}
	report := stopped(t, v, v.Config)
	wants(t, report, check.Altered, "audit", "lost")
	wants(t, report, check.Missing, "audit", "Recordings have no entry")
	for _, f := range report.Findings {
		if f.What != "audit" {
			t.Errorf("%v", f)
		}
	}
}

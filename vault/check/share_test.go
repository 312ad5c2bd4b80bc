package check_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"linekeep/vault/check"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
	"linekeep/vault/retention/hold"
	"linekeep/vault/scrub"
	"linekeep/vault/vaulttest"
)

// pass has all shares of a running vault read once more.
func pass(t *testing.T, v *vaulttest.Vault) scrub.Status {
	t.Helper()
	for range 2 { // what the month lacked, and then a pass of its own
		v.Scrub()
		vaulttest.Eventually(t, time.Minute, "all shares are read", func() bool { st := v.Status().Scrub; return st.Done == scrub.Shares && !st.Running })
	}
	return v.Status().Scrub
}

func TestSharesTogetherReadEverythingAndNothingTwice(t *testing.T) {
	v, said := record(t, 7)
	whole, err := v.Check(t.Context())
	if err != nil || len(whole.Findings) > 0 {
		t.Fatalf("%v %v", whole.Findings, err)
	}
	st := pass(t, v)
	if st.Calls != len(said) || st.Bytes != whole.Bytes || len(st.Findings) > 0 || st.Whole.IsZero() || st.Trouble != "" {
		t.Errorf("in shares: %+v; whole: %+v", st, whole)
	}
	v.Stop()
	again := v.Elsewhere(t, v.Config.Dir)
	again.Start()
	if back := again.Status().Scrub; back.Done != scrub.Shares || !back.Whole.Equal(st.Whole) {
		t.Errorf("after a restart: %+v", back)
	}
	again.Stop()
}

func TestAShareNamesDamageInItsRecordingsAndEveryRecordingHasOne(t *testing.T) {
	v, said := record(t, 3)
	month := library.FolderName("standard", keys.MonthOf(time.Now().Add(-time.Hour)))
	v.Stop()
	var bad keys.ID
	for id := range said {
		bad = id
	}
	plant(t, v, month, false, folder.Entry{Key: recording.Place{Kind: recording.AtChunk, ID: bad, Party: 0, Number: 0}.Key(), Value: []byte("not what was written")})
	again := v.Elsewhere(t, v.Config.Dir)
	again.Start()
	wants(t, check.Report{Findings: pass(t, again).Findings}, check.Altered, "recording "+bad.String(), "office from 0s to 1m0s is altered and will not be played; the rest can be")
	again.Stop()
}

func TestWithAControllersKeyEverythingIsOpened(t *testing.T) {
	v, said := record(t, 3)
	s := v.SignIn(v.Ann)
	defer s.End()
	report, err := v.CheckHearing(t.Context(), s)
	if err != nil || len(report.Findings) > 0 || report.Heard != len(said) {
		t.Errorf("%+v, %v", report, err)
	}
	if report, err := v.Check(t.Context()); err != nil || report.Heard != 0 {
		t.Errorf("without a key: %+v, %v", report, err)
	}
	// One that is restricted is opened for nobody, and that is no damage.
	for id := range said {
		if _, err := v.Retention().Hold(t.Context(), hold.Hold{Kind: hold.Restrict, Reason: "a dispute", By: "Ann Controller", Calls: []keys.ID{id}}); err != nil {
			t.Fatal(err)
		}
		break
	}
	if report, err := v.CheckHearing(t.Context(), s); err != nil || len(report.Findings) > 0 || report.Heard != len(said)-1 {
		t.Errorf("with one restricted: %+v, %v", report, err)
	}
	s.End()
	if _, err := v.CheckHearing(t.Context(), s); !errors.Is(err, check.ErrStop) {
		t.Errorf("after sign-out: %v", err)
	}
}

// TestTheReaderAsksAfterEachMinuteOfACall: a call of hours is not read in one go while the recorder wants the disk.
func TestTheReaderAsksAfterEachMinuteOfACall(t *testing.T) {
	v, said := record(t, 2)
	v.Stop()
	k, err := keys.Open(t.Context(), keys.Config{Dir: filepath.Join(v.Config.Dir, "keys"), Clock: time.Now}, v.Chip)
	if err != nil {
		t.Fatal(err)
	}
	months := library.NewMonths(library.MonthsConfig{Dir: v.Config.Dir, Key: k.Folder, ReadOnly: true, Clock: time.Now, Log: v.Log})
	full := errors.New("enough")
	for _, share := range []check.Share{{}, {Number: 0, Of: 1}} {
		asked, most := 0, int64(0)
		in := &check.Vault{Dir: v.Config.Dir, Library: &library.Library{Keys: k, Months: months}, Share: share,
			Pace: func(_ context.Context, n int64) error { asked, most = asked+1, max(most, n); return nil }}
		report, err := check.Run(t.Context(), in)
		if err != nil || asked != report.Chunks || asked < 4*len(said) || most >= report.Bytes/int64(len(said)) {
			t.Errorf("%v: asked %d times for %d chunks, %d bytes at the most: %v", share, asked, report.Chunks, most, err)
		}
		in.Pace = func(context.Context, int64) error { return full }
		if report, err := check.Run(t.Context(), in); !errors.Is(err, full) || report.Chunks != 1 || len(report.Findings) > 0 {
			t.Errorf("%v: told to end: %+v, %v", share, report, err)
		}
	}
	if err := errors.Join(months.Close(), k.Close()); err != nil {
		t.Error(err)
	}
}

package scrub_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"linekeep/vault/check"
	"linekeep/vault/scrub"
)

// night is a vault that is read by night, as a Runner sees it.
type night struct {
	t      *testing.T
	shares []int // read to their end
	begun  []int // how many shares were due each time when what they share was read
	shut   error // of Begin
	kept   map[string][]byte
	report check.Report
	fails  error
	bytes  int64 // of each share
	full   error // of Save
}

func (n *night) Load(name string) ([]byte, error) {
	if data, ok := n.kept[name]; ok {
		return data, nil
	}
	return nil, fs.ErrNotExist
}

func (n *night) Save(name string, value []byte) error {
	if n.full == nil {
		n.kept[name] = value
	}
	return n.full
}

// Begin is asked for once for each night.
func (n *night) Begin(_ context.Context, due ...check.Share) (scrub.Reader, error) {
	n.begun = append(n.begun, len(due))
	return n, n.shut
}

func (n *night) Read(ctx context.Context, share check.Share, pace check.Pace) (check.Report, error) {
	if share.Of != scrub.Shares {
		n.t.Errorf("share %+v", share)
	}
	const steps = 10
	for range steps {
		if err := pace(ctx, n.bytes/steps); err != nil {
			return n.report, err
		}
	}
	if n.fails != nil {
		return n.report, n.fails
	}
	n.shares = append(n.shares, share.Number)
	return n.report, nil
}

func (n *night) runner() *scrub.Runner {
	n.t.Helper()
	r, err := scrub.New(n.t.Context(), scrub.Config{Begin: n.Begin, Store: n, Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		n.t.Fatal(err)
	}
	return r
}

// run runs r for a while of virtual time.
func run(t *testing.T, r *scrub.Runner, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := r.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func newNight(t *testing.T) *night { return &night{t: t, kept: map[string][]byte{}} }

func first(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

// The virtual clock begins at midnight of 1 January 2000, in UTC.
func TestEachNightReadsAShareAndAMonthReadsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNight(t)
		r := n.runner()
		run(t, r, 30*time.Minute)
		if len(n.shares) != 0 {
			t.Errorf("before the hour: %v", n.shares)
		}
		run(t, r, 10*24*time.Hour)
		if !slices.Equal(n.shares, first(10)) {
			t.Errorf("after ten nights: %v", n.shares)
		}
		run(t, r, 20*24*time.Hour)
		if !slices.Equal(n.shares, first(scrub.Shares)) || r.Status().Whole.Day() != 28 {
			t.Errorf("after the month: %v, whole %v", n.shares, r.Status().Whole)
		}
		run(t, r, 3*24*time.Hour)
		if st := r.Status(); st.Month != "2000-02" || st.Done != 2 || st.Whole.IsZero() {
			t.Errorf("in February: %+v", st)
		}
	})
}

func TestNightsInWhichTheBoxWasOffAreMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNight(t)
		run(t, n.runner(), 3*24*time.Hour)
		time.Sleep(6 * 24 * time.Hour) // off; virtual time
		run(t, n.runner(), 2*time.Hour)
		if !slices.Equal(n.shares, first(10)) {
			t.Errorf("on the tenth: %v", n.shares)
		}
	})
}

// TestWhatSharesHaveInCommonIsReadOnceANight, also where many are made up for; anew with the next month, and after half a day, since
// what is recorded meanwhile is not looked at.
func TestWhatSharesHaveInCommonIsReadOnceANight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNight(t)
		time.Sleep(19*24*time.Hour + 12*time.Hour) // the box is new on the 20th, at noon
		r := n.runner()
		run(t, r, 3*time.Hour)
		if len(n.shares) != 20 || !slices.Equal(n.begun, []int{20}) {
			t.Errorf("catching up: %v, begun with %v", n.shares, n.begun)
		}
		run(t, r, 2*24*time.Hour)
		if !slices.Equal(n.begun, []int{20, 1, 1}) {
			t.Errorf("two nights later: begun with %v", n.begun)
		}
		n.begun, n.bytes = nil, 5*3600*scrub.Rate // five hours a share
		r.Now()
		run(t, r, 31*time.Hour)
		if !slices.Equal(n.begun, []int{6, 3}) || len(n.shares) != scrub.Shares {
			t.Errorf("28 hours of reading: %v, begun with %v", n.shares, n.begun)
		}
		n.begun, n.bytes, n.shares = nil, 9*3600*scrub.Rate, nil
		time.Sleep(time.Until(time.Date(2000, 1, 31, 20, 0, 0, 0, time.UTC)))
		r.Now() // a pass of January, which February cuts short
		run(t, r, 24*time.Hour)
		if st := r.Status(); st.Month != "2000-02" || st.Done != 1 || !slices.Equal(n.shares, []int{0, 0}) || !slices.Equal(n.begun, []int{28, 1}) {
			t.Errorf("into February: %+v, %v, begun with %v", st, n.shares, n.begun)
		}
		n.shut = errors.New("the disk does not answer")
		run(t, r, 24*time.Hour)
		if st := r.Status(); st.Trouble == "" || st.Done != 1 || st.Running {
			t.Errorf("%+v", st)
		}
	})
}

func TestAShareThatWasCutShortIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNight(t)
		n.bytes = 3600 * scrub.Rate // an hour of reading
		time.Sleep(time.Hour)
		start := time.Now()
		run(t, n.runner(), 59*time.Minute)
		if len(n.shares) != 0 {
			t.Fatalf("read in %v at more than the rate", time.Since(start))
		}
		run(t, n.runner(), 62*time.Minute)
		if !slices.Equal(n.shares, first(1)) {
			t.Errorf("after the restart: %v", n.shares)
		}
	})
}

func TestFindingsStayUntilTheirShareOfTheNextPassAndAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNight(t)
		bad := check.Finding{Kind: check.Altered, What: "recording 2-7", Text: "The sound of office from 0s to 1m0s is altered."}
		n.report = check.Report{Calls: 3, Bytes: 100, Findings: []check.Finding{bad}}
		r := n.runner()
		run(t, r, 3*24*time.Hour)
		if st := n.runner().Status(); !slices.Equal(st.Findings, []check.Finding{bad}) || st.Calls != 9 || st.Bytes != 300 || st.Done != 3 {
			t.Errorf("after a restart: %+v", st)
		}
		n.report.Findings = nil
		for i := range 150 {
			n.report.Findings = append(n.report.Findings, check.Finding{What: fmt.Sprint(i)})
		}
		run(t, r, 24*time.Hour)
		if st := r.Status(); len(st.Findings) != 100 || st.More != 51 {
			t.Errorf("%d findings and %d more", len(st.Findings), st.More)
		}
		n.report.Findings = nil
		run(t, r, 26*24*time.Hour) // to the 31st
		if st := r.Status(); len(st.Findings) != 100 || st.Done != scrub.Shares {
			t.Errorf("at the month's end: %d findings, %d shares", len(st.Findings), st.Done)
		}
		run(t, r, 48*time.Hour)
		if st := r.Status(); !slices.Equal(st.Findings, []check.Finding{bad}) || st.More != 0 || st.Month != "2000-02" {
			t.Errorf("in the next pass: %+v", st)
		}
	})
}

// TestDamageIsToldUntilItsOwnShareIsReadAgain: recording 2-7 is of share 9, so a new month's first shares do not clear it.
func TestDamageIsToldUntilItsOwnShareIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNight(t)
		bad := check.Finding{Kind: check.Altered, What: "recording 2-7", Text: "The sound of office from 0s to 1m0s is altered."}
		n.report = check.Report{Findings: []check.Finding{bad}}
		run(t, n.runner(), 30*24*time.Hour)
		n.report.Findings = nil
		for share := 0; share < 12; {
			r := n.runner() // started anew each day
			run(t, r, 24*time.Hour)
			st := r.Status()
			if share = st.Done; st.Month != "2000-02" {
				share = 0
			}
			if told := slices.Contains(st.Findings, bad); told != (share <= 9) {
				t.Fatalf("%d shares of %s are read, and it is told: %v", st.Done, st.Month, told)
			}
		}
	})
}

func TestNowReadsTheRestAndThenAnotherPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNight(t)
		r := n.runner()
		run(t, r, 2*24*time.Hour)
		r.Now()
		run(t, r, time.Second)
		if st := r.Status(); st.Done != scrub.Shares || st.Hurry || len(n.shares) != scrub.Shares {
			t.Errorf("%+v, %v", st, n.shares)
		}
		r.Now()
		run(t, r, time.Second)
		if len(n.shares) != 2*scrub.Shares {
			t.Errorf("%d shares", len(n.shares))
		}
	})
}

func TestATroubleIsToldAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNight(t)
		n.fails = errors.New("the disk does not answer")
		r := n.runner()
		run(t, r, 2*time.Hour)
		if st := r.Status(); st.Trouble == "" || st.Done != 0 || st.Running {
			t.Errorf("%+v", st)
		}
		n.fails, n.full = nil, errors.New("disk full")
		run(t, r, 2*time.Minute)
		if st := r.Status(); st.Trouble != "" || st.Done != 1 {
			t.Errorf("afterwards: %+v", st)
		}
	})
}

// TestAVaultThatIsNotReadWholeForLongIsTold: also one that was never, from its first start on; a month that was read is enough.
func TestAVaultThatIsNotReadWholeForLongIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNight(t)
		n.fails = errors.New("the disk does not answer")
		run(t, n.runner(), 44*24*time.Hour)
		r := n.runner() // a start does not make it new
		if late, _ := r.Status().Late(time.Now()); late {
			t.Error("told after 44 days")
		}
		run(t, r, 2*24*time.Hour)
		if late, since := r.Status().Late(time.Now()); !late || since.Day() != 1 {
			t.Errorf("after 46 days: %v, since %v", late, since)
		}
		n.fails = nil
		r.Now()
		run(t, r, time.Hour)
		if late, _ := r.Status().Late(time.Now()); late {
			t.Error("told when it was just read")
		}
		for range 44 {
			run(t, r, 24*time.Hour)
			if late, since := r.Status().Late(time.Now()); late {
				t.Fatalf("a box that reads every night: told on %v, since %v", time.Now(), since)
			}
		}
		time.Sleep(46 * 24 * time.Hour)
		if late, _ := n.runner().Status().Late(time.Now()); !late {
			t.Error("not told after 46 days without a night")
		}
	})
}

func FuzzProgress(f *testing.F) {
	n := &night{kept: map[string][]byte{}}
	r, err := scrub.New(f.Context(), scrub.Config{Begin: n.Begin, Store: n, Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"version":1,"month":"2026-11","done":28,"whole":"2026-11-28T01:00:00Z","findings":[{"Kind":"altered","What":"x","Text":"y"}]}`))
	f.Add([]byte(`{"version":1,"month":"2026-11","done":29}`))
	f.Add([]byte(r.Status().Words()))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := &night{t: t, kept: map[string][]byte{"scrub": data}}
		if st := m.runner().Status(); st.Done < 0 || st.Done > scrub.Shares || len(st.Findings) > 100 || st.Month == "" {
			t.Errorf("%s is taken for %+v", data, st)
		}
	})
}

package library

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"linekeep/vault/folder"
	"linekeep/vault/keys"
)

func newMonths(t *testing.T, clock *time.Time) *Months {
	t.Helper()
	key := keys.NewKey()
	m := NewMonths(MonthsConfig{Dir: t.TempDir(), Key: func(name string) keys.Key { return key.Derive(name) },
		Clock: func() time.Time { return *clock }, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return m
}

func use(t *testing.T, m *Months, name string, write bool) (*folder.Folder, func()) {
	t.Helper()
	f, release, err := m.Use(t.Context(), name, write)
	if err != nil {
		t.Fatalf("Use %s: %v", name, err)
	}
	return f, release
}

func TestOldMonthsAreOpenOnlyWhileSomebodyReadsThem(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	m := newMonths(t, &now)
	if _, _, err := m.Use(t.Context(), "calls/standard/2026-01", false); !errors.Is(err, folder.ErrMissing) {
		t.Errorf("a month that never was: %v", err)
	}
	var names []string
	for i := range 4 {
		names = append(names, fmt.Sprintf("calls/standard/2026-%02d", i+1))
		f, release := use(t, m, names[i], true)
		if err := f.Put(t.Context(), folder.Entry{Key: []byte("wx"), Value: []byte("v")}); err != nil {
			t.Fatal(err)
		}
		release()
	}
	now = now.Add(keptWriting + time.Second)
	if err := m.Tidy(map[string]bool{names[3]: true}); err != nil {
		t.Fatal(err)
	}
	if open := m.Commits(); len(open) != 1 || open[names[3]] != 1 {
		t.Errorf("open for writing: %v", open)
	}
	for _, name := range names[:3] {
		_, release := use(t, m, name, false)
		now = now.Add(time.Second)
		release()
	}
	if err := m.Tidy(nil); err != nil {
		t.Fatal(err)
	}
	if m.open[names[0]] != nil || m.open[names[1]] == nil || m.open[names[2]] == nil {
		t.Errorf("not the longest unused was closed: %v", m.open)
	}
	if got, err := m.Names(); err != nil || len(got) != 4 {
		t.Errorf("Names: %v %v", got, err)
	}
}

func TestAMonthSomebodyReadsIsOpenedForWritingWhenTheyAreDone(t *testing.T) {
	now := time.Now()
	m := newMonths(t, &now)
	const name = "calls/standard/2026-11"
	_, release := use(t, m, name, true)
	release()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	_, done := use(t, m, name, false)
	if _, _, err := m.Use(t.Context(), name, true); !errors.Is(err, folder.ErrBusy) {
		t.Errorf("writing beside a reader: %v", err)
	}
	done()
	f, release := use(t, m, name, true)
	defer release()
	if err := f.Put(t.Context(), folder.Entry{Key: []byte("wx"), Value: []byte("v")}); err != nil {
		t.Errorf("Put: %v", err)
	}
}

// TestAMonthThatIsBeingRemovedIsThereNoMore, for whoever asks while that goes on: a check would take it for a damaged one. Where
// the removal stops, it is there as before.
func TestAMonthThatIsBeingRemovedIsThereNoMore(t *testing.T) {
	now := time.Now()
	m := newMonths(t, &now)
	const name = "calls/standard/2026-11"
	_, release := use(t, m, name, true)
	release()
	stopped := errors.New("something was brought into it")
	for _, stop := range []error{stopped, nil} {
		err := m.Retire(t.Context(), name, func(*folder.Folder) error {
			if _, _, err := m.Use(t.Context(), name, false); m.Has(name) || !errors.Is(err, folder.ErrMissing) {
				t.Errorf("while it is being removed: there %v, %v", m.Has(name), err)
			}
			return stop
		})
		if !errors.Is(err, stop) || m.Has(name) != (stop != nil) {
			t.Errorf("Retire: %v, want %v; there %v", err, stop, m.Has(name))
		}
	}
}

func borrow(t *testing.T, m *Months, name string) *Loan {
	t.Helper()
	l, err := m.Borrow(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestWhoeverBorrowsAMonthGivesWay to writing and to removal, waits until that is done, and has it again then.
func TestWhoeverBorrowsAMonthGivesWay(t *testing.T) {
	now := time.Now()
	m := newMonths(t, &now)
	const name = "calls/standard/2026-11"
	_, release := use(t, m, name, true)
	release()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	lent := borrow(t, m, name)
	_, listens := use(t, m, name, false)
	results := make(chan error, 1) // one answer
	want := func(do func() error) { go func() { results <- do() }() }
	write := func() error {
		_, done, err := m.Use(t.Context(), name, true)
		if err == nil {
			done()
		}
		return err
	}
	want(write)
	<-lent.Asked
	lent.Return()
	if err := <-results; !errors.Is(err, folder.ErrBusy) {
		t.Errorf("beside somebody who listens: %v", err)
	}
	listens()
	lent = borrow(t, m, name)
	want(write)
	<-lent.Asked
	lent.Return()
	lent = borrow(t, m, name) // waits for the writer
	if err := <-results; err != nil {
		t.Errorf("writing: %v", err)
	}
	if err := write(); err != nil { // it is open for writing now, and nobody has to let go
		t.Errorf("writing beside the reader: %v", err)
	}
	select {
	case <-lent.Asked:
		t.Error("asked for nothing")
	default:
	}
	want(func() error { return m.Retire(t.Context(), name, func(*folder.Folder) error { return nil }) })
	<-lent.Asked
	lent.Return()
	if _, err := m.Borrow(t.Context(), name); !errors.Is(err, folder.ErrMissing) {
		t.Errorf("removed: %v", err)
	}
	if err := <-results; err != nil {
		t.Errorf("Retire: %v", err)
	}
}

// TestAReaderWhoDoesNotGiveWayIsNotWaitedForForLong, and nobody is asked twice.
func TestAReaderWhoDoesNotGiveWayIsNotWaitedForForLong(t *testing.T) {
	now := time.Now()
	m := newMonths(t, &now)
	const name = "calls/standard/2026-11"
	_, release := use(t, m, name, true)
	release()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := m.Borrow(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, _, err := m.Use(t.Context(), name, true); !errors.Is(err, folder.ErrBusy) || time.Since(began) > claimTime+time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	l.Return()
	if l, err = m.Borrow(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	select {
	case <-l.Asked:
		t.Error("who borrows it now is asked for a wish that was given up")
	default:
	}
	l.Return()
}

// TestWhoeverWantsToWriteWaitsAMomentForAReader: most read for a moment, and nobody need be told of that.
func TestWhoeverWantsToWriteWaitsAMomentForAReader(t *testing.T) {
	now := time.Now()
	m := newMonths(t, &now)
	const name = "calls/standard/2026-11"
	_, release := use(t, m, name, true)
	release()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	_, done := use(t, m, name, false)
	time.AfterFunc(briefTime/10, done)
	_, release, err := m.Use(t.Context(), name, true)
	if err != nil {
		t.Fatalf("writing beside somebody who reads for a moment: %v", err)
	}
	release()
}

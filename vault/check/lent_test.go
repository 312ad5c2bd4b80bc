package check_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"linekeep/vault/check"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/library"
)

// slow is a Pace that takes a moment for each minute of sound, and does something at one of them.
func slow(at int, do func()) func(context.Context, int64) error {
	n := 0
	return func(ctx context.Context, _ int64) error {
		if n++; n == at {
			do()
		}
		wait := time.NewTimer(30 * time.Millisecond)
		defer wait.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wait.C:
			return nil
		}
	}
}

// wanted is somebody who opens a folder for writing and writes.
type wanted struct {
	took time.Duration
	err  error
}

func write(ctx context.Context, months *library.Months, name string) (w wanted) {
	began := time.Now()
	f, release, err := months.Use(ctx, name, true)
	w.took = time.Since(began)
	if err != nil {
		return wanted{w.took, err}
	}
	defer release()
	w.err = f.Put(ctx, folder.Entry{Key: []byte("stranger"), Value: []byte("written meanwhile")})
	return w
}

// TestTheReaderGivesWay: whoever wants to write in a month that is being read, whole or in a share, has it within a second, and
// the reading goes on behind them to its end.
func TestTheReaderGivesWay(t *testing.T) {
	v, said := record(t, 12)
	v.Stop()
	name := library.FolderName("standard", keys.MonthOf(time.Now().Add(-time.Hour)))
	whole := stopped(t, v, v.Config)
	k, err := keys.Open(t.Context(), keys.Config{Dir: filepath.Join(v.Config.Dir, "keys"), Clock: time.Now}, v.Chip)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, share := range []check.Share{{}, {Number: 0, Of: 1}} {
		months := library.NewMonths(library.MonthsConfig{Dir: v.Config.Dir, Key: k.Folder, Move: func(int64) error { return nil }, Clock: time.Now, Log: v.Log})
		in := &check.Vault{Dir: v.Config.Dir, Library: &library.Library{Keys: k, Months: months}, Share: share}
		writer := make(chan wanted, 1) // one answer
		in.Pace = slow(3, func() {
			go func() { writer <- write(t.Context(), months, name) }()
		})
		report, err := check.Run(t.Context(), in)
		if err != nil || report.Calls != len(said) || report.Chunks != whole.Chunks || report.Bytes != whole.Bytes {
			t.Errorf("%v: %+v, want %+v: %v", share, report, whole, err)
		}
		for _, f := range report.Findings {
			if f.Kind != check.Extra || f.What != name { // what was written meanwhile
				t.Errorf("%v: %v", share, f)
			}
		}
		select {
		case w := <-writer:
			if w.err != nil || w.took > time.Second {
				t.Errorf("%v: for writing after %v: %v", share, w.took, w.err)
			}
		default:
			t.Errorf("%v: nobody could write until all was read", share)
		}
		if err := months.Close(); err != nil {
			t.Error(err)
		}
	}
}

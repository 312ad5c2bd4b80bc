package journal

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// faulty is a file whose next write or sync fails.
type faulty struct {
	handle
	fail *failure
}

type failure struct {
	write, sync, truncate error
	partial               int // bytes a failing write still writes
}

func (f faulty) WriteAt(b []byte, off int64) (int, error) {
	if f.fail.write != nil {
		n, err := f.handle.WriteAt(b[:min(f.fail.partial, len(b))], off)
		return n, errors.Join(f.fail.write, err)
	}
	return f.handle.WriteAt(b, off)
}

func (f faulty) Sync() error {
	if f.fail.sync != nil {
		return errors.Join(f.fail.sync, f.handle.Sync())
	}
	return f.handle.Sync()
}

func (f faulty) Truncate(n int64) error {
	if f.fail.truncate != nil {
		return f.fail.truncate
	}
	return f.handle.Truncate(n)
}

func TestAFailedGroupIsNeverReadAsStored(t *testing.T) {
	tests := []struct {
		name string
		fail failure
		full bool
	}{
		{"write refused for want of space", failure{write: unix.ENOSPC}, true},
		{"half written, then no space", failure{write: unix.ENOSPC, partial: 700}, true},
		{"half written, truncate fails", failure{write: unix.ENOSPC, partial: 700, truncate: unix.EIO}, true},
		{"write fails", failure{write: unix.EIO, partial: 300}, false},
		{"all written, write fails, truncate fails", failure{write: unix.EIO, partial: 1 << 20, truncate: unix.EIO}, false},
		{"sync fails", failure{sync: unix.EIO}, false},
		{"sync fails, truncate fails", failure{sync: unix.EIO, truncate: unix.EIO}, false},
	}
	for _, tt := range tests {
		for _, before := range []int{0, 2} {
			t.Run(fmt.Sprint(tt.name, ", groups before: ", before), func(t *testing.T) {
				failed(t, tt.fail, before, tt.full)
			})
		}
	}
}

func failed(t *testing.T, how failure, before int, full bool) {
	dir := t.TempDir()
	cfg := config(t, dir)
	fail := &failure{}
	real := cfg.withDefaults().create
	cfg.create = func(path string) (handle, error) {
		h, err := real(path)
		return faulty{h, fail}, err
	}
	j, _ := open(t, cfg)
	for i := range before {
		appendGroup(t, j, Group{At: at(i)}, records(i, 2, 300))
	}
	*fail = how
	for range 2 {
		err := j.Append(Group{At: at(50)}, records(50, 2, 300))
		if err == nil || errors.Is(err, ErrFull) != full {
			t.Fatalf("Append on a failing disk: %v", err)
		}
	}
	*fail = failure{}
	appendGroup(t, j, Group{At: at(60)}, records(60, 2, 300))
	if ds, err := j.Verify(); err != nil || len(ds) > 0 {
		t.Errorf("Verify: %v %v", ds, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	_, r := open(t, cfg)
	noDamage(t, r)
	for _, rec := range r.Records {
		if rec.Seq == 50 {
			t.Error("a group its writer was refused is read as stored")
		}
	}
	if len(r.Records) != 2*before+2 {
		t.Errorf("%d records, want %d", len(r.Records), 2*before+2)
	}
}

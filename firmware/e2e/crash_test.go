package e2e

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"linekeep/vault"
	"linekeep/vault/catalog"
	"linekeep/vault/vaulttest/loopdisk"
)

// atRisk is what a crash may cost an open call: a tick in the making, and a tick on its way to the disk.
const atRisk = time.Second

// rounds is how often something is tried: few times, or with LONG=1 many.
func rounds(few, many int) int {
	if os.Getenv("LONG") != "" {
		return many
	}
	return few
}

func TestAKilledBoxLosesNoClosedCallAndASecondOfAnOpenOne(t *testing.T) {
	bin, s := programs(t), newSite(t, t.TempDir())
	told := map[string]bool{}
	var deaths []time.Time
	for range rounds(20, 200) {
		b := s.start(bin)
		b.goOn(1200*time.Millisecond, 3*time.Second)
		at := time.Now()
		b.kill()
		deaths = append(deaths, at)
		for _, id := range b.told() {
			told[id] = true
		}
	}
	if len(told) < len(deaths) {
		t.Errorf("only %d calls were filed in %d lives of the box: the short calls are not short", len(told), len(deaths))
	}
	s.inspect(s.dir, func(v *vault.Vault, rows map[string]catalog.Row) {
		s.survived(v, rows, told)
		for _, at := range deaths {
			s.lostLittle(rows, at)
		}
	})
}

// survived says that every call that was told as filed is there and plays.
func (s *site) survived(v *vault.Vault, rows map[string]catalog.Row, told map[string]bool) {
	s.t.Helper()
	for id := range told {
		r, ok := rows[id]
		if !ok {
			s.t.Errorf("call %s was filed, and is gone", id)
			continue
		}
		if !r.Recovered && (r.Gaps > 0 || r.Duration < time.Second) { // what one life cut, the next has filed
			s.t.Errorf("call %s was filed, and is now %v long with %d gaps", id, r.Duration, r.Gaps)
		}
		s.plays(v, r)
	}
	for _, r := range rows {
		if r.Recovered {
			s.plays(v, r)
		}
	}
}

// lostLittle says that both long calls, which were up at that moment, are there until a second before it.
func (s *site) lostLittle(rows map[string]catalog.Row, at time.Time) {
	s.t.Helper()
	for _, line := range []string{"line1", "line2"} {
		var last time.Time
		for _, r := range rows {
			if end := r.Start.Add(r.Duration); r.Line == line && r.Start.Before(at) && end.After(last) {
				last = end
			}
		}
		if lost := at.Sub(last); lost > atRisk {
			s.t.Errorf("%s: %v of the open call is lost", line, lost)
		}
	}
}

func TestAPowerCutLosesNoClosedCallAndASecondOfAnOpenOne(t *testing.T) {
	disk := loopdisk.New(t, 700<<20)
	bin, s := programs(t), newSite(t, filepath.Join(disk.Dir, "site"))
	b := s.start(bin)
	for range rounds(3, 20) {
		b.goOn(1500*time.Millisecond, 4*time.Second)
		told := map[string]bool{}
		for _, id := range b.told() {
			told[id] = true
		}
		// The image is copied while nothing runs that could write: what the disk has at that moment, and no more.
		at := time.Now()
		if err := b.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		copied := disk.Cut(t)
		if err := b.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		s.inspect(filepath.Join(copied.Dir, "site"), func(v *vault.Vault, rows map[string]catalog.Row) {
			s.survived(v, rows, told)
			s.lostLittle(rows, at)
		})
		copied.Discard(t)
	}
	b.stop()
}

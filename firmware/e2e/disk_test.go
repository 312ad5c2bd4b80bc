package e2e

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linekeep/vault"
	"linekeep/vault/catalog"
	"linekeep/vault/vaulttest/loopdisk"
)

func TestADiskFilledToTheBrimStopsNothingButTheSoundAndSaysSo(t *testing.T) {
	d := loopdisk.New(t, 1<<30)
	bin, s := programs(t), newSite(t, filepath.Join(d.Dir, "site"))
	b := s.start(bin)
	b.eventually(time.Minute, "calls to be filed", func() bool { return len(b.told()) > 2 })
	told := map[string]bool{}
	for _, id := range b.told() {
		told[id] = true
	}
	free := d.Fill(t)
	says := func(what string) func() bool {
		return func() bool { return strings.Contains(s.ctl(bin, "status"), what) }
	}
	b.eventually(time.Minute, "the alarm", says("disk is full"))
	b.goOn(2*time.Second, 3*time.Second)
	free()
	b.eventually(time.Minute, "the alarm to end", func() bool { return !says("disk is full")() && !says("nearly full")() })
	before := len(b.told())
	b.eventually(time.Minute, "calls to be filed again", func() bool { return len(b.told()) > before+2 })
	for _, id := range b.told()[before+1:] {
		told[id] = true
	}
	b.stop()
	s.inspect(s.dir, func(v *vault.Vault, rows map[string]catalog.Row) {
		for id := range told {
			if _, ok := rows[id]; !ok {
				t.Errorf("call %s was filed, and is gone", id)
			}
		}
		for _, r := range rows {
			s.plays(v, r)
		}
	})
}

// ctl asks the running box.
func (s *site) ctl(bin string, args ...string) string {
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "linekeepctl"), append([]string{"--socket", filepath.Join(s.dir, "control.sock")}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) == 0 {
		return err.Error()
	}
	return string(out)
}

// search names the files below dir that hold any of the needles.
func search(t *testing.T, dir string, needles map[string][]byte) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		data, err := io.ReadAll(f)
		for what, needle := range needles {
			if strings.Contains(string(data), string(needle)) {
				found[what] = path
			}
		}
		return errors.Join(err, f.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

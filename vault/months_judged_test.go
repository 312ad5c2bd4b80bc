package vault_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"linekeep/vault"
	"linekeep/vault/catalog"
	"linekeep/vault/keys"
	"linekeep/vault/library"
)

// month is one of the firm's; then all that is there is compared with all that should be.
func (f *firm) month() {
	f.t.Helper()
	for range 30 {
		f.day()
	}
	f.Settle()
	for n, went := 0, 1; went > 0 || f.waits > 0 || f.model.Blocked; n++ { // until nothing is left that the night after would take
		if n > 30 {
			f.t.Fatalf("%s: it never comes to an end: %d went, %+v, %+v", f, went, f.Status().Erasing, f.Status().Retention)
		}
		f.morning(true)
		went = f.night()
	}
	f.night() // months go in the pass after what was in them
	if len(f.unfiled) > 0 {
		for _, s := range f.unfiled {
			f.t.Errorf("%s: the call of %s (dated %s), class %s, was never found; not filed: %v, up: %d", f, s.Began, s.Start, s.Class, f.Unfiled(), f.Status().Up)
		}
	}
	f.present()
	f.absent()
	f.folders()
	report, err := f.Check(f.t.Context())
	if err != nil || !f.misdated && (len(report.Findings) > 0 || report.Calls != len(f.calls)) {
		f.t.Errorf("%s: check: %d calls, want %d; %v, %v", f, report.Calls, len(f.calls), report.Findings, err)
	}
	if found := f.Findings(); len(found) > 0 {
		f.t.Errorf("%s: findings: %v", f, found)
	}
	f.judge()
}

func (f *firm) home(s *spoken) string { return library.FolderName(s.Class, keys.MonthOf(s.Start)) }

func (f *firm) onDisk(name string) bool {
	return exists(filepath.Join(f.Config.Dir, filepath.FromSlash(name)))
}

// present wants each call to be found and to play, if it is not restricted; those in particular whose month is gone.
func (f *firm) present() {
	f.t.Helper()
	rows, err := f.Find(f.t.Context(), catalog.Query{})
	if err != nil {
		f.t.Fatal(err)
	}
	found := make(map[keys.ID]bool)
	for _, r := range rows {
		found[r.ID] = true
	}
	hidden := f.Retention().Restricted()
	for id, s := range f.calls {
		if found[id] == hidden[id] {
			f.t.Errorf("%s: call %s is found: %v; restricted: %v", f, id, found[id], hidden[id])
		}
		carried := !f.onDisk(f.home(s))
		switch {
		case hidden[id]:
			if _, err := f.Play(f.t.Context(), id, f.Code); !errors.Is(err, vault.ErrNotThere) {
				f.t.Errorf("%s: call %s is restricted, and plays: %v", f, id, err)
			}
		case carried:
			f.Plays(id, s.talk)
			f.counts["played after its month"]++
		case f.random.IntN(8) == 0:
			f.Plays(id, s.talk)
		}
	}
}

// absent wants of each call that went no row, no sound, no key, and its certificate.
func (f *firm) absent() {
	f.t.Helper()
	have := f.Catalog().Have(f.gone...)
	for _, id := range f.gone {
		if have[id] {
			f.t.Errorf("%s: call %s is gone, and has a row", f, id)
		}
		if _, err := f.Play(f.t.Context(), id, f.Code); !errors.Is(err, vault.ErrNotThere) {
			f.t.Errorf("%s: call %s is gone, and plays: %v", f, id, err)
		}
		if slot, err := f.Vault.Vault.Keys().Slot(id); !errors.Is(err, keys.ErrNoSlot) {
			slot.Wipe()
			f.t.Errorf("%s: call %s is gone, and its slot is there: %v", f, id, err)
		}
		c, err := f.Certificate(id)
		if err == nil {
			_, err = c.Verify()
		}
		if err != nil || !slices.Contains(c.Entry.Calls, id) {
			f.t.Errorf("%s: the certificate of call %s: %v", f, id, err)
		}
	}
}

// folders wants those months only that a call needs.
func (f *firm) folders() {
	f.t.Helper()
	needed, allowed := make(map[string]bool), make(map[string]bool)
	for _, s := range f.calls {
		kept := library.FolderName(library.Kept, keys.MonthOf(s.Start))
		allowed[kept] = true // it goes with the last class of its month
		if f.model.Young(&s.Call) {
			allowed[f.home(s)] = true
		}
		if f.model.Unexpired(&s.Call) {
			needed[f.home(s)] = true
		}
		if !f.onDisk(f.home(s)) {
			needed[kept] = true
		}
	}
	dirs, err := filepath.Glob(filepath.Join(f.Config.Dir, library.CallsDir, "*", "*"))
	if err != nil {
		f.t.Fatal(err)
	}
	for _, dir := range dirs {
		name := path.Join(library.CallsDir, filepath.Base(filepath.Dir(dir)), filepath.Base(dir))
		if keys.Month(path.Base(name)) < keys.MonthOf(f.wall()) && !needed[name] && !allowed[name] {
			f.t.Errorf("%s: %s is there, and no call needs it", f, name)
		}
	}
	for name := range needed {
		if !f.onDisk(name) {
			f.t.Errorf("%s: %s is not there, and a call needs it", f, name)
		}
	}
	f.counts["folders"] = len(dirs)
}

// happened wants that all that the test is about did happen.
func (f *firm) happened() {
	f.t.Helper()
	f.t.Logf("%d calls made, %d there, %d gone; %v", f.number, len(f.calls), len(f.gone), f.counts)
	for _, what := range []string{"expired", "erased", "hold", "restriction", "case", "lifted", "restart", "played after its month"} {
		if f.counts[what] == 0 {
			f.t.Errorf("none was ever %s: the test shows nothing about it", what)
		}
	}
}

// TestP12_P13_MonthsOnARealVaultNothingGoesEarlyAndNothingStaysWithoutAReason: an office of three classes, whose calls are held, restricted,
// frozen and erased at random, whose box stops and whose clock lies; after each month against the model.
func TestP12_P13_MonthsOnARealVaultNothingGoesEarlyAndNothingStaysWithoutAReason(t *testing.T) {
	seeds, months := 1, 3
	if long() {
		seeds, months = 8, 12
	}
	first, err := strconv.ParseUint(os.Getenv(monthsEnv), 10, 64)
	if err != nil {
		first = rand.Uint64() >> 16
	}
	for n := range seeds {
		seed := first + uint64(n)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Log(monthsEnv, seed)
			f := newFirm(t, seed)
			for range months {
				f.month()
			}
			f.Stop()
			f.happened()
		})
	}
}

package vault_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault"
	"linekeep/vault/catalog"
	"linekeep/vault/check"
	"linekeep/vault/erasure"
	"linekeep/vault/keys"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/forensics"
)

// cut is what a power cut at one moment would leave.
type cut struct {
	word string
	dir  string
	chip *tpmtest.Memory
}

// TestAnErasureIsFinishedAfterAPowerCut: at each word to the chip, before and after it, with the row loose and in a block: after
// the restart the call is gone exactly once, with its certificate, and everything else is there.
func TestAnErasureIsFinishedAfterAPowerCut(t *testing.T) {
	chip := tpmtest.NewMemory()
	dir := filepath.Join(t.TempDir(), "vault")
	watched := forensics.Watch(t, chip, filepath.Join(dir, "keys"))
	v := &erasable{Vault: vaulttest.NewOn(t, dir, watched), t: t, chip: chip}
	v.Start()
	v.record(1)
	v.record(2)
	s := &scene{erasable: v}
	s.rows(catalog.MaxBlockRows - 2) // makes a block of them all
	v.record(3)
	v.record(4)
	all := v.found()
	for _, victim := range []int{0, 3} { // in the block, and loose
		var cuts []cut
		watched.Step = func(word string) {
			at := filepath.Join(t.TempDir(), "vault")
			if err := os.CopyFS(at, os.DirFS(dir)); err != nil {
				t.Error(err)
			}
			cuts = append(cuts, cut{word, at, chip.Clone()})
		}
		v.mustErase(v.ids[victim])
		watched.Step = nil
		all = slices.DeleteFunc(all, func(id keys.ID) bool { return id == v.ids[victim] })
		if len(cuts) < 8 { // a commit, sealed and tried; the counter; the certificate; before and after
			t.Errorf("%d moments", len(cuts))
		}
		for i, c := range cuts {
			t.Run(fmt.Sprintf("%d %s", i, c.word), func(t *testing.T) { v.comesBack(t, c, victim, all) })
		}
	}
	v.Stop()
}

// rows files rows of calls that nobody made.
func (s *scene) rows(n int) {
	s.t.Helper()
	var rows []catalog.Row
	for i := range n {
		slot, err := s.Vault.Keys().Next(s.t.Context(), "standard", time.Now())
		if err != nil {
			s.t.Fatal(err)
		}
		rows = append(rows, catalog.Row{ID: slot.ID, Line: "reception", Class: "standard", Start: time.Now().Add(time.Duration(i) * time.Second),
			Duration: time.Minute, Parties: []segment.Party{segment.Both}})
		slot.Wipe()
	}
	if err := s.Catalog().File(s.t.Context(), rows...); err != nil {
		s.t.Fatal(err)
	}
}

// comesBack starts what a cut left, and wants the erasure finished and the rest untouched.
func (v *erasable) comesBack(t *testing.T, c cut, victim int, rest []keys.ID) {
	back := &erasable{Vault: v.Elsewhere(t, c.dir), t: t, chip: c.chip}
	back.Chip = c.chip
	back.Start()
	defer back.Stop()
	vaulttest.Eventually(t, time.Minute, "the order is carried out", func() bool { return back.Status().Erasing.Waiting == 0 })
	id := v.ids[victim]
	if r, err := back.Play(t.Context(), id, v.Code); !errors.Is(err, vault.ErrNotThere) {
		t.Errorf("the call plays: %v, %v", r, err)
	}
	if !gone(back.Vault.Vault.Keys(), id) || len(back.Vault.Vault.Keys().AllDoomed()) > 0 {
		t.Error("its key is there, or still doomed")
	}
	c1, err := back.Certificate(id)
	if err != nil || !slices.Equal(c1.Entry.Calls, []keys.ID{id}) || c1.Entry.Why != erasure.Order {
		t.Fatalf("its certificate: %+v, %v", c1.Entry, err)
	}
	if counter, err := c1.Verify(); err != nil || counter != back.Vault.Vault.Keys().Epoch() {
		t.Errorf("its certificate: counter %d, %v; the epoch is %d", counter, err, back.Vault.Vault.Keys().Epoch())
	}
	found := back.found()
	if slices.Contains(found, id) || !slices.Equal(slices.Sorted(texts(found)), slices.Sorted(texts(rest))) {
		t.Errorf("%d calls are found, want the %d others", len(found), len(rest))
	}
	back.Plays(v.ids[1], v.calls[1])
	back.Plays(v.ids[2], v.calls[2])
	if f := back.Findings(); len(f) > 0 {
		t.Errorf("findings: %v", f)
	}
}

func texts(ids []keys.ID) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, id := range ids {
			if !yield(id.String()) {
				return
			}
		}
	}
}

// clock has each round on a day of its own: the chip's counter moves so often a day.
func (o orders) clock() func() time.Time {
	return func() time.Time { return time.Now().AddDate(0, 0, o.Round) }
}

// erase is what a child does that is told to: each call on its own, with a word before and after.
func (o orders) erase(ctx context.Context, v *vault.Vault) error {
	for _, text := range o.Erase {
		id, err := keys.ParseID(text)
		if err != nil {
			return err
		}
		fmt.Printf("T %s\n", id)
		if _, err := v.Erase(ctx, erasure.Order, id); err != nil {
			return err
		}
		fmt.Printf("E %s\n", id)
	}
	<-ctx.Done()
	return nil
}

// TestAKilledErasureIsFinished kills a process in the midst of erasing, anywhere, and starts again.
func TestAKilledErasureIsFinished(t *testing.T) {
	const calls = 24
	rounds := 8
	if long() {
		rounds = 100
	}
	made, o := crashVault(t, "")
	v := &erasable{Vault: made, t: t}
	for o.Round = range rounds {
		v.Config.Clock = o.clock()
		v.Start()
		for len(v.ids) < calls {
			v.record(segment.Call(o.Round*calls + len(v.ids) + 1))
		}
		v.Stop()
		o.Erase = nil
		for _, id := range v.ids[1:] { // the first is the neighbour
			o.Erase = append(o.Erase, id.String())
		}
		tried, done := v.killed(o)
		v.Start()
		vaulttest.Eventually(t, time.Minute, "every order is carried out", func() bool { return v.Status().Erasing.Waiting == 0 })
		left := []keys.ID{v.ids[0]}
		for i, id := range v.ids[1:] {
			c, err := v.Certificate(id)
			erased := err == nil
			switch {
			case !erased && slices.Contains(done, id.String()), erased && !slices.Contains(tried, id.String()):
				t.Errorf("call %s: erased %v; it was ordered %v, done %v: %v", id, erased, slices.Contains(tried, id.String()), slices.Contains(done, id.String()), err)
			case erased:
				if r, err := v.Play(t.Context(), id, v.Code); !errors.Is(err, vault.ErrNotThere) || slices.Contains(v.found(), id) {
					t.Errorf("call %s: %v, %v", id, r, err)
				}
				if _, err := c.Verify(); err != nil {
					t.Error(err)
				}
			default:
				v.Plays(id, v.calls[i+1])
				left = append(left, id)
			}
		}
		v.Plays(v.ids[0], v.calls[0])
		report, err := v.Check(t.Context())
		if f := unmended(report.Findings); err != nil || len(f) > 0 || len(v.found()) != len(left) {
			t.Errorf("%d calls are found, want %d; %v, findings %v", len(v.found()), len(left), err, f)
		}
		v.Stop()
		v.forget(left)
		if t.Failed() {
			return
		}
	}
}

// unmended leaves out what was mended from its second copy: a process that is killed between the two writes a root in one of
// them only.
func unmended(found []check.Finding) []check.Finding {
	return slices.DeleteFunc(found, func(f check.Finding) bool { return strings.Contains(f.Text, "mended from its copy") })
}

// forget keeps only the calls that are left.
func (v *erasable) forget(left []keys.ID) {
	for i := len(v.ids) - 1; i >= 0; i-- {
		if !slices.Contains(left, v.ids[i]) {
			v.ids, v.calls = slices.Delete(v.ids, i, i+1), slices.Delete(v.calls, i, i+1)
		}
	}
}

// killed has a child erase and kills it somewhere on its way. It gives what the child had begun, and what it had done.
func (v *erasable) killed(o orders) (tried, done []string) {
	v.t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		v.t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), childEnv+"="+string(text))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		v.t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		v.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	kill := rand.IntN(4) // after so many calls, and a bit of the next
	for lines.Scan() {
		word, id, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "T":
			if tried = append(tried, id); len(tried) == kill+1 {
				time.AfterFunc(time.Duration(rand.IntN(60_000))*time.Microsecond, func() { _ = child.Process.Kill() }) // gone already is as good
			}
		case "E":
			done = append(done, id)
		}
	}
	_ = child.Wait() // says that it was killed
	return tried, done
}

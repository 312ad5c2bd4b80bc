package keys

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/envelope"
	"linekeep/vault/keys/root"
)

// site is a vault on paper that power cuts are tried on, again and again from the same state.
type site struct {
	c       Config
	disk    *paper
	victims []Slot
	kept    []Slot
}

// paperSite is a site with a chip in memory.
type paperSite struct {
	*site
	chip *tpmtest.Memory
}

func newPaperSite(t *testing.T, again bool) paperSite {
	t.Helper()
	chip := tpmtest.NewMemory()
	return paperSite{newSite(t, chip, again), chip}
}

// newSite makes a vault with two months of which slots were handed out, and a key backup. With again its next commit takes two
// moves of the counter: an epoch was announced, and then the box was started anew.
func newSite(t *testing.T, chip tpm.Sealer, again bool) *site {
	t.Helper()
	s := &site{c: config("/keys"), disk: newPaper()}
	k, err := create(t.Context(), s.c, chip, s.disk)
	if err != nil {
		t.Fatal(err)
	}
	recovery, err := envelope.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.SetRecovery(t.Context(), recovery.Public()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.kept = append(s.kept, mustNext(t, k, "standard", november), mustNext(t, k, "standard", november.AddDate(0, 1, 0)))
	}
	s.victims = []Slot{mustNext(t, k, "standard", november), mustNext(t, k, "standard", november)}
	if again {
		mustDoom(t, k, s.victims[0].ID)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

// plan is one run: which step of the disk and which call of the chip are hit, and how; and whether the power goes a second time
// while the first cut is put right.
type cutPlan struct {
	step  int
	disk  paperMode
	call  int
	chip  flakyMode
	twice int // step of the second cut; -1: none
	seed  uint64
}

func (p cutPlan) String() string {
	return fmt.Sprintf("disk %s at %d, chip %s at %d, again at %d, seed %d", p.disk, p.step, p.chip, p.call, p.twice, p.seed)
}

func (s *site) ids() []ID {
	ids := make([]ID, len(s.victims))
	for i, v := range s.victims {
		ids[i] = v.ID
	}
	return ids
}

// run tries a plan on a copy of the site. It gives how many steps and calls there were.
func (s paperSite) run(t *testing.T, p cutPlan) (steps, calls int) {
	t.Helper()
	memory := s.chip.Clone()
	chip := &flaky{Sealer: memory, mode: p.chip, hit: p.call}
	disk := s.site.run(t, p, chip, func() tpm.Sealer { return memory })
	return disk.steps, chip.calls
}

// run erases the victims while the fault of the plan strikes, starts the box anew without faults, and checks that it
// has the old state or the new one. Then it erases again, and checks that nothing of the victims opens.
func (s *site) run(t *testing.T, p cutPlan, faulty *flaky, restart func() tpm.Sealer) *paper {
	t.Helper()
	first := s.disk.copyFor(p.step, p.disk, p.seed)
	ordered, committed := s.erase(t, first, faulty)
	disk, chip := first.restart(), restart()
	if p.twice >= 0 {
		disk.hit, disk.mode, disk.dice = p.twice, paperLost, rand.New(rand.NewPCG(p.seed, 2))
		if k, err := open(t.Context(), s.c, chip, disk); err == nil { // what it says does not matter, what it leaves does
			_, _ = k.Commit(t.Context(), Change{})
		}
		disk = disk.restart()
	}
	k, err := open(t.Context(), s.c, chip, disk)
	if err != nil {
		t.Fatalf("%v: neither the old state nor the new one: %v", p, err)
	}
	s.oldOrNew(t, p, k, ordered, committed)
	if err := k.Doom(t.Context(), s.ids()...); err != nil {
		t.Fatalf("%v: second Doom: %v", p, err)
	}
	done, err := k.Commit(t.Context(), Change{})
	if err != nil {
		t.Fatalf("%v: second Commit: %v", p, err)
	}
	at, err := chip.Epoch(t.Context())
	if err != nil || at != done.Epoch || k.Unfinished() || k.Backup().Err != nil || k.Backup().Off {
		t.Fatalf("%v: the chip stands at %d after %+v, backup %+v, %v", p, at, done, k.Backup(), err)
	}
	s.attack(t, p, disk, chip)
	last, err := open(t.Context(), s.c, chip, disk)
	if err != nil {
		t.Fatalf("%v: the last opening: %v", p, err)
	}
	gone(t, last, s.victims, s.kept)
	if f := last.Verify(t.Context()); len(f) != 0 || t.Failed() {
		t.Fatalf("%v: findings at last: %v", p, f)
	}
	return first
}

// erase orders and commits one victim, and then both, whatever came of the first, as long as the power is on. It gives
// how many were ordered, and how many a commit said were gone.
func (s *site) erase(t *testing.T, disk *paper, chip *flaky) (ordered, committed int) {
	t.Helper()
	var k *Keys
	for n := 1; n <= len(s.victims); n++ {
		if k == nil {
			var err error
			if k, err = open(t.Context(), s.c, chip, disk); err != nil {
				continue
			}
		}
		if k.Doom(t.Context(), s.ids()[:n]...) == nil {
			ordered = n
		}
		if _, err := k.Commit(t.Context(), Change{}); err == nil && ordered == n {
			gone(t, k, s.victims[:n], s.kept)
			committed = n
		}
	}
	return ordered, committed
}

// oldOrNew wants a state that the orders lead to, and everything else as it was.
func (s *site) oldOrNew(t *testing.T, p cutPlan, k *Keys, ordered, committed int) {
	t.Helper()
	there := false
	for i, v := range s.victims {
		back, err := k.Slot(v.ID)
		switch {
		case errors.Is(err, ErrNoSlot):
			if there {
				t.Fatalf("%v: %s is gone and the one ordered before it is not", p, v.ID)
			}
			continue
		case err != nil || !back.Meta().Equal(v.Meta()):
			t.Fatalf("%v: victim %s: %v", p, v.ID, err)
		}
		there = true
		if i < committed {
			t.Fatalf("%v: %s is there after a commit that erased it", p, v.ID)
		}
		if i < ordered && !k.Doomed(v.ID) {
			t.Fatalf("%v: the order for %s is lost", p, v.ID)
		}
	}
	gone(t, k, nil, s.kept)
	if t.Failed() {
		t.Fatalf("%v", p)
	}
}

// attack gives somebody every file ever written, whole, and the chip as it is now.
func (s *site) attack(t *testing.T, p cutPlan, disk *paper, chip tpm.Sealer) {
	t.Helper()
	opened := 0
	for _, left := range *disk.written {
		r, err := root.Parse(left.data)
		if err != nil {
			continue
		}
		secret, err := chip.Unseal(t.Context(), r.Blob, r.ID.Epoch)
		if err != nil {
			if !errors.Is(err, tpm.ErrSpent) {
				t.Fatalf("%v: %v", p, err)
			}
			continue
		}
		key, err := KeyFrom(secret)
		if err != nil {
			t.Fatal(err)
		}
		c, err := r.Open(key)
		if err != nil {
			t.Fatalf("%v: %v", p, err)
		}
		opened++
		for _, v := range s.victims {
			if found(c, *disk.written, r.VaultID, v.ID) {
				t.Fatalf("%v: %s opens by %s", p, v.ID, r.ID.FileName())
			}
		}
		if !found(c, *disk.written, r.VaultID, s.kept[0].ID) {
			t.Fatalf("%v: the attacker does not find what is there", p)
		}
	}
	if opened == 0 {
		t.Fatalf("%v: no root opens at all", p)
	}
}

// found says whether a slot opens with the keys in c and some file that was ever written.
func found(c *root.Contents, written []leftover, vaultID [VaultIDSize]byte, id ID) bool {
	l, ok := c.Shard(id.Shard)
	if !ok {
		return false
	}
	for _, left := range written {
		if l.Hash != left.hash {
			continue
		}
		slots, err := l.Open(vaultID, left.data)
		if err != nil {
			continue
		}
		has := slots.Has(id.Slot)
		slots.Wipe()
		if has {
			return true
		}
	}
	return false
}

// TestEveryStepOfACommitLeavesTheOldStateOrTheNewOne fails each step of the disk in every way, and each call of the chip in every
// way: when the counter moves once, and when it has to move twice.
func TestEveryStepOfACommitLeavesTheOldStateOrTheNewOne(t *testing.T) {
	for _, again := range []bool{false, true} {
		s := newPaperSite(t, again)
		steps, calls := s.run(t, cutPlan{step: -1, twice: -1})
		if steps < 30 || calls < 8 {
			t.Fatalf("%d steps and %d calls are not what is tested here", steps, calls)
		}
		for mode := range paperModes {
			if again && mode < paperLost {
				continue // all that is different is in the chip
			}
			for step := range steps {
				s.run(t, cutPlan{step: step, disk: mode, twice: -1, seed: uint64(step)})
			}
		}
		for mode := chipLost; mode < chipModes; mode++ {
			for call := range calls {
				s.run(t, cutPlan{step: -1, chip: mode, call: call, twice: -1})
			}
		}
	}
}

// TestAnAbandonedAttemptAndThenAStopBetweenTwoMoves fails a step of the disk, so that an attempt is given up and the next one
// moves the counter twice, and stops the chip after each move.
func TestAnAbandonedAttemptAndThenAStopBetweenTwoMoves(t *testing.T) {
	s := newPaperSite(t, false)
	steps, _ := s.run(t, cutPlan{step: -1, twice: -1})
	for step := range steps {
		for move := range 2 {
			s.run(t, cutPlan{step: step, disk: paperFails, chip: chipStops, call: move, twice: -1})
		}
	}
}

// TestAThousandPowerCuts hits a step of the disk and a call of the chip at once, and often the repair too. A failure names its
// seed; LINEKEEP_SEED=n runs that one alone.
func TestAThousandPowerCuts(t *testing.T) {
	sites := []paperSite{newPaperSite(t, false), newPaperSite(t, true)}
	steps, calls := sites[1].run(t, cutPlan{step: -1, twice: -1})
	one := func(seed uint64) {
		dice := rand.New(rand.NewPCG(seed, 0))
		p := cutPlan{step: dice.IntN(steps), disk: 1 + paperMode(dice.IntN(int(paperModes)-1)), seed: seed, twice: dice.IntN(60) - 20}
		if p.twice < 0 {
			p.twice = -1
		}
		if dice.IntN(2) == 0 {
			p.chip, p.call = flakyMode(1+dice.IntN(int(chipModes)-1)), dice.IntN(calls)
		}
		sites[seed%2].run(t, p)
	}
	if named := os.Getenv("LINEKEEP_SEED"); named != "" {
		seed, err := strconv.ParseUint(named, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		one(seed)
		return
	}
	first := rand.Uint64N(1 << 32)
	t.Logf("seeds from %d on", first)
	for seed := range uint64(1000) {
		one(first + seed)
	}
}

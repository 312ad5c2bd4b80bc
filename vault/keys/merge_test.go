package keys

import (
	"errors"
	"testing"

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/keys/shard"
)

const degradedShard = FirstDegraded + 4711

// newDegraded makes a vault as it is begun while the chip is away, with slots handed out in two months.
func newDegraded(t *testing.T) (*Keys, []Slot) {
	t.Helper()
	c := config(t.TempDir())
	c.FirstShard = degradedShard
	k, err := Create(t.Context(), c, tpmtest.NewMemory())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k, append(slots(t, k, 2), mustNext(t, k, "standard", november.AddDate(0, 1, 0)))
}

func mustExport(t *testing.T, k *Keys) []Shard {
	t.Helper()
	shards, err := k.Export()
	if err != nil {
		t.Fatal(err)
	}
	return shards
}

func TestImportedShardsKeepTheirIDsAndAreErasedLikeAllOthers(t *testing.T) {
	k, c, chip, _ := newBackedUp(t)
	own := slots(t, k, 2)
	degraded, theirs := newDegraded(t)
	if theirs[0].ID.Shard != degradedShard {
		t.Errorf("first id is %s", theirs[0].ID)
	}
	shards := mustExport(t, degraded)
	before := k.Epoch()
	for range 2 { // again, as after a power cut: nothing is added
		if err := k.Import(t.Context(), shards); err != nil {
			t.Fatalf("Import: %v", err)
		}
		if n := len(k.Shards()); n != 3 {
			t.Errorf("%d shards", n)
		}
	}
	all := append(own, theirs...)
	gone(t, k, nil, all)
	again := mustOpen(t, c, chip)
	gone(t, again, nil, all)
	if f := again.Verify(t.Context()); len(f) != 0 || again.Epoch() != before {
		t.Errorf("epoch %d, findings %v", again.Epoch(), f)
	}
	if info, err := again.Shard(degradedShard); err != nil || info.Class != "standard" || info.Month != MonthOf(november) || info.Part != 2 {
		t.Errorf("shard %+v, %v", info, err)
	}
	if err := again.Resume([]Mark{{Shard: 1, Next: 2}}, true); err != nil {
		t.Fatal(err)
	}
	for range SlotsPerShard { // past the end of the shard of our own
		if s := mustNext(t, again, "standard", november); s.ID.Shard >= FirstDegraded {
			t.Fatalf("handed out %s", s.ID)
		}
	}
	mustDoom(t, again, theirs[0].ID)
	mustCommit(t, again, Change{})
	last := mustOpen(t, c, chip)
	gone(t, last, theirs[:1], append(own, theirs[1:]...))
	if err := last.Import(t.Context(), shards); err != nil { // does not bring back what was erased since
		t.Errorf("Import: %v", err)
	}
	gone(t, last, theirs[:1], append(own, theirs[1:]...))
}

func TestAShardThatIsNotOneOfADegradedVaultIsNotImported(t *testing.T) {
	k, _, _ := newKeys(t)
	slots(t, k, 1)
	degraded, _ := newDegraded(t)
	other, _ := newDegraded(t)
	if err := k.Import(t.Context(), mustExport(t, degraded)); err != nil {
		t.Fatal(err)
	}
	bare := ShardInfo{Number: degradedShard + 9, Class: "standard", Month: MonthOf(november), Slots: SlotsPerShard}
	for what, s := range map[string]Shard{
		"another with the same number": mustExport(t, other)[0], "one of a vault with its chip": mustExport(t, k)[0],
		"one without slots": {Info: bare}, "one of no class": {Info: ShardInfo{Number: bare.Number, Month: bare.Month, Slots: SlotsPerShard}, slots: shard.Fill()},
		"one of no month": {Info: ShardInfo{Number: bare.Number, Class: "standard", Slots: SlotsPerShard}, slots: shard.Fill()},
	} {
		if err := k.Import(t.Context(), []Shard{s}); err == nil {
			t.Errorf("%s: imported", what)
		}
	}
	if err := k.Import(t.Context(), mustExport(t, other)[:1]); !errors.Is(err, ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	if n := len(k.Shards()); n != 3 {
		t.Errorf("%d shards", n)
	}
}

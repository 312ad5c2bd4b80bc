package keys

import (
	"errors"
	"sync"
	"testing"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
)

var november = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func config(dir string) Config {
	return Config{Dir: dir, Clock: func() time.Time { return november }}
}

func newKeys(t *testing.T) (*Keys, Config, *tpmtest.Memory) {
	t.Helper()
	c, chip := config(t.TempDir()), tpmtest.NewMemory()
	k, err := Create(t.Context(), c, chip)
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k, c, chip
}

func mustOpen(t *testing.T, c Config, chip tpm.Sealer) *Keys {
	t.Helper()
	k, err := Open(t.Context(), c, chip)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k
}

func mustNext(t *testing.T, k *Keys, class string, at time.Time) Slot {
	t.Helper()
	s, err := k.Next(t.Context(), class, at)
	if err != nil {
		t.Fatalf("Next: %v", err)
	}
	return s
}

func TestASlotHasTheSameKeysAfterTheVaultIsOpenedAgain(t *testing.T) {
	k, c, chip := newKeys(t)
	s := mustNext(t, k, "standard", november)
	meta, folder, vaultID := s.Meta(), k.Folder("catalog"), k.VaultID()
	if s.ID != (ID{Shard: 1, Slot: 0}) {
		t.Errorf("first id is %s", s.ID)
	}
	again := mustOpen(t, c, chip)
	back, err := again.Slot(s.ID)
	if err != nil {
		t.Fatalf("Slot: %v", err)
	}
	if !back.Meta().Equal(meta) || !again.Folder("catalog").Equal(folder) || again.VaultID() != vaultID {
		t.Error("the keys are others after opening again")
	}
	if meta.Equal(s.Audit()) || meta.Equal(s.Wrap()) || folder.Equal(k.Outer("catalog")) {
		t.Error("two purposes have one key")
	}
	if f := again.Verify(t.Context()); len(f) != 0 {
		t.Errorf("findings in a sound vault: %v", f)
	}
}

func TestASlotIsNeverHandedOutTwiceByManyAtOnce(t *testing.T) {
	k, _, _ := newKeys(t)
	const workers, each = 8, 750 // more than one shard holds
	ids := make([]map[ID]bool, workers)
	var wg sync.WaitGroup
	for w := range workers {
		ids[w] = make(map[ID]bool)
		wg.Go(func() {
			for range each {
				s, err := k.Next(t.Context(), "standard", november)
				if err != nil {
					t.Errorf("Next: %v", err)
					return
				}
				ids[w][s.ID] = true
			}
		})
	}
	wg.Wait()
	all := make(map[ID]bool)
	for _, m := range ids {
		for id := range m {
			all[id] = true
		}
	}
	if len(all) != workers*each {
		t.Errorf("%d ids for %d slots", len(all), workers*each)
	}
	if n := len(k.Shards()); n != 2 {
		t.Errorf("%d shards, want 2", n)
	}
}

func TestAfterACleanStopTheNextSlotFollows(t *testing.T) {
	k, c, chip := newKeys(t)
	for range 5 {
		mustNext(t, k, "standard", november)
	}
	again := mustOpen(t, c, chip)
	if err := again.Resume(k.Marks(), true); err != nil {
		t.Fatal(err)
	}
	if s := mustNext(t, again, "standard", november); s.ID != (ID{Shard: 1, Slot: 5}) {
		t.Errorf("next is %s, want 1-5", s.ID)
	}
}

func TestAfterAnUncleanStopAThousandSlotsAreSkipped(t *testing.T) {
	k, c, chip := newKeys(t)
	mustNext(t, k, "standard", november)
	marks := k.Marks()
	again := mustOpen(t, c, chip)
	if err := again.Resume(marks, false); err != nil {
		t.Fatal(err)
	}
	if s := mustNext(t, again, "standard", november); s.ID != (ID{Shard: 1, Slot: 1001}) {
		t.Errorf("next is %s, want 1-1001", s.ID)
	}
}

func TestSkippingPastTheEndOfAShardGoesOnInTheNextPart(t *testing.T) {
	k, c, chip := newKeys(t)
	mustNext(t, k, "standard", november)
	again := mustOpen(t, c, chip)
	if err := again.Resume([]Mark{{Shard: 1, Next: SlotsPerShard - 10}}, false); err != nil {
		t.Fatal(err)
	}
	s := mustNext(t, again, "standard", november)
	if s.ID != (ID{Shard: 2, Slot: 0}) {
		t.Errorf("next is %s, want 2-0", s.ID)
	}
	if info, err := again.Shard(2); err != nil || info.Part != 2 || info.Month != "2026-11" {
		t.Errorf("shard 2 is %+v, %v", info, err)
	}
}

func TestAShardWithoutAMarkIsNeverHandedOutOfAgain(t *testing.T) {
	k, c, chip := newKeys(t)
	mustNext(t, k, "standard", november)
	again := mustOpen(t, c, chip)
	if s := mustNext(t, again, "standard", november); s.ID.Shard == 1 {
		t.Errorf("slot %s without a word of the journal", s.ID)
	}
}

func TestAMarkOfAnUnknownShardMeansTheRootWasPutBack(t *testing.T) {
	k, _, _ := newKeys(t)
	if err := k.Resume([]Mark{{Shard: 9, Next: 1}}, true); !errors.Is(err, ErrRolledBack) {
		t.Errorf("got %v, want ErrRolledBack", err)
	}
}

func TestNextMonthsShardExistsThreeDaysAhead(t *testing.T) {
	k, _, _ := newKeys(t)
	classes := []string{"standard", "catalog"}
	if err := k.Prepare(t.Context(), classes, time.Date(2026, 11, 27, 23, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	if n := len(k.Shards()); n != 2 {
		t.Errorf("%d shards on the 27th, want 2", n)
	}
	for range 2 { // asking again changes nothing
		if err := k.Prepare(t.Context(), classes, time.Date(2026, 11, 28, 1, 0, 0, 0, time.UTC)); err != nil {
			t.Fatal(err)
		}
	}
	shards := k.Shards()
	if len(shards) != 4 || shards[2] != (ShardInfo{Number: 3, Class: "standard", Month: "2026-12", Part: 1, Slots: SlotsPerShard}) {
		t.Errorf("on the 28th: %+v", shards)
	}
	if err := k.Prepare(t.Context(), nil, time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	if marks := k.Marks(); len(marks) != 0 {
		t.Errorf("marks of months gone by: %v", marks)
	}
}

func TestCreateNeverWritesOverAVault(t *testing.T) {
	_, c, chip := newKeys(t)
	if _, err := Create(t.Context(), c, chip); !errors.Is(err, ErrExists) {
		t.Errorf("got %v, want ErrExists", err)
	}
}

func TestOpenTellsAnEmptyFolderFromARefusalAndASilentChip(t *testing.T) {
	_, c, chip := newKeys(t)
	if _, err := Open(t.Context(), config(t.TempDir()), chip); !errors.Is(err, ErrNoVault) {
		t.Errorf("empty folder: %v", err)
	}
	if _, err := Open(t.Context(), c, tpmtest.NewMemory()); !errors.Is(err, tpm.ErrRefused) {
		t.Errorf("another chip: %v", err)
	}
	chip.Fail(tpm.ErrUnavailable)
	if _, err := Open(t.Context(), c, chip); !errors.Is(err, tpm.ErrUnavailable) {
		t.Errorf("silent chip: %v", err)
	}
}

func TestClosedKeysAreWipedAndGiveNothing(t *testing.T) {
	k, _, _ := newKeys(t)
	s := mustNext(t, k, "standard", november)
	vault, body := k.root.Contents().Vault, k.loaded[0].slots
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if !vault.Wiped() || !body.Wiped() {
		t.Error("keys are still in memory")
	}
	if _, err := k.Slot(s.ID); !errors.Is(err, ErrClosed) {
		t.Errorf("Slot: %v", err)
	}
	if _, err := k.Next(t.Context(), "standard", november); !errors.Is(err, ErrClosed) {
		t.Errorf("Next: %v", err)
	}
}

func TestOldShardsStayInMemoryOnlyInASmallNumber(t *testing.T) {
	k, c, chip := newKeys(t)
	at := november
	for range spareShards + 4 {
		mustNext(t, k, "standard", at)
		at = at.AddDate(0, 1, 0)
	}
	again := mustOpen(t, c, chip)
	for n := range uint32(spareShards + 4) {
		if _, err := again.Slot(ID{Shard: n + 1, Slot: 0}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(again.loaded); n != spareShards {
		t.Errorf("%d shards in memory, want %d", n, spareShards)
	}
	if _, err := again.Slot(ID{Shard: spareShards + 5, Slot: 0}); !errors.Is(err, ErrNoSlot) {
		t.Errorf("unknown shard: %v", err)
	}
	if _, err := again.Slot(ID{Shard: 1, Slot: SlotsPerShard}); !errors.Is(err, ErrNoSlot) {
		t.Errorf("slot past the end: %v", err)
	}
}

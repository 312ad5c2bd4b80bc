package check_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"linekeep/vault/catalog/block"
	"linekeep/vault/check"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
	"linekeep/vault/vaulttest/vectors"
)

// version1 is the block of the format's example of version 1, sealed under a slot of this vault that nobody uses.
func version1(t *testing.T, slot keys.Slot) []folder.Entry {
	t.Helper()
	v, id := vectors.Read(t, "catalogue block of version 1"), slot.ID.Append(nil)
	entries := []folder.Entry{{Key: block.ZoneKey(slot.ID), Value: seal.Box(slot.Meta(), v.Bytes(t, "zone"), []byte("catalog zone"), id)}}
	for n, name := range []string{"criteria", "order", "rest"} {
		g := block.Group(n + 1)
		box := seal.Box(slot.Meta(), v.Bytes(t, name), []byte("catalog group"), id, []byte{byte(g), 0})
		entries = append(entries, folder.Entry{Key: block.GroupKey(slot.ID, g, 0), Value: box})
	}
	return entries
}

// TestABlockOfVersion1IsOldAndNoDamage to a check of a stopped vault, which writes nothing; one that is damaged is.
func TestABlockOfVersion1IsOldAndNoDamage(t *testing.T) {
	v, ids := closed(t, 1)
	v.Stop()
	k, err := keys.Open(t.Context(), keys.Config{Dir: filepath.Join(v.Config.Dir, "keys"), Clock: time.Now}, v.Chip)
	if err != nil {
		t.Fatal(err)
	}
	slot, err := k.Slot(keys.ID{Shard: ids[0].Shard, Slot: 4000})
	entries := version1(t, slot)
	if err = errors.Join(err, k.Close()); err != nil {
		t.Fatal(err)
	}
	plant(t, v, "catalog", true, entries...)
	before := names(t, v.Config.Dir)
	if report := stopped(t, v, v.Config); len(report.Findings) != 0 || report.Calls != 1 {
		t.Errorf("%+v", report)
	}
	if after := names(t, v.Config.Dir); !slices.Equal(before, after) {
		t.Errorf("the check wrote: %v, before %v", after, before)
	}
	entries[2].Value[40] ^= 1
	plant(t, v, "catalog", true, entries[2])
	wants(t, stopped(t, v, v.Config), check.Altered, "catalog", "block "+slot.ID.String(), "The recordings are not touched")
}

// names are the files of a vault's keys, which a writer of blocks would add to.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

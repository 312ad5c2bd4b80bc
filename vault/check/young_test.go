package check

import (
	"testing"

	"linekeep/vault/keys"
	"linekeep/vault/library"
)

// TestOnlyWhatBeganAfterTheCheckIsLeftOut: a call whose shard slots come from no more is old, whatever its number.
func TestOnlyWhatBeganAfterTheCheckIsLeftOut(t *testing.T) {
	up := keys.ID{Shard: 4, Slot: 3}
	running := &Vault{Library: &library.Library{}, Unfiled: func() []keys.ID { return []keys.ID{up} }, Marks: []keys.Mark{{Shard: 4, Next: 10}, {Shard: 6, Next: 0}},
		Shards: []keys.ShardInfo{{Number: 2}, {Number: 4}, {Number: 6}, {Number: 9}, {Number: keys.FirstDegraded}}}
	c := &Common{v: running, underway: make(map[keys.ID]bool)}
	r := &run{v: running, common: c}
	r.remember()
	for _, c := range []struct {
		id    keys.ID
		young bool
		why   string
	}{
		{up, true, "it is up"},
		{keys.ID{Shard: 4, Slot: 9}, false, "its slot was handed out before"},
		{keys.ID{Shard: 4, Slot: 10}, true, "its slot was not handed out yet"},
		{keys.ID{Shard: 6, Slot: 0}, true, "its shard was not used yet"},
		{keys.ID{Shard: 2, Slot: 4000}, false, "its month is over"},
		{keys.ID{Shard: 9, Slot: 1}, false, "its month is over, of a clock that stood ahead and made it after the others"},
		{keys.ID{Shard: keys.FirstDegraded, Slot: 1}, false, "it was recorded beside the vault and brought in before"},
		{keys.ID{Shard: keys.FirstDegraded + 1, Slot: 1}, true, "it was recorded beside the vault and brought in since"},
		{keys.ID{Shard: 10, Slot: 0}, true, "its shard was made since"},
	} {
		if got := r.young(c.id); got != c.young {
			t.Errorf("%s left out %v: %s", c.id, got, c.why)
		}
	}
	stopped := &run{v: &Vault{}, common: c}
	if stopped.young(keys.ID{Shard: 10}) {
		t.Error("nothing begins while nobody records")
	}
}

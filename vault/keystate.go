package vault

import (
	"cmp"
	"slices"
	"time"

	"linekeep/vault/keys"
)

// KeyState is how the keys stand, without any of them.
type KeyState struct {
	VaultID [keys.VaultIDSize]byte
	Epoch   uint64
	Written time.Time // when the root in force was made
	Shards  []ShardState
	Doomed  int       // slots that the next commit erases
	Due     time.Time // when the next urgent commit may be
	Chip    string    // fingerprint of the key that signs certificates
	Custody string    // fingerprint of the key that recordings are locked with
	Erasing
}

// ShardState is how full the shards of a class are.
type ShardState struct {
	Class  string
	Shards int
	Used   int // slots handed out; those of a shard that is handed out of no more count in full
	Slots  int
}

// KeyState tells how the keys stand. It never waits for the disk or the chip.
func (v *Vault) KeyState() KeyState {
	return KeyState{VaultID: v.keys.VaultID(), Epoch: v.keys.Epoch(), Written: v.keys.Written(), Shards: v.shardStates(),
		Doomed: len(v.keys.AllDoomed()), Due: v.keys.Due(), Chip: v.keys.Chip().Fingerprint(),
		Custody: v.people().Fingerprint, Erasing: v.eraser.Status()}
}

func (v *Vault) shardStates() []ShardState {
	next := make(map[uint32]uint32)
	for _, m := range append(v.keys.Marks(), v.keys.OfficeMark()) {
		next[m.Shard] = m.Next
	}
	var all []ShardState
	for _, shard := range v.keys.Shards() {
		i := slices.IndexFunc(all, func(s ShardState) bool { return s.Class == shard.Class })
		if i < 0 {
			i = len(all)
			all = append(all, ShardState{Class: shard.Class})
		}
		used, writing := next[shard.Number]
		if !writing {
			used = shard.Slots
		}
		all[i].Shards++
		all[i].Used += int(used)
		all[i].Slots += int(shard.Slots)
	}
	slices.SortFunc(all, func(a, b ShardState) int { return cmp.Compare(a.Class, b.Class) })
	return all
}

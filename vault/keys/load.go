package keys

import (
	"fmt"
	"slices"

	"linekeep/vault/keys/shard"
)

// Slot gives the slot of an id. A shard not in memory is read from the disk, and mended if one copy is bad.
// Errors: ErrNoSlot; ErrAltered when both copies of its shard are bad.
func (k *Keys) Slot(id ID) (Slot, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return Slot{}, ErrClosed
	}
	key, err := k.slotKey(id)
	if err != nil {
		return Slot{}, fmt.Errorf("slot %s: %w", id, err)
	}
	return Slot{ID: id, key: key}, nil
}

// Shard tells what the shard of that number is for. Errors: ErrNoSlot.
func (k *Keys) Shard(number uint32) (ShardInfo, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l, ok := k.root.Contents().Shard(number)
	if !ok {
		return ShardInfo{}, fmt.Errorf("shard %d: %w", number, ErrNoSlot)
	}
	return l.Info, nil
}

// Shards are all shards, by number.
func (k *Keys) Shards() []ShardInfo {
	k.mu.Lock()
	defer k.mu.Unlock()
	infos := make([]ShardInfo, len(k.root.Contents().Shards))
	for i, l := range k.root.Contents().Shards {
		infos[i] = l.Info
	}
	return infos
}

// slotKey copies the key of a slot out of its shard; mu is held.
func (k *Keys) slotKey(id ID) (Key, error) {
	slots, err := k.load(id.Shard)
	if err != nil {
		return Key{}, err
	}
	key, ok := slots.Key(id.Slot)
	if !ok {
		return Key{}, ErrNoSlot
	}
	return key, nil
}

// load gives the slots of a shard; mu is held.
func (k *Keys) load(number uint32) (shard.Body, error) {
	if i := slices.IndexFunc(k.loaded, func(s loadedShard) bool { return s.number == number }); i >= 0 {
		s := k.loaded[i]
		copy(k.loaded[1:], k.loaded[:i])
		k.loaded[0] = s
		return s.slots, nil
	}
	l, ok := k.root.Contents().Shard(number)
	if !ok {
		return shard.Body{}, ErrNoSlot
	}
	slots, err := k.read(l)
	if err != nil {
		return shard.Body{}, err
	}
	k.keep(number, slots)
	return slots, nil
}

// read reads a shard from the disk and mends a bad copy; mu is held.
func (k *Keys) read(l shard.Line) (shard.Body, error) {
	file, findings, err := k.files.Read(l.FileName(), l.Check)
	if err != nil { // it has its name only once the root that names it is in force
		if unfinished, more, errNew := k.files.Read(l.NewName(), l.Check); errNew == nil {
			file, findings, err = unfinished, more, nil
		}
	}
	k.root.Note(findings...)
	if err != nil {
		return shard.Body{}, fmt.Errorf("%w: %w", ErrAltered, err)
	}
	slots, err := l.Open(k.vaultID, file)
	if err != nil {
		return shard.Body{}, fmt.Errorf("%w: %s: %w", ErrAltered, l.FileName(), err)
	}
	return slots, nil
}

// keep puts a shard into memory and wipes the one used longest ago, past spareShards of those not handed out of; mu is held.
func (k *Keys) keep(number uint32, slots shard.Body) {
	k.loaded = slices.Insert(k.loaded, 0, loadedShard{number: number, slots: slots})
	spare := 0
	k.loaded = slices.DeleteFunc(k.loaded, func(s loadedShard) bool {
		if s.number == k.office.shard || slices.ContainsFunc(k.writers, func(w writer) bool { return w.Number == s.number }) {
			return false
		}
		spare++
		if spare > spareShards {
			s.slots.Wipe()
			return true
		}
		return false
	})
}

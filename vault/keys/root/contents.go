package root

import (
	"slices"
	"time"

	"linekeep/vault/envelope"
	"linekeep/vault/keys/shard"
	"linekeep/vault/secret"
)

// Wear is how much the chip's counter was moved.
type Wear struct {
	Last  time.Time // when it last moved, to the second
	Today uint32    // moves on the day of Last, in UTC
	Total uint64
}

// Lockout is the authorisation of the chip's lockout, wrapped to a recovery key. The box cannot open it.
type Lockout struct {
	To      [envelope.PublicSize]byte // the recovery public key it is wrapped to, which may be an earlier one
	Wrapped [envelope.WrappedSize]byte
}

// Contents is what a root protects.
type Contents struct {
	Vault         secret.Key
	Owner         secret.Key // the authorisation of the chip's owner
	Commissioning secret.Key // zero after hand-over
	Spare         secret.Key
	Staged        secret.Key       // the next spare: from before it is told until the commit that lets go of Spare
	Recovery      *envelope.Public // nil before hand-over
	Lockout       *Lockout         // nil before hand-over

	NextShard uint32
	Fresh     uint32
	Written   time.Time
	Spent     uint64
	Wear      Wear
	Office    Mark
	Doomed    []shard.ID   // in order
	Shards    []shard.Line // by number
	// Checkpoint is the newest of the audit log's that was known when this root was made. A log that it does not fit was rolled
	// back.
	Checkpoint []byte

	others []field
}

// Mark is the first slot of a shard that was never handed out, nor reserved.
type Mark struct{ Shard, Next uint32 }

func compareIDs(a, b shard.ID) int {
	if a.Shard != b.Shard {
		return int(int64(a.Shard) - int64(b.Shard))
	}
	return int(int64(a.Slot) - int64(b.Slot))
}

// Doom adds ids to those that the next commit erases, and says whether any was new.
func (c *Contents) Doom(ids ...shard.ID) bool {
	before := len(c.Doomed)
	c.Doomed = append(slices.Clone(c.Doomed), ids...)
	slices.SortFunc(c.Doomed, compareIDs)
	c.Doomed = slices.Compact(c.Doomed)
	return len(c.Doomed) > before
}

// IsDoomed says whether the next commit erases id.
func (c *Contents) IsDoomed(id shard.ID) bool {
	_, found := slices.BinarySearchFunc(c.Doomed, id, compareIDs)
	return found
}

// NewestSpare is what is sealed to.
func (c *Contents) NewestSpare() secret.Key {
	if !c.Staged.IsZero() {
		return c.Staged
	}
	return c.Spare
}

// Clone copies all but the keys themselves.
func (c *Contents) Clone() *Contents {
	d := *c
	d.Shards, d.Doomed, d.others = slices.Clone(c.Shards), slices.Clone(c.Doomed), slices.Clone(c.others)
	return &d
}

// Shard is the line of a shard.
func (c *Contents) Shard(number uint32) (shard.Line, bool) {
	i, found := c.at(number)
	if !found {
		return shard.Line{}, false
	}
	return c.Shards[i], true
}

func (c *Contents) at(number uint32) (int, bool) {
	return slices.BinarySearchFunc(c.Shards, number, func(l shard.Line, n uint32) int { return int(int64(l.Number) - int64(n)) })
}

// Put adds a line, or takes it in the place of the one with its number.
func (c *Contents) Put(l shard.Line) {
	i, found := c.at(l.Number)
	if found {
		c.Shards[i] = l
		return
	}
	c.Shards = slices.Insert(c.Shards, i, l)
}

// Drop takes the line of a shard out.
func (c *Contents) Drop(number uint32) {
	if i, found := c.at(number); found {
		c.Shards = slices.Delete(c.Shards, i, i+1)
	}
}

// NextPart is the part that a new shard of a class and month gets; 0 when there are 65,535.
func (c *Contents) NextPart(class string, month shard.Month) uint16 {
	part := uint16(1)
	for _, other := range c.Shards {
		if other.Class == class && other.Month == month && other.Part >= part {
			part = other.Part + 1
			if part == 0 {
				return 0
			}
		}
	}
	return part
}

// Wipe overwrites every key.
func (c *Contents) Wipe() {
	for _, key := range []secret.Key{c.Vault, c.Owner, c.Commissioning, c.Spare, c.Staged} {
		key.Wipe()
	}
	for _, l := range c.Shards {
		l.Key.Wipe()
	}
}

// FirstDegraded is the lowest shard number of vaults that were begun while the chip was away.
const FirstDegraded = 1 << 31

// Knew says whether a shard of that number was ever in this root, or one before it. Of those that came from elsewhere it
// keeps no record once they are dropped.
func (c *Contents) Knew(number uint32) bool {
	return number > 0 && (number < c.NextShard || number >= FirstDegraded)
}

package keys

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	// skipUnclean is how many slots are passed over after an unclean stop: more than could have been handed
	// out since the journal's last group record, which is written at least with every new recording.
	skipUnclean = 1000
	// lowSlots is when Prepare makes a month's next part: what one unclean stop may skip must be there.
	lowSlots = 2 * skipUnclean
	// prepareAhead is how long before a month its first shards are made, so that a chip or a disk that fails
	// on the first of a month is noticed before it.
	prepareAhead = 3 * 24 * time.Hour
	// spareShards is how many shards stay in memory beside those that are handed out of: 512 KiB each.
	spareShards = 4
)

// writer is a shard that slots are handed out of.
type writer struct {
	ShardInfo
	next uint32 // the first slot never handed out
}

// loadedShard is a shard in memory.
type loadedShard struct {
	number uint32
	slots  []byte
}

// want is a shard to be made.
type want struct {
	class string
	month Month
}

// Next hands out a slot never handed out before. It does not touch the disk unless the month has no shard
// with room. It is the caller's promise that Marks reaches the disk with whatever is stored under the slot.
func (k *Keys) Next(ctx context.Context, class string, at time.Time) (Slot, error) {
	if err := ValidClass(class); err != nil {
		return Slot{}, err
	}
	w := want{class: class, month: MonthOf(at)}
	for {
		slot, ok, err := k.take(w)
		if ok || err != nil {
			return slot, err
		}
		if err := k.grow(ctx, func() []want { return k.lacking(1, w) }); err != nil {
			return Slot{}, fmt.Errorf("make a shard for %s %s: %w", class, w.month, err)
		}
	}
}

// take hands out a slot if a shard has one.
func (k *Keys) take(w want) (Slot, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return Slot{}, false, ErrClosed
	}
	for i := range k.writers {
		shard := &k.writers[i]
		if shard.Class != w.class || shard.Month != w.month || shard.next >= shard.Slots {
			continue
		}
		id := ID{Shard: shard.Number, Slot: shard.next}
		key, err := k.slotKey(id)
		if err != nil {
			shard.next = shard.Slots // its file is lost: another shard takes its place
			k.note(err)
			continue
		}
		shard.next++
		return Slot{ID: id, key: key}, true, nil
	}
	return Slot{}, false, nil
}

// Prepare makes the shards of this month, and of the next from three days before it, for each class, and
// the next part of one that runs out. Shards of months gone by are handed out of no more.
func (k *Keys) Prepare(ctx context.Context, classes []string, now time.Time) error {
	var wants []want
	for _, class := range classes {
		if err := ValidClass(class); err != nil {
			return err
		}
		wants = append(wants, want{class, MonthOf(now)})
		if ahead := MonthOf(now.Add(prepareAhead)); ahead != MonthOf(now) {
			wants = append(wants, want{class, ahead})
		}
	}
	k.retire(MonthOf(now))
	if err := k.grow(ctx, func() []want { return k.lacking(lowSlots, wants...) }); err != nil {
		return fmt.Errorf("prepare shards: %w", err)
	}
	return nil
}

// retire forgets the marks of full shards and of months before the last one.
func (k *Keys) retire(now Month) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writers = slices.DeleteFunc(k.writers, func(w writer) bool {
		return w.next >= w.Slots || w.Month.Next() < now
	})
}

// lacking gives those of wants that have fewer than room slots left.
func (k *Keys) lacking(room uint32, wants ...want) []want {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.DeleteFunc(wants, func(w want) bool {
		var left uint32
		for _, shard := range k.writers {
			if shard.Class == w.class && shard.Month == w.month {
				left += shard.Slots - shard.next
			}
		}
		return left >= room
	})
}

// grow makes the shards that lacking still asks for once no other growth is under way: the shards under
// their unfinished names, the root that names them, their names, and the older roots away. A power cut
// before the root is in place leaves the vault without them, after it with them.
func (k *Keys) grow(ctx context.Context, lacking func() []want) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	wants := lacking()
	k.mu.Lock()
	closed, c := k.closed, k.contents.clone()
	k.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if len(wants) == 0 {
		return nil
	}
	k.lastSeq++
	var made []shardLine
	var bodies [][]byte
	for _, w := range wants {
		l, slots, err := k.makeShard(c, w)
		if err != nil {
			return err
		}
		made, bodies = append(made, l), append(bodies, slots)
	}
	if err := k.commit(ctx, c); err != nil {
		return err
	}
	var late []error // the root stands: what fails from here on is put right at the next opening
	for _, l := range made {
		late = append(late, k.files.Rename(l.newName(), l.fileName()))
	}
	late = append(late, k.removeOlder())
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, l := range made {
		k.writers = append(k.writers, writer{ShardInfo: l.ShardInfo})
		k.keep(l.Number, bodies[i])
	}
	if err := errors.Join(late...); err != nil {
		k.note(err)
	}
	return nil
}

// makeShard fills and writes a shard under its unfinished name and adds it to c.
func (k *Keys) makeShard(c *contents, w want) (shardLine, []byte, error) {
	l := shardLine{
		ShardInfo: ShardInfo{Number: c.nextShard, Class: w.class, Month: w.month, Part: 1, Slots: SlotsPerShard},
		rewrite:   1, seq: k.lastSeq, key: NewKey(),
	}
	for _, other := range c.shards {
		if other.Class == l.Class && other.Month == l.Month {
			l.Part = max(l.Part, other.Part+1)
		}
	}
	if l.Part == 0 {
		return l, nil, fmt.Errorf("%s %s has 65,535 parts", l.Class, l.Month)
	}
	slots := make([]byte, SlotsPerShard*KeySize)
	rand.Read(slots)
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(nonce)
	file, err := sealShard(k.vaultID, &l, nonce, slots)
	if err != nil {
		return l, nil, err
	}
	if err := k.files.Write(l.newName(), file); err != nil {
		return l, nil, fmt.Errorf("write shard: %w", err)
	}
	c.nextShard++
	c.shards = append(c.shards, l)
	return l, slots, nil
}

// Marks are the high-water marks of the shards that slots are handed out of. The journal keeps them.
func (k *Keys) Marks() []Mark {
	k.mu.Lock()
	defer k.mu.Unlock()
	marks := make([]Mark, len(k.writers))
	for i, w := range k.writers {
		marks[i] = Mark{Shard: w.Number, Next: w.next}
	}
	return marks
}

// Resume sets the marks after Open, from the journal. Unclean skips the next 1,000 slots of each shard, or
// what it has left. A shard without a mark is never handed out of again: what was used of it is not known.
// Errors: ErrRolledBack when a mark is of a shard that the root does not know.
func (k *Keys) Resume(marks []Mark, clean bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range marks {
		l, ok := k.line(m.Shard)
		if !ok {
			return fmt.Errorf("%w: the journal knows shard %d", ErrRolledBack, m.Shard)
		}
		next := min(m.Next, l.Slots)
		if !clean {
			next = min(next+skipUnclean, l.Slots)
		}
		i := slices.IndexFunc(k.writers, func(w writer) bool { return w.Number == m.Shard })
		if i < 0 {
			i = len(k.writers)
			k.writers = append(k.writers, writer{ShardInfo: l.ShardInfo})
		}
		k.writers[i].next = max(k.writers[i].next, next)
	}
	return nil
}

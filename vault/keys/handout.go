package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"linekeep/vault/keys/epoch"
	"linekeep/vault/keys/pair"
	"linekeep/vault/keys/root"
	"linekeep/vault/keys/shard"
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
	// spareShards is how many shards stay in memory beside those that are handed out of: 128 KiB each.
	spareShards = 16
	// officeStep is how many office slots are reserved in the root at once. A start loses what is left of them.
	officeStep = 64
)

// writer is a shard that slots are handed out of.
type writer struct {
	ShardInfo
	next uint32 // the first slot never handed out
}

// office is where the next slot of class Office comes from.
type office struct{ shard, next, reserved, end uint32 }

// loadedShard is a shard in memory.
type loadedShard struct {
	number uint32
	slots  shard.Body
}

// want is a shard to be made.
type want struct {
	class string
	month Month
}

// Next hands out a slot never handed out before. It does not touch the disk unless the month has no shard
// with room. It is the caller's promise that Marks reaches the disk with whatever is stored under the slot; for
// Office there is nothing to promise.
func (k *Keys) Next(ctx context.Context, class string, at time.Time) (Slot, error) {
	if err := ValidClass(class); err != nil {
		return Slot{}, err
	}
	if class == Office {
		return k.nextOffice(ctx, at)
	}
	w := want{class: class, month: MonthOf(at)}
	for {
		slot, ok, err := k.next(w)
		if ok || err != nil {
			return slot, err
		}
		if err := k.grow(ctx, func() []want { return k.lacking(1, w) }); err != nil {
			return Slot{}, fmt.Errorf("make a shard for %s %s: %w", class, w.month, err)
		}
	}
}

// next hands out a slot if a shard has one.
func (k *Keys) next(w want) (Slot, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return Slot{}, false, ErrClosed
	}
	for i := range k.writers {
		from := &k.writers[i]
		if from.Class != w.class || from.Month != w.month {
			continue
		}
		if slot, ok := k.handOut(from.Number, &from.next, from.Slots); ok {
			return slot, true, nil
		}
	}
	return Slot{}, false, nil
}

// handOut gives the slot at next of a shard, or the first one after it that is not erased, and moves next past it.
// Of a shard whose file is lost it moves next to the end: another shard takes its place. mu is held.
func (k *Keys) handOut(number uint32, next *uint32, end uint32) (Slot, bool) {
	for *next < end {
		id := ID{Shard: number, Slot: *next}
		key, err := k.slotKey(id)
		if err != nil && !errors.Is(err, ErrNoSlot) {
			*next = end
			k.root.Note(err)
			return Slot{}, false
		}
		*next++
		if err == nil {
			return Slot{ID: id, key: key}, true
		}
	}
	return Slot{}, false
}

// nextOffice hands out an office slot. The root says which ones may have been: it reserves some at a time.
func (k *Keys) nextOffice(ctx context.Context, at time.Time) (Slot, error) {
	for {
		k.mu.Lock()
		slot, ok := k.handOut(k.office.shard, &k.office.next, k.office.reserved)
		closed := k.closed
		k.mu.Unlock()
		if closed {
			return Slot{}, ErrClosed
		}
		if ok {
			return slot, nil
		}
		if err := k.reserve(ctx, at); err != nil {
			return Slot{}, fmt.Errorf("reserve office slots: %w", err)
		}
	}
}

// reserve reserves the next office slots, in a new shard if the newest has no more.
func (k *Keys) reserve(ctx context.Context, at time.Time) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	k.mu.Lock()
	o := k.office
	k.mu.Unlock()
	if o.next < o.reserved {
		return nil // somebody else was faster
	}
	if o.shard == 0 || o.next >= o.end {
		return k.add(ctx, []want{{Office, MonthOf(at)}})
	}
	o.reserved = min(o.next+officeStep, o.end)
	err := k.root.Update(ctx, func(c *root.Contents) error {
		c.Office = Mark{Shard: o.shard, Next: o.reserved}
		return nil
	})
	if err == nil {
		k.setOffice(o)
	}
	return err
}

func (k *Keys) setOffice(o office) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.office = o
}

// Prepare makes the shards of this month, and of the next from three days before it, for each class, and
// the next part of one that runs out. Shards of months gone by are handed out of no more.
func (k *Keys) Prepare(ctx context.Context, classes []string, now time.Time) error {
	var wants []want
	for _, class := range classes {
		if err := ValidClass(class); err != nil {
			return err
		}
		if class == Office {
			continue // has no month
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

// grow makes the shards that lacking still asks for once no other growth is under way.
func (k *Keys) grow(ctx context.Context, lacking func() []want) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	wants := lacking()
	if len(wants) == 0 {
		return nil
	}
	return k.add(ctx, wants)
}

// add makes shards: under their unfinished names, then the root that names them, then their names. A power cut before
// the root is in place leaves the vault without them, after it with them. The caller holds writing.
func (k *Keys) add(ctx context.Context, wants []want) error {
	var made []shard.Line
	var bodies []shard.Body
	err := k.root.Update(ctx, func(c *root.Contents) error {
		for _, w := range wants {
			l, slots, err := k.makeShard(c, w)
			if err != nil {
				return err
			}
			made, bodies = append(made, l), append(bodies, slots)
		}
		return nil
	})
	if err != nil {
		return err
	}
	late := k.files.Steps(epoch.Naming(made)...) // the root stands: what fails from here on is put right at the next opening
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, l := range made {
		if l.Class == Office {
			k.office = office{shard: l.Number, reserved: officeStep, end: l.Slots}
		} else {
			k.writers = append(k.writers, writer{ShardInfo: l.Info})
		}
		k.keep(l.Number, bodies[i])
	}
	k.root.Note(late)
	return nil
}

// makeShard fills and writes a shard under its unfinished name and adds it to c.
func (k *Keys) makeShard(c *root.Contents, w want) (shard.Line, shard.Body, error) {
	l := shard.Line{Info: ShardInfo{Number: c.NextShard, Class: w.class, Month: w.month}}
	slots := shard.Fill()
	l, err := k.writeShard(c, l, slots)
	if err != nil {
		slots.Wipe()
		return l, shard.Body{}, err
	}
	c.NextShard++
	if w.class == Office {
		c.Office = Mark{Shard: l.Number, Next: officeStep}
	}
	return l, slots, nil
}

// writeShard writes a shard that is new to c under its unfinished name, and adds it: as the next part of its month,
// under a key of its own.
func (k *Keys) writeShard(c *root.Contents, l shard.Line, slots shard.Body) (shard.Line, error) {
	l.Part, l.Slots, l.Rewrite, l.Seq, l.Key = c.NextPart(l.Class, l.Month), slots.Len(), 1, k.root.Seq(), NewKey()
	if l.Part == 0 {
		return l, fmt.Errorf("%s %s has 65,535 parts", l.Class, l.Month)
	}
	file, err := shard.Seal(k.vaultID, &l, slots)
	if err != nil {
		return l, err
	}
	if err := k.files.Lay(pair.File{Name: l.NewName(), Data: file}); err != nil {
		return l, fmt.Errorf("write shard: %w", err)
	}
	c.Put(l)
	return l, nil
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

// OfficeMark is that of the newest shard of Office. The root keeps it.
func (k *Keys) OfficeMark() Mark {
	k.mu.Lock()
	defer k.mu.Unlock()
	return Mark{Shard: k.office.shard, Next: k.office.next}
}

// Resume sets the marks after Open, from the journal. Unclean skips the next 1,000 slots of each shard, or
// what it has left. A shard without a mark is never handed out of again: what was used of it is not known.
// A mark of a shard that was dropped since is passed over.
// Errors: ErrRolledBack when a mark is of a shard that the root never knew.
func (k *Keys) Resume(marks []Mark, clean bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range marks {
		l, ok := k.root.Contents().Shard(m.Shard)
		if !ok && !k.root.Contents().Knew(m.Shard) {
			return fmt.Errorf("%w: the journal knows shard %d", ErrRolledBack, m.Shard)
		}
		if !ok || m.Shard < k.root.Contents().Fresh || l.Class == Office {
			continue
		}
		next := min(m.Next, l.Slots)
		if !clean {
			next = min(next+skipUnclean, l.Slots)
		}
		i := slices.IndexFunc(k.writers, func(w writer) bool { return w.Number == m.Shard })
		if i < 0 {
			i = len(k.writers)
			k.writers = append(k.writers, writer{ShardInfo: l.Info})
		}
		k.writers[i].next = max(k.writers[i].next, next)
	}
	return nil
}

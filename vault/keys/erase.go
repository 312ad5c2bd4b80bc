package keys

import (
	"errors"
	"fmt"
	"slices"

	"linekeep/vault/keys/epoch"
	"linekeep/vault/keys/pair"
	"linekeep/vault/keys/root"
	"linekeep/vault/keys/shard"
)

// taking is a commit that takes something away.
type taking struct {
	*epoch.Attempt
	before   *root.Contents
	rewrites []rewrite
	done     Committed
}

// forget wipes what was made for a commit that was given up.
func (t *taking) forget() {
	for _, r := range t.rewrites {
		r.slots.Wipe()
	}
	for _, l := range t.Lines {
		l.Key.Wipe()
	}
}

// rewrite is a shard written anew without some of its slots, or dropped.
type rewrite struct {
	old     shard.Line
	dropped bool       // its line is gone
	slots   shard.Body // what is left, if it is in memory
}

// plan is what a commit takes from a shard.
type plan struct {
	erase []uint32        // these slots
	only  map[uint32]bool // or, if not nil, all but these
}

// rewriteAll writes every shard anew that something is taken from, under a new key and its unfinished name, and puts
// it into c in the place of the old one. One shard at a time is in memory.
func (k *Keys) rewriteAll(t *taking, months []MonthDrop) error {
	c := t.Contents
	plans, err := k.plan(c, months)
	if err != nil {
		return err
	}
	var left []ID
	for _, l := range slices.Clone(c.Shards) {
		p, ok := plans[l.Number]
		if !ok {
			continue
		}
		slots, err := k.copyOf(l)
		if errors.Is(err, ErrAltered) && p.only == nil {
			for _, slot := range p.erase {
				left = append(left, ID{Shard: l.Number, Slot: slot})
			}
			k.root.Note(err)
			continue
		}
		if err != nil && p.only == nil {
			return fmt.Errorf("erase from %s: %w", l.FileName(), err)
		}
		if err := k.rewriteOne(t, l, p, slots); err != nil {
			return err
		}
	}
	for _, id := range c.Doomed {
		if !slices.Contains(left, id) {
			t.done.Erased = append(t.done.Erased, id)
		}
	}
	c.Doomed, t.done.Left = left, left
	return nil
}

// plan says what is taken from which shard.
func (k *Keys) plan(c *root.Contents, months []MonthDrop) (map[uint32]plan, error) {
	plans := make(map[uint32]plan)
	for _, id := range c.Doomed {
		p := plans[id.Shard]
		p.erase = append(p.erase, id.Slot)
		plans[id.Shard] = p
	}
	for _, m := range months {
		if m.Class == Office || m.Month >= MonthOf(k.clock()) {
			return nil, fmt.Errorf("drop %s %s: only months gone by are dropped, and never of %s", m.Class, m.Month, Office)
		}
		for _, l := range c.Shards {
			if l.Class != m.Class || l.Month != m.Month || m.Shards != nil && !slices.Contains(m.Shards, l.Number) {
				continue
			}
			p := plans[l.Number]
			p.only = make(map[uint32]bool)
			for _, id := range m.Keep {
				if id.Shard == l.Number {
					p.only[id.Slot] = true
				}
			}
			plans[l.Number] = p
		}
	}
	return plans, nil
}

// copyOf gives a copy of the slots of a shard, which the caller may change.
func (k *Keys) copyOf(l shard.Line) (shard.Body, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if i := slices.IndexFunc(k.loaded, func(s loadedShard) bool { return s.number == l.Number }); i >= 0 {
		return k.loaded[i].slots.Clone(), nil
	}
	return k.read(l)
}

// keepOnly erases all slots but those that stay, and says whether one does.
func (p plan) keepOnly(slots shard.Body) bool {
	stay := false
	for slot := range slots.Len() {
		switch {
		case !p.only[slot] || slices.Contains(p.erase, slot):
			slots.Erase(slot)
		case slots.Has(slot):
			stay = true
		}
	}
	return stay
}

// rewriteOne writes one shard anew. One of a dropped month of which nothing stays, or nothing could be read, goes.
func (k *Keys) rewriteOne(t *taking, l shard.Line, p plan, slots shard.Body) error {
	t.Gone = append(t.Gone, l.FileName(), l.NewName())
	if p.only != nil && !p.keepOnly(slots) {
		t.Contents.Drop(l.Number)
		slots.Wipe()
		t.rewrites = append(t.rewrites, rewrite{old: l, dropped: true})
		return nil
	}
	for _, slot := range p.erase {
		slots.Erase(slot)
	}
	fresh := l
	fresh.Rewrite, fresh.Seq, fresh.Key = l.Rewrite+1, k.root.Seq(), NewKey()
	file, err := shard.Seal(k.vaultID, &fresh, slots)
	if err != nil {
		return err
	}
	if err := k.files.Lay(pair.File{Name: fresh.NewName(), Data: file}); err != nil {
		return fmt.Errorf("write shard: %w", err)
	}
	t.Contents.Put(fresh)
	t.Lines = append(t.Lines, fresh)
	t.done.Bytes += 2 * int64(len(file))
	if !k.isLoaded(l.Number) {
		slots.Wipe()
		slots = shard.Body{}
	}
	t.rewrites = append(t.rewrites, rewrite{old: l, slots: slots})
	return nil
}

func (k *Keys) isLoaded(number uint32) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.loaded, func(s loadedShard) bool { return s.number == number })
}

// take puts what is left of shards in the place of what was in memory, once the commit holds. If the
// recovery key was replaced, no slot is handed out of any shard of before.
func (k *Keys) take(t *taking) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !t.before.Commissioning.IsZero() && t.Contents.Commissioning.IsZero() {
		t.before.Commissioning.Wipe()
	}
	if !t.before.Spare.Equal(t.Contents.Spare) {
		t.before.Spare.Wipe()
	}
	for _, r := range t.rewrites {
		r.old.Key.Wipe()
		k.replace(r)
	}
	if t.before.Fresh != t.Contents.Fresh {
		k.writers, k.office = nil, office{}
	}
}

// replace puts what is left of a shard in the place of what was in memory; mu is held.
func (k *Keys) replace(r rewrite) {
	i := slices.IndexFunc(k.loaded, func(s loadedShard) bool { return s.number == r.old.Number })
	if i >= 0 {
		k.loaded[i].slots.Wipe()
		if k.loaded[i].slots = r.slots; r.slots.IsZero() {
			k.loaded = slices.Delete(k.loaded, i, i+1)
		}
	} else {
		r.slots.Wipe()
	}
	if r.dropped {
		k.writers = slices.DeleteFunc(k.writers, func(w writer) bool { return w.Number == r.old.Number })
	}
}

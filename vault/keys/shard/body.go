package shard

import (
	"bytes"
	"crypto/rand"

	"linekeep/vault/secret"
)

// Body is the slot keys of a shard, in locked memory of their own. Copies of a Body are the same memory.
type Body struct{ held secret.Buffer }

// Fill makes the slot keys of a new shard.
func Fill() Body {
	b := newBody(Slots)
	b.held.Use(func(keys []byte) { rand.Read(keys) }) // never returns an error: crypto/rand ends the program instead
	return b
}

func newBody(slots uint32) Body { return Body{secret.NewBuffer(int(slots) * secret.Size)} }

// IsZero tells a Body that is none.
func (b Body) IsZero() bool { return b.held.IsZero() }

// Clone is a copy, in memory of its own.
func (b Body) Clone() Body {
	c := Body{secret.NewBuffer(b.held.Len())}
	b.held.Use(func(from []byte) {
		c.held.Use(func(to []byte) { copy(to, from) })
	})
	return c
}

// Wipe overwrites the keys. Wiping again, or the zero Body, does nothing.
func (b Body) Wipe() { b.held.Wipe() }

// Wiped tells a body that was wiped. For tests.
func (b Body) Wiped() bool { return b.held.Wiped() }

// Len is how many slots there are, erased ones too.
func (b Body) Len() uint32 { return uint32(b.held.Len() / secret.Size) }

// at is the memory of a slot's key within all of them; none past the end.
func at(keys []byte, slot uint32) []byte {
	if uint64(slot) >= uint64(len(keys)/secret.Size) {
		return nil
	}
	return keys[int(slot)*secret.Size:][:secret.Size]
}

func erased(key []byte) bool { return key == nil || [secret.Size]byte(key) == [secret.Size]byte{} }

// Has says whether a slot has a key: it is not erased, nor past the end.
func (b Body) Has(slot uint32) (has bool) {
	b.held.Use(func(keys []byte) { has = !erased(at(keys, slot)) })
	return has
}

// Key copies the key of a slot; none if Has says so.
func (b Body) Key(slot uint32) (key secret.Key, ok bool) {
	b.held.Use(func(keys []byte) {
		if one := at(keys, slot); !erased(one) {
			var err error
			key, err = secret.From(one)
			ok = err == nil
		}
	})
	return key, ok
}

// Erase overwrites the key of a slot.
func (b Body) Erase(slot uint32) {
	b.held.Use(func(keys []byte) { clear(at(keys, slot)) })
}

// Agrees says whether two bodies have the same keys; one that is erased in either is no difference.
func (b Body) Agrees(other Body) bool {
	same := b.Len() == other.Len()
	b.held.Use(func(here []byte) {
		other.held.Use(func(there []byte) {
			if !same {
				return
			}
			for slot := range b.Len() {
				one, two := at(here, slot), at(there, slot)
				same = same && (erased(one) || erased(two) || bytes.Equal(one, two))
			}
		})
	})
	return same
}

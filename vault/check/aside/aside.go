// Package aside lets a part open a folder that must not be written, as if it might: what it writes stays in memory.
//
//	In:    a folder that is open for reading
//	Out:   the same, with what was put since
//	Owner: the caller; no goroutine, and one caller at a time
//	Full:  what is put is in memory: for a catalogue of an older version as much as the catalogue is large
//
// A part that is opened brings what an older version wrote, or a power cut left, into the form of now. A check of a stopped
// vault wants to see that form, and must not write it.
package aside

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"linekeep/vault/folder"
	"linekeep/vault/keys"
)

// Under is the folder that is read.
type Under interface {
	Get(key []byte) ([]byte, error)
	Walk(prefix []byte, visit func(key, value []byte, err error) error) error
}

// Folder is a folder and what was put into it since.
type Folder struct {
	under Under
	put   map[string][]byte // nil: deleted
}

// Over is under, with nothing put yet.
func Over(under Under) *Folder { return &Folder{under: under, put: make(map[string][]byte)} }

// Put keeps the entries in memory.
func (f *Folder) Put(_ context.Context, entries ...folder.Entry) error {
	for _, e := range entries {
		f.put[string(e.Key)] = bytes.Clone(e.Value)
	}
	return nil
}

// Get gives the value of a key. Errors: folder.ErrMissing, those of the folder.
func (f *Folder) Get(key []byte) ([]byte, error) {
	value, changed := f.put[string(key)]
	switch {
	case !changed:
		return f.under.Get(key)
	case value == nil:
		return nil, fmt.Errorf("%w: it was deleted, in memory", folder.ErrMissing)
	}
	return bytes.Clone(value), nil
}

// Walk visits keys with prefix in order, as folder.Folder does.
func (f *Folder) Walk(prefix []byte, visit func(key, value []byte, err error) error) error {
	var added []string
	for _, key := range slices.Sorted(maps.Keys(f.put)) {
		if strings.HasPrefix(key, string(prefix)) {
			added = append(added, key)
		}
	}
	until := func(end string, all bool) error {
		for len(added) > 0 && (all || added[0] <= end) {
			key, value := added[0], f.put[added[0]]
			added = added[1:]
			if value == nil {
				continue
			}
			if err := visit([]byte(key), bytes.Clone(value), nil); err != nil {
				return err
			}
		}
		return nil
	}
	err := f.under.Walk(prefix, func(key, value []byte, err error) error {
		if uerr := until(string(key), false); uerr != nil {
			return uerr
		}
		if _, changed := f.put[string(key)]; changed {
			return nil
		}
		return visit(key, value, err)
	})
	if err != nil {
		return err
	}
	return until("", true)
}

// Keys visits the keys with prefix in order.
func (f *Folder) Keys(prefix []byte, visit func(key []byte) error) error {
	return f.Walk(prefix, func(key, _ []byte, _ error) error { return visit(key) })
}

// Slots gives a vault's slots, and for what is written in memory alone slots that no vault has.
type Slots struct {
	Under interface {
		Slot(id keys.ID) (keys.Slot, error)
	}
	scratch map[keys.ID]keys.Slot
}

// noShard is a number that no shard ever gets.
const noShard = ^uint32(0)

// Next gives a slot that ends with the process.
func (s *Slots) Next(context.Context, string, time.Time) (keys.Slot, error) {
	if s.scratch == nil {
		s.scratch = make(map[keys.ID]keys.Slot)
	}
	slot := keys.Scratch(keys.ID{Shard: noShard, Slot: uint32(len(s.scratch))})
	s.scratch[slot.ID] = slot
	return slot, nil
}

// Slot gives a slot. Errors: those of the vault's keys.
func (s *Slots) Slot(id keys.ID) (keys.Slot, error) {
	if slot, ok := s.scratch[id]; ok {
		return slot, nil
	}
	return s.Under.Slot(id)
}

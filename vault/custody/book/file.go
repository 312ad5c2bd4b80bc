package book

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/keys"
	"linekeep/vault/seal"
)

const (
	fileMagic   = "LKoffc"
	fileVersion = 1
	// Labels of the boxes, in the associated data: no box can stand in another's place.
	labelFile  = "office file"
	labelEntry = "office entry"
)

// Entry is a record where it stands. It must not be changed.
type Entry struct {
	ID     keys.ID // of its slot
	Owner  keys.ID // the person it concerns, or the zero ID
	Record Record
	sealed []byte
}

// State is the book at one time. It does not change.
type State struct {
	entries []Entry
	leaving []keys.ID // taken away, to be erased
	file    keys.ID   // the slot of the whole
	seq     uint64
}

func (s State) clone() State {
	s.entries, s.leaving = slices.Clone(s.entries), slices.Clone(s.leaving)
	return s
}

// Entries are those of one kind of record, in the order in which they were added.
func Entries[R Record](s State) []Found[R] {
	var all []Found[R]
	for _, e := range s.entries {
		if r, ok := e.Record.(R); ok {
			all = append(all, Found[R]{ID: e.ID, Owner: e.Owner, Record: r})
		}
	}
	return all
}

// Of are those of one kind that concern a person.
func Of[R Record](s State, owner keys.ID) []Found[R] {
	return slices.DeleteFunc(Entries[R](s), func(f Found[R]) bool { return f.Owner != owner })
}

// Get is one record by its id. Errors: ErrNoEntry.
func Get[R Record](s State, id keys.ID) (Found[R], error) {
	for _, e := range s.entries {
		if r, ok := e.Record.(R); ok && e.ID == id {
			return Found[R]{ID: e.ID, Owner: e.Owner, Record: r}, nil
		}
	}
	return Found[R]{}, fmt.Errorf("%w: %s", ErrNoEntry, id)
}

// Found is a record of a kind that is known.
type Found[R Record] struct {
	ID, Owner keys.ID
	Record    R
}

// key is the one an entry of a kind is sealed under: what wraps keys lies under K_wrap, all else under K_meta.
func (k kind) key(slot keys.Slot) keys.Key {
	switch k {
	case kindCredential, kindHolding, kindRetired, kindGrant:
		return slot.Wrap()
	}
	return slot.Meta()
}

func (b *Book) place(k kind, id, owner keys.ID) [][]byte {
	return [][]byte{[]byte(labelEntry), b.vaultID[:], {byte(k)}, id.Append(nil), owner.Append(nil)}
}

func (b *Book) seal(slot keys.Slot, owner keys.ID, r Record) (Entry, error) {
	var c cryptobyte.Builder
	c.AddUint8(recordVersion)
	r.marshal(&c)
	plain, err := c.Bytes()
	if err != nil {
		return Entry{}, fmt.Errorf("build a %s: %w", r.kind(), err)
	}
	defer clear(plain)
	key := r.kind().key(slot)
	defer key.Wipe()
	return Entry{ID: slot.ID, Owner: owner, Record: r, sealed: seal.Box(key, plain, b.place(r.kind(), slot.ID, owner)...)}, nil
}

// head is the clear part of the file: magic, version, vault, slot, sequence.
func (b *Book) head(s State) []byte {
	var c cryptobyte.Builder
	c.AddBytes([]byte(fileMagic))
	c.AddUint16(fileVersion)
	c.AddBytes(b.vaultID[:])
	c.AddBytes(s.file.Append(nil))
	c.AddUint64(s.seq)
	return c.BytesOrPanic() // unreachable: nothing here has a length that can be too much
}

func (b *Book) write(s State, slot keys.Slot) error {
	defer slot.Wipe()
	body, err := s.marshal()
	if err != nil {
		return fmt.Errorf("build the book: %w", err)
	}
	head, key := b.head(s), slot.Meta()
	defer key.Wipe()
	if err := b.files.Write(fileName, append(head, seal.Box(key, body, []byte(labelFile), head)...)); err != nil {
		return fmt.Errorf("write the book: %w", err)
	}
	return nil
}

func (s State) marshal() ([]byte, error) {
	var c cryptobyte.Builder
	c.AddUint32(uint32(len(s.entries)))
	for _, e := range s.entries {
		c.AddUint8(uint8(e.Record.kind()))
		c.AddBytes(e.ID.Append(nil))
		c.AddBytes(e.Owner.Append(nil))
		c.AddUint32LengthPrefixed(func(c *cryptobyte.Builder) { c.AddBytes(e.sealed) })
	}
	c.AddUint32(uint32(len(s.leaving)))
	for _, id := range s.leaving {
		c.AddBytes(id.Append(nil))
	}
	return c.Bytes()
}

// headSize: magic, version, vault id, slot, sequence.
const headSize = len(fileMagic) + 2 + keys.VaultIDSize + keys.IDSize + 8

func (b *Book) parse(file []byte) (State, error) {
	var s State
	if len(file) < headSize {
		return s, errors.New("not a book")
	}
	head := cryptobyte.String(file[:headSize])
	var magic []byte
	var version uint16
	var id [keys.VaultIDSize]byte
	if !head.ReadBytes(&magic, len(fileMagic)) || string(magic) != fileMagic || !head.ReadUint16(&version) {
		return s, errors.New("not a book")
	}
	if version != fileVersion {
		return s, fmt.Errorf("book of version %d, this program reads %d", version, fileVersion)
	}
	if !head.CopyBytes(id[:]) || !readID(&head, &s.file) || !head.ReadUint64(&s.seq) || id != b.vaultID {
		return s, errors.New("book of another vault")
	}
	slot, err := b.cfg.Keys.Slot(s.file)
	if errors.Is(err, keys.ErrNoSlot) {
		return s, fmt.Errorf("%w: slot %s: %w", ErrRolledBack, s.file, err)
	}
	if err != nil {
		return s, fmt.Errorf("slot key of the book: %w", err)
	}
	defer slot.Wipe()
	key := slot.Meta()
	defer key.Wipe()
	body, err := seal.OpenBox(key, file[headSize:], []byte(labelFile), file[:headSize])
	if err != nil {
		return s, err
	}
	raw, leaving, err := parseBody(body)
	if err != nil {
		return s, err
	}
	s.leaving = leaving
	s.entries, err = b.open(raw)
	return s, err
}

// rawEntry is an entry that was not opened yet.
type rawEntry struct {
	kind      kind
	id, owner keys.ID
	sealed    []byte
}

func parseBody(body []byte) (raw []rawEntry, leaving []keys.ID, err error) {
	s := cryptobyte.String(body)
	var n uint32
	ok := s.ReadUint32(&n)
	for ; ok && n > 0; n-- {
		var e rawEntry
		var k uint8
		var sealed []byte
		var length uint32
		ok = s.ReadUint8(&k) && readID(&s, &e.id) && readID(&s, &e.owner) && s.ReadUint32(&length) && s.ReadBytes(&sealed, int(length))
		e.kind, e.sealed = kind(k), slices.Clone(sealed)
		raw = append(raw, e)
	}
	ok = ok && s.ReadUint32(&n)
	for ; ok && n > 0; n-- {
		var id keys.ID
		ok = readID(&s, &id)
		leaving = append(leaving, id)
	}
	if !ok || !s.Empty() {
		return nil, nil, errors.New("book cut short")
	}
	return raw, leaving, nil
}

// open opens the entries. One whose slot is erased, or ordered to be, has left.
func (b *Book) open(raw []rawEntry) ([]Entry, error) {
	var all []Entry
	for _, e := range raw {
		if b.cfg.Keys.Doomed(e.id) {
			continue
		}
		slot, err := b.cfg.Keys.Slot(e.id)
		if errors.Is(err, keys.ErrNoSlot) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("slot key of entry %s: %w", e.id, err)
		}
		opened, err := b.openEntry(slot, e)
		slot.Wipe()
		if err != nil {
			return nil, fmt.Errorf("entry %s: %w", e.id, err)
		}
		all = append(all, opened)
	}
	return all, nil
}

func (b *Book) openEntry(slot keys.Slot, e rawEntry) (Entry, error) {
	key := e.kind.key(slot)
	defer key.Wipe()
	plain, err := seal.OpenBox(key, e.sealed, b.place(e.kind, e.id, e.owner)...)
	if err != nil {
		return Entry{}, err
	}
	defer clear(plain)
	r, err := parseRecord(e.kind, plain)
	return Entry{ID: e.id, Owner: e.owner, Record: r, sealed: e.sealed}, err
}

func readID(s *cryptobyte.String, id *keys.ID) bool {
	return s.ReadUint32(&id.Shard) && s.ReadUint32(&id.Slot)
}

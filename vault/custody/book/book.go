// Package book keeps what the box knows of people: who they are, the keys of their accounts, what is wrapped to them, and
// what they were granted. Each entry is sealed under a slot of its own, so that erasing the slot erases the entry.
//
//	In:    changes, each of any number of entries
//	Out:   the entries as they stand; on disk custody/office in two copies, old or new after a power cut, never between
//	Owner: the callers' goroutines; changes take turns, readers do not wait for them
//	Full:  the file is some kilobytes for an office, and 128 bytes for each recording in a grant; it is written whole
//
// The whole file is sealed once more under a slot that changes with whatever takes something away. So a file put back is
// refused: its slot is gone with the entries it would bring back. FORMAT.md, section 14.
package book

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
)

var (
	// ErrAltered reports a book that is there in neither copy as it was written.
	ErrAltered = errors.New("book: altered")
	// ErrRolledBack reports a book that is older than the keys: the slot it is sealed under was erased.
	ErrRolledBack = errors.New("book: older than the keys")
	// ErrExists reports that there is a book already.
	ErrExists = errors.New("book: there is one already")
	// ErrNotErased reports a change that is in force, while what it took away is not ordered to be erased yet. The next
	// change, or the next start, orders it.
	ErrNotErased = errors.New("book: changed, but what was taken away is not yet erased")
	// ErrNoEntry reports an id that the book does not hold.
	ErrNoEntry = errors.New("book: no such entry")
)

// fileName is the book's, in its folder and in the copy.
const fileName = "office"

// Keys is what the book asks of vault/keys.
type Keys interface {
	VaultID() [keys.VaultIDSize]byte
	Slot(id keys.ID) (keys.Slot, error)
	Next(ctx context.Context, class string, at time.Time) (keys.Slot, error)
	// Doom orders slots to be erased with the next epoch. When it returns, no power cut undoes the order.
	Doom(ctx context.Context, ids ...keys.ID) error
	Doomed(id keys.ID) bool
}

// Config says where the book is.
type Config struct {
	Dir   string // custody/
	Class string // of the slots
	Keys  Keys
	Clock func() time.Time
	Files pair.FS // pair.Disk{}, but in tests of power cuts
}

// Book is the people of a vault.
type Book struct {
	cfg     Config
	vaultID [keys.VaultIDSize]byte
	files   *pair.Folder

	writing  sync.Mutex // held while the book changes
	mu       sync.Mutex // guards what follows
	now      State
	findings []error
}

// Create makes an empty book. Errors: ErrExists.
func Create(ctx context.Context, cfg Config) (*Book, error) {
	b := at(cfg)
	if err := b.files.Make(); err != nil {
		return nil, fmt.Errorf("make the folder of the book: %w", err)
	}
	names, err := b.files.Names()
	if err != nil {
		return nil, fmt.Errorf("create the book: %w", err)
	}
	if len(names) > 0 {
		return nil, ErrExists
	}
	slot, err := b.slot(ctx)
	if err != nil {
		return nil, err
	}
	first := State{file: slot.ID, seq: 1}
	if err := b.write(first, slot); err != nil {
		return nil, err
	}
	b.now = first
	return b, nil
}

func at(cfg Config) *Book {
	return &Book{cfg: cfg, vaultID: cfg.Keys.VaultID(), files: pair.At(cfg.Dir, cfg.Files)}
}

// Open reads the book, and orders again to be erased what a power cut left. Errors: ErrAltered, with pair.ErrMissing where
// there is none; ErrRolledBack.
func Open(ctx context.Context, cfg Config) (*Book, error) {
	b := at(cfg)
	if _, err := b.files.Names(); err != nil { // takes half-written files away
		return nil, fmt.Errorf("open the book: %w", err)
	}
	var state State
	_, findings, err := b.files.Read(fileName, func(file []byte) (err error) {
		state, err = b.parse(file)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAltered, err)
	}
	b.now = state
	b.note(findings)
	if err := b.leave(ctx, state); err != nil {
		b.note([]error{err}) // the next change tries again; until then Doomed does not hide them, and nothing needs them
	}
	return b, nil
}

// Inspect reads the book of a vault that nobody has open, and gives everything found wrong. It orders nothing.
func Inspect(cfg Config) []error {
	b := at(cfg)
	_, findings, err := b.files.Read(fileName, func(file []byte) error {
		_, err := b.parse(file)
		return err
	})
	if err != nil {
		findings = append(findings, err)
	}
	for i := range findings {
		findings[i] = fmt.Errorf("%w: %w", ErrAltered, findings[i])
	}
	return findings
}

func (b *Book) note(findings []error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.findings = append(b.findings, findings...)
}

// Findings is what was wrong with the files since Open.
func (b *Book) Findings() []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.findings)
}

// Verify reads both copies again, mends one from the other, and gives everything found wrong since Open.
func (b *Book) Verify() []error {
	b.writing.Lock()
	defer b.writing.Unlock()
	_, findings, err := b.files.Read(fileName, func(file []byte) error {
		state, err := b.parse(file)
		if err == nil && (state.seq != b.now.seq || state.file != b.now.file) {
			err = errors.New("not the book that was opened")
		}
		return err
	})
	if err != nil {
		findings = append(findings, err)
	}
	for i := range findings {
		findings[i] = fmt.Errorf("%w: %w", ErrAltered, findings[i])
	}
	b.note(findings)
	return b.Findings()
}

// Now is the book as it stands. What is ordered to be erased is not in it.
func (b *Book) Now() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

// slot takes a slot never used.
func (b *Book) slot(ctx context.Context) (keys.Slot, error) {
	slot, err := b.cfg.Keys.Next(ctx, b.cfg.Class, b.cfg.Clock())
	if err != nil {
		return keys.Slot{}, fmt.Errorf("take a slot key for the book: %w", err)
	}
	return slot, nil
}

// Tx is a change that is being made. What it reads it reads as if the change were done.
type Tx struct {
	State
	book  *Book
	ctx   context.Context //nolint:containedctx // a Tx lives within one call of Change
	gone  []keys.ID
	dirty bool
	renew bool
}

// Change makes a change: nil = stored, and what it took away is ordered to be erased. When do fails nothing has happened.
// Errors: those of do and of the disk; ErrNotErased = it is in force nevertheless.
func (b *Book) Change(ctx context.Context, do func(tx *Tx) error) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	tx := &Tx{State: b.Now().clone(), book: b, ctx: ctx}
	if err := do(tx); err != nil {
		return err
	}
	if !tx.dirty {
		return nil
	}
	next := tx.State
	next.seq++
	next.leaving = append(b.left(next.leaving), tx.gone...)
	slot, err := b.cfg.Keys.Slot(next.file)
	if len(tx.gone) > 0 || tx.renew {
		next.leaving = append(next.leaving, next.file)
		if slot, err = b.slot(ctx); err == nil {
			next.file = slot.ID
		}
	}
	if err != nil {
		return fmt.Errorf("change the book: %w", err)
	}
	if err := b.write(next, slot); err != nil {
		return fmt.Errorf("change the book: %w", err)
	}
	b.mu.Lock()
	b.now = next
	b.mu.Unlock()
	return b.leave(ctx, next)
}

// left are the ids among leaving that still have to be ordered to be erased.
func (b *Book) left(leaving []keys.ID) []keys.ID {
	var still []keys.ID
	for _, id := range leaving {
		if b.stands(id) && !b.cfg.Keys.Doomed(id) {
			still = append(still, id)
		}
	}
	return still
}

// stands says whether a slot is not yet erased.
func (b *Book) stands(id keys.ID) bool {
	slot, err := b.cfg.Keys.Slot(id)
	if err == nil {
		slot.Wipe()
	}
	return !errors.Is(err, keys.ErrNoSlot)
}

// leave orders what has left the book to be erased.
func (b *Book) leave(ctx context.Context, s State) error {
	still := b.left(s.leaving)
	if len(still) == 0 {
		return nil
	}
	if err := b.cfg.Keys.Doom(ctx, still...); err != nil {
		return fmt.Errorf("%w: %w", ErrNotErased, err)
	}
	return nil
}

// Add seals a record under a slot of its own, whose id it gets. owner is the person it concerns; a person's own record has
// the zero owner.
func (tx *Tx) Add(owner keys.ID, r Record) (keys.ID, error) {
	slot, err := tx.book.slot(tx.ctx)
	if err != nil {
		return keys.ID{}, err
	}
	defer slot.Wipe()
	e, err := tx.book.seal(slot, owner, r)
	if err != nil {
		return keys.ID{}, err
	}
	tx.entries = append(tx.entries, e)
	tx.dirty = true
	return slot.ID, nil
}

// Set seals a record anew under the slot it has. Errors: ErrNoEntry.
func (tx *Tx) Set(id keys.ID, r Record) error {
	i := slices.IndexFunc(tx.entries, func(e Entry) bool { return e.ID == id })
	if i < 0 || tx.entries[i].Record.kind() != r.kind() {
		return fmt.Errorf("%w: %s", ErrNoEntry, id)
	}
	slot, err := tx.book.cfg.Keys.Slot(id)
	if err != nil {
		return fmt.Errorf("slot key of entry %s: %w", id, err)
	}
	defer slot.Wipe()
	e, err := tx.book.seal(slot, tx.entries[i].Owner, r)
	if err != nil {
		return err
	}
	tx.entries[i], tx.dirty = e, true
	return nil
}

// Drop takes entries away; their slots are erased.
func (tx *Tx) Drop(ids ...keys.ID) {
	for _, id := range ids {
		if i := slices.IndexFunc(tx.entries, func(e Entry) bool { return e.ID == id }); i >= 0 {
			tx.entries = slices.Delete(tx.entries, i, i+1)
			tx.gone, tx.dirty = append(tx.gone, id), true
		}
	}
}

// Renew makes the book as it was before refused from the next epoch on, although no entry leaves it: for a right that is
// taken away within an entry.
func (tx *Tx) Renew() { tx.renew, tx.dirty = true, true }

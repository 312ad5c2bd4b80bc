package hold

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/keys"
	"linekeep/vault/register/ledger"
	"linekeep/vault/retention/note"
	"linekeep/vault/seal"
)

// Vaults of an earlier version have their holds in a note of their own. Opening moves them into the register, says there that it did,
// and leaves a note that says no more than that.
const (
	noteName     = "holds"
	labelHold    = "retention hold"
	movedVersion = 2
	// kindMoved and keyMoved are the value that says that the note's holds are in the register.
	kindMoved = "holds"
	keyMoved  = "moved"
)

// sealed is a record as it stands in the note.
type sealed struct {
	id    keys.ID
	boxed []byte
}

// moveIn takes over the holds of a note. Done twice, after a power cut, it takes what is not there yet.
func (b *Book) moveIn(ctx context.Context) error {
	n, found, err := note.Open(b.cfg.Note, noteName)
	if err != nil {
		return err
	}
	moved, err := b.moved()
	switch {
	case err != nil:
		return err
	case found.Body != nil && slices.Equal(found.Body, []byte{movedVersion}), found.Body == nil && !found.Lost:
		return nil
	case moved && found.Body != nil:
		b.findings = append(b.findings, fmt.Errorf("%w: an older list of holds was put back into retention/; it is not read, and those in the register count", ErrRolledBack))
		return n.Write([]byte{movedVersion})
	case moved:
		b.findings = append(b.findings, found.Findings...)
		return n.Write([]byte{movedVersion})
	case found.Lost:
		for _, f := range found.Findings {
			b.lose(f)
		}
		return nil
	}
	b.findings = append(b.findings, found.Findings...)
	return b.takeOver(ctx, n, found.Body)
}

func (b *Book) moved() (is bool, err error) {
	err = b.cfg.Register.Walk(kindMoved, func(key, _ []byte, _ error) error {
		is = is || string(key) == keyMoved
		return nil
	})
	return is, err
}

// takeOver writes a note's holds into the register. While one of them cannot be read the note stays, and nothing expires.
func (b *Book) takeOver(ctx context.Context, n *note.Note, body []byte) error {
	records, err := split(body)
	if err != nil {
		b.lose(err)
		return nil
	}
	unread := false
	for _, r := range records {
		if slices.ContainsFunc(b.all, func(h Hold) bool { return h.ID == r.id }) {
			continue
		}
		h, err := b.open(r)
		if err != nil {
			b.lose(fmt.Errorf("hold %s cannot be read: %w", r.id, err))
			unread = true
			continue
		}
		if err := b.commit(ctx, Moved, &h); err != nil {
			return err
		}
		b.all = append(b.all, h)
	}
	if unread {
		return nil
	}
	slot, err := b.cfg.Slots.Next(ctx, keys.Office, b.cfg.Wall())
	if err != nil {
		return err
	}
	defer slot.Wipe()
	word := ledger.Change{Kind: kindMoved, Key: []byte(keyMoved), Slot: slot.ID, Value: []byte{movedVersion}}
	if err := b.cfg.Commit(ctx, Act{What: Moved, Hold: Hold{ID: slot.ID}}, word); err != nil {
		return err
	}
	return n.Write([]byte{movedVersion})
}

func (b *Book) open(r sealed) (Hold, error) {
	slot, err := b.cfg.Slots.Slot(r.id)
	if err != nil {
		return Hold{}, err
	}
	defer slot.Wipe()
	meta := slot.Meta()
	defer meta.Wipe()
	plain, err := seal.OpenBox(meta, r.boxed, []byte(labelHold), b.cfg.Note.VaultID[:], r.id.Append(nil))
	if err != nil {
		return Hold{}, err
	}
	h, err := parse(plain)
	h.ID = r.id
	return h, err
}

// split reads the note's body. Errors: ErrForm.
func split(body []byte) ([]sealed, error) {
	s := cryptobyte.String(body)
	var version uint8
	var n uint32
	if !s.ReadUint8(&version) || version != bookVersion || !s.ReadUint32(&n) || n > maxHolds {
		return nil, fmt.Errorf("%w: the list of holds", ErrForm)
	}
	var all []sealed
	for range n {
		var id, boxed []byte
		var size uint32
		if !s.ReadBytes(&id, keys.IDSize) || !s.ReadUint32(&size) || uint64(size) > uint64(len(s)) || !s.ReadBytes(&boxed, int(size)) {
			return nil, fmt.Errorf("%w: the list of holds is cut short", ErrForm)
		}
		of, err := keys.IDFrom(id)
		if err != nil {
			return nil, err
		}
		all = append(all, sealed{of, boxed})
	}
	if !s.Empty() {
		return nil, fmt.Errorf("%w: bytes left over", ErrForm)
	}
	return all, nil
}

package hold

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/keys"
	"linekeep/vault/seal"
)

// ErrForm reports a hold that is not in this version's form.
var ErrForm = errors.New("hold: not a hold's record")

const (
	bookVersion = 1
	labelHold   = "retention hold"
)

// sealed is a record as it stands in the note.
type sealed struct {
	id    keys.ID
	boxed []byte
}

// write puts all in the place of the holds there are. mu is held.
func (b *Book) write(all []Hold) error {
	out := cryptobyte.NewBuilder(nil)
	out.AddUint8(bookVersion)
	out.AddUint32(uint32(len(all) + len(b.unread)))
	for i := range all {
		slot, err := b.cfg.Slots.Slot(all[i].ID)
		if err != nil {
			return fmt.Errorf("seal %s: %w", all[i].ID, err)
		}
		meta := slot.Meta()
		addSealed(out, sealed{all[i].ID, seal.Box(meta, all[i].bytes(), []byte(labelHold), b.cfg.Note.VaultID[:], all[i].ID.Append(nil))})
		meta.Wipe()
		slot.Wipe()
	}
	for _, s := range b.unread { // what could not be read is kept as it is: somebody may find its key again
		addSealed(out, s)
	}
	if err := b.note.Write(out.BytesOrPanic()); err != nil {
		return err
	}
	b.all = all
	return nil
}

func addSealed(out *cryptobyte.Builder, s sealed) {
	out.AddBytes(s.id.Append(nil))
	out.AddUint32(uint32(len(s.boxed)))
	out.AddBytes(s.boxed)
}

// read takes the note's body. One hold that cannot be opened is a finding, and nothing may expire: nobody knows what it held.
func (b *Book) read(body []byte) {
	records, err := split(body)
	if err != nil {
		b.findings, b.lost = append(b.findings, err), true
		return
	}
	for _, r := range records {
		h, err := b.open(r)
		if err != nil {
			b.findings, b.lost = append(b.findings, fmt.Errorf("hold %s cannot be read: %w", r.id, err)), true
			b.unread = append(b.unread, r)
			continue
		}
		b.all = append(b.all, h)
	}
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

func (h *Hold) bytes() []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddUint8(bookVersion)
	b.AddUint8(uint8(h.Kind))
	for _, t := range []time.Time{h.Since, h.Made, h.Until, h.Ended} {
		ns := uint64(0)
		if !t.IsZero() {
			ns = uint64(t.UnixNano())
		}
		b.AddUint64(ns)
	}
	for _, text := range []string{h.Reason, h.By, h.EndBy} {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(text)) })
	}
	b.AddUint32(uint32(len(h.Calls)))
	for _, id := range h.Calls {
		b.AddBytes(id.Append(nil))
	}
	return b.BytesOrPanic() // texts were bounded when they were taken in
}

// parse reads what bytes wrote, and nothing else. Errors: ErrForm.
func parse(data []byte) (Hold, error) {
	var h Hold
	s := cryptobyte.String(data)
	var version, kind uint8
	if !s.ReadUint8(&version) || version != bookVersion || !s.ReadUint8(&kind) {
		return h, fmt.Errorf("%w: its version", ErrForm)
	}
	h.Kind = Kind(kind)
	for _, t := range []*time.Time{&h.Since, &h.Made, &h.Until, &h.Ended} {
		var ns uint64
		if !s.ReadUint64(&ns) {
			return h, fmt.Errorf("%w: cut short", ErrForm)
		}
		if ns != 0 {
			*t = time.Unix(0, int64(ns)).UTC()
		}
	}
	for _, text := range []*string{&h.Reason, &h.By, &h.EndBy} {
		var b cryptobyte.String
		if !s.ReadUint16LengthPrefixed(&b) || len(b) > maxText {
			return h, fmt.Errorf("%w: its words", ErrForm)
		}
		*text = string(b)
	}
	var n uint32
	if !s.ReadUint32(&n) || n > MaxCalls || uint64(n)*keys.IDSize != uint64(len(s)) {
		return h, fmt.Errorf("%w: its recordings", ErrForm)
	}
	for range n {
		var b []byte
		s.ReadBytes(&b, keys.IDSize) // the length was looked at
		id, err := keys.IDFrom(b)
		if err != nil {
			return h, err
		}
		h.Calls = append(h.Calls, id)
	}
	return h, h.valid()
}

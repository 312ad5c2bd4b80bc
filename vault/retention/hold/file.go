package hold

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/keys"
	"linekeep/vault/register/ledger"
)

// ErrForm reports a hold that is not in this version's form.
var ErrForm = errors.New("hold: not a hold's record")

const (
	bookVersion = 1
	// kindHold is what the register calls a hold; its key is the id of its slot.
	kindHold = "hold"
)

func (h *Hold) change() ledger.Change {
	return ledger.Change{Kind: kindHold, Key: h.ID.Append(nil), Slot: h.ID, Value: h.bytes()}
}

// read takes what the register has. One hold that cannot be read is a finding, and nothing may expire: nobody knows what it held.
func (b *Book) read() error {
	if err := errors.Join(b.cfg.Register.Findings()...); err != nil {
		b.lose(fmt.Errorf("%w: holds may be missing: %w", ErrRolledBack, err))
	}
	return b.cfg.Register.Walk(kindHold, func(key, value []byte, err error) error {
		id, kerr := keys.IDFrom(key)
		var h Hold
		if err == nil && kerr == nil {
			h, err = parse(value)
		}
		if err := errors.Join(err, kerr); err != nil {
			b.lose(fmt.Errorf("hold %x cannot be read: %w", key, err))
			return nil
		}
		h.ID = id
		b.all = append(b.all, h)
		return nil
	})
}

func (b *Book) lose(why error) { b.findings, b.lost = append(b.findings, why), true }

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

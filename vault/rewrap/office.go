package rewrap

import (
	"context"
	"errors"

	"linekeep/vault/custody/office"
	"linekeep/vault/keys"
)

// ByOffice is the custody keys of whoever is signed in at an office.
type ByOffice struct{ *office.Office }

var _ Custody = ByOffice{}

// Retired implements Custody.
func (b ByOffice) Retired() ([]uint32, uint32, error) {
	st, err := b.Status()
	return st.Retired, st.Number, err
}

// Unwrapping implements Custody.
func (b ByOffice) Unwrapping(do func(func(keys.Slot, uint32, []byte) ([]byte, error)) error) error {
	s := b.Holder()
	if s == nil {
		return ErrNobody
	}
	now, err := b.Current()
	if err != nil {
		return err
	}
	return do(func(slot keys.Slot, number uint32, wrap []byte) ([]byte, error) {
		moved, err := s.Rewrap(slot, number, wrap, now.Key)
		if errors.Is(err, office.ErrEnded) || errors.Is(err, office.ErrNotAllowed) {
			return nil, ErrNobody
		}
		return moved, err
	})
}

// Drop implements Custody.
func (b ByOffice) Drop(ctx context.Context, numbers []uint32) error {
	return b.Office.Drop(ctx, numbers)
}

// nobody is the custody of a vault whose people cannot be read: nothing can be done.
type nobody struct{}

func (nobody) Retired() ([]uint32, uint32, error) { return nil, 0, nil }
func (nobody) Unwrapping(func(func(keys.Slot, uint32, []byte) ([]byte, error)) error) error {
	return ErrNobody
}
func (nobody) Drop(context.Context, []uint32) error { return nil }

// Of is the custody of an office, which may be nil.
func Of(o *office.Office) Custody {
	if o == nil {
		return nobody{}
	}
	return ByOffice{o}
}

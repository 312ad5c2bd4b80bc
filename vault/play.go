package vault

import (
	"context"
	"fmt"

	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/custody"
	"linekeep/vault/custody/office"
	"linekeep/vault/envelope"
	"linekeep/vault/hearing"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/seal"
)

// Recording is a recording somebody may hear.
type Recording = hearing.Recording

// Play opens a recording with the recovery code. Errors: ErrNotThere, ErrNotFiled, ErrWrongCode, library.ErrAltered.
func (v *Vault) Play(ctx context.Context, id keys.ID, code custody.Code) (*Recording, error) {
	if v.office == nil {
		return nil, ErrNoPeople
	}
	return v.heard(ctx, entry.Actor{Kind: entry.Code}, entry.BreakIn, id, func(r *library.Reader) (seal.DataKey, error) {
		all, err := v.office.Recover(code)
		if err != nil {
			return seal.DataKey{}, err
		}
		defer func() {
			for _, p := range all {
				p.Wipe()
			}
		}()
		private, ok := all[r.Custody]
		if !ok {
			return seal.DataKey{}, fmt.Errorf("%w: custody key %d", custody.ErrNoKey, r.Custody)
		}
		return seal.Unwrap(v.keys.VaultID(), r.Slot, private, r.Wrap)
	})
}

// Hear opens a recording for somebody who is signed in: with the custody key, or with a grant to hear it. Errors: as Play,
// and office.ErrNoGrant, office.ErrEnded.
func (v *Vault) Hear(ctx context.Context, id keys.ID, s *office.Session) (*Recording, error) {
	return v.heard(ctx, entry.Somebody(s.Person), entry.Hear, id, func(r *library.Reader) (seal.DataKey, error) { return s.DataKey(r.Slot, r.Custody, r.Wrap) })
}

// HearTest opens a recording of a vault that is being commissioned, which the box itself can. Errors: as Play, and
// office.ErrHandedOver.
func (v *Vault) HearTest(ctx context.Context, id keys.ID) (*Recording, error) {
	return v.heard(ctx, entry.Actor{Kind: entry.Machine}, entry.HearTest, id, func(r *library.Reader) (seal.DataKey, error) {
		key, ok := v.keys.Commissioning()
		if !ok {
			return seal.DataKey{}, office.ErrHandedOver
		}
		private, err := envelope.PrivateFrom(key) // the root's; not to be wiped
		if err != nil {
			return seal.DataKey{}, err
		}
		return seal.Unwrap(v.keys.VaultID(), r.Slot, private, r.Wrap)
	})
}

// heard writes down who is about to hear a recording, and opens it.
func (v *Vault) heard(ctx context.Context, who entry.Actor, what entry.Action, id keys.ID, unwrap func(*library.Reader) (seal.DataKey, error)) (r *Recording, err error) {
	act := audit.Act{Who: who, What: what, About: []keys.ID{id}, Under: id}
	err = v.past.Audit.Do(ctx, act, func() (err error) {
		r, err = v.openFor(ctx, id, unwrap)
		return err
	})
	return r, err
}

// openFor opens a recording whose data key unwrap gives.
func (v *Vault) openFor(ctx context.Context, id keys.ID, unwrap func(*library.Reader) (seal.DataKey, error)) (*Recording, error) {
	if v.store.Unfiled(id) && !v.library.Gone(id) {
		return nil, fmt.Errorf("%w: %s", ErrNotFiled, id)
	}
	if v.keys.Doomed(id) || v.retention.Restricted()[id] {
		return nil, fmt.Errorf("%w: %s", ErrNotThere, id)
	}
	reader, err := v.library.Open(ctx, id)
	if err != nil {
		return nil, err
	}
	key, err := unwrap(reader)
	if err != nil {
		reader.Close()
		return nil, fmt.Errorf("the key of recording %s: %w", id, err)
	}
	return hearing.New(v.keys.VaultID(), id, reader, key), nil
}

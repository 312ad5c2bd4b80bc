package office

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"linekeep/vault/custody/book"
	"linekeep/vault/custody/grant"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
)

// What can go wrong with a grant, in the words of vault/custody/grant.
var (
	ErrNoGrant      = grant.ErrNone
	ErrBadGrant     = grant.ErrBad
	ErrBadSignature = grant.ErrBadSignature
)

// Ask is what is to be granted.
type Ask = grant.Ask

// Digest is what whoever authorises a grant signs.
func (o *Office) Digest(a Ask) [32]byte { return a.Digest(o.vaultID) }

// Grant keeps a grant that somebody signed. It waits for a session with the custody key; see Fulfil. Errors: ErrBadGrant,
// ErrBadSignature, ErrUnclaimed, ErrNoPerson.
func (o *Office) Grant(ctx context.Context, a Ask, authoriser keys.ID, signature []byte) (id keys.ID, err error) {
	now := o.cfg.Clock()
	if err := a.Valid(now); err != nil {
		return id, err
	}
	o.acting.Lock()
	defer o.acting.Unlock()
	err = o.change(ctx, false, func(tx *book.Tx) error {
		if _, err := here(tx.State, a.Holder); err != nil {
			return err
		}
		if len(book.Of[*book.Credential](tx.State, a.Holder)) == 0 {
			return ErrUnclaimed
		}
		if err := grant.Verify(tx.State, authoriser, o.Digest(a), signature); err != nil {
			return err
		}
		id, err = tx.Add(a.Holder, a.Record(now, authoriser, signature))
		return err
	})
	return id, err
}

// Fulfil makes the wraps of every grant that waits, with the custody key of a session. It gives how many grants it made.
func (o *Office) Fulfil(ctx context.Context, s *Session, calls grant.Calls) (made int, err error) {
	o.acting.Lock()
	defer o.acting.Unlock()
	var errs []error
	for _, g := range book.Entries[*book.Grant](o.book.Now()) {
		if !g.Record.Waiting() || grant.Over(g.Record, o.cfg.Clock()) {
			continue
		}
		if err := o.fulfil(ctx, s, calls, g); err != nil {
			errs = append(errs, fmt.Errorf("grant %s: %w", g.ID, err))
			continue
		}
		made++
	}
	return made, errors.Join(errs...)
}

func (o *Office) fulfil(ctx context.Context, s *Session, calls grant.Calls, g book.Found[*book.Grant]) error {
	credential, ok := o.credential(g.Owner)
	if !ok {
		return ErrUnclaimed
	}
	wrapped, gone, err := grant.Make(ctx, o.vaultID, g, credential.Account, calls, s.byCustody)
	if err != nil {
		return err
	}
	for _, id := range gone {
		o.cfg.Log.WarnContext(ctx, "a recording of a grant is gone", slog.String("grant", g.ID.String()), slog.String("call", id.String()))
	}
	return o.change(ctx, false, func(tx *book.Tx) error { return tx.Set(g.ID, wrapped) })
}

// moveGrants wraps what an account was granted to its new key.
func (o *Office) moveGrants(tx *book.Tx, id keys.ID, before envelope.Private, to envelope.Public) error {
	for _, g := range book.Of[*book.Grant](tx.State, id) {
		if g.Record.Waiting() || grant.Over(g.Record, o.cfg.Clock()) {
			continue
		}
		moved, err := grant.Move(o.cfg.Keys, g, before, to)
		if err == nil {
			err = tx.Set(g.ID, moved)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// granted opens a recording's data key by a live grant of the session's person. Errors: ErrNoGrant, ErrEnded.
func (s *Session) granted(slot keys.Slot, act book.Acts) (seal.DataKey, error) {
	o := s.office
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := o.cfg.Clock()
	if s.ended || s.over(now) {
		return seal.DataKey{}, ErrEnded
	}
	return grant.Open(o.cfg.Keys, o.book.Now(), s.Person, s.account, slot, act, now)
}

// Grants are what a person was granted.
func (o *Office) Grants(person keys.ID) []book.Found[*book.Grant] {
	return book.Of[*book.Grant](o.book.Now(), person)
}

// EndGrant ends a grant: it is refused from now on, and erased with the night's batch. It takes a Controller or Director,
// or the holder.
func (o *Office) EndGrant(ctx context.Context, by *Session, id keys.ID) error {
	who, err := by.who()
	if err != nil {
		return err
	}
	return o.change(ctx, false, func(tx *book.Tx) error {
		g, err := book.Get[*book.Grant](tx.State, id)
		if err != nil {
			return fmt.Errorf("%w: %s", ErrNoGrant, id)
		}
		if g.Owner != by.Person && !who.Record.Roles.Any(book.Controller|book.Director) {
			return ErrNotAllowed
		}
		tx.Drop(id)
		return nil
	})
}

// Sweep ends sessions whose time is over, and takes delegations, grants and slips that are over out of the book; their
// slots are erased with the night's batch. Call it once a minute.
func (o *Office) Sweep(ctx context.Context) error {
	now := o.cfg.Clock()
	o.end(func(s *Session) bool {
		s.mu.RLock()
		defer s.mu.RUnlock()
		return s.over(now)
	})
	o.acting.Lock()
	defer o.acting.Unlock()
	if err := errors.Join(o.settle(ctx), o.announce(ctx)); err != nil {
		return err
	}
	return o.change(ctx, false, func(tx *book.Tx) error { tx.DropOver(now); return nil })
}

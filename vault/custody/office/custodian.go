package office

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"linekeep/vault/custody"
	"linekeep/vault/custody/account"
	"linekeep/vault/custody/book"
	"linekeep/vault/custody/holding"
	"linekeep/vault/custody/password"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
)

// give wraps the session's custody key to somebody else's account, in place of what they held.
func (o *Office) give(ctx context.Context, by *Session, id keys.ID, role book.Roles, until time.Time) error {
	if err := by.may(book.Controller); err != nil { // a delegate does not delegate further
		return err
	}
	o.acting.Lock()
	defer o.acting.Unlock()
	now, err := o.Current()
	if err != nil {
		return err
	}
	err = by.withCustody(func(all map[uint32]envelope.Private) error {
		return o.change(ctx, false, func(tx *book.Tx) error {
			p, err := here(tx.State, id)
			if err != nil {
				return err
			}
			if !p.Record.Roles.Has(role) {
				return fmt.Errorf("%w: %s is no %s", ErrNotAllowed, p.Record.Name, role)
			}
			credentials := book.Of[*book.Credential](tx.State, id)
			if len(credentials) == 0 {
				return ErrUnclaimed
			}
			for _, h := range book.Of[*book.Holding](tx.State, id) {
				tx.Drop(h.ID)
			}
			if err := o.notice(tx, id, by.id(), book.NoticeHolder); err != nil {
				return err
			}
			return holding.Add(tx, o.vaultID, id, now, all[now.Number], credentials[len(credentials)-1].Record.Account, until)
		})
	})
	if err != nil {
		return err
	}
	o.refreshed(ctx)
	return nil
}

// refreshed lets every session open what its account holds now.
func (o *Office) refreshed(ctx context.Context) {
	o.mu.Lock()
	var all []*Session
	for _, s := range o.sessions {
		all = append(all, s)
	}
	o.mu.Unlock()
	for _, s := range all {
		if err := s.refresh(); err != nil {
			o.cfg.Log.ErrorContext(ctx, "a session lost the custody key", slog.Any("err", err))
		}
	}
}

// Admit gives the custody key to another Controller, who has claimed their account. It takes a Controller who holds it,
// and is never done by itself: an account that was reset is whoever's claimed it.
func (o *Office) Admit(ctx context.Context, by *Session, id keys.ID) error {
	return o.give(ctx, by, id, book.Controller, time.Time{})
}

// Delegate gives the custody key to a delegate until a time. From then on it is refused, and erased with the next sweep.
func (o *Office) Delegate(ctx context.Context, by *Session, id keys.ID, until time.Time) error {
	if now := o.cfg.Clock(); !until.After(now) || until.Sub(now) > LongestDelegation {
		return fmt.Errorf("%w: a delegation ends within a year from now", ErrNotAllowed)
	}
	return o.give(ctx, by, id, book.Delegate, until.UTC().Truncate(time.Second))
}

// EndDelegation takes the custody key from a delegate at once.
func (o *Office) EndDelegation(ctx context.Context, by *Session, id keys.ID) error {
	if err := by.may(book.Controller); err != nil {
		return err
	}
	o.acting.Lock()
	defer o.acting.Unlock()
	err := o.change(ctx, true, func(tx *book.Tx) error {
		for _, h := range book.Of[*book.Holding](tx.State, id) {
			if !h.Record.Until.IsZero() {
				tx.Drop(h.ID)
			}
		}
		return nil
	})
	o.refreshed(ctx)
	return err
}

// ChangePassword makes new account keys under a new password; what was wrapped to the old ones is wrapped to the new in
// the same change, and the old ones are erased at once. Every other session of the person ends.
func (s *Session) ChangePassword(ctx context.Context, old password.Password, code string, fresh password.Password) error {
	who, err := s.who()
	if err != nil {
		return err
	}
	o := s.office
	if err := password.Weak(fresh, who.Record.Name, who.Record.Mail, o.cfg.Box); err != nil {
		return err
	}
	_, before, err := s.again(ctx, old, code)
	if err != nil {
		return err
	}
	defer before.Wipe()
	made, err := o.desk.Make(ctx, s.Person, who.Record.Roles, fresh)
	if err != nil {
		return err
	}
	o.acting.Lock()
	defer o.acting.Unlock()
	err = o.change(ctx, true, func(tx *book.Tx) error { return o.move(tx, s.Person, before, made) })
	if err != nil {
		made.Private.Wipe()
		return err
	}
	o.end(func(other *Session) bool { return other.Person == s.Person && other != s })
	s.mu.Lock()
	if s.ended {
		made.Private.Wipe()
	} else {
		s.account.Wipe()
		s.account = made.Private
	}
	s.mu.Unlock()
	return s.refresh()
}

// move wraps everything of an account to its new key.
func (o *Office) move(tx *book.Tx, id keys.ID, before envelope.Private, made account.Account) error {
	credentials := book.Of[*book.Credential](tx.State, id)
	if len(credentials) == 0 || credentials[len(credentials)-1].Record.Account.Bytes() != before.Public().Bytes() {
		return ErrDenied // changed or reset meanwhile
	}
	for _, c := range credentials {
		tx.Drop(c.ID)
	}
	if _, err := tx.Add(id, made.Credential); err != nil {
		return err
	}
	for _, h := range book.Of[*book.Holding](tx.State, id) {
		public, err := o.cfg.Ring.Get(h.Record.Number)
		if err != nil {
			return err
		}
		private, err := holding.OpenOne(o.cfg.Ring, o.vaultID, before, h.Record.Number, h.Record.Wrapped)
		if err != nil {
			return err
		}
		err = holding.Add(tx, o.vaultID, id, public, private, made.Credential.Account, h.Record.Until)
		private.Wipe()
		if err != nil {
			return err
		}
		tx.Drop(h.ID)
	}
	return o.moveGrants(tx, id, before, made.Credential.Account)
}

// Recover opens the custody key, and the retired ones, with the recovery code. The caller wipes them. Errors:
// custody.ErrWrongCode, ErrNotHandedOver.
func (o *Office) Recover(code custody.Code) (map[uint32]envelope.Private, error) {
	now, err := o.Current()
	if err != nil {
		return nil, err
	}
	if now.Number == custody.Commissioning {
		return nil, ErrNotHandedOver
	}
	recovery, err := code.Recovery(o.vaultID)
	if err != nil {
		return nil, err
	}
	defer recovery.Wipe()
	if recovery.Public().Bytes() != now.Recovery {
		return nil, custody.ErrWrongCode
	}
	state := o.book.Now()
	for _, h := range book.Of[*book.Holding](state, keys.ID{}) {
		if h.Record.Number == now.Number {
			return holding.Open(o.cfg.Ring, o.vaultID, state, recovery, h.Record)
		}
	}
	return nil, fmt.Errorf("%w: the custody key is not wrapped to the recovery key", custody.ErrAltered)
}

// Next is a custody key that is ready and not in force: once the root knows Recovery, it is.
type Next struct {
	Code     custody.Code // to be shown once
	Public   custody.Public
	Recovery envelope.Public
	private  envelope.Private
}

// prepare makes the next custody key and wraps it to whom wants says, and to the recovery key. acting is held.
func (o *Office) prepare(ctx context.Context, wraps func(tx *book.Tx, n *Next) error) (n *Next, err error) {
	n = &Next{Code: custody.NewCode()}
	if n.private, err = envelope.New(); err != nil {
		return nil, err
	}
	recovery, err := n.Code.Recovery(o.vaultID)
	if err != nil {
		return nil, err
	}
	defer recovery.Wipe()
	n.Recovery = recovery.Public()
	n.Public = custody.Public{Number: custody.Commissioning + 1, Key: n.private.Public(), Recovery: n.Recovery.Bytes()}
	if all := o.cfg.Ring.All(); len(all) > 0 {
		n.Public.Number = all[len(all)-1].Number + 1
	}
	if err := o.cfg.Ring.Add(n.Public); err != nil {
		return nil, err
	}
	err = o.change(ctx, false, func(tx *book.Tx) error {
		if err := holding.Add(tx, o.vaultID, keys.ID{}, n.Public, n.private, n.Recovery, time.Time{}); err != nil {
			return err
		}
		return wraps(tx, n)
	})
	if err != nil {
		return nil, fmt.Errorf("prepare a custody key: %w", err)
	}
	return n, nil
}

// NewRecoveryCode makes a new custody key with a new recovery code, for when the old code may have been seen. The old
// private key stays, wrapped to the new one, until no call is under it. It takes a Controller who holds the custody key, and types password and code again.
func (o *Office) NewRecoveryCode(ctx context.Context, by *Session, p password.Password, code string) (custody.Code, error) {
	if err := by.may(book.Controller); err != nil {
		return custody.Code{}, err
	}
	_, account, err := by.again(ctx, p, code)
	if err != nil {
		return custody.Code{}, err
	}
	account.Wipe()
	return o.switchKey(ctx, by)
}

// switchKey makes the next custody key and puts it in force.
func (o *Office) switchKey(ctx context.Context, by *Session) (custody.Code, error) {
	o.acting.Lock()
	defer o.acting.Unlock()
	now, err := o.Current()
	if err != nil {
		return custody.Code{}, err
	}
	var n *Next
	err = by.withCustody(func(all map[uint32]envelope.Private) (err error) {
		n, err = o.prepare(ctx, func(tx *book.Tx, n *Next) error {
			if err := o.notice(tx, by.id(), by.id(), book.NoticeCode); err != nil {
				return err
			}
			wrapped, err := n.Public.Key.Wrap(now.Info(o.vaultID), all[now.Number].Secret())
			if err != nil {
				return err
			}
			if _, err = tx.Add(keys.ID{}, &book.Retired{Number: now.Number, Under: n.Public.Number, Wrapped: wrapped}); err != nil {
				return err
			}
			return holding.AddAll(tx, o.vaultID, now.Number, n.Public, n.private, o.cfg.Clock())
		})
		return err
	})
	if err != nil {
		return custody.Code{}, errors.Join(fmt.Errorf("change the recovery code: %w", err), o.settle(ctx))
	}
	defer n.private.Wipe()
	if err = o.cfg.Keys.SwitchRecovery(ctx, n.Recovery); err != nil {
		// When it is not known whether it holds, both keys stay until it is; then Sweep goes on. The code is not shown: whoever
		// changed it changes it again.
		return custody.Code{}, errors.Join(fmt.Errorf("change the recovery code: %w", err), o.settle(ctx))
	}
	if err := o.settle(ctx); err != nil { // the next start does it
		o.cfg.Log.ErrorContext(ctx, "wraps of the earlier custody key are still in the book", slog.Any("err", err))
	}
	if err := o.announce(ctx); err != nil {
		return custody.Code{}, err
	}
	if err := o.cfg.Commit(ctx); err != nil {
		o.cfg.Log.ErrorContext(ctx, "wraps of the earlier custody key are not yet erased", slog.Any("err", err))
	}
	return n.Code, nil
}

// HandOver is the first half of the hand-over: the first Controller claims their account, without a slip, at the box, and
// a custody key is made and wrapped to them and to a new recovery code. It is in force once the root knows Recovery and has
// ended commissioning; see vault.HandOver. Whether it came so far or not, Settle follows. Errors: ErrHandedOver, and as Claim.
func (o *Office) HandOver(ctx context.Context, c Claim) (*Next, error) {
	if _, commissioning := o.cfg.Keys.Commissioning(); !commissioning {
		return nil, ErrHandedOver
	}
	person, ok := o.find(c.Name)
	if !ok || !person.Record.Roles.Has(book.Controller) {
		return nil, fmt.Errorf("%w: the box is handed over to a Controller who was entered before; there is none of that name", ErrNoPerson)
	}
	made, err := o.newAccount(ctx, person, c)
	if err != nil {
		return nil, err
	}
	made.Private.Wipe()
	return o.handOver(ctx, person.ID, made, c)
}

func (o *Office) handOver(ctx context.Context, id keys.ID, made account.Account, c Claim) (*Next, error) {
	o.acting.Lock()
	defer o.acting.Unlock()
	if err := o.settle(ctx); err != nil { // what an attempt before has left
		return nil, err
	}
	n, err := o.prepare(ctx, func(tx *book.Tx, n *Next) error {
		if err := o.settleIn(tx, id, made, c); err != nil {
			return err
		}
		return holding.Add(tx, o.vaultID, id, n.Public, n.private, made.Credential.Account, time.Time{})
	})
	if err != nil {
		return nil, err
	}
	n.private.Wipe()
	return n, nil
}

// Settle is the second half: it takes back a custody key that did not come into force, or finishes one that did.
func (o *Office) Settle(ctx context.Context) error {
	o.acting.Lock()
	defer o.acting.Unlock()
	return errors.Join(o.settle(ctx), o.announce(ctx))
}

// Drop forgets retired custody keys: nothing is under them any more. numbers must be all that are retired.
func (o *Office) Drop(ctx context.Context, numbers []uint32) error {
	o.acting.Lock()
	defer o.acting.Unlock()
	now, err := o.Current()
	if err != nil {
		return err
	}
	err = o.change(ctx, false, func(tx *book.Tx) error {
		for _, r := range book.Entries[*book.Retired](tx.State) {
			if !slices.Contains(numbers, r.Record.Number) {
				return fmt.Errorf("custody key %d is still needed to reach others", r.Record.Number)
			}
			tx.Drop(r.ID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, number := range numbers {
		if number != now.Number {
			if err := o.cfg.Ring.Remove(number); err != nil {
				return err
			}
		}
	}
	o.refreshed(ctx)
	return nil
}

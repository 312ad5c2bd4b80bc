package office

import (
	"context"
	"fmt"
	"strings"
	"time"

	"linekeep/vault/custody/book"
	"linekeep/vault/custody/holding"
	"linekeep/vault/custody/list"
	"linekeep/vault/custody/slip"
	"linekeep/vault/keys"
)

// NewPerson is what is entered of somebody: never a secret.
type NewPerson struct {
	Name    string
	Mail    string
	Roles   book.Roles
	Manager keys.ID // the line manager's account, or
	Boss    string  // the line manager's mail address
}

// person is one who is here. Errors: ErrNoPerson.
func (o *Office) person(id keys.ID) (book.Found[*book.Person], error) { return here(o.book.Now(), id) }

func here(state book.State, id keys.ID) (book.Found[*book.Person], error) {
	p, err := book.Get[*book.Person](state, id)
	if err != nil || !p.Record.Left.IsZero() {
		return p, fmt.Errorf("%w: %s", ErrNoPerson, id)
	}
	return p, nil
}

// byOffice is the rule for acts that the Installer does while the box is commissioned (nil session), and people of these
// roles afterwards. Errors: ErrNotAllowed, ErrEnded.
func (o *Office) byOffice(s *Session, roles book.Roles) error {
	if s != nil {
		return s.may(roles)
	}
	if _, commissioning := o.cfg.Keys.Commissioning(); !commissioning {
		return fmt.Errorf("%w: after hand-over somebody has to be signed in", ErrNotAllowed)
	}
	return nil
}

func (s *Session) id() keys.ID {
	if s == nil {
		return keys.ID{}
	}
	return s.Person
}

// Add enters a person: before hand-over the Installer (no session), then a Controller. The slip lets them claim their
// account; before hand-over there is none: it would be a secret in the Installer's hand. Errors: ErrBadPerson, ErrNotAllowed.
func (o *Office) Add(ctx context.Context, by *Session, n NewPerson) (id keys.ID, paper slip.Slip, err error) {
	if err := o.byOffice(by, book.Controller); err != nil {
		return id, paper, err
	}
	p := &book.Person{Name: strings.TrimSpace(n.Name), Mail: strings.TrimSpace(n.Mail), Roles: n.Roles, Manager: n.Manager, Boss: strings.TrimSpace(n.Boss)}
	err = o.change(ctx, false, func(tx *book.Tx) error {
		if err := p.Valid(tx.State, keys.ID{}, o.cfg.SeveralRoles); err != nil {
			return err
		}
		if id, err = tx.Add(keys.ID{}, p); err != nil || by == nil {
			return err
		}
		if p.Roles.Any(book.Controller | book.Director) {
			if err := o.notice(tx, id, by.id(), book.NoticeAdded); err != nil {
				return err
			}
		}
		paper, err = o.invite(tx, id, false)
		return err
	})
	return id, paper, err
}

// Invite gives a new slip for an account that was not claimed: the first expired, or was lost. It takes a Controller.
func (o *Office) Invite(ctx context.Context, by *Session, id keys.ID) (paper slip.Slip, err error) {
	if err := by.may(book.Controller); err != nil {
		return paper, err
	}
	err = o.change(ctx, false, func(tx *book.Tx) error {
		if _, err := here(tx.State, id); err != nil {
			return err
		}
		if len(book.Of[*book.Credential](tx.State, id)) > 0 {
			return fmt.Errorf("%w: the account is claimed; it can be reset", ErrNotAllowed)
		}
		reset := false
		for _, i := range book.Of[*book.Invitation](tx.State, id) {
			reset = reset || i.Record.Reset
			tx.Drop(i.ID)
		}
		paper, err = o.invite(tx, id, reset)
		return err
	})
	return paper, err
}

// SetRoles gives a person other roles. It takes a Controller, and nobody changes their own. What the new roles do not hold
// is taken away at once.
func (o *Office) SetRoles(ctx context.Context, by *Session, id keys.ID, roles book.Roles) error {
	if err := o.byOffice(by, book.Controller); err != nil {
		return err
	}
	if by.id() == id {
		return fmt.Errorf("%w: nobody changes their own roles", ErrNotAllowed)
	}
	o.acting.Lock()
	defer o.acting.Unlock()
	defer o.end(func(s *Session) bool { return s.Person == id })
	return o.change(ctx, true, func(tx *book.Tx) error {
		found, err := here(tx.State, id)
		if err != nil {
			return err
		}
		p := *found.Record
		gained := roles &^ p.Roles
		p.Roles = roles
		if err := p.Valid(tx.State, id, o.cfg.SeveralRoles); err != nil {
			return err
		}
		if !roles.Any(book.Controller | book.Delegate) {
			if err := o.dropHoldings(tx, id); err != nil {
				return err
			}
		}
		if gained.Any(book.Controller|book.Director) && by != nil {
			if err := o.notice(tx, id, by.id(), book.NoticeAdded); err != nil {
				return err
			}
		}
		tx.Renew() // an older book must not give the old roles back
		return tx.Set(id, &p)
	})
}

// dropHoldings takes the custody key from a person. Errors: ErrLastHolder.
func (o *Office) dropHoldings(tx *book.Tx, id keys.ID) error {
	now, err := o.Current()
	if err != nil {
		return err
	}
	holds, delegated := holding.Held(tx.State, id, now.Number, o.cfg.Clock())
	if holds && !delegated && holding.Others(tx.State, id, now.Number, o.cfg.Clock()) == 0 {
		return ErrLastHolder
	}
	for _, h := range book.Of[*book.Holding](tx.State, id) {
		tx.Drop(h.ID)
	}
	return nil
}

// dropAccount takes everything from an account but the person: credential, custody key, grants, slips.
func (o *Office) dropAccount(tx *book.Tx, id keys.ID) error {
	if err := o.dropHoldings(tx, id); err != nil {
		return err
	}
	for _, c := range book.Of[*book.Credential](tx.State, id) {
		tx.Drop(c.ID)
	}
	for _, g := range book.Of[*book.Grant](tx.State, id) {
		tx.Drop(g.ID)
	}
	for _, i := range book.Of[*book.Invitation](tx.State, id) {
		tx.Drop(i.ID)
	}
	return nil
}

// Reset is for a lost password: a Controller or Director gives the account a new slip, and the old credential, what was
// wrapped to it and its grants end at once. Whoever does this can act as the person until they claim the account, so every
// Director is shown it. Errors: ErrLastHolder: then the recovery code is the way.
func (o *Office) Reset(ctx context.Context, by *Session, id keys.ID) (paper slip.Slip, err error) {
	if err := by.may(book.Controller | book.Director); err != nil {
		return paper, err
	}
	if by.id() == id {
		return paper, fmt.Errorf("%w: who knows the password changes it; nobody resets their own account", ErrNotAllowed)
	}
	o.acting.Lock()
	defer o.acting.Unlock()
	err = o.change(ctx, true, func(tx *book.Tx) error {
		found, err := here(tx.State, id)
		if err != nil {
			return err
		}
		if err := o.dropAccount(tx, id); err != nil {
			return err
		}
		if err := tx.Set(id, found.Record.WithoutFactor()); err != nil {
			return err
		}
		if err := o.notice(tx, id, by.id(), book.NoticeReset); err != nil {
			return err
		}
		paper, err = o.invite(tx, id, true)
		return err
	})
	if err == nil {
		o.end(func(s *Session) bool { return s.Person == id })
	}
	return paper, err
}

// Remove ends an account at once. The name stays, so that what the person did can still be told; Forget erases it, too.
func (o *Office) Remove(ctx context.Context, by *Session, id keys.ID) error {
	if err := o.byOffice(by, book.Controller); err != nil {
		return err
	}
	if by.id() == id {
		return fmt.Errorf("%w: nobody removes their own account", ErrNotAllowed)
	}
	o.acting.Lock()
	defer o.acting.Unlock()
	err := o.change(ctx, true, func(tx *book.Tx) error {
		found, err := here(tx.State, id)
		if err != nil {
			return err
		}
		if err := o.dropAccount(tx, id); err != nil {
			return err
		}
		p := found.Record.WithoutFactor()
		p.Left = o.cfg.Clock().UTC().Truncate(time.Second)
		tx.Renew()
		if err := tx.Set(id, p); err != nil || by == nil {
			return err
		}
		return o.notice(tx, id, by.id(), book.NoticeRemoved)
	})
	if err == nil {
		o.end(func(s *Session) bool { return s.Person == id })
	}
	return err
}

// Forget erases a person who was removed: with their slot, every detail that was sealed under it.
func (o *Office) Forget(ctx context.Context, by *Session, id keys.ID) error {
	if err := by.may(book.Controller); err != nil {
		return err
	}
	return o.change(ctx, true, func(tx *book.Tx) error {
		p, err := book.Get[*book.Person](tx.State, id)
		if err != nil || p.Record.Left.IsZero() {
			return fmt.Errorf("%w: only who was removed is forgotten: %s", ErrNoPerson, id)
		}
		for _, n := range book.Of[*book.Notice](tx.State, id) {
			tx.Drop(n.ID)
		}
		tx.Drop(id)
		return nil
	})
}

// People lists everybody in the book. It is not for the public: see the permission table of ui/service.
func (o *Office) People() ([]list.Person, error) {
	now, err := o.Current()
	if err != nil {
		return nil, err
	}
	return list.People(o.book.Now(), now.Number, o.cfg.Clock()), nil
}

// Find is the id of somebody who is here, by name or mail address. Errors: ErrNoPerson.
func (o *Office) Find(name string) (keys.ID, error) {
	p, ok := o.find(name)
	if !ok {
		return keys.ID{}, fmt.Errorf("%w: %q", ErrNoPerson, name)
	}
	return p.ID, nil
}

// notice tells the Directors.
func (o *Office) notice(tx *book.Tx, about, by keys.ID, what book.What) error {
	_, err := tx.Add(about, &book.Notice{What: what, At: o.cfg.Clock().UTC().Truncate(time.Second), By: by})
	return err
}

// Notices are what a Director has not acknowledged. Errors: ErrNotAllowed, ErrEnded.
func (o *Office) Notices(s *Session) ([]list.Told, error) {
	if err := s.may(book.Director); err != nil {
		return nil, err
	}
	return list.Notices(o.book.Now(), s.Person), nil
}

// Acknowledge notes that a Director has seen a notice. When all have, it leaves the book.
func (o *Office) Acknowledge(ctx context.Context, s *Session, id keys.ID) error {
	if err := s.may(book.Director); err != nil {
		return err
	}
	return o.change(ctx, false, func(tx *book.Tx) error { return list.Acknowledge(tx, s.Person, id) })
}

package office

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"strings"
	"time"

	"linekeep/vault/custody"
	"linekeep/vault/custody/account"
	"linekeep/vault/custody/book"
	"linekeep/vault/custody/holding"
	"linekeep/vault/custody/password"
	"linekeep/vault/custody/slip"
	"linekeep/vault/custody/totp"
	"linekeep/vault/keys"
)

func (o *Office) invite(tx *book.Tx, person keys.ID, reset bool) (slip.Slip, error) {
	paper := slip.New()
	verifier, err := paper.Verifier(o.vaultID, person)
	if err != nil {
		return slip.Slip{}, err
	}
	expires := o.cfg.Clock().Add(SlipLife).UTC().Truncate(time.Second)
	_, err = tx.Add(person, &book.Invitation{Expires: expires, Verifier: verifier, Reset: reset})
	return paper, err
}

// Factor is a new second factor: made for the claim, shown on its screen and sheet, kept once the claim is done.
type Factor struct {
	Secret  totp.Secret
	Printed []uint32
}

// NewFactor makes one.
func NewFactor() Factor { return Factor{Secret: totp.New(), Printed: totp.NewPrinted()} }

// Claim is what somebody brings to make an account theirs.
type Claim struct {
	Name     string // as entered
	Slip     string // as typed; for a hand-over, empty
	Password password.Password
	Factor   Factor
	// Proof is a code of the new factor: it shows that the telephone, or the sheet, is at hand.
	Proof   string
	Address string
}

// Claim makes an account the claimant's: their password, their second factor, keys in the chip. The slip is used up.
// Errors: ErrDenied, backoff.ErrWait, password.ErrWeak, those of the chip as in SignIn.
func (o *Office) Claim(ctx context.Context, c Claim) error {
	if _, commissioning := o.cfg.Keys.Commissioning(); commissioning {
		return ErrNotHandedOver
	}
	account := "claim " + strings.ToLower(strings.TrimSpace(c.Name))
	if err := o.gate.May(account, c.Address); err != nil {
		return err
	}
	person, invitation, err := o.invited(c)
	if err != nil {
		o.gate.Wrong(account, c.Address)
		return err
	}
	made, err := o.newAccount(ctx, person, c)
	if err != nil {
		return err
	}
	made.Private.Wipe()
	o.acting.Lock()
	defer o.acting.Unlock()
	err = o.change(ctx, false, func(tx *book.Tx) error {
		if _, err := book.Get[*book.Invitation](tx.State, invitation); err != nil {
			return ErrDenied // somebody else was faster
		}
		return o.settleIn(tx, person.ID, made, c)
	})
	if err == nil {
		o.gate.Right(account, c.Address)
	}
	return err
}

// invited finds the slip's person. Errors: ErrDenied.
func (o *Office) invited(c Claim) (person book.Found[*book.Person], invitation keys.ID, err error) {
	paper, err := slip.Parse(c.Slip)
	if err != nil {
		return person, invitation, ErrDenied
	}
	person, ok := o.find(c.Name)
	if !ok {
		return person, invitation, ErrDenied
	}
	verifier, err := paper.Verifier(o.vaultID, person.ID)
	if err != nil {
		return person, invitation, err
	}
	for _, i := range book.Of[*book.Invitation](o.book.Now(), person.ID) {
		if hmac.Equal(i.Record.Verifier[:], verifier[:]) && o.cfg.Clock().Before(i.Record.Expires) {
			return person, i.ID, nil
		}
	}
	return person, invitation, ErrDenied
}

// newAccount makes the keys. It is the slow part, so it comes before the book is held.
func (o *Office) newAccount(ctx context.Context, person book.Found[*book.Person], c Claim) (account.Account, error) {
	if err := password.Weak(c.Password, person.Record.Name, person.Record.Mail, o.cfg.Box); err != nil {
		return account.Account{}, err
	}
	if c.Factor.Secret.IsZero() {
		return account.Account{}, fmt.Errorf("%w: there is no second factor", ErrBadPerson)
	}
	_, byPhone := c.Factor.Secret.Check(c.Proof, o.cfg.Clock(), 0)
	_, bySheet := totp.CheckPrinted(c.Proof, c.Factor.Printed)
	if byPhone != nil && bySheet != nil {
		return account.Account{}, fmt.Errorf("%w: the code is not one of the new second factor", ErrDenied)
	}
	return o.desk.Make(ctx, person.ID, person.Record.Roles, c.Password)
}

// settleIn puts a claimed account into the book, in place of whatever the person had.
func (o *Office) settleIn(tx *book.Tx, id keys.ID, made account.Account, c Claim) error {
	found, err := here(tx.State, id)
	if err != nil {
		return err
	}
	p := found.Record.WithoutFactor()
	p.TOTP, p.Printed = c.Factor.Secret, c.Factor.Printed
	if step, err := p.TOTP.Check(c.Proof, o.cfg.Clock(), p.Step); err == nil {
		p.Step = step
	} else if left, err := totp.CheckPrinted(c.Proof, p.Printed); err == nil {
		p.Printed = left
	}
	for _, old := range book.Of[*book.Credential](tx.State, id) {
		tx.Drop(old.ID)
	}
	for _, i := range book.Of[*book.Invitation](tx.State, id) {
		tx.Drop(i.ID)
	}
	if err := tx.Set(id, p); err != nil {
		return err
	}
	_, err = tx.Add(id, made.Credential)
	return err
}

// ReclaimWithCode is the way back in when no Controller can sign in: with the recovery code a Controller's account is made
// anew and given the custody key. It is a reset, and every Director is shown it. Errors: as Claim, custody.ErrWrongCode.
func (o *Office) ReclaimWithCode(ctx context.Context, code custody.Code, c Claim) error {
	all, err := o.Recover(code)
	if err != nil {
		return err
	}
	defer holding.Wipe(all)
	person, ok := o.find(c.Name)
	if !ok || !person.Record.Roles.Has(book.Controller) {
		return fmt.Errorf("%w: no Controller of that name", ErrNoPerson)
	}
	made, err := o.newAccount(ctx, person, c)
	if err != nil {
		return err
	}
	made.Private.Wipe()
	o.acting.Lock()
	defer o.acting.Unlock()
	now, err := o.Current()
	if err != nil {
		return err
	}
	key, ok := all[now.Number]
	if !ok {
		return errors.New("office: the custody key was changed meanwhile")
	}
	err = o.change(ctx, true, func(tx *book.Tx) error {
		for _, h := range book.Of[*book.Holding](tx.State, person.ID) { // the new one follows: never the last
			tx.Drop(h.ID)
		}
		if err := o.dropAccount(tx, person.ID); err != nil {
			return err
		}
		if err := o.settleIn(tx, person.ID, made, c); err != nil {
			return err
		}
		if err := holding.Add(tx, o.vaultID, person.ID, now, key, made.Credential.Account, time.Time{}); err != nil {
			return err
		}
		return o.notice(tx, person.ID, keys.ID{}, book.NoticeReset)
	})
	if err == nil {
		o.end(func(s *Session) bool { return s.Person == person.ID })
	}
	return err
}

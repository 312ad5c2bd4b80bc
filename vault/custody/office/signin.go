package office

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"linekeep/vault/custody/book"
	"linekeep/vault/custody/password"
	"linekeep/vault/custody/totp"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
)

// Attempt is what somebody typed to sign in, and from where.
type Attempt struct {
	Name     string // or mail address
	Password password.Password
	Code     string // what the telephone shows, or a printed code
	Address  string
}

// SignIn asks for the second factor first, then the back-off, and only then the chip: so whoever has no second factor never
// makes the chip count, and locks nobody out. Errors: ErrDenied, backoff.ErrWait, ErrLocked, ErrOtherChip,
// ErrNotHandedOver, tpm.ErrUnavailable.
func (o *Office) SignIn(ctx context.Context, a Attempt) (*Session, error) {
	if _, commissioning := o.cfg.Keys.Commissioning(); commissioning {
		return nil, ErrNotHandedOver
	}
	id, account, err := o.prove(ctx, a)
	if err != nil {
		return nil, err
	}
	return o.begin(ctx, id, a.Address, account)
}

// prove finds out that a comes from whom it names, and opens their account. The caller wipes the key.
func (o *Office) prove(ctx context.Context, a Attempt) (keys.ID, envelope.Private, error) {
	p, known := o.find(a.Name)
	account := strings.ToLower(strings.TrimSpace(a.Name))
	if known {
		account = p.ID.String() // however the name was written
	}
	if err := o.gate.May(account, a.Address); err != nil {
		return keys.ID{}, envelope.Private{}, err
	}
	credential, claimed := o.credential(p.ID)
	if !known || !claimed {
		o.gate.Wrong(account, a.Address)
		return keys.ID{}, envelope.Private{}, ErrDenied
	}
	if err := o.factor(ctx, p.ID, a.Code); err != nil {
		if errors.Is(err, ErrDenied) {
			o.gate.Wrong(account, a.Address)
		}
		return keys.ID{}, envelope.Private{}, err
	}
	private, err := o.desk.Unlock(ctx, p.ID, credential, a.Password)
	switch {
	case errors.Is(err, ErrDenied):
		o.gate.WrongPassword(account)
		o.cfg.Log.WarnContext(ctx, "a wrong password after a right code", slog.String("person", p.ID.String()))
		return keys.ID{}, envelope.Private{}, err
	case err != nil:
		return keys.ID{}, envelope.Private{}, err
	}
	o.gate.Right(account, a.Address)
	return p.ID, private, nil
}

// find is the person of a name or mail address, among those who are here.
func (o *Office) find(name string) (book.Found[*book.Person], bool) {
	name = strings.TrimSpace(name)
	for _, p := range book.Entries[*book.Person](o.book.Now()) {
		same := strings.EqualFold(p.Record.Name, name) || p.Record.Mail != "" && strings.EqualFold(p.Record.Mail, name)
		if same && name != "" && p.Record.Left.IsZero() {
			return p, true
		}
	}
	return book.Found[*book.Person]{}, false
}

func (o *Office) credential(person keys.ID) (*book.Credential, bool) {
	all := book.Of[*book.Credential](o.book.Now(), person)
	if len(all) == 0 {
		return nil, false
	}
	return all[len(all)-1].Record, true
}

// factor takes a code of the second factor, once. It is noted as used before anything else is asked. Errors: ErrDenied.
func (o *Office) factor(ctx context.Context, person keys.ID, typed string) error {
	var step uint64
	err := o.book.Change(ctx, func(tx *book.Tx) error {
		found, err := book.Get[*book.Person](tx.State, person)
		if err != nil || found.Record.TOTP.IsZero() {
			return ErrDenied
		}
		p := *found.Record
		o.mu.Lock()
		last := max(p.Step, o.used[person])
		o.mu.Unlock()
		if step, err = p.TOTP.Check(typed, o.cfg.Clock(), last); err == nil {
			p.Step = step
			return tx.Set(person, &p)
		}
		if p.Printed, err = totp.CheckPrinted(typed, p.Printed); err == nil {
			return tx.Set(person, &p)
		}
		return ErrDenied
	})
	if err == nil || errors.Is(err, book.ErrNotErased) {
		return nil
	}
	if step > 0 && !errors.Is(err, ErrDenied) {
		// A full disk must not keep out who could make room: until the next start the memory knows that the code is used.
		o.cfg.Log.ErrorContext(ctx, "a used code is not on the disk", slog.Any("err", err))
		o.mu.Lock()
		o.used[person] = step
		o.mu.Unlock()
		return nil
	}
	return err
}

// again proves anew who has a session: a fresh code and the password. The caller wipes the key. Errors: as SignIn.
func (s *Session) again(ctx context.Context, p password.Password, code string) (*book.Credential, envelope.Private, error) {
	who, err := s.who()
	if err != nil {
		return nil, envelope.Private{}, err
	}
	credential, ok := s.office.credential(s.Person)
	if !ok {
		return nil, envelope.Private{}, ErrUnclaimed
	}
	id, account, err := s.office.prove(ctx, Attempt{Name: who.Record.Name, Password: p, Code: code, Address: s.Address})
	if err != nil {
		return nil, envelope.Private{}, err
	}
	if id != s.Person {
		account.Wipe()
		return nil, envelope.Private{}, ErrDenied
	}
	return credential, account, nil
}

// Sign has the person's signing key in the chip sign a SHA-256, after password and code were typed again. Errors: as
// SignIn, ErrNotAllowed for roles that sign nothing.
func (s *Session) Sign(ctx context.Context, p password.Password, code string, digest [32]byte) ([]byte, error) {
	if err := s.may(book.Director | book.Controller); err != nil {
		return nil, err
	}
	credential, account, err := s.again(ctx, p, code)
	if err != nil {
		return nil, err
	}
	account.Wipe()
	if len(credential.Signing) == 0 {
		return nil, fmt.Errorf("%w: this account has no signing key; a change of password makes one", ErrNotAllowed)
	}
	return s.office.desk.Sign(ctx, credential, p, digest)
}

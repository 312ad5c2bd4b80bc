package service

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/vault"
	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/custody/backoff"
	"linekeep/vault/custody/book"
	"linekeep/vault/custody/office"
	"linekeep/vault/erasure"
	"linekeep/vault/keys"
	"linekeep/vault/secret"
)

// maxErased bounds one question to erase: what fits into it.
const maxErased = 100

// Keys is how the vault's keys stand, without any of them.
type Keys struct {
	Vault   string // its id, in hexadecimal
	Epoch   uint64 // nothing of an earlier one opens any more
	Written time.Time
	Classes []Class
	Commits Commits
	Doomed  int       // slots that the next commit erases
	Due     time.Time // when the next urgent one may be
	Orders  int       // to erase, not carried out yet
	Trouble string    `json:",omitempty"` // why the last attempt to erase did not succeed
	Backup  Backup
	Chip    string // fingerprint of the key that signs certificates
	Custody string // fingerprint of the key that recordings are locked with
	Holders int    // people who hold that key; with fewer than two, losing one may lose it
}

// Class is how full the shards of a class are.
type Class struct {
	Name        string
	Shards      int
	Used, Slots int
}

// Commits is how often the chip's counter has moved.
type Commits struct {
	Today, Budget int
	Total         uint64
}

// Backup is how the key backup stands.
type Backup struct {
	State   string    // whole, off or old
	At      time.Time `json:",omitzero"` // when the root in it was made
	Trouble string    `json:",omitempty"`
}

// Erasure asks to erase calls. Once the box is handed over it takes a Controller, who signs in for this one act.
type Erasure struct {
	Calls    []string
	Why      string          // order, objection, retention, hand-over or mistake; empty is order
	As       string          // name or mail address of the Controller
	Password secret.Password // never logged, never kept. Whoever asks wipes it
	Code     string          // what the Controller's telephone shows, or a printed code
}

// Erased says what became of it.
type Erased struct {
	Calls        []string
	Certificates []string `json:",omitempty"` // for people, and for linekeepctl certificate verify
	// Waits says why it is not done yet. The order stands, and nobody is shown the calls any more.
	Waits string `json:",omitempty"`
}

// Keys tells how the keys stand.
func (s *Service) Keys(ctx context.Context, who Caller) (Keys, error) {
	if err := s.allow(ctx, who, ActKeys); err != nil {
		return Keys{}, err
	}
	return s.vault.Keys(ctx)
}

// Erase erases calls for good. Errors: ErrNoCall, ErrBadQuestion, ErrSignIn, ErrNotAllowed, and nothing was ordered.
func (s *Service) Erase(ctx context.Context, who Caller, e Erasure) (Erased, error) {
	if err := s.allow(ctx, who, ActErase); err != nil {
		return Erased{}, err
	}
	if len(e.Calls) == 0 || len(e.Calls) > maxErased {
		return Erased{}, fmt.Errorf("%w: %d calls to erase, 1 to %d at once", ErrBadQuestion, len(e.Calls), maxErased)
	}
	return s.vault.Erase(ctx, e)
}

func (o opened) Keys(ctx context.Context) (Keys, error) {
	if err := o.do(ctx, machine(), entry.KeysShown, nil, done); err != nil {
		return Keys{}, err
	}
	st := o.vault.KeyState()
	k := Keys{Vault: hex.EncodeToString(st.VaultID[:]), Epoch: st.Epoch, Written: st.Written, Doomed: st.Doomed, Due: st.Due, Orders: st.Waiting,
		Commits: Commits{Today: st.Wear.Today, Budget: st.Wear.Budget, Total: st.Wear.Total}, Chip: st.Chip, Custody: st.Custody,
		Holders: o.vault.Status().People.Holders}
	for _, s := range st.Shards {
		k.Classes = append(k.Classes, Class{Name: s.Class, Shards: s.Shards, Used: s.Used, Slots: s.Slots})
	}
	if st.Failed != nil {
		k.Trouble = st.Failed.Error()
	}
	switch {
	case st.Backup.Off:
		k.Backup.State = "off"
	case st.Backup.Err != nil:
		k.Backup = Backup{State: "old", At: st.Backup.At, Trouble: st.Backup.Err.Error()}
	default:
		k.Backup = Backup{State: "whole", At: st.Backup.At}
	}
	return k, nil
}

func (o opened) Erase(ctx context.Context, e Erasure) (Erased, error) {
	why := erasure.Order
	if e.Why != "" {
		var err error
		if why, err = erasure.ParseWhy(e.Why); err != nil {
			return Erased{}, fmt.Errorf("%w: %w", ErrBadQuestion, err)
		}
	}
	var ids []keys.ID
	for _, call := range e.Calls {
		id, err := keys.ParseID(call)
		if err != nil {
			return Erased{}, fmt.Errorf("%w: %q is not the id of a call", ErrBadQuestion, call)
		}
		ids = append(ids, id)
	}
	who, _, err := o.controller(ctx, ActErase, e.As, e.Password, e.Code)
	if err != nil {
		return Erased{}, err
	}
	var made []erasure.Certificate
	var waits error // the order stands, and is carried out later
	err = o.do(ctx, who, entry.EraseOrder, ids, func() (err error) {
		if made, err = o.vault.Erase(ctx, why, ids...); errors.Is(err, vault.ErrErasureWaits) {
			waits, err = err, nil
		}
		return err
	}, audit.Say("why", why.String()))
	done := Erased{Calls: e.Calls}
	for _, c := range made {
		done.Certificates = append(done.Certificates, string(c.Text()))
	}
	switch {
	case errors.Is(err, vault.ErrNotThere):
		return Erased{}, fmt.Errorf("%w: %w", ErrNoCall, err)
	case errors.Is(err, vault.ErrHeld):
		return Erased{}, fmt.Errorf("%w: %w", ErrNotAllowed, err)
	case err != nil:
		return Erased{}, fmt.Errorf("erase: %w", err)
	case waits != nil:
		done.Waits = waits.Error()
	}
	return done, nil
}

// controller has the Controller sign in who orders it, and out again, and gives their name. While the box is being
// commissioned there is none, and its calls are test calls.
func (o opened) controller(ctx context.Context, act Act, as string, password secret.Password, code string) (who entry.Actor, name string, err error) {
	if o.vault.Status().People.Commissioning {
		return machine(), "commissioning", nil
	}
	s, name, err := o.signIn(ctx, act, as, password, code)
	if err != nil {
		return machine(), "", err
	}
	defer s.End()
	return entry.Somebody(s.Person), name, nil
}

// signIn signs a Controller in for an act, and gives their name. The caller ends the session. Errors: ErrSignIn, ErrNotAllowed.
func (o opened) signIn(ctx context.Context, act Act, as string, password secret.Password, code string) (*office.Session, string, error) {
	if as == "" || password.IsZero() {
		return nil, "", fmt.Errorf("%w: only a Controller can do that: %s", ErrSignIn, act)
	}
	s, err := o.vault.SignIn(ctx, office.Attempt{Name: as, Password: password, Code: code, Address: "local"})
	switch {
	case errors.Is(err, tpm.ErrUnavailable) && !errors.Is(err, office.ErrLocked):
		return nil, "", fmt.Errorf("sign in: %w", err) // nobody's fault but the chip's
	case errors.Is(err, office.ErrDenied), errors.Is(err, office.ErrLocked), errors.Is(err, backoff.ErrWait):
		return nil, "", fmt.Errorf("%w: %w", ErrSignIn, err)
	case err != nil:
		return nil, "", fmt.Errorf("sign in: %w", err)
	}
	name, roles, err := s.Who()
	if err == nil && !roles.Has(book.Controller) {
		err = fmt.Errorf("%w: %s, who is no Controller", ErrNotAllowed, act)
		err = errors.Join(err, o.denied(ctx, entry.Somebody(s.Person), act))
	}
	if err != nil {
		s.End()
		return nil, "", err
	}
	return s, name, nil
}

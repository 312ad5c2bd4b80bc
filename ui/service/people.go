package service

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"linekeep/vault"
	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/custody"
	"linekeep/vault/custody/backoff"
	"linekeep/vault/custody/book"
	"linekeep/vault/custody/list"
	"linekeep/vault/custody/office"
	"linekeep/vault/custody/password"
	"linekeep/vault/custody/totp"
	"linekeep/vault/keys"
	"linekeep/vault/secret"
)

// PeopleOrder is one thing to be done about people. Until there is the console, somebody signs in for each: As, Password and
// Code. The secrets are wiped by whoever sent the order.
type PeopleOrder struct {
	Do       string // one of PeopleOrders
	As       string // who does it; empty before hand-over, and for list, claim and reclaim
	Password secret.Password
	Code     string // of the second factor, or a printed one
	Again    string // another one, where the act asks for it once more

	Name  string // whom it is about
	Mail  string
	Role  string // or roles, with commas between
	Boss  string // the line manager's mail address
	Until time.Time
	ID    string // of a notice

	// Of a claim.
	Slip    secret.Password
	Fresh   secret.Password // the new password, of a claim or a change
	Factor  secret.Password // the new second factor, 40 hexadecimal digits
	Printed []string        // its printed codes
	Proof   string          // one code of it
	// Recovery is the recovery code, of a reclaim.
	Recovery secret.Password
}

// PeopleDone is what came of it. Slip and Recovery are for paper, once.
type PeopleDone struct {
	People      []list.Person `json:",omitempty"`
	Notices     []list.Told   `json:",omitempty"`
	Slip        string        `json:",omitempty"`
	Recovery    string        `json:",omitempty"`
	Fingerprint string        `json:",omitempty"`
}

// PeopleOrders are what can be ordered.
func PeopleOrders() []string {
	return []string{"list", "add", "invite", "claim", "reset", "remove", "forget", "roles", "admit", "delegate", "end-delegation",
		"password", "new-code", "reclaim", "notices", "acknowledge", "hand-over"}
}

// People does something about people. Errors: ErrNotAllowed, ErrSignIn, ErrBadQuestion, ErrWrongCode.
func (s *Service) People(ctx context.Context, who Caller, order PeopleOrder) (PeopleDone, error) {
	if err := s.allow(ctx, who, ActPeople); err != nil {
		return PeopleDone{}, err
	}
	if !slices.Contains(PeopleOrders(), order.Do) {
		return PeopleDone{}, fmt.Errorf("%w: %q is nothing that can be done about people", ErrBadQuestion, order.Do)
	}
	return s.vault.People(ctx, order)
}

// People signs somebody in, does one thing, and signs them out.
func (o opened) People(ctx context.Context, order PeopleOrder) (PeopleDone, error) {
	defer secret.Collect() // deferred first: the last thing, when nobody holds anything any more
	people, err := o.vault.People()
	if err != nil {
		return PeopleDone{}, err
	}
	a := acting{vault: o.vault, office: people, order: order}
	if order.As != "" {
		a.session, err = o.vault.SignIn(ctx, office.Attempt{Name: order.As, Password: order.Password, Code: order.Code, Address: "control socket"})
		if err != nil {
			return PeopleDone{}, peopleError(err)
		}
		defer a.session.End()
	}
	var done PeopleDone
	err = o.vault.Audit().Do(ctx, a.act(), func() (err error) { done, err = a.do(ctx); return err })
	return done, peopleError(err)
}

// act is what the audit log says of an order. Whom it is about is in clear by their id alone; names and roles are sealed.
func (a acting) act() audit.Act {
	act := audit.Act{Who: machine(), What: peopleActs()[a.order.Do]}
	if a.session != nil {
		act.Who = entry.Somebody(a.session.Person)
	}
	if a.order.Do == "reclaim" {
		act.Who = entry.Actor{Kind: entry.Code}
	}
	if id, err := a.whom(); err == nil {
		act.About, act.Under = []keys.ID{id}, id
	}
	for _, d := range []audit.Detail{audit.Say("name", a.order.Name), audit.Say("roles", a.order.Role), audit.Say("mail", a.order.Mail)} {
		if d.Value != "" {
			act.Details = append(act.Details, d)
		}
	}
	if !a.order.Until.IsZero() {
		act.Details = append(act.Details, audit.Say("until", a.order.Until.UTC().Format(time.RFC3339)))
	}
	return act
}

// peopleActs is what each of PeopleOrders is called in the audit log.
func peopleActs() map[string]entry.Action {
	return map[string]entry.Action{"list": entry.PeopleList, "add": entry.PersonAdd, "invite": entry.PersonInvite, "claim": entry.PersonClaim,
		"reset": entry.PersonReset, "remove": entry.PersonRemove, "forget": entry.PersonForget, "roles": entry.PersonRoles, "admit": entry.PersonAdmit,
		"delegate": entry.PersonDelegate, "end-delegation": entry.PersonUndelegate, "password": entry.PasswordChange, "new-code": entry.NewCode,
		"reclaim": entry.Reclaim, "notices": entry.NoticesList, "acknowledge": entry.NoticeSeen, "hand-over": entry.HandOver}
}

// acting is somebody about to do something.
type acting struct {
	vault   *vault.Vault
	office  *office.Office
	session *office.Session // nil where nobody signed in
	order   PeopleOrder
}

func (a acting) do(ctx context.Context) (done PeopleDone, err error) {
	switch a.order.Do {
	case "list":
		done.People, err = a.office.People()
		return done, err
	case "add":
		return a.add(ctx)
	case "claim":
		claim, err := a.claim()
		if err == nil {
			err = a.office.Claim(ctx, claim)
		}
		return done, err
	case "reclaim":
		return done, a.reclaim(ctx)
	case "hand-over":
		claim, err := a.claim()
		if err != nil {
			return done, err
		}
		over, err := a.vault.HandOver(ctx, claim)
		if err != nil {
			return done, err
		}
		defer over.Code.Wipe()
		return PeopleDone{Recovery: over.Code.Reveal(), Fingerprint: over.Fingerprint}, nil
	}
	if a.session == nil {
		return done, fmt.Errorf("%w: this takes somebody who signs in", ErrSignIn)
	}
	return a.signedIn(ctx)
}

// signedIn is what takes a session.
func (a acting) signedIn(ctx context.Context) (done PeopleDone, err error) {
	switch a.order.Do {
	case "password":
		return done, a.session.ChangePassword(ctx, a.order.Password, a.order.Again, a.order.Fresh)
	case "new-code":
		code, err := a.office.NewRecoveryCode(ctx, a.session, a.order.Password, a.order.Again)
		if err != nil {
			return done, err
		}
		defer code.Wipe()
		return PeopleDone{Recovery: code.Reveal()}, nil
	case "notices":
		done.Notices, err = a.office.Notices(a.session)
		return done, err
	case "acknowledge":
		id, err := keys.ParseID(a.order.ID)
		if err != nil {
			return done, fmt.Errorf("%w: %w", ErrBadQuestion, err)
		}
		return done, a.office.Acknowledge(ctx, a.session, id)
	}
	id, err := a.whom()
	if err != nil {
		return done, err
	}
	switch a.order.Do {
	case "invite", "reset":
		give := a.office.Invite
		if a.order.Do == "reset" {
			give = a.office.Reset
		}
		slip, err := give(ctx, a.session, id)
		if err != nil {
			return done, err
		}
		return PeopleDone{Slip: slip.Reveal()}, nil
	case "remove":
		return done, a.office.Remove(ctx, a.session, id)
	case "forget":
		return done, a.office.Forget(ctx, a.session, id)
	case "roles":
		roles, err := book.ParseRoles(a.order.Role)
		if err != nil {
			return done, fmt.Errorf("%w: %w", ErrBadQuestion, err)
		}
		return done, a.office.SetRoles(ctx, a.session, id, roles)
	case "admit":
		return done, a.office.Admit(ctx, a.session, id)
	case "delegate":
		return done, a.office.Delegate(ctx, a.session, id, a.order.Until)
	}
	return done, a.office.EndDelegation(ctx, a.session, id)
}

// whom finds the person it is about; who was removed has no name any more that could be another's, so the id does it, too.
func (a acting) whom() (keys.ID, error) {
	if id, err := keys.ParseID(a.order.ID); err == nil {
		return id, nil
	}
	return a.office.Find(a.order.Name)
}

func (a acting) add(ctx context.Context) (done PeopleDone, err error) {
	roles, err := book.ParseRoles(a.order.Role)
	if err != nil {
		return done, fmt.Errorf("%w: %w", ErrBadQuestion, err)
	}
	_, slip, err := a.office.Add(ctx, a.session, office.NewPerson{Name: a.order.Name, Mail: a.order.Mail, Roles: roles, Boss: a.order.Boss})
	if err == nil && !slip.IsZero() {
		done.Slip = slip.Reveal()
	}
	return done, err
}

// claim reads what somebody brings to make an account theirs.
func (a acting) claim() (office.Claim, error) {
	c := office.Claim{Name: a.order.Name, Password: a.order.Fresh, Proof: a.order.Proof, Address: "control socket"}
	if !a.order.Slip.IsZero() {
		a.order.Slip.Use(func(b []byte) { c.Slip = string(b) }) // good once
	}
	raw := make([]byte, totp.Size)
	defer clear(raw)
	err := errors.New("there is none")
	if !a.order.Factor.IsZero() {
		a.order.Factor.Use(func(b []byte) {
			if len(b) != hex.EncodedLen(totp.Size) {
				err = errors.New("it has another length")
				return
			}
			_, err = hex.Decode(raw, b)
		})
	}
	if err != nil {
		return c, fmt.Errorf("%w: the new second factor: %w", ErrBadQuestion, err)
	}
	if c.Factor.Secret, err = totp.From(raw); err != nil {
		return c, err
	}
	if c.Factor.Printed, err = totp.Read(a.order.Printed); err != nil {
		return c, fmt.Errorf("%w: the printed codes: %w", ErrBadQuestion, err)
	}
	return c, nil
}

func (a acting) reclaim(ctx context.Context) error {
	code, err := readCode(a.order.Recovery)
	if err != nil {
		return err
	}
	defer code.Wipe()
	claim, err := a.claim()
	if err != nil {
		return err
	}
	return a.office.ReclaimWithCode(ctx, code, claim)
}

// peopleError says in the service's words what went wrong.
func peopleError(err error) error {
	for _, k := range []struct{ is, as error }{
		{office.ErrNotAllowed, ErrNotAllowed}, {office.ErrLastHolder, ErrNotAllowed}, {office.ErrHandedOver, ErrNotAllowed},
		{office.ErrDenied, ErrSignIn}, {office.ErrLocked, ErrSignIn}, {office.ErrOtherChip, ErrSignIn}, {backoff.ErrWait, ErrSignIn},
		{office.ErrNotHandedOver, ErrSignIn}, {office.ErrUnclaimed, ErrBadQuestion}, {office.ErrBadPerson, ErrBadQuestion},
		{office.ErrNoPerson, ErrBadQuestion}, {password.ErrWeak, ErrBadQuestion}, {book.ErrNoEntry, ErrBadQuestion}, {custody.ErrWrongCode, ErrWrongCode},
	} {
		if errors.Is(err, k.is) {
			return fmt.Errorf("%w: %w", k.as, err)
		}
	}
	return err
}

package office

import (
	"errors"
	"strings"
	"testing"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/vault/custody/backoff"
	"linekeep/vault/custody/book"
	"linekeep/vault/custody/password"
	"linekeep/vault/custody/totp"
	"linekeep/vault/keys"
)

func TestTheFirstControllerSignsInAndHears(t *testing.T) {
	r := newRig(t)
	id := r.record()
	s := r.ann.signIn()
	if err := r.hears(s, id); err != nil {
		t.Errorf("Ann does not hear: %v", err)
	}
	if back, err := r.Session(s.Token); err != nil || back != s {
		t.Errorf("Session: %v", err)
	}
	s.End()
	if err := r.hears(s, id); !errors.Is(err, ErrEnded) {
		t.Errorf("after sign-out: %v", err)
	}
	if _, err := r.Session(s.Token); !errors.Is(err, ErrEnded) {
		t.Errorf("the token after sign-out: %v", err)
	}
	st, err := r.Status()
	if err != nil || st.Holders != 1 || st.Commissioning || st.Number != 2 || st.Sessions != 0 {
		t.Errorf("status %+v, %v", st, err)
	}
}

func TestNobodySignsInBeforeHandOver(t *testing.T) {
	r := newRig(t)
	if _, err := r.HandOver(t.Context(), r.ann.claim("")); !errors.Is(err, ErrHandedOver) {
		t.Errorf("a second hand-over: %v", err)
	}
	if _, _, err := r.Add(t.Context(), nil, NewPerson{Name: "Eve", Roles: book.Director, Boss: "a@b.c"}); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("the Installer after hand-over: %v", err)
	}
}

func TestASignInNeedsAllOfIt(t *testing.T) {
	r := newRig(t)
	good := r.ann.attempt
	for what, spoil := range map[string]func(a *Attempt){
		"another name":     func(a *Attempt) { a.Name = "Bob" },
		"no name":          func(a *Attempt) { a.Name = "" },
		"another password": func(a *Attempt) { a.Password = typed(t, "another one altogether") },
		"no password":      func(a *Attempt) { a.Password = password.Password{} },
		"another code":     func(a *Attempt) { a.Code = "000000" },
		"no code":          func(a *Attempt) { a.Code = "" },
	} {
		a := good()
		spoil(&a)
		if _, err := r.SignIn(t.Context(), a); !errors.Is(err, ErrDenied) {
			t.Errorf("%s: got %v, want ErrDenied", what, err)
		}
	}
	a := good()
	if _, err := r.SignIn(t.Context(), a); err != nil {
		t.Fatalf("all right: %v", err)
	}
	if _, err := r.SignIn(t.Context(), a); !errors.Is(err, ErrDenied) {
		t.Errorf("the same code again: %v", err)
	}
	r.open() // a restart
	if _, err := r.SignIn(t.Context(), a); !errors.Is(err, ErrDenied) {
		t.Errorf("the same code after a restart: %v", err)
	}
	printed := good()
	printed.Code = totp.Show(r.ann.factor.Printed[0])
	if _, err := r.SignIn(t.Context(), printed); err != nil {
		t.Errorf("a printed code: %v", err)
	}
	if _, err := r.SignIn(t.Context(), printed); !errors.Is(err, ErrDenied) {
		t.Errorf("a printed code again: %v", err)
	}
}

func TestStrangersLockNobodyOut(t *testing.T) {
	r := newRig(t)
	waited := 0
	for range 1000 {
		_, err := r.SignIn(t.Context(), Attempt{Name: r.ann.name, Password: r.ann.password(), Code: "123456", Address: "10.0.0.66"})
		switch {
		case errors.Is(err, backoff.ErrWait):
			waited++
		case !errors.Is(err, ErrDenied):
			t.Fatalf("got %v", err)
		}
	}
	if waited < 900 {
		t.Errorf("the stranger waited %d times of 1,000", waited)
	}
	if l, err := r.chip.Lockout(t.Context()); err != nil || l.Failed != 0 {
		t.Errorf("the chip counted %d, %v", l.Failed, err)
	}
	r.ann.signIn()
}

func TestALockedChipIsToldInWords(t *testing.T) {
	r := newRig(t)
	for range tpm.LockoutAfter { // somebody on the box
		if _, err := r.chip.OpenAccount(t.Context(), mustCredential(t, r, r.ann.id).Secret, make([]byte, tpm.AuthSize)); err == nil {
			t.Fatal("opened")
		}
	}
	_, err := r.SignIn(t.Context(), r.ann.attempt())
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "recording goes on") {
		t.Errorf("got %v", err)
	}
	r.clock.Pass(2 * tpm.LockoutForgives)
	r.ann.signIn()
}

func mustCredential(t *testing.T, r *rig, id keys.ID) *book.Credential {
	t.Helper()
	c, ok := r.credential(id)
	if !ok {
		t.Fatal("no credential")
	}
	return c
}

func TestAWrongPasswordPacesTheAccount(t *testing.T) {
	r := newRig(t)
	asked := 0
	for range 3 * 60 { // three hours of somebody who has Ann's telephone
		a := r.ann.attempt() // half a minute each
		a.Password, a.Address = typed(t, "guessing all the time"), "10.0.0.66"
		_, err := r.SignIn(t.Context(), a)
		if errors.Is(err, ErrDenied) {
			asked++
		} else if !errors.Is(err, backoff.ErrWait) {
			t.Fatalf("after %d: %v", asked, err)
		}
	}
	if l, err := r.chip.Lockout(t.Context()); err != nil || l.Locked || asked < 5 {
		t.Errorf("asked %d times, %+v, %v", asked, l, err)
	}
}

func TestASessionEndsIdleAndAtLast(t *testing.T) {
	r := newRig(t)
	id := r.record()
	s := r.ann.signIn()
	for range 20 {
		r.clock.Pass(DefaultIdle - time.Second)
		if _, err := r.Session(s.Token); err != nil {
			t.Fatalf("in use: %v", err)
		}
	}
	r.clock.Pass(DefaultIdle)
	if err := r.hears(s, id); !errors.Is(err, ErrEnded) {
		t.Errorf("idle: %v", err)
	}
	s = r.ann.signIn()
	account, custody := s.account, s.custody[2]
	for began := r.clock.Time(); r.clock.Time().Sub(began) < DefaultLongest; r.clock.Pass(time.Minute) {
		if _, err := r.Session(s.Token); err != nil {
			t.Fatalf("after %v: %v", r.clock.Time().Sub(began), err)
		}
	}
	if err := r.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Session(s.Token); !errors.Is(err, ErrEnded) {
		t.Errorf("after the longest time: %v", err)
	}
	if !account.Secret().Wiped() || !custody.Secret().Wiped() {
		t.Error("keys of an ended session are still in memory")
	}
}

func TestOnlySoManySessions(t *testing.T) {
	r := newRig(t)
	first := r.ann.signIn()
	for range mostSessions {
		r.ann.signIn()
	}
	if st, err := r.Status(); err != nil || st.Sessions != mostSessions {
		t.Errorf("%d sessions, %v", st.Sessions, err)
	}
	if _, _, err := first.Who(); !errors.Is(err, ErrEnded) {
		t.Errorf("the first: %v", err)
	}
}

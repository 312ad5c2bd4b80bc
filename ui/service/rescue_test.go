package service_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"linekeep/ui/service"
	"linekeep/vault"
	"linekeep/vault/audit/entry"
	"linekeep/vault/custody"
	"linekeep/vault/secret"
)

// typed is what a person typed.
func typed(text string) secret.Password {
	p, err := secret.PasswordFrom([]byte(text))
	if err != nil {
		panic(err)
	}
	return p
}

// finger presses when it is told to.
type finger struct{ at time.Time }

func (f *finger) PressedWithin(d time.Duration) bool { return !f.at.IsZero() && time.Since(f.at) <= d }

func TestACodeOpensOnlyForSomebodyAtTheBox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		code, button, opened := custody.NewCode(), &finger{}, 0
		r := service.NewRescue(button, func(_ context.Context, c custody.Code) error {
			opened++
			if c.Reveal() != code.Reveal() {
				return vault.ErrWrongCode
			}
			return nil
		}, time.Now, &kept{})
		if err := r.Recover(t.Context(), service.Visitor, typed(code.Reveal())); !errors.Is(err, service.ErrNoButton) || opened != 0 {
			t.Errorf("nobody at the box: %v, opened %d times", err, opened)
		}
		button.at = time.Now()
		if err := r.Recover(t.Context(), service.Visitor, typed(code.Reveal())); err != nil || opened != 1 {
			t.Errorf("with the button: %v", err)
		}
		time.Sleep(service.ButtonTime + time.Second)
		if err := r.Recover(t.Context(), service.Visitor, typed(code.Reveal())); !errors.Is(err, service.ErrNoButton) || opened != 1 {
			t.Errorf("two minutes later: %v", err)
		}
	})
}

func TestWrongCodesAreToldApartAndComeSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened, memory := 0, &kept{}
		r := service.NewRescue(&finger{at: time.Now().Add(time.Hour)}, func(context.Context, custody.Code) error {
			opened++
			return vault.ErrWrongCode
		}, time.Now, memory)
		mistyped := "00000-" + custody.NewCode().Reveal()[6:]
		err := r.Recover(t.Context(), service.Visitor, typed(mistyped))
		if !errors.Is(err, service.ErrWrongCode) || !errors.Is(err, custody.ErrMistyped) || opened != 0 {
			t.Errorf("mistyped: %v", err)
		}
		if strings.Contains(err.Error(), mistyped[6:11]) {
			t.Errorf("the error repeats what was typed: %v", err)
		}
		for range 4 {
			if err := r.Recover(t.Context(), service.Visitor, typed(custody.NewCode().Reveal())); !errors.Is(err, service.ErrWrongCode) || errors.Is(err, custody.ErrMistyped) {
				t.Errorf("another box's: %v", err)
			}
		}
		if err := r.Recover(t.Context(), service.Visitor, typed(custody.NewCode().Reveal())); !errors.Is(err, service.ErrTooMany) || opened != 4 {
			t.Errorf("the sixth in a moment: %v, %d opened", err, opened)
		}
		time.Sleep(time.Minute)
		for _, want := range []error{service.ErrWrongCode, service.ErrTooMany} {
			if err := r.Recover(t.Context(), service.Visitor, typed(custody.NewCode().Reveal())); !errors.Is(err, want) {
				t.Errorf("a minute later: %v, want %v", err, want)
			}
		}
		want := map[string]int{"visitor recover: mistyped recovery code": 1, "visitor recover: wrong recovery code": 5,
			"visitor recover: too many codes in a short time": 2}
		if diff := cmp.Diff(want, memory.told); diff != "" {
			t.Errorf("the log will be told (-want +got):\n%s", diff)
		}
	})
}

func TestABoxWithoutAButtonTakesNoCode(t *testing.T) {
	r := service.NewRescue(nil, func(context.Context, custody.Code) error { t.Error("opened"); return nil }, time.Now, &kept{})
	if err := r.Recover(t.Context(), service.Visitor, typed(custody.NewCode().Reveal())); !errors.Is(err, service.ErrNoButton) || r.HasButton() {
		t.Errorf("got %v", err)
	}
}

// kept is what is to be told to the log of a locked vault.
type kept struct{ told map[string]int }

func (k *kept) Refused(_ context.Context, who entry.Kind, act, why string) {
	if k.told == nil {
		k.told = make(map[string]int)
	}
	k.told[who.String()+" "+act+": "+why]++
}

// TestP17_EverythingAskedOfALockedVaultIsKeptForItsLog: nothing is done, and each question is told once.
func TestP17_EverythingAskedOfALockedVaultIsKeptForItsLog(t *testing.T) {
	memory := &kept{}
	s := service.New(nil, service.Locked(errors.New("no chip"), memory))
	ctx, want := t.Context(), make(map[string]int)
	for act, ask := range map[service.Act]func(service.Caller) error{
		service.ActSearch: func(c service.Caller) error { _, err := s.Search(ctx, c, service.Query{}); return err },
		service.ActPlay:   func(c service.Caller) error { return s.Play(ctx, c, io.Discard, service.Playing{Format: service.Ogg}) },
		service.ActCheck:  func(c service.Caller) error { _, err := s.Check(ctx, c); return err },
		service.ActScrub:  func(c service.Caller) error { _, err := s.Scrub(ctx, c, service.Scrubbing{Do: "now"}); return err },
		service.ActKeys:   func(c service.Caller) error { _, err := s.Keys(ctx, c); return err },
		service.ActPeople: func(c service.Caller) error { _, err := s.People(ctx, c, service.PeopleOrder{Do: "list"}); return err },
		service.ActRetention: func(c service.Caller) error {
			_, err := s.Retention(ctx, c, service.RetentionOrder{Do: "list"})
			return err
		},
		service.ActErase: func(c service.Caller) error {
			_, err := s.Erase(ctx, c, service.Erasure{Calls: []string{"7-42"}})
			return err
		},
		service.ActAudit: func(c service.Caller) error {
			_, err := s.Audit(ctx, c, service.AuditQuestion{Do: "verify"})
			return err
		},
	} {
		if err := ask(service.Machine); !errors.Is(err, service.ErrVaultLocked) {
			t.Errorf("%s of a locked vault: %v", act, err)
		}
		if err := ask(service.Visitor); !errors.Is(err, service.ErrNotAllowed) {
			t.Errorf("%s by a visitor: %v", act, err)
		}
		want["machine "+string(act)+": the vault is locked"] = 1
		want["visitor "+string(act)+": not allowed"] = 1
	}
	if diff := cmp.Diff(want, memory.told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

package service_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"linekeep/ui/service"
	"linekeep/vault"
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
		}, time.Now)
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
		opened := 0
		r := service.NewRescue(&finger{at: time.Now().Add(time.Hour)}, func(context.Context, custody.Code) error {
			opened++
			return vault.ErrWrongCode
		}, time.Now)
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
	})
}

func TestABoxWithoutAButtonTakesNoCode(t *testing.T) {
	r := service.NewRescue(nil, func(context.Context, custody.Code) error { t.Error("opened"); return nil }, time.Now)
	if err := r.Recover(t.Context(), service.Visitor, typed(custody.NewCode().Reveal())); !errors.Is(err, service.ErrNoButton) || r.HasButton() {
		t.Errorf("got %v", err)
	}
}

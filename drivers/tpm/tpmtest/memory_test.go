package tpmtest_test

import (
	"errors"
	"testing"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
)

func TestTheChipInMemoryFailsAsToldTo(t *testing.T) {
	m := tpmtest.NewMemory()
	tpmtest.Prepared(t, m)
	from := mustEpoch(t, m)
	m.LoseAdvance(false)
	if _, err := m.Advance(t.Context(), nil, from); !errors.Is(err, tpm.ErrUnavailable) || mustEpoch(t, m) != from {
		t.Errorf("the increment lost: %v", err)
	}
	m.LoseAdvance(true)
	if _, err := m.Advance(t.Context(), nil, from); !errors.Is(err, tpm.ErrUnavailable) || mustEpoch(t, m) != from+1 {
		t.Errorf("the reply lost: %v", err)
	}
	m.DieAfterAdvances(1)
	if at, err := m.Advance(t.Context(), nil, from+1); err != nil || at != from+2 {
		t.Errorf("the last: %d, %v", at, err)
	}
	if _, err := m.Advance(t.Context(), nil, from+2); !errors.Is(err, tpm.ErrUnavailable) {
		t.Errorf("after the last: %v", err)
	}
	m.Fail(nil)
	if at, err := m.Advance(t.Context(), nil, from+2); err != nil || at != from+3 {
		t.Errorf("repaired: %d, %v", at, err)
	}
}

func TestTheChipInMemoryHasAPastAndAnEnd(t *testing.T) {
	m := tpmtest.NewMemory()
	tpmtest.Prepared(t, m)
	from := mustEpoch(t, m)
	blob, err := m.Seal(t.Context(), []byte("secret"), from)
	if err != nil {
		t.Fatal(err)
	}
	m.Distrust(true)
	if _, err := m.Unseal(t.Context(), blob, from); !errors.Is(err, tpm.ErrRefused) {
		t.Errorf("an unsigned state: %v", err)
	}
	m.Distrust(false)
	past := m.Clone()
	if _, err := m.Advance(t.Context(), nil, from); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Unseal(t.Context(), blob, from); !errors.Is(err, tpm.ErrSpent) {
		t.Errorf("after the counter passed it: %v", err)
	}
	if _, err := past.Unseal(t.Context(), blob, from); err != nil {
		t.Errorf("with the chip's past: %v", err)
	}
	m.Clear()
	if _, err := m.Unseal(t.Context(), blob, from); !errors.Is(err, tpm.ErrNotReady) {
		t.Errorf("after it was cleared: %v", err)
	}
	tpmtest.Prepared(t, m)
	if at := mustEpoch(t, m); at != from+2 {
		t.Errorf("a counter made anew stands at %d, want %d", at, from+2)
	}
	if _, err := m.Unseal(t.Context(), blob, from); !errors.Is(err, tpm.ErrRefused) {
		t.Errorf("prepared anew: %v", err)
	}
}

func TestTheChipInMemoryForgivesWithTime(t *testing.T) {
	m, now := tpmtest.NewMemory(), time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	m.SetClock(func() time.Time { return now })
	tpmtest.Prepared(t, m)
	right, wrong, lockout := make([]byte, 32), []byte("thirty-two bytes that are wrong!"), []byte("thirty-two bytes of the lockout.")
	account, err := m.NewAccount(t.Context(), right)
	if err != nil {
		t.Fatal(err)
	}
	open := func(auth []byte, want error) {
		t.Helper()
		if _, err := m.OpenAccount(t.Context(), account.Secret, auth); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	for range tpm.LockoutAfter {
		open(wrong, tpm.ErrWrongAuth)
	}
	open(right, tpm.ErrLocked)
	now = now.Add(tpm.LockoutForgives - time.Second)
	open(right, tpm.ErrLocked)
	now = now.Add(time.Second)
	open(right, nil)
	open(wrong, tpm.ErrWrongAuth)
	open(right, tpm.ErrLocked)
	now = now.Add(5 * tpm.LockoutForgives)
	if l, err := m.Lockout(t.Context()); err != nil || l.Failed != tpm.LockoutAfter-5 || l.Locked {
		t.Errorf("Lockout: %+v, %v", l, err)
	}
	if err := m.Own(t.Context(), right, lockout); err != nil {
		t.Fatal(err)
	}
	if err := m.Unlock(t.Context(), wrong); !errors.Is(err, tpm.ErrWrongAuth) {
		t.Errorf("Unlock: %v", err)
	}
	now = now.Add(24 * time.Hour)
	if err := m.Unlock(t.Context(), lockout); err != nil {
		t.Errorf("Unlock a day later: %v", err)
	}
}

package tpmtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"slices"
	"testing"

	"linekeep/drivers/tpm"
)

// accounts are the promises about people's keys.
var accounts = []promise{
	{"an account opens under its authorisation and no other", opensAccount},
	{"an account signs under its authorisation and no other", signsAccount},
	{"an altered account, one of another chip and one of another kind are refused, and not counted", refusesAccount},
	{"after 32 wrong authorisations accounts are locked, and nothing else", locksOut},
	{"the lockout's authorisation forgives", unlocks},
	{"a wrong authorisation of the lockout is tried once", unlocksOnce},
}

func newAccount(t *testing.T, chip tpm.Chip, auth []byte) tpm.Account {
	t.Helper()
	account, err := chip.NewAccount(t.Context(), auth)
	if err != nil {
		t.Fatalf("NewAccount: %v", err)
	}
	return account
}

func wantOpen(t *testing.T, chip tpm.Chip, blob tpm.Blob, auth []byte, want error) []byte {
	t.Helper()
	secret, err := chip.OpenAccount(t.Context(), blob, auth)
	if !errors.Is(err, want) || want == nil && len(secret) != tpm.AccountSecretSize {
		t.Errorf("OpenAccount: got %d bytes, %v; want %v", len(secret), err, want)
	}
	return secret
}

func wantFailed(t *testing.T, chip tpm.Chip, failed int, locked bool) {
	t.Helper()
	want := tpm.Lockout{Failed: failed, Max: tpm.LockoutAfter, Locked: locked}
	if got, err := chip.Lockout(t.Context()); err != nil || got != want {
		t.Errorf("Lockout: got %+v, %v; want %+v", got, err, want)
	}
}

func opensAccount(t *testing.T, open opener) {
	chip, _ := open(t)
	auth := newAuth()
	a, b := newAccount(t, chip, auth), newAccount(t, chip, auth)
	first, second := wantOpen(t, chip, a.Secret, auth, nil), wantOpen(t, chip, b.Secret, auth, nil)
	if bytes.Equal(first, second) || bytes.Equal(first, make([]byte, tpm.AccountSecretSize)) {
		t.Error("secrets are not random")
	}
	if !bytes.Equal(first, wantOpen(t, chip, a.Secret, auth, nil)) {
		t.Error("another secret came back")
	}
	if bytes.Contains(a.Secret, first[:8]) || bytes.Contains(a.Secret, auth[:8]) {
		t.Error("the blob tells of its secret")
	}
	for _, wrong := range [][]byte{newAuth(), make([]byte, tpm.AuthSize)} {
		wantOpen(t, chip, a.Secret, wrong, tpm.ErrWrongAuth)
	}
	for _, short := range [][]byte{nil, auth[:31], append(slices.Clone(auth), 1)} {
		if _, err := chip.OpenAccount(t.Context(), a.Secret, short); err == nil {
			t.Error("opened by an authorisation of another length")
		}
		if _, err := chip.NewAccount(t.Context(), short); err == nil {
			t.Error("made under an authorisation of another length")
		}
	}
	wantFailed(t, chip, 2, false)
	if !bytes.Equal(first, wantOpen(t, chip, a.Secret, auth, nil)) {
		t.Error("another secret came back after wrong authorisations")
	}
}

func signsAccount(t *testing.T, open opener) {
	chip, _ := open(t)
	auth := newAuth()
	account := newAccount(t, chip, auth)
	key, err := x509.ParsePKIXPublicKey(account.Public)
	if err != nil {
		t.Fatal(err)
	}
	for range 8 { // short numbers in a signature come up now and then
		digest := sha256.Sum256(newAuth())
		signature, err := chip.Sign(t.Context(), account.Signing, auth, digest)
		if err != nil {
			t.Fatalf("Sign: %v", err)
		}
		if !ecdsa.VerifyASN1(key.(*ecdsa.PublicKey), digest[:], signature) {
			t.Error("the signature is not of this key")
		}
	}
	if _, err := chip.Sign(t.Context(), account.Signing, newAuth(), [32]byte{}); !errors.Is(err, tpm.ErrWrongAuth) {
		t.Errorf("another authorisation: got %v", err)
	}
	wantFailed(t, chip, 1, false)
}

func refusesAccount(t *testing.T, open opener) {
	chip, other := open(t)
	auth := newAuth()
	account, root := newAccount(t, chip, auth), seal(t, chip, []byte("secret"))
	bad := map[string]tpm.Blob{
		"of another chip": newAccount(t, other, auth).Secret, "signing": account.Signing, "root": root,
		"nothing": nil, "cut": account.Secret[:len(account.Secret)-1], "longer": append(slices.Clone(account.Secret), 0),
	}
	for i := 0; i < len(account.Secret); i += 11 {
		altered := slices.Clone(account.Secret)
		altered[i] ^= 1
		bad["altered"] = altered
		wantOpen(t, chip, altered, auth, tpm.ErrRefused)
	}
	for name, blob := range bad {
		if _, err := chip.OpenAccount(t.Context(), blob, auth); !errors.Is(err, tpm.ErrRefused) {
			t.Errorf("OpenAccount %s: got %v, want ErrRefused", name, err)
		}
	}
	for name, blob := range map[string]tpm.Blob{"secret": account.Secret, "root": root, "of another chip": newAccount(t, other, auth).Signing} {
		if _, err := chip.Sign(t.Context(), blob, auth, [32]byte{}); !errors.Is(err, tpm.ErrRefused) {
			t.Errorf("Sign %s: got %v, want ErrRefused", name, err)
		}
	}
	wantUnseal(t, chip, account.Secret, ahead, tpm.ErrRefused)
	wantFailed(t, chip, 0, false)
	wantFailed(t, other, 0, false)
}

// LockOut locks the accounts of a prepared chip, as somebody does who tries too many passwords.
func LockOut(t *testing.T, chip tpm.Chip) {
	t.Helper()
	lockOut(t, chip, newAccount(t, chip, newAuth()))
}

// lockOut uses up all the tries there are.
func lockOut(t *testing.T, chip tpm.Chip, account tpm.Account) {
	t.Helper()
	for range tpm.LockoutAfter {
		wantOpen(t, chip, account.Secret, newAuth(), tpm.ErrWrongAuth)
	}
	wantFailed(t, chip, tpm.LockoutAfter, true)
}

func locksOut(t *testing.T, open opener) {
	chip, _ := open(t)
	owner, auth := newAuth(), newAuth()
	own(t, chip, owner, newAuth())
	account, blob := newAccount(t, chip, auth), seal(t, chip, []byte("secret"))
	lockOut(t, chip, account)
	wantOpen(t, chip, account.Secret, auth, tpm.ErrLocked)
	wantOpen(t, chip, account.Secret, auth, tpm.ErrUnavailable)
	if _, err := chip.Sign(t.Context(), account.Signing, auth, [32]byte{}); !errors.Is(err, tpm.ErrLocked) {
		t.Errorf("Sign: got %v", err)
	}
	wantUnseal(t, chip, blob, ahead, nil)
	wantUnseal(t, chip, seal(t, chip, []byte("secret")), ahead, nil)
	advance(t, chip, owner)
	why := [32]byte(newAuth())
	certificate, err := chip.Certify(t.Context(), why)
	if err != nil {
		t.Errorf("Certify: %v", err)
	}
	if _, err := tpm.Verify(identity(t, chip), certificate, why); err != nil {
		t.Errorf("Verify: %v", err)
	}
	newAccount(t, chip, auth)
	if _, err := chip.Prepare(t.Context()); err != nil {
		t.Errorf("Prepare: %v", err)
	}
	wantFailed(t, chip, tpm.LockoutAfter, true)
}

func unlocks(t *testing.T, open opener) {
	chip, _ := open(t)
	lockout, auth := newAuth(), newAuth()
	own(t, chip, newAuth(), lockout)
	account := newAccount(t, chip, auth)
	wantOpen(t, chip, account.Secret, newAuth(), tpm.ErrWrongAuth)
	if err := chip.Unlock(t.Context(), lockout); err != nil {
		t.Errorf("Unlock: %v", err)
	}
	wantFailed(t, chip, 0, false)
	lockOut(t, chip, account)
	if err := chip.Unlock(t.Context(), lockout); err != nil {
		t.Errorf("Unlock when locked: %v", err)
	}
	wantFailed(t, chip, 0, false)
	wantOpen(t, chip, account.Secret, auth, nil)
}

func unlocksOnce(t *testing.T, open opener) {
	chip, _ := open(t)
	owner, lockout := newAuth(), newAuth()
	own(t, chip, owner, lockout)
	account := newAccount(t, chip, newAuth())
	wantOpen(t, chip, account.Secret, newAuth(), tpm.ErrWrongAuth)
	if err := chip.Unlock(t.Context(), newAuth()); !errors.Is(err, tpm.ErrWrongAuth) {
		t.Errorf("a wrong one: got %v, want ErrWrongAuth", err)
	}
	for name, auth := range map[string][]byte{"another": newAuth(), "the right one": lockout} {
		if err := chip.Unlock(t.Context(), auth); !errors.Is(err, tpm.ErrUnavailable) {
			t.Errorf("%s after it: got %v, want ErrUnavailable", name, err)
		}
	}
	wantFailed(t, chip, 1, false)
	advance(t, chip, owner)
}

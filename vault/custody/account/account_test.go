package account

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/custody/book"
	"linekeep/vault/custody/password"
	"linekeep/vault/keys"
	"linekeep/vault/secret"
	"linekeep/vault/vaulttest/vectors"
)

func typed(t testing.TB, text string) password.Password {
	t.Helper()
	p, err := secret.PasswordFrom([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAnAccountIsThatOfTheFormat(t *testing.T) {
	v := vectors.Read(t, "account")
	person, err := keys.IDFrom(v.Bytes(t, "person"))
	if err != nil {
		t.Fatal(err)
	}
	params := password.NewParams()
	copy(params.Salt[:], v.Bytes(t, "salt"))
	auth, err := password.NewHasher().Auth(t.Context(), typed(t, string(v.Bytes(t, "password"))), params)
	if err != nil || !bytes.Equal(auth, v.Bytes(t, "auth")) {
		t.Errorf("authorisation %x, %v", auth, err)
	}
	private, err := Key([16]byte(vectors.Read(t, "common").Bytes(t, "vault id")), person, v.Bytes(t, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	public := private.Public().Bytes()
	if !bytes.Equal(private.Secret().Bytes()[:], v.Bytes(t, "account private")) || !bytes.Equal(public[:], v.Bytes(t, "account public")) {
		t.Errorf("key pair %x", public)
	}
}

func TestAnAccountOpensByItsPasswordOnItsChip(t *testing.T) {
	chip := tpmtest.NewMemory()
	if _, err := chip.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := Desk{Chip: chip, Hash: password.NewHasher(), Clock: time.Now}
	id := keys.ID{Shard: 3, Slot: 1}
	staff, err := d.Make(t.Context(), id, book.Staff, typed(t, "a pass phrase"))
	if err != nil || len(staff.Credential.Signing) != 0 {
		t.Fatalf("staff: %v", err)
	}
	made, err := d.Make(t.Context(), id, book.Director, typed(t, "a pass phrase"))
	if err != nil || made.Private.Public().Bytes() == staff.Private.Public().Bytes() || len(made.Credential.Signer) == 0 {
		t.Fatalf("director: %v", err)
	}
	back, err := d.Unlock(t.Context(), id, made.Credential, typed(t, "a pass phrase"))
	if err != nil || back.Public().Bytes() != made.Credential.Account.Bytes() {
		t.Errorf("Unlock: %v", err)
	}
	if other, err := d.Unlock(t.Context(), keys.ID{Shard: 3, Slot: 2}, made.Credential, typed(t, "a pass phrase")); err != nil || other.Public().Bytes() == back.Public().Bytes() {
		t.Errorf("in another person's name: %v", err)
	}
	if _, err := d.Unlock(t.Context(), id, made.Credential, typed(t, "a wrong phrase")); !errors.Is(err, ErrDenied) {
		t.Errorf("a wrong password: %v", err)
	}
	if _, err := d.Sign(t.Context(), made.Credential, typed(t, "a wrong phrase"), [32]byte{}); !errors.Is(err, ErrDenied) {
		t.Errorf("signed with a wrong password: %v", err)
	}
	other := tpmtest.NewMemory()
	if _, err := other.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.Chip = other
	if _, err := d.Unlock(t.Context(), id, made.Credential, typed(t, "a pass phrase")); !errors.Is(err, ErrOtherChip) {
		t.Errorf("another chip: %v", err)
	}
	other.Fail(tpm.ErrUnavailable)
	if _, err := d.Unlock(t.Context(), id, made.Credential, typed(t, "a pass phrase")); !errors.Is(err, tpm.ErrUnavailable) {
		t.Errorf("no chip: %v", err)
	}
}

package vaulttest

import (
	"testing"
	"time"

	"linekeep/vault/custody/office"
	"linekeep/vault/custody/password"
	"linekeep/vault/custody/totp"
	"linekeep/vault/secret"
)

// Human is somebody with a password, a telephone, and a sheet of printed codes.
type Human struct {
	Name    string
	Pass    string
	Factor  office.Factor
	printed int // codes of the sheet that were used
}

// NewHuman has a password and a second factor of their own.
func NewHuman(name string) *Human {
	return &Human{Name: name, Pass: "the pass phrase that is " + name + "'s", Factor: office.NewFactor()}
}

// Password is what they type.
func (h *Human) Password(t testing.TB) password.Password {
	t.Helper()
	p, err := secret.PasswordFrom([]byte(h.Pass))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Code is the next code of the sheet: a test need not wait for the next half minute. When the sheet is used up the test
// fails.
func (h *Human) Code(t testing.TB) string {
	t.Helper()
	if h.printed == len(h.Factor.Printed) {
		t.Fatalf("%s has no printed codes left", h.Name)
	}
	h.printed++
	return totp.Show(h.Factor.Printed[h.printed-1])
}

// Claim is what they bring to make an account theirs.
func (h *Human) Claim(t testing.TB, now time.Time, slip string) office.Claim {
	t.Helper()
	return office.Claim{Name: h.Name, Slip: slip, Password: h.Password(t), Factor: h.Factor,
		Proof: h.Factor.Secret.Code(totp.StepAt(now)), Address: "10.0.0.5"}
}

// Attempt is what they type to sign in.
func (h *Human) Attempt(t testing.TB) office.Attempt {
	t.Helper()
	return office.Attempt{Name: h.Name, Password: h.Password(t), Code: h.Code(t), Address: "10.0.0.5"}
}

package office

import (
	"testing"

	"linekeep/vault/custody/password"
	"linekeep/vault/secret"
)

// typed is what somebody typed.
func typed(t testing.TB, text string) password.Password {
	t.Helper()
	p, err := secret.PasswordFrom([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

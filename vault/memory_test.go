package vault_test

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	people "linekeep/vault/custody/office"
	"linekeep/vault/keys"
	"linekeep/vault/secret"
	"linekeep/vault/vaulttest"
	"linekeep/vault/vaulttest/coredump"
	"linekeep/vault/vaulttest/talk"
)

// dataKey is the data key of a recording in hex, by the formats alone; no bytes of it stay behind.
func dataKey(t *testing.T, v *vaulttest.Vault, id keys.ID) (shown string) {
	t.Helper()
	secret.Do(func() {
		slot, number, wrap, errW := v.Wrapped(t.Context(), id)
		desk, errP := v.People()
		all, errR := desk.Recover(v.Code)
		if err := errors.Join(errW, errP, errR); err != nil {
			t.Fatal(err)
		}
		vaultID := v.Vault.KeyState().VaultID
		outer := slot.Wrap()
		const nonce = chacha20poly1305.NonceSizeX
		inner, err := outer.XAEAD().Open(nil, wrap[:nonce], wrap[nonce:], keys.Info("wrap", vaultID[:], id.Append(nil)))
		if err != nil {
			t.Fatal(err)
		}
		key, err := all[number].Unwrap(keys.Info("data key", vaultID[:], id.Append(nil)), inner)
		if err != nil {
			t.Fatal(err)
		}
		key.Use(func(b []byte) { shown = hex.EncodeToString(b) })
		key.Wipe()
		outer.Wipe()
		for _, private := range all {
			private.Wipe()
		}
	})
	return shown
}

// custodyKey is the private half of the newest custody key, in hex.
func custodyKey(t *testing.T, v *vaulttest.Vault) (shown string) {
	t.Helper()
	desk, err := v.People()
	if err != nil {
		t.Fatal(err)
	}
	all, err := desk.Recover(v.Code)
	if err != nil {
		t.Fatal(err)
	}
	newest := uint32(0)
	for number := range all {
		newest = max(newest, number)
	}
	all[newest].Secret().Use(func(b []byte) { shown = hex.EncodeToString(b) })
	for _, private := range all {
		private.Wipe()
	}
	return shown
}

// signedIn is a box on which Ann signs in, hears a call, and signs out; her password is in a file that the test names.
func signedIn(t *testing.T, side *coredump.Side) {
	v := vaulttest.New(t, "")
	v.Record(talk.New(1, time.Now()), 4)
	id := only(t, v)
	path, err := side.Ask("password")
	if err != nil {
		t.Fatal(err)
	}
	// The rig's own password lies open in its code, so Ann takes another one.
	fresh, err := secret.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := v.SignIn(v.Ann)
	old := v.Ann.Password(t)
	if err := s.ChangePassword(t.Context(), old, v.Ann.Code(t), fresh); err != nil {
		t.Fatal(err)
	}
	s.End()
	old.Wipe()
	if s, err = v.Vault.SignIn(t.Context(), people.Attempt{Name: v.Ann.Name, Password: fresh, Code: v.Ann.Code(t), Address: "10.0.0.5"}); err != nil {
		t.Fatal(err)
	}
	r, err := v.Hear(t.Context(), id, s)
	if err != nil {
		t.Fatal(err)
	}
	shownCustody, shownData := custodyKey(t, v), dataKey(t, v, id)
	if _, err := side.Ask("in", shownCustody, shownData); err != nil {
		t.Fatal(err)
	}
	r.Close()
	fresh.Wipe()
	s.End()
	if _, err := side.Ask("out"); err != nil {
		t.Fatal(err)
	}
}

// TestAfterSignOutACoreHoldsNoKeyOfTheSession runs a box in a process of its own, with accounts in a real software TPM.
func TestAfterSignOutACoreHoldsNoKeyOfTheSession(t *testing.T) {
	if side, ok := coredump.Child(); ok {
		signedIn(t, side)
		return
	}
	const password = "wettest-harbour-kiosk-90417-lantern"
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := coredump.StartTest(t)
	p.Await(t, "password")
	p.Answer(t, path)
	said := p.Await(t, "in")
	secrets := map[string][]byte{"the password": []byte(password), "the custody key": said[0], "the data key": said[1]}
	during := p.Full(t)
	for name, s := range secrets {
		if during.Holds(s) == 0 {
			t.Errorf("signed in: %s is not found, so the search finds nothing", name)
		}
	}
	p.Answer(t, "")
	p.Await(t, "out")
	after := p.Full(t)
	for name, s := range secrets {
		if n := after.Holds(s); n > 0 && secret.Erases {
			t.Errorf("signed out: %s in %d places", name, n)
		}
	}
	p.Answer(t, "")
	t.Logf("looked at %d MB", after.Len()>>20)
}

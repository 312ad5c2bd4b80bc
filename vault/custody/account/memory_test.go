package account

import (
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/custody/book"
	"linekeep/vault/custody/password"
	"linekeep/vault/keys"
	"linekeep/vault/secret"
	"linekeep/vault/vaulttest/coredump"
)

// overheard tells in hex what goes to the chip and comes from it.
type overheard struct {
	tpm.Chip
	auth, opened string
}

func (o *overheard) OpenAccount(ctx context.Context, blob tpm.Blob, auth []byte) ([]byte, error) {
	o.auth = hex.EncodeToString(auth)
	opened, err := o.Chip.OpenAccount(ctx, blob, auth)
	o.opened = hex.EncodeToString(opened)
	return opened, err
}

// unlocking is a process that makes an account in a software TPM, opens it, uses it and wipes it.
func unlocking(t *testing.T, side *coredump.Side) {
	path, err := side.Ask("password")
	if err != nil {
		t.Fatal(err)
	}
	p, err := secret.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	chip := &overheard{Chip: tpmtest.Start(t).Open(t)}
	if _, err := chip.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	d, id := Desk{Chip: chip, Hash: password.NewHasher(), Clock: time.Now}, keys.ID{Shard: 3, Slot: 1}
	made, err := d.Make(t.Context(), id, book.Director, p)
	if err != nil {
		t.Fatal(err)
	}
	made.Private.Wipe()
	private, err := d.Unlock(t.Context(), id, made.Credential, p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Sign(t.Context(), made.Credential, p, [32]byte{1}); err != nil {
		t.Fatal(err)
	}
	var key string
	private.Secret().Use(func(b []byte) { key = hex.EncodeToString(b) })
	if _, err := side.Ask("in", key, chip.auth, chip.opened); err != nil {
		t.Fatal(err)
	}
	private.Wipe()
	p.Wipe()
	secret.Collect()
	if _, err := side.Ask("out"); err != nil {
		t.Fatal(err)
	}
}

func TestAnAccountThatWasClosedIsNotInMemory(t *testing.T) {
	if side, ok := coredump.Child(); ok {
		unlocking(t, side)
		return
	}
	const typed = "wettest-harbour-kiosk-90417-lantern"
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(typed), 0o600); err != nil {
		t.Fatal(err)
	}
	p := coredump.StartTest(t)
	p.Await(t, "password")
	p.Answer(t, path)
	said := p.Await(t, "in")
	secrets := map[string][]byte{"the password": []byte(typed), "the account's key": said[0], "the authorisation": said[1], "the chip's secret": said[2]}
	during := p.Full(t)
	for _, name := range []string{"the password", "the account's key"} {
		if during.Holds(secrets[name]) == 0 {
			t.Errorf("open: %s is not found, so the search finds nothing", name)
		}
	}
	p.Answer(t, "")
	p.Await(t, "out")
	after := p.Full(t)
	for name, s := range secrets {
		if n := after.Holds(s); n > 0 && secret.Erases {
			t.Errorf("closed: %s in %d places", name, n)
		}
	}
	p.Answer(t, "")
}

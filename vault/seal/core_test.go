package seal

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/custody"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/secret"
	"linekeep/vault/vaulttest/coredump"
)

func TestMain(m *testing.M) {
	coredump.Program(session)
	os.Exit(m.Run())
}

// place binds the custody key's wrap in this test.
var place = secret.Info("test of memory")

// typed asks the test for what a person types, which is in a file of its own and read as linekeepctl reads it.
func typed(side *coredump.Side, what string) (secret.Password, error) {
	path, err := side.Ask(what)
	if err != nil {
		return secret.Password{}, err
	}
	return secret.ReadFile(path)
}

// session is a box that records a call, and a person who signs in with a recovery code, hears it, and signs out.
func session(side *coredump.Side) error {
	ctx := context.Background()
	line, err := side.Ask("custody")
	if err != nil {
		return err
	}
	words := strings.Fields(line)
	public, errP := hex.DecodeString(words[0])
	wrapped, errW := hex.DecodeString(words[1])
	if err := errors.Join(errP, errW); err != nil {
		return err
	}
	pub, err := envelope.PublicFrom(public)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "linekeep-core")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	k, err := keys.Create(ctx, keys.Config{Dir: dir, Clock: time.Now}, tpmtest.NewMemory())
	if err != nil {
		return err
	}
	slot, err := k.Next(ctx, "standard", time.Now())
	if err != nil {
		return err
	}
	// The call: its data key is wiped when it ends.
	recording := NewDataKey()
	wrap, err := Wrap(k.VaultID(), slot, pub, recording)
	if err != nil {
		return err
	}
	h := Header{ID: slot.ID, Party: segment.Caller, Len: 4000}
	sealed := recording.Segment(nil, k.VaultID(), h, bytes.Repeat([]byte("speech"), 100))
	recording.Wipe()
	if err := hear(side, k.VaultID(), slot, wrapped, wrap, h, sealed); err != nil {
		return err
	}
	secret.Collect()
	if _, err := side.Ask("out"); err != nil {
		return err
	}
	return k.Close()
}

// hear signs in, hears the call, and signs out.
func hear(side *coredump.Side, vaultID [keys.VaultIDSize]byte, slot keys.Slot, wrapped, wrap []byte, h Header, sealed []byte) error {
	password, err := typed(side, "password")
	if err != nil {
		return err
	}
	defer password.Wipe()
	text, err := typed(side, "code")
	if err != nil {
		return err
	}
	defer text.Wipe()
	code, err := custody.ReadCode(text)
	if err != nil {
		return err
	}
	defer code.Wipe()
	recovery, err := code.Recovery(vaultID0())
	if err != nil {
		return err
	}
	defer recovery.Wipe()
	key, err := recovery.Unwrap(place, wrapped)
	if err != nil {
		return err
	}
	private, err := envelope.PrivateFrom(key)
	if err != nil {
		return err
	}
	defer private.Wipe()
	d, err := Unwrap(vaultID, slot, private, wrap)
	if err != nil {
		return err
	}
	defer d.Wipe()
	if _, err := d.OpenSegment(nil, vaultID, h, sealed); err != nil {
		return err
	}
	secret.Collect() // what was needed only for opening goes; what the session holds stays
	var shown string
	d.key().Use(func(b []byte) { shown = fmt.Sprintf("%x", b) })
	_, err = side.Ask("in", shown)
	return err
}

// vaultID0 is the vault that the test's recovery code is of.
func vaultID0() [keys.VaultIDSize]byte { return vaultID }

// TestAfterSignOutTheMemoryHoldsNoSecret is the promise of sessions, shown on the whole memory of a process.
func TestAfterSignOutTheMemoryHoldsNoSecret(t *testing.T) {
	const password = "correct-horse-battery-staple-71842"
	code := custody.NewCode()
	recovery, err := code.Recovery(vaultID)
	if err != nil {
		t.Fatal(err)
	}
	private, err := envelope.New()
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := recovery.Public().Wrap(place, private.Secret())
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]byte{"the password": []byte(password), "the code as typed": []byte(code.Reveal()),
		"the recovery key": recovery.Secret().Bytes()[:], "the custody key": private.Secret().Bytes()[:]}
	p, dir := coredump.Start(t), t.TempDir()
	p.Await(t, "custody")
	public := private.Public().Bytes()
	p.Answer(t, fmt.Sprintf("%x %x", public, wrapped))
	for name, text := range map[string]string{"password": password, "code": code.Reveal()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"password", "code"} {
		p.Await(t, name)
		p.Answer(t, filepath.Join(dir, name))
	}
	secrets["the data key"] = p.Await(t, "in")[0]
	full, usual := p.Full(t), p.Usual(t)
	t.Logf("signed in: %d MB in full, %d MB as usual", full.Len()>>20, usual.Len()>>20)
	for name, s := range secrets {
		if n := full.Holds(s); n == 0 {
			t.Errorf("signed in, all memory: %s is not found, so the search finds nothing", name)
		} else if n > 1 {
			t.Logf("signed in, all memory: %s in %d places", name, n)
		}
		if n := usual.Holds(s); n > 0 && secret.Erases {
			t.Errorf("signed in, a usual core: %s in %d places outside the arena", name, n)
		}
	}
	p.Answer(t, "")
	p.Await(t, "out")
	after := p.Full(t)
	for name, s := range secrets {
		if n := after.Holds(s); n > 0 && secret.Erases {
			t.Errorf("signed out, all memory: %s in %d places", name, n)
		}
	}
	p.Answer(t, "")
}

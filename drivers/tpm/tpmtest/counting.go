package tpmtest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"slices"
	"testing"

	"linekeep/drivers/tpm"
)

// counting are the promises about the counter, who may move it, and what the chip signs about it.
var counting = []promise{
	{"the counter goes up by one, from where the caller thinks it is", advances1},
	{"what was sealed opens until the counter has passed its epoch", revokes},
	{"what was sealed for an epoch to come opens at once", opensAhead},
	{"only the owner moves the counter", ownersOnly},
	{"owning is done once, and again by the same", owning},
	{"an owned chip prepares again as the same, and its blobs open", preparedAgain},
	{"any byte may stand anywhere in an authorisation", anyByte},
	{"a certificate tells epoch, chip and purpose", certifies},
}

func newAuth() []byte {
	auth := make([]byte, tpm.AuthSize)
	rand.Read(auth)
	return auth
}

func neverPrepared(t *testing.T, open opener) {
	chip, other := open(t)
	prepared, factory := every(chip, some(t, Prepared(t, other)))
	delete(factory, "Prepare")
	for name, call := range prepared {
		if err := call(t.Context()); !errors.Is(err, tpm.ErrNotReady) || !errors.Is(err, tpm.ErrRefused) {
			t.Errorf("%s: got %v, want ErrNotReady, which is an ErrRefused", name, err)
		}
	}
	for name, call := range factory {
		if err := call(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func preparing(t *testing.T, open opener) {
	chip, other := open(t)
	var seen []tpm.Identity
	for _, c := range []tpm.Chip{chip, other} {
		first, err := c.Prepare(t.Context())
		if err != nil {
			t.Fatalf("Prepare: %v", err)
		}
		again, err := c.Prepare(t.Context())
		if err != nil || !same(first, again) {
			t.Errorf("a second Prepare: %v", err)
		}
		if found, err := c.Identity(t.Context()); err != nil || !same(first, found) {
			t.Errorf("Identity: %v", err)
		}
		seen = append(seen, first)
	}
	if bytes.Equal(seen[0].Storage, seen[1].Storage) || bytes.Equal(seen[0].Attest, seen[1].Attest) {
		t.Error("two chips have the same identity")
	}
	if len(seen[0].Storage) != 34 || len(seen[0].Counter) != 34 {
		t.Error("a name is not of a SHA-256")
	}
}

func same(a, b tpm.Identity) bool {
	return bytes.Equal(a.Storage, b.Storage) && bytes.Equal(a.Counter, b.Counter) && bytes.Equal(a.Attest, b.Attest)
}

func epoch(t *testing.T, chip tpm.Chip) uint64 {
	t.Helper()
	at, err := chip.Epoch(t.Context())
	if err != nil {
		t.Fatalf("Epoch: %v", err)
	}
	return at
}

// advance moves the counter up by one.
func advance(t *testing.T, chip tpm.Chip, owner []byte) {
	t.Helper()
	from := epoch(t, chip)
	at, err := chip.Advance(t.Context(), owner, from)
	if err != nil || at != from+1 || epoch(t, chip) != at {
		t.Fatalf("Advance from %d: got %d, %v", from, at, err)
	}
}

func advances1(t *testing.T, open opener) {
	chip, _ := open(t)
	if epoch(t, chip) == 0 {
		t.Error("the counter of a prepared chip stands at 0")
	}
	advance(t, chip, nil)
	advance(t, chip, nil)
	at := epoch(t, chip)
	for _, wrong := range []uint64{0, at - 1, at + 1, ahead} {
		if got, err := chip.Advance(t.Context(), nil, wrong); err != nil || got != at {
			t.Errorf("from %d: got %d, %v; it stands at %d", wrong, got, err, at)
		}
	}
	if epoch(t, chip) != at {
		t.Error("it moved all the same")
	}
}

func sealFor(t *testing.T, chip tpm.Chip, epoch uint64) tpm.Blob {
	t.Helper()
	blob, err := chip.Seal(t.Context(), []byte("secret"), epoch)
	if err != nil {
		t.Fatalf("Seal for %d: %v", epoch, err)
	}
	return blob
}

func wantUnseal(t *testing.T, chip tpm.Chip, blob tpm.Blob, epoch uint64, want error) {
	t.Helper()
	secret, err := chip.Unseal(t.Context(), blob, epoch)
	if !errors.Is(err, want) || want == nil && string(secret) != "secret" {
		t.Errorf("Unseal: got %d bytes, %v; want %v", len(secret), err, want)
	}
}

func revokes(t *testing.T, open opener) {
	chip, _ := open(t)
	at := epoch(t, chip)
	blob := sealFor(t, chip, at)
	wantUnseal(t, chip, blob, at, nil)
	wantUnseal(t, chip, blob, at+1, tpm.ErrRefused)
	advance(t, chip, nil)
	wantUnseal(t, chip, blob, at, tpm.ErrSpent)
	wantUnseal(t, chip, blob, at, tpm.ErrRefused)
	wantUnseal(t, chip, blob, at+1, tpm.ErrRefused)
	wantUnseal(t, chip, blob, ahead, tpm.ErrRefused)
	wantUnseal(t, chip, sealFor(t, chip, at), at, tpm.ErrSpent)
	if _, err := chip.Unseal(t.Context(), blob, at+1); errors.Is(err, tpm.ErrSpent) {
		t.Error("a blob of another epoch is told to be spent")
	}
}

func opensAhead(t *testing.T, open opener) {
	chip, _ := open(t)
	at := epoch(t, chip)
	one, two := sealFor(t, chip, at+1), sealFor(t, chip, at+2)
	wantUnseal(t, chip, one, at+1, nil)
	wantUnseal(t, chip, two, at+2, nil)
	advance(t, chip, nil)
	wantUnseal(t, chip, one, at+1, nil)
	wantUnseal(t, chip, two, at+2, nil)
	advance(t, chip, nil)
	wantUnseal(t, chip, one, at+1, tpm.ErrSpent)
	wantUnseal(t, chip, two, at+2, nil)
}

func own(t *testing.T, chip tpm.Chip, owner, lockout []byte) {
	t.Helper()
	if err := chip.Own(t.Context(), owner, lockout); err != nil {
		t.Fatalf("Own: %v", err)
	}
}

func ownersOnly(t *testing.T, open opener) {
	chip, _ := open(t)
	owner, lockout := newAuth(), newAuth()
	advance(t, chip, nil) // as long as it has none
	own(t, chip, owner, lockout)
	at := epoch(t, chip)
	for name, wrong := range map[string][]byte{"none": nil, "another": newAuth(), "the lockout's": lockout, "cut short": owner[:31]} {
		if _, err := chip.Advance(t.Context(), wrong, at); !errors.Is(err, tpm.ErrWrongAuth) {
			t.Errorf("%s: got %v, want ErrWrongAuth", name, err)
		}
	}
	if epoch(t, chip) != at {
		t.Error("the counter moved")
	}
	if lockout, err := chip.Lockout(t.Context()); err != nil || lockout.Failed != 0 {
		t.Errorf("the owner's are counted: %+v, %v", lockout, err)
	}
	advance(t, chip, owner)
}

func owning(t *testing.T, open opener) {
	chip, other := open(t)
	owner, lockout := newAuth(), newAuth()
	owned := func(c tpm.Chip, want bool) {
		t.Helper()
		if o, l, err := c.Owned(t.Context()); err != nil || o != want || l != want {
			t.Errorf("Owned: %t, %t, %v; want %t", o, l, err, want)
		}
	}
	owned(chip, false)
	for _, short := range [][2][]byte{{owner[1:], lockout}, {owner, lockout[1:]}, {nil, lockout}, {nil, nil}} {
		if err := chip.Own(t.Context(), short[0], short[1]); err == nil {
			t.Error("an authorisation of another length was set")
		}
	}
	owned(chip, false)
	for range 2 { // the owner alone; the lockout waits for somebody who keeps it
		own(t, chip, owner, nil)
		if o, l, err := chip.Owned(t.Context()); err != nil || !o || l {
			t.Errorf("Owned: %t, %t, %v; want the owner alone", o, l, err)
		}
	}
	own(t, chip, owner, lockout)
	owned(chip, true)
	own(t, chip, owner, lockout)
	own(t, chip, owner, nil)
	owned(chip, true)
	if err := chip.Own(t.Context(), newAuth(), lockout); !errors.Is(err, tpm.ErrOwned) {
		t.Errorf("another owner: got %v, want ErrOwned", err)
	}
	own(t, chip, owner, lockout)
	owned(chip, true)
	owned(other, false)
	if err := chip.Own(t.Context(), owner, newAuth()); !errors.Is(err, tpm.ErrOwned) {
		t.Errorf("another lockout: got %v, want ErrOwned", err)
	}
	advance(t, chip, owner)
}

func preparedAgain(t *testing.T, open opener) {
	chip, _ := open(t)
	before, err := chip.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	blob := seal(t, chip, []byte("secret"))
	own(t, chip, newAuth(), newAuth())
	if after, err := chip.Prepare(t.Context()); err != nil || !same(before, after) {
		t.Errorf("Prepare: %v", err)
	}
	wantUnseal(t, chip, blob, ahead, nil)
}

// anyByte is about a client library that cuts authorisations off at a zero byte.
func anyByte(t *testing.T, open opener) {
	zeros := func(at ...int) []byte {
		auth := bytes.Repeat([]byte{0x5a}, tpm.AuthSize)
		for _, i := range at {
			auth[i] = 0
		}
		return auth
	}
	chip, other := open(t)
	own(t, chip, zeros(0), zeros(31))
	advance(t, chip, zeros(0))
	if _, err := chip.Advance(t.Context(), append(zeros(0)[:1], newAuth()[1:]...), epoch(t, chip)); !errors.Is(err, tpm.ErrWrongAuth) {
		t.Errorf("another one that begins alike: got %v", err)
	}
	own(t, other, make([]byte, tpm.AuthSize), bytes.Repeat([]byte{0xff}, tpm.AuthSize))
	advance(t, other, make([]byte, tpm.AuthSize))
	for _, auth := range [][]byte{zeros(0), zeros(15, 16), zeros(31), make([]byte, tpm.AuthSize)} {
		account := newAccount(t, chip, auth)
		if _, err := chip.OpenAccount(t.Context(), account.Secret, auth); err != nil {
			t.Errorf("OpenAccount: %v", err)
		}
		wrong := slices.Clone(auth)
		wrong[7] ^= 0x30
		if _, err := chip.OpenAccount(t.Context(), account.Secret, wrong); !errors.Is(err, tpm.ErrWrongAuth) {
			t.Errorf("one bit away: got %v", err)
		}
	}
}

func certifies(t *testing.T, open opener) {
	chip, other := open(t)
	mine, theirs := identity(t, chip), identity(t, other)
	for range 2 {
		why := [32]byte(newAuth())
		certificate, err := chip.Certify(t.Context(), why)
		if err != nil {
			t.Fatalf("Certify: %v", err)
		}
		if at, err := tpm.Verify(mine, certificate, why); err != nil || at != epoch(t, chip) {
			t.Errorf("Verify: %d, %v", at, err)
		}
		if _, err := tpm.Verify(theirs, certificate, why); !errors.Is(err, tpm.ErrCertificate) {
			t.Errorf("as another chip's: got %v", err)
		}
		if _, err := tpm.Verify(mine, certificate, [32]byte{}); !errors.Is(err, tpm.ErrCertificate) {
			t.Errorf("for something else: got %v", err)
		}
		elsewhere := mine
		elsewhere.Counter = theirs.Storage
		if _, err := tpm.Verify(elsewhere, certificate, why); !errors.Is(err, tpm.ErrCertificate) {
			t.Errorf("of another counter: got %v", err)
		}
		for i := range certificate.Attest {
			bad := tpm.Certificate{Attest: slices.Clone(certificate.Attest), Signature: certificate.Signature}
			bad.Attest[i] ^= 1
			if _, err := tpm.Verify(mine, bad, why); !errors.Is(err, tpm.ErrCertificate) {
				t.Errorf("byte %d altered: got %v", i, err)
			}
		}
		advance(t, chip, nil)
	}
}

func identity(t *testing.T, chip tpm.Chip) tpm.Identity {
	t.Helper()
	id, err := chip.Identity(t.Context())
	if err != nil {
		t.Fatalf("Identity: %v", err)
	}
	return id
}

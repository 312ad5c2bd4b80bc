// Package tpmtest has what tests need of a security chip: the suite that every Chip passes, a private
// software TPM, and a sealer in memory.
//
//	In:    a way to open a chip
//	Out:   failures of the test, each named as the promise it breaks
//	Owner: the test; what was started ends with it
//	Full:  one swtpm per Start, a process of some 5 MB
package tpmtest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"

	"linekeep/drivers/tpm"
)

// opener gives a chip and a second, other one.
type opener func(t *testing.T) (chip, other tpm.Chip)

// promise is one that a chip makes, and how it is put to the test.
type promise struct {
	name string
	keep func(t *testing.T, open opener)
}

// Run checks every promise written on tpm.Chip. Open gives a chip and a second, other one, both as from the factory.
func Run(t *testing.T, open func(t *testing.T) (chip, other tpm.Chip)) {
	t.Run("a chip that was never prepared has nothing of ours", func(t *testing.T) { neverPrepared(t, open) })
	t.Run("preparing makes an identity, and finds it again", func(t *testing.T) { preparing(t, open) })
	ready := func(t *testing.T) (chip, other tpm.Chip) {
		chip, other = open(t)
		return Prepared(t, chip), Prepared(t, other)
	}
	for _, promises := range [][]promise{sealing, counting, accounts} {
		for _, p := range promises {
			t.Run(p.name, func(t *testing.T) { p.keep(t, ready) })
		}
	}
}

// sealing are the promises about blobs.
var sealing = []promise{
	{"what was sealed is given back, of any length", comesBack},
	{"nothing and too much are not sealed", outOfRange},
	{"the blob shows nothing of the secret and is another each time", showsNothing},
	{"another chip refuses", anotherChip},
	{"an altered blob is refused", alteredBlob},
	{"an ended context is unavailable, and nothing is broken after it", endedContext},
	{"many at once take turns", takeTurns},
	{"a closed chip is unavailable", closedChip},
}

// ahead is an epoch that no chip reaches in a test.
const ahead = 1 << 40

// Prepared prepares a chip.
func Prepared(t testing.TB, chip tpm.Chip) tpm.Chip {
	t.Helper()
	if _, err := chip.Prepare(t.Context()); err != nil {
		t.Fatalf("Prepare: %v", err)
	}
	return chip
}

func comesBack(t *testing.T, open opener) {
	chip, _ := open(t)
	for _, n := range []int{1, 31, 32, 64, tpm.MaxSecret} {
		secret := bytes.Repeat([]byte{byte(n)}, n)
		back, err := chip.Unseal(t.Context(), seal(t, chip, secret), ahead)
		if err != nil || !bytes.Equal(back, secret) {
			t.Errorf("%d bytes: back %d bytes, %v", n, len(back), err)
		}
	}
}

func outOfRange(t *testing.T, open opener) {
	chip, _ := open(t)
	for _, n := range []int{0, tpm.MaxSecret + 1} {
		if _, err := chip.Seal(t.Context(), make([]byte, n), ahead); err == nil {
			t.Errorf("%d bytes: sealed", n)
		}
	}
}

func showsNothing(t *testing.T, open opener) {
	chip, _ := open(t)
	secret := []byte("a secret of more than 16 bytes")
	a, b := seal(t, chip, secret), seal(t, chip, secret)
	if bytes.Contains(a, secret[:8]) || bytes.Equal(a, b) {
		t.Error("the blob tells of its secret")
	}
}

func anotherChip(t *testing.T, open opener) {
	chip, other := open(t)
	refused(t, other, seal(t, chip, []byte("secret")))
}

func alteredBlob(t *testing.T, open opener) {
	chip, _ := open(t)
	blob := seal(t, chip, []byte("secret"))
	for i := 0; i < len(blob); i += 7 {
		bad := slices.Clone(blob)
		bad[i] ^= 1
		refused(t, chip, bad)
	}
	for _, n := range []int{0, 1, 2, len(blob) - 1} {
		refused(t, chip, blob[:n])
	}
	refused(t, chip, append(slices.Clone(blob), 0))
}

func endedContext(t *testing.T, open opener) {
	chip, _ := open(t)
	b := some(t, chip)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range all(chip, b) {
		if err := call(ctx); !errors.Is(err, tpm.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", name, err)
		}
	}
	if _, err := chip.Unseal(t.Context(), b.root, ahead); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// blobs are one of each kind.
type blobs struct {
	root    tpm.Blob
	account tpm.Account
}

func some(t *testing.T, chip tpm.Chip) blobs {
	t.Helper()
	return blobs{root: seal(t, chip, []byte("secret")), account: newAccount(t, chip, newAuth())}
}

// every is a call of each method; those of factory work on a chip that nobody prepared.
func every(chip tpm.Chip, b blobs) (prepared, factory map[string]func(context.Context) error) {
	auth := newAuth()
	prepared = map[string]func(context.Context) error{
		"Identity":    func(ctx context.Context) error { _, err := chip.Identity(ctx); return err },
		"Own":         func(ctx context.Context) error { return chip.Own(ctx, auth, auth) },
		"Seal":        func(ctx context.Context) error { _, err := chip.Seal(ctx, []byte("x"), ahead); return err },
		"Unseal":      func(ctx context.Context) error { _, err := chip.Unseal(ctx, b.root, ahead); return err },
		"Epoch":       func(ctx context.Context) error { _, err := chip.Epoch(ctx); return err },
		"Advance":     func(ctx context.Context) error { _, err := chip.Advance(ctx, nil, 1); return err },
		"Certify":     func(ctx context.Context) error { _, err := chip.Certify(ctx, [32]byte{}); return err },
		"NewAccount":  func(ctx context.Context) error { _, err := chip.NewAccount(ctx, auth); return err },
		"OpenAccount": func(ctx context.Context) error { _, err := chip.OpenAccount(ctx, b.account.Secret, auth); return err },
		"Sign": func(ctx context.Context) error {
			_, err := chip.Sign(ctx, b.account.Signing, auth, [32]byte{})
			return err
		},
		"Unlock": func(ctx context.Context) error { return chip.Unlock(ctx, auth) },
	}
	factory = map[string]func(context.Context) error{
		"Prepare": func(ctx context.Context) error { _, err := chip.Prepare(ctx); return err },
		"Owned":   func(ctx context.Context) error { _, _, err := chip.Owned(ctx); return err },
		"Lockout": func(ctx context.Context) error { _, err := chip.Lockout(ctx); return err },
	}
	return prepared, factory
}

// all puts the two together.
func all(chip tpm.Chip, b blobs) map[string]func(context.Context) error {
	calls, factory := every(chip, b)
	maps.Copy(calls, factory)
	return calls
}

func takeTurns(t *testing.T, open opener) {
	chip, _ := open(t)
	blob := seal(t, chip, []byte("secret"))
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if back, err := chip.Unseal(t.Context(), blob, ahead); err != nil || string(back) != "secret" {
				t.Errorf("Unseal: %v", err)
			}
			if _, err := chip.Seal(t.Context(), []byte("more"), ahead); err != nil {
				t.Errorf("Seal: %v", err)
			}
		})
	}
	wg.Wait()
}

func closedChip(t *testing.T, open opener) {
	chip, _ := open(t)
	b := some(t, chip)
	if err := errors.Join(chip.Close(), chip.Close()); err != nil {
		t.Errorf("Close: %v", err)
	}
	for name, call := range all(chip, b) {
		if err := call(t.Context()); !errors.Is(err, tpm.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", name, err)
		}
	}
}

func seal(t *testing.T, chip tpm.Chip, secret []byte) tpm.Blob {
	t.Helper()
	blob, err := chip.Seal(t.Context(), secret, ahead)
	if err != nil {
		t.Fatalf("Seal: %v", err)
	}
	return blob
}

func refused(t *testing.T, chip tpm.Chip, blob tpm.Blob) {
	t.Helper()
	if _, err := chip.Unseal(t.Context(), blob, ahead); !errors.Is(err, tpm.ErrRefused) {
		t.Errorf("got %v, want ErrRefused", err)
	}
}

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
	"slices"
	"sync"
	"testing"

	"linekeep/drivers/tpm"
)

// opener gives a chip and a second, other one.
type opener func(t *testing.T) (chip, other tpm.Chip)

// Run checks every promise written on tpm.Chip. Open gives a chip and a second, other one.
func Run(t *testing.T, open func(t *testing.T) (chip, other tpm.Chip)) {
	for _, promise := range []struct {
		name string
		keep func(t *testing.T, open opener)
	}{
		{"what was sealed is given back, of any length", comesBack},
		{"nothing and too much are not sealed", outOfRange},
		{"the blob shows nothing of the secret and is another each time", showsNothing},
		{"another chip refuses", anotherChip},
		{"an altered blob is refused", alteredBlob},
		{"an ended context is unavailable, and nothing is broken after it", endedContext},
		{"many at once take turns", takeTurns},
		{"a closed sealer is unavailable", closedSealer},
	} {
		t.Run(promise.name, func(t *testing.T) {
			promise.keep(t, func(t *testing.T) (chip, other tpm.Chip) {
				chip, other = open(t)
				return Prepared(t, chip), Prepared(t, other)
			})
		})
	}
}

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
		back, err := chip.Unseal(t.Context(), seal(t, chip, secret), 1)
		if err != nil || !bytes.Equal(back, secret) {
			t.Errorf("%d bytes: back %d bytes, %v", n, len(back), err)
		}
	}
}

func outOfRange(t *testing.T, open opener) {
	chip, _ := open(t)
	for _, n := range []int{0, tpm.MaxSecret + 1} {
		if _, err := chip.Seal(t.Context(), make([]byte, n), 1); err == nil {
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
	blob := seal(t, chip, []byte("secret"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := chip.Seal(ctx, []byte("x"), 1); !errors.Is(err, tpm.ErrUnavailable) {
		t.Errorf("Seal: got %v, want ErrUnavailable", err)
	}
	if _, err := chip.Unseal(ctx, blob, 1); !errors.Is(err, tpm.ErrUnavailable) {
		t.Errorf("Unseal: got %v, want ErrUnavailable", err)
	}
	if _, err := chip.Unseal(t.Context(), blob, 1); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func takeTurns(t *testing.T, open opener) {
	chip, _ := open(t)
	blob := seal(t, chip, []byte("secret"))
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if back, err := chip.Unseal(t.Context(), blob, 1); err != nil || string(back) != "secret" {
				t.Errorf("Unseal: %v", err)
			}
			if _, err := chip.Seal(t.Context(), []byte("more"), 1); err != nil {
				t.Errorf("Seal: %v", err)
			}
		})
	}
	wg.Wait()
}

func closedSealer(t *testing.T, open opener) {
	chip, _ := open(t)
	blob := seal(t, chip, []byte("secret"))
	if err := errors.Join(chip.Close(), chip.Close()); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := chip.Unseal(t.Context(), blob, 1); !errors.Is(err, tpm.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

func seal(t *testing.T, chip tpm.Chip, secret []byte) tpm.Blob {
	t.Helper()
	blob, err := chip.Seal(t.Context(), secret, 1)
	if err != nil {
		t.Fatalf("Seal: %v", err)
	}
	return blob
}

func refused(t *testing.T, chip tpm.Chip, blob tpm.Blob) {
	t.Helper()
	if _, err := chip.Unseal(t.Context(), blob, 1); !errors.Is(err, tpm.ErrRefused) {
		t.Errorf("got %v, want ErrRefused", err)
	}
}

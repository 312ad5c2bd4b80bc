package tpmdev_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"linekeep/drivers/tpm/tpmtest"
)

// unsealAim is what an unseal took of a software TPM when a program of three hundred lines tried it beforehand.
const unsealAim = 2.8 // ms

// BenchmarkChip prints a row for each operation, as the vault's benchmarks do: name | median | aim | met?
func BenchmarkChip(b *testing.B) {
	const rounds = 100
	d := ready(b, tpmtest.Start(b))
	owner, password := auth("owner"), auth("password")
	mustDo(b, func() error { return d.Own(b.Context(), owner, auth("lockout")) })
	const ahead = 1 << 40
	blob, err := d.Seal(b.Context(), make([]byte, 32), ahead)
	if err != nil {
		b.Fatal(err)
	}
	account, err := d.NewAccount(b.Context(), password)
	if err != nil {
		b.Fatal(err)
	}
	from := uint64(1)
	for _, operation := range []struct {
		name string
		aim  float64
		do   func() error
	}{
		{"unseal", unsealAim, func() error { _, err := d.Unseal(b.Context(), blob, ahead); return err }},
		{"seal", 0, func() error { _, err := d.Seal(b.Context(), make([]byte, 32), ahead); return err }},
		{"epoch", 0, func() error { _, err := d.Epoch(b.Context()); return err }},
		{"advance", 0, func() error { _, err := d.Advance(b.Context(), owner, from); from++; return err }},
		{"certify", 0, func() error { _, err := d.Certify(b.Context(), [32]byte{}); return err }},
		{"new account", 0, func() error { _, err := d.NewAccount(b.Context(), password); return err }},
		{"open account", 0, func() error { _, err := d.OpenAccount(b.Context(), account.Secret, password); return err }},
		{"sign", 0, func() error { _, err := d.Sign(b.Context(), account.Signing, password, [32]byte{}); return err }},
	} {
		took := make([]time.Duration, rounds)
		for i := range took {
			start := time.Now()
			mustDo(b, operation.do)
			took[i] = time.Since(start)
		}
		slices.Sort(took)
		row("software TPM: "+operation.name, float64(took[rounds/2])/1e6, operation.aim)
	}
}

func row(name string, ms, aim float64) {
	switch {
	case aim == 0:
		fmt.Printf("%s | %.2f ms |  | \n", name, ms)
	case ms <= aim:
		fmt.Printf("%s | %.2f ms | %.2f | yes\n", name, ms, aim)
	default:
		fmt.Printf("%s | %.2f ms | %.2f | NO\n", name, ms, aim)
	}
}

func mustDo(t testing.TB, do func() error) {
	t.Helper()
	if err := do(); err != nil {
		t.Fatal(err)
	}
}

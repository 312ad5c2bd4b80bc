package tpmdev_test

import (
	"testing"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmdev"
	"linekeep/drivers/tpm/tpmtest"
)

func BenchmarkSeal(b *testing.B) {
	d := ready(b, tpmtest.Start(b))
	for b.Loop() {
		mustDo(b, func() error { _, err := d.Seal(b.Context(), make([]byte, 32), 1); return err })
	}
}

func BenchmarkUnseal(b *testing.B) {
	d := ready(b, tpmtest.Start(b))
	blob, err := d.Seal(b.Context(), make([]byte, 32), 1)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		mustDo(b, func() error { _, err := d.Unseal(b.Context(), blob, 1); return err })
	}
}

func BenchmarkAdvance(b *testing.B) {
	d := ready(b, tpmtest.Start(b))
	owner := auth("owner")
	mustDo(b, func() error { return d.Own(b.Context(), owner, auth("lockout")) })
	for from := uint64(1); b.Loop(); from++ {
		mustDo(b, func() error { _, err := d.Advance(b.Context(), owner, from); return err })
	}
}

func BenchmarkEpoch(b *testing.B) {
	d := ready(b, tpmtest.Start(b))
	for b.Loop() {
		mustDo(b, func() error { _, err := d.Epoch(b.Context()); return err })
	}
}

func BenchmarkCertify(b *testing.B) {
	d := ready(b, tpmtest.Start(b))
	for b.Loop() {
		mustDo(b, func() error { _, err := d.Certify(b.Context(), [32]byte{}); return err })
	}
}

func benchAccount(b *testing.B) (*tpmdev.Device, tpm.Account, []byte) {
	b.Helper()
	d, secret := ready(b, tpmtest.Start(b)), auth("account")
	account, err := d.NewAccount(b.Context(), secret)
	if err != nil {
		b.Fatal(err)
	}
	return d, account, secret
}

func BenchmarkNewAccount(b *testing.B) {
	d, _, secret := benchAccount(b)
	for b.Loop() {
		mustDo(b, func() error { _, err := d.NewAccount(b.Context(), secret); return err })
	}
}

func BenchmarkOpenAccount(b *testing.B) {
	d, account, secret := benchAccount(b)
	for b.Loop() {
		mustDo(b, func() error { _, err := d.OpenAccount(b.Context(), account.Secret, secret); return err })
	}
}

func BenchmarkSign(b *testing.B) {
	d, account, secret := benchAccount(b)
	for b.Loop() {
		mustDo(b, func() error { _, err := d.Sign(b.Context(), account.Signing, secret, [32]byte{}); return err })
	}
}

func mustDo(t testing.TB, do func() error) {
	t.Helper()
	if err := do(); err != nil {
		t.Fatal(err)
	}
}

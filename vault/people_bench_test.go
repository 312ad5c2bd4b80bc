package vault_test

import (
	"sync/atomic"
	"testing"
	"time"

	"linekeep/drivers/tpm/tpmtest"
	people "linekeep/vault/custody/office"
	"linekeep/vault/custody/totp"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
	"linekeep/vault/vaulttest"
)

// BenchmarkSignIn signs the Controller in and out: two writings of the book's two copies, argon2id, the chip, and the
// custody key opened.
func BenchmarkSignIn(b *testing.B) {
	v := vaulttest.NewOn(b, "", tpmtest.Start(b).Open(b))
	var later atomic.Int64
	v.Config.Clock = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	v.Open()
	defer func() {
		if err := v.Close(b.Context()); err != nil {
			b.Error(err)
		}
	}()
	var took []time.Duration
	for b.Loop() {
		later.Add(int64(totp.Step)) // a code is good once
		a := people.Attempt{Name: v.Ann.Name, Password: v.Ann.Password(b), Address: "10.0.0.5",
			Code: v.Ann.Factor.Secret.Code(totp.StepAt(v.Config.Clock()))}
		start := time.Now()
		s, err := v.Vault.SignIn(b.Context(), a)
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
		s.End()
	}
	row("sign-in with argon2id on swtpm, p50", quantile(took, 0.5), "ms", 300)
	row("sign-in with argon2id on swtpm, p99", quantile(took, 0.99), "ms", 1000)
}

// BenchmarkRewrap is the arithmetic of a wrap, a wrap anew and a grant: what one core does of a new recovery code.
func BenchmarkRewrap(b *testing.B) {
	k, err := keys.Create(b.Context(), keys.Config{Dir: b.TempDir(), Clock: time.Now}, tpmtest.NewMemory())
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := k.Close(); err != nil {
			b.Error(err)
		}
	}()
	slot, err := k.Next(b.Context(), "standard", time.Now())
	if err != nil {
		b.Fatal(err)
	}
	var pairs [2]envelope.Private
	for i := range pairs {
		if pairs[i], err = envelope.New(); err != nil {
			b.Fatal(err)
		}
	}
	d, vaultID := seal.NewDataKey(), k.VaultID()
	var wrapping, moving, granting time.Duration
	n := 0
	for b.Loop() {
		n++
		start := time.Now()
		wrap, err := seal.Wrap(vaultID, slot, pairs[0].Public(), d)
		wrapping += time.Since(start)
		if err != nil {
			b.Fatal(err)
		}
		start = time.Now()
		if _, err := seal.Rewrap(vaultID, slot, pairs[0], pairs[1].Public(), wrap); err != nil {
			b.Fatal(err)
		}
		moving += time.Since(start)
		start = time.Now()
		if _, err := seal.WrapGranted(vaultID, slot, slot.ID, pairs[1].Public(), d); err != nil {
			b.Fatal(err)
		}
		granting += time.Since(start)
	}
	each := func(all time.Duration) float64 { return float64(all.Microseconds()) / float64(n) / 1000 }
	row("wrap a data key", each(wrapping), "ms", 0.25)
	row("wrap a call anew for a new recovery code", each(moving), "ms", 0.5)
	row("wrap a data key for a grant", each(granting), "ms", 0.25)
}

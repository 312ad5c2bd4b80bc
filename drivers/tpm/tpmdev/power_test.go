package tpmdev_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmdev"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/drivers/tpm/tpmtest/bus"
)

// TestAGoodSignInBeforeAPowerCutIsNoFailure is the box in a house with a bad fuse: more cuts than the lockout takes failures.
func TestAGoodSignInBeforeAPowerCutIsNoFailure(t *testing.T) {
	chip := tpmtest.Start(t)
	d, owner, password := ready(t, chip), auth("owner"), auth("password")
	mustDo(t, func() error { return d.Own(t.Context(), owner, auth("lockout")) })
	account, err := d.NewAccount(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	const ahead = 1 << 40
	blob, err := d.Seal(t.Context(), []byte("secret"), ahead)
	if err != nil {
		t.Fatal(err)
	}
	first := uint64(1)
	for i := range 40 {
		if _, err := d.OpenAccount(t.Context(), account.Secret, password); err != nil {
			t.Fatalf("sign-in %d: %v", i, err)
		}
		switch i % 4 { // what the box does between a sign-in and the cut
		case 1:
			mustDo(t, func() error { _, err := d.Sign(t.Context(), account.Signing, password, [32]byte{}); return err })
		case 2:
			mustDo(t, func() error { _, err := d.Advance(t.Context(), owner, first); return err })
			first++
		case 3:
			mustDo(t, func() error { _, err := d.Unseal(t.Context(), blob, ahead); return err })
		}
		chip.PowerCut(t)
	}
	if l, err := d.Lockout(t.Context()); err != nil || l.Failed != 0 || l.Locked {
		t.Errorf("Lockout: %+v, %v", l, err)
	}
	// The positive control: a use of the same account that does not tell the chip to expect a cut.
	useOnly(t, chip, account.Secret, password)
	chip.PowerCut(t)
	if l, err := d.Lockout(t.Context()); err != nil || l.Failed != 1 {
		t.Errorf("without the word to the chip: %+v, %v", l, err)
	}
}

// useOnly opens an account as anybody with the right password may.
func useOnly(t *testing.T, chip *tpmtest.Chip, blob tpm.Blob, password []byte) {
	t.Helper()
	wire := raw(t, chip)
	key, err := tpm2.ReadPublic{ObjectHandle: storageKey}.Execute(wire)
	if err != nil {
		t.Fatal(err)
	}
	size := 2 + int(blob[0])<<8 + int(blob[1])
	public, err := tpm2.Unmarshal[tpm2.TPM2BPublic](blob[:size])
	if err != nil {
		t.Fatal(err)
	}
	private, err := tpm2.Unmarshal[tpm2.TPM2BPrivate](blob[size:])
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := tpm2.Load{
		ParentHandle: tpm2.AuthHandle{Handle: storageKey, Name: key.Name, Auth: tpm2.PasswordAuth(nil)}, InPublic: *public, InPrivate: *private,
	}.Execute(wire)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tpm2.Unseal{ItemHandle: tpm2.AuthHandle{Handle: loaded.ObjectHandle, Name: loaded.Name, Auth: tpm2.PasswordAuth(password)}}.Execute(wire)
	if errors.Is(err, tpm2.TPMRCRetry) { // the chip first makes a note that it may be cut off now
		_, err = tpm2.Unseal{ItemHandle: tpm2.AuthHandle{Handle: loaded.ObjectHandle, Name: loaded.Name, Auth: tpm2.PasswordAuth(password)}}.Execute(wire)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// cutAt loses the n-th command of all, or the reply to it, and everything after it.
func cutAt(n int, reply bool) (rule bus.Rule, came *bool) {
	came = new(bool)
	return func([]byte) bus.Verdict {
		n--
		*came = *came || n <= 0
		return bus.Verdict{LoseCommand: n < 0 || n == 0 && !reply, LoseReply: n == 0 && reply}
	}, came
}

// atEveryCommand runs an operation on fresh chips and takes the power away at its first command, at its second, and so on, until one
// run has no such command any more. After asks whether what is left is good.
func atEveryCommand(t *testing.T, before, operate func(d *tpmdev.Device) error, after func(n int, d *tpmdev.Device)) {
	t.Helper()
	for n := 1; ; n++ {
		chip := tpmtest.Start(t)
		tap := bus.Listen(t, chip.Socket, nil)
		d := chip.OpenAt(t, tap.Socket, chip.Demo)
		mustDo(t, func() error { return before(d) })
		rule, came := cutAt(n, n%2 == 0)
		tap.Obey(rule)
		err := operate(d)
		tap.Obey(nil)
		if !*came {
			if err != nil || n < 5 {
				t.Errorf("uncut, after %d commands: %v", n-1, err)
			}
			return
		}
		if err != nil && !errors.Is(err, tpm.ErrUnavailable) {
			t.Errorf("cut at command %d: got %v, want ErrUnavailable", n, err)
		}
		chip.PowerCut(t)
		after(n, d)
		chip.Stop()
	}
}

func TestPreparingMayBeCutAtEveryCommand(t *testing.T) {
	prepare := func(d *tpmdev.Device) error { _, err := d.Prepare(t.Context()); return err }
	atEveryCommand(t, func(*tpmdev.Device) error { return nil }, prepare, func(n int, d *tpmdev.Device) {
		if err := prepare(d); err != nil {
			t.Errorf("after a cut at command %d: %v", n, err)
			return
		}
		mustDo(t, func() error { return d.Own(t.Context(), auth("owner"), auth("lockout")) })
		at, err := d.Epoch(t.Context())
		if err != nil || at == 0 {
			t.Errorf("after a cut at command %d: epoch %d, %v", n, at, err)
		}
		if l, err := d.Lockout(t.Context()); err != nil || l.Max != tpm.LockoutAfter {
			t.Errorf("after a cut at command %d: %+v, %v", n, l, err)
		}
		blob, err := d.Seal(t.Context(), []byte("secret"), at)
		if err != nil {
			t.Errorf("after a cut at command %d: %v", n, err)
		}
		if back, err := d.Unseal(t.Context(), blob, at); err != nil || !bytes.Equal(back, []byte("secret")) {
			t.Errorf("after a cut at command %d: %v", n, err)
		}
	})
}

func TestOwningMayBeCutAtEveryCommand(t *testing.T) {
	own := func(d *tpmdev.Device) error { return d.Own(t.Context(), auth("owner"), auth("lockout")) }
	prepare := func(d *tpmdev.Device) error { _, err := d.Prepare(t.Context()); return err }
	atEveryCommand(t, prepare, own, func(n int, d *tpmdev.Device) {
		if err := own(d); err != nil {
			t.Errorf("after a cut at command %d: %v", n, err)
		}
		if owner, lockout, err := d.Owned(t.Context()); !owner || !lockout || err != nil {
			t.Errorf("after a cut at command %d: %t, %t, %v", n, owner, lockout, err)
		}
		if _, err := d.Advance(t.Context(), auth("owner"), 1); err != nil {
			t.Errorf("after a cut at command %d: %v", n, err)
		}
	})
}

func TestAdvancingMayBeCutAtEveryCommand(t *testing.T) {
	seen := make(map[uint64]int)
	before := func(d *tpmdev.Device) error {
		if _, err := d.Prepare(t.Context()); err != nil {
			return err
		}
		return d.Own(t.Context(), auth("owner"), auth("lockout"))
	}
	advance := func(d *tpmdev.Device) error { _, err := d.Advance(t.Context(), auth("owner"), 1); return err }
	atEveryCommand(t, before, advance, func(n int, d *tpmdev.Device) {
		at, err := d.Epoch(t.Context())
		if err != nil || at != 1 && at != 2 {
			t.Errorf("after a cut at command %d: epoch %d, %v", n, at, err)
		}
		seen[at]++
		if next, err := d.Advance(t.Context(), auth("owner"), at); err != nil || next != at+1 {
			t.Errorf("after a cut at command %d: from %d to %d, %v", n, at, next, err)
		}
		if l, err := d.Lockout(t.Context()); err != nil || l.Failed != 0 {
			t.Errorf("after a cut at command %d: %+v, %v", n, l, err)
		}
	})
	if seen[1] < 2 || seen[2] < 2 {
		t.Errorf("the counter was left where it was, or moved, %v times", seen)
	}
}

package tpmdev_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"
	"go.uber.org/goleak"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmdemo"
	"linekeep/drivers/tpm/tpmdev"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/drivers/tpm/tpmtest/bus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestASoftwareTPMKeepsEveryPromise(t *testing.T) {
	tpmtest.Run(t, func(t *testing.T) (chip, other tpm.Chip) {
		return tpmtest.Start(t).Open(t), tpmtest.Start(t).Open(t)
	})
}

// raw speaks to a chip beside the driver.
func raw(t *testing.T, chip *tpmtest.Chip) transport.TPM {
	t.Helper()
	wire, err := linuxudstpm.Open(chip.Socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = wire.Close() })
	return wire
}

// measure extends a PCR, as another boot would have.
func measure(t *testing.T, chip *tpmtest.Chip, pcr uint32) {
	t.Helper()
	_, err := tpm2.PCRExtend{
		PCRHandle: tpm2.AuthHandle{Handle: tpm2.TPMHandle(pcr), Auth: tpm2.PasswordAuth(nil)},
		Digests: tpm2.TPMLDigestValues{Digests: []tpm2.TPMTHA{
			{HashAlg: tpm2.TPMAlgSHA256, Digest: bytes.Repeat([]byte{1}, 32)},
		}},
	}.Execute(raw(t, chip))
	if err != nil {
		t.Fatalf("PCRExtend: %v", err)
	}
}

// ready opens a chip and prepares it.
func ready(t testing.TB, chip *tpmtest.Chip) *tpmdev.Device {
	t.Helper()
	d := chip.Open(t)
	tpmtest.Prepared(t, d)
	return d
}

func mustSeal(t *testing.T, d *tpmdev.Device, secret []byte) tpm.Blob {
	t.Helper()
	tpmtest.Prepared(t, d)
	blob, err := d.Seal(t.Context(), secret, 1)
	if err != nil {
		t.Fatalf("Seal: %v", err)
	}
	return blob
}

func wantUnseal(t *testing.T, d *tpmdev.Device, blob tpm.Blob, want error) {
	t.Helper()
	secret, err := d.Unseal(t.Context(), blob, 1)
	if !errors.Is(err, want) {
		t.Errorf("Unseal: got %v, want %v", err, want)
	}
	if want == nil && string(secret) != "secret" {
		t.Errorf("another secret came back")
	}
}

func TestAnUnsignedStateIsRefusedAndASignatureOpensTheSameBlob(t *testing.T) {
	chip := tpmtest.Start(t)
	old := ready(t, chip)
	blob := mustSeal(t, old, []byte("secret"))
	wantUnseal(t, old, blob, nil)
	measure(t, chip, 12) // outside the policy
	wantUnseal(t, old, blob, nil)
	measure(t, chip, 11)
	wantUnseal(t, old, blob, tpm.ErrRefused)
	wantUnseal(t, chip.OpenWith(t, chip.Sign(t, tpmdev.RefDemo)), blob, nil)
	wantUnseal(t, old, blob, tpm.ErrRefused)
}

func TestABlobOfOnePurposeIsRefusedForAnother(t *testing.T) {
	chip := tpmtest.Start(t)
	blob := mustSeal(t, chip.OpenWith(t, chip.Release), []byte("secret"))
	wantUnseal(t, chip.OpenWith(t, chip.Demo), blob, tpm.ErrRefused)
	wantUnseal(t, chip.OpenWith(t, chip.Release), blob, nil)
}

func TestAnotherVendorsSignatureIsRefused(t *testing.T) {
	chip := tpmtest.Start(t)
	blob := mustSeal(t, ready(t, chip), []byte("secret"))
	stranger, err := tpmdemo.NewVendor()
	if err != nil {
		t.Fatal(err)
	}
	policy, err := tpmdemo.Sign(stranger, tpmdev.RefDemo, tpmdemo.PCRs(), chip.Demo.Approved)
	if err != nil {
		t.Fatal(err)
	}
	wantUnseal(t, chip.OpenWith(t, policy), blob, tpm.ErrRefused)
}

func TestADeadChipIsUnavailable(t *testing.T) {
	chip := tpmtest.Start(t)
	d := ready(t, chip)
	blob := mustSeal(t, d, []byte("secret"))
	chip.Stop()
	wantUnseal(t, d, blob, tpm.ErrUnavailable)
	if _, err := d.Seal(t.Context(), []byte("x"), 1); !errors.Is(err, tpm.ErrUnavailable) {
		t.Errorf("Seal: %v", err)
	}
	for _, path := range []string{chip.Socket, "/nonexistent", "/etc/passwd"} {
		if _, err := tpmdev.Open(t.Context(), path, chip.Demo, tpmdev.RefDemo); !errors.Is(err, tpm.ErrUnavailable) {
			t.Errorf("Open %s: %v", path, err)
		}
	}
}

func TestAChipThatHangsIsGivenUpWithTheContext(t *testing.T) {
	chip := tpmtest.Start(t)
	path := filepath.Join(filepath.Dir(chip.Socket), "hangs")
	listener, err := net.Listen("unix", path) // takes the connection and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := tpmdev.Open(ctx, path, chip.Demo, tpmdev.RefDemo); !errors.Is(err, tpm.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// loaded lists what a chip holds that should have been freed.
func loaded(t *testing.T, chip *tpmtest.Chip) (handles []tpm2.TPMHandle) {
	t.Helper()
	for _, kind := range []uint32{0x80000000, 0x02000000} {
		response, err := tpm2.GetCapability{Capability: tpm2.TPMCapHandles, Property: kind, PropertyCount: 64}.Execute(raw(t, chip))
		if err != nil {
			t.Fatal(err)
		}
		list, err := response.CapabilityData.Data.Handles()
		if err != nil {
			t.Fatal(err)
		}
		handles = append(handles, list.Handle...)
	}
	return handles
}

func TestNothingStaysLoadedAfterManyRounds(t *testing.T) {
	chip := tpmtest.Start(t)
	d := ready(t, chip)
	for range 50 {
		blob := mustSeal(t, d, []byte("secret"))
		wantUnseal(t, d, blob, nil)
		bad := bytes.Clone(blob)
		bad[len(bad)-1] ^= 1
		wantUnseal(t, d, bad, tpm.ErrRefused)
	}
	measure(t, chip, 7)
	wantUnseal(t, d, mustSeal(t, d, []byte("secret")), tpm.ErrRefused)
	if left := loaded(t, chip); len(left) != 0 {
		t.Errorf("still loaded: %x", left)
	}
}

func TestWhatAKilledProcessLeftLoadedIsFreed(t *testing.T) {
	chip := tpmtest.Start(t)
	d := ready(t, chip)
	for range 3 { // all the slots there are
		if _, err := (tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(tpm2.ECCSRKTemplate)}).Execute(raw(t, chip)); err != nil {
			t.Fatal(err)
		}
	}
	wantUnseal(t, d, mustSeal(t, d, []byte("secret")), nil)
	if left := loaded(t, chip); len(left) != 0 {
		t.Errorf("still loaded: %x", left)
	}
}

func TestAStrangersKeyInOurPlaceIsRefused(t *testing.T) {
	chip := tpmtest.Start(t)
	made, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(tpm2.ECCEKTemplate)}.Execute(raw(t, chip))
	if err != nil {
		t.Fatal(err)
	}
	_, err = tpm2.EvictControl{
		Auth:             tpm2.TPMRHOwner,
		ObjectHandle:     &tpm2.NamedHandle{Handle: made.ObjectHandle, Name: made.Name},
		PersistentHandle: 0x81004C4B,
	}.Execute(raw(t, chip))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tpmdev.Open(t.Context(), chip.Socket, chip.Demo, tpmdev.RefDemo); !errors.Is(err, tpm.ErrRefused) {
		t.Errorf("got %v, want ErrRefused", err)
	}
}

func TestABusyChipIsAskedAgain(t *testing.T) {
	chip := tpmtest.Start(t)
	for _, code := range []tpm2.TPMRC{tpm2.TPMRCRetry, tpm2.TPMRCYielded, tpm2.TPMRCTesting, tpm2.TPMRCNVRate} {
		d := chip.OpenAt(t, bus.Listen(t, chip.Socket, bus.Busy(uint32(code), 5, 0)).Socket, chip.Demo)
		wantUnseal(t, d, mustSeal(t, d, []byte("secret")), nil)
	}
}

func TestAPCRThatMovesBetweenPolicyAndUseBuildsTheSessionAnew(t *testing.T) {
	chip := tpmtest.Start(t)
	blob := mustSeal(t, chip.Open(t), []byte("secret"))
	for times, want := range map[int]error{1: nil, 2: nil, 100: tpm.ErrUnavailable} {
		tap := bus.Listen(t, chip.Socket, bus.Busy(uint32(tpm2.TPMRCPCRChanged), times, bus.Unseal))
		wantUnseal(t, chip.OpenAt(t, tap.Socket, chip.Demo), blob, want)
	}
	if left := loaded(t, chip); len(left) != 0 {
		t.Errorf("still loaded: %x", left)
	}
}

func TestAChipWithoutRoomIsSweptAndAskedOnceMore(t *testing.T) {
	chip := tpmtest.Start(t)
	blob := mustSeal(t, chip.Open(t), []byte("secret"))
	for _, code := range []tpm2.TPMRC{tpm2.TPMRCObjectMemory, tpm2.TPMRCSessionMemory, tpm2.TPMRCMemory} {
		for times, want := range map[int]error{1: nil, 2: tpm.ErrUnavailable} {
			tap := bus.Listen(t, chip.Socket, bus.Busy(uint32(code), times, tpm2.TPMCCLoad))
			wantUnseal(t, chip.OpenAt(t, tap.Socket, chip.Demo), blob, want)
		}
	}
}

func TestALockedOutChipIsUnavailableNotRefused(t *testing.T) {
	chip := tpmtest.Start(t)
	blob := mustSeal(t, chip.Open(t), []byte("secret"))
	tap := bus.Listen(t, chip.Socket, bus.Busy(uint32(tpm2.TPMRCLockout), 100, bus.Unseal))
	wantUnseal(t, chip.OpenAt(t, tap.Socket, chip.Demo), blob, tpm.ErrUnavailable)
}

func TestAChipThatTalksNonsenseIsUnavailable(t *testing.T) {
	chip := tpmtest.Start(t)
	for _, response := range [][]byte{{0}, bytes.Repeat([]byte{0xff}, 20), {0x80, 1, 0, 0, 0, 4, 0, 0, 0, 0}, {0x80, 1, 0, 0, 0, 10, 0, 0, 0, 0, 1, 2}} {
		tap := bus.Listen(t, chip.Socket, func([]byte) bus.Verdict { return bus.Verdict{Answer: response} })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if _, err := tpmdev.Open(ctx, tap.Socket, chip.Demo, tpmdev.RefDemo); !errors.Is(err, tpm.ErrUnavailable) {
			t.Errorf("%x: got %v", response, err)
		}
		cancel()
	}
}

func TestTheVendorsSignatureIsVerifiedOnceAndAgainWhenTheChipForgot(t *testing.T) {
	chip := tpmtest.Start(t)
	blob := mustSeal(t, chip.Open(t), []byte("secret"))
	tap := bus.Listen(t, chip.Socket, nil)
	d := chip.OpenAt(t, tap.Socket, chip.Demo)
	verified := func(want int) {
		t.Helper()
		for _, x := range tap.Trace() {
			if x.Code() == tpm2.TPMCCVerifySignature {
				want--
			}
		}
		if want != 0 {
			t.Errorf("verified %d times less than wanted", want)
		}
	}
	wantUnseal(t, d, blob, nil)
	wantUnseal(t, d, blob, nil)
	chip.PowerCut(t)
	wantUnseal(t, d, blob, nil)
	verified(1)
	tap.Obey(bus.Busy(uint32(tpm2.TPMRCTicket), 1, tpm2.TPMCCPolicyAuthorize))
	wantUnseal(t, d, blob, nil)
	verified(2)
	tap.Obey(bus.Busy(uint32(tpm2.TPMRCTicket), 100, tpm2.TPMCCPolicyAuthorize))
	wantUnseal(t, d, blob, tpm.ErrRefused)
}

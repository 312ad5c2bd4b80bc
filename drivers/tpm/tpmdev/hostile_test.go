package tpmdev_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
)

const (
	storageKey tpm2.TPMHandle = 0x81004C4B
	counter    tpm2.TPMHandle = 0x01804C4B
)

// attempt is what another program on the machine, which has the chip's device but no authorisation, can ask it for.
type attempt struct {
	name string
	make func(wire transport.TPM, id tpm.Identity) error
}

// attempts stand in an order in which each works on a chip that nobody owns.
var attempts = []attempt{
	{"prove to be the owner", func(wire transport.TPM, _ tpm.Identity) error {
		session, done, err := tpm2.PolicySession(wire, tpm2.TPMAlgSHA256, 16)
		if err != nil {
			return err
		}
		_, err = tpm2.PolicySecret{AuthHandle: tpm2.TPMRHOwner, PolicySession: session.Handle(), NonceTPM: session.NonceTPM()}.Execute(wire)
		return errors.Join(err, done())
	}},
	{"change the owner", func(wire transport.TPM, _ tpm.Identity) error {
		_, err := tpm2.HierarchyChangeAuth{AuthHandle: tpm2.TPMRHOwner}.Execute(wire)
		return err
	}},
	{"make another counter", func(wire transport.TPM, _ tpm.Identity) error {
		_, err := tpm2.NVDefineSpace{AuthHandle: tpm2.TPMRHOwner, PublicInfo: tpm2.New2B(tpm2.TPMSNVPublic{
			NVIndex: 0x01804C4D, NameAlg: tpm2.TPMAlgSHA256, DataSize: 8,
			Attributes: tpm2.TPMANV{NT: tpm2.TPMNTCounter, AuthRead: true, AuthWrite: true},
		})}.Execute(wire)
		return err
	}},
	{"remove the counter", func(wire transport.TPM, id tpm.Identity) error {
		_, err := tpm2.NVUndefineSpace{
			AuthHandle: tpm2.TPMRHOwner, NVIndex: tpm2.NamedHandle{Handle: counter, Name: tpm2.TPM2BName{Buffer: id.Counter}},
		}.Execute(wire)
		return err
	}},
	{"remove the storage key", func(wire transport.TPM, id tpm.Identity) error {
		_, err := tpm2.EvictControl{
			Auth: tpm2.TPMRHOwner, PersistentHandle: storageKey,
			ObjectHandle: &tpm2.NamedHandle{Handle: storageKey, Name: tpm2.TPM2BName{Buffer: id.Storage}},
		}.Execute(wire)
		return err
	}},
	{"clear the chip as its platform", func(wire transport.TPM, _ tpm.Identity) error {
		_, err := tpm2.Clear{AuthHandle: tpm2.TPMRHPlatform}.Execute(wire)
		return err
	}},
	{"clear the chip by the lockout", func(wire transport.TPM, _ tpm.Identity) error {
		_, err := tpm2.Clear{AuthHandle: tpm2.TPMRHLockout}.Execute(wire)
		return err
	}},
}

func TestAnotherProgramWithoutAuthorisationChangesNothing(t *testing.T) {
	chip := tpmtest.Start(t)
	d, owner := ready(t, chip), auth("owner")
	id, err := d.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mustDo(t, func() error { return d.Own(t.Context(), owner, auth("lockout")) })
	blob := mustSeal(t, d, []byte("secret"))
	chip.PowerCut(t)
	d = chip.Open(t) // as at each boot
	wire := raw(t, chip)
	for _, a := range attempts {
		var code tpm2.TPMRC
		if err := a.make(wire, id); !errors.As(err, &code) {
			t.Errorf("%s: %v", a.name, err)
		}
	}
	index := tpm2.NamedHandle{Handle: counter, Name: tpm2.TPM2BName{Buffer: id.Counter}}
	for name, handle := range map[string]tpm2.AuthHandle{
		"as anybody":      {Handle: counter, Name: index.Name, Auth: tpm2.PasswordAuth(nil)},
		"as the owner":    {Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)},
		"as the platform": {Handle: tpm2.TPMRHPlatform, Auth: tpm2.PasswordAuth(nil)},
	} {
		var code tpm2.TPMRC
		if _, err := (tpm2.NVIncrement{AuthHandle: handle, NVIndex: index}).Execute(wire); !errors.As(err, &code) {
			t.Errorf("move the counter %s: %v", name, err)
		}
	}
	if at, err := d.Epoch(t.Context()); err != nil || at != 1 {
		t.Errorf("the counter stands at %d, %v", at, err)
	}
	wantUnseal(t, d, blob, nil)
	mustDo(t, func() error { _, err := d.Advance(t.Context(), owner, 1); return err })
}

// TestWithoutOwnerAndPlatformAnybodyDoes is the positive control: the same on a chip that is only prepared, before this boot's Open.
func TestWithoutOwnerAndPlatformAnybodyDoes(t *testing.T) {
	chip := tpmtest.Start(t)
	id, err := ready(t, chip).Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	chip.PowerCut(t)
	for _, a := range attempts {
		if err := a.make(raw(t, chip), id); err != nil {
			t.Errorf("%s: %v", a.name, err)
		}
	}
}

func TestAFirmwareThatShutThePlatformFirstIsWelcome(t *testing.T) {
	chip := tpmtest.Start(t)
	for name, shut := range map[string]func(transport.TPM) error{
		"by an authorisation": func(wire transport.TPM) error {
			_, err := tpm2.HierarchyChangeAuth{AuthHandle: tpm2.TPMRHPlatform, NewAuth: tpm2.TPM2BAuth{Buffer: []byte("firmware")}}.Execute(wire)
			return err
		},
		"for good": func(wire transport.TPM) error { // TPM2_HierarchyControl, which go-tpm lacks
			response, err := wire.Send([]byte{
				0x80, 2, 0, 0, 0, 32, 0, 0, 1, 0x21, 0x40, 0, 0, 0x0c, 0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0,
				0x40, 0, 0, 0x0c, 0,
			})
			if err == nil && !bytes.Equal(response[6:10], make([]byte, 4)) {
				return errors.New("refused")
			}
			return err
		},
	} {
		chip.PowerCut(t)
		if err := shut(raw(t, chip)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		d := chip.Open(t)
		wantUnseal(t, d, mustSeal(t, d, []byte("secret")), nil)
	}
}

func TestAChipOfAnotherOwnerIsNotTakenOver(t *testing.T) {
	chip := tpmtest.Start(t)
	_, err := tpm2.HierarchyChangeAuth{AuthHandle: tpm2.TPMRHOwner, NewAuth: tpm2.TPM2BAuth{Buffer: []byte("somebody")}}.Execute(raw(t, chip))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chip.Open(t).Prepare(t.Context()); !errors.Is(err, tpm.ErrOwned) {
		t.Errorf("got %v, want ErrOwned", err)
	}
	locked := tpmtest.Start(t)
	_, err = tpm2.HierarchyChangeAuth{AuthHandle: tpm2.TPMRHLockout, NewAuth: tpm2.TPM2BAuth{Buffer: []byte("somebody")}}.Execute(raw(t, locked))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := locked.Open(t).Prepare(t.Context()); !errors.Is(err, tpm.ErrOwned) {
		t.Errorf("of the lockout: got %v, want ErrOwned", err)
	}
}

func TestTheStorageKeyIsOutsideTheLockoutAndOlderThanTheOwner(t *testing.T) {
	chip := tpmtest.Start(t)
	d := ready(t, chip)
	if owner, lockout, err := d.Owned(t.Context()); owner || lockout || err != nil {
		t.Errorf("after Prepare: %t, %t, %v", owner, lockout, err)
	}
	key, err := tpm2.ReadPublic{ObjectHandle: storageKey}.Execute(raw(t, chip))
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.OutPublic.Contents()
	if err != nil || !public.ObjectAttributes.NoDA || !public.ObjectAttributes.Restricted || !public.ObjectAttributes.Decrypt {
		t.Errorf("the storage key is %+v, %v", public, err)
	}
	index, err := tpm2.NVReadPublic{NVIndex: counter}.Execute(raw(t, chip))
	if err != nil {
		t.Fatal(err)
	}
	nv, err := index.NVPublic.Contents()
	if err != nil || !nv.Attributes.NoDA || nv.Attributes.OwnerWrite || nv.Attributes.AuthWrite || !nv.Attributes.PolicyWrite {
		t.Errorf("the counter is %+v, %v", nv, err)
	}
}

// TestACopiedAccountIsGuessedAtNowhereElse is somebody with a copy of the disk and a TPM of the same make.
func TestACopiedAccountIsGuessedAtNowhereElse(t *testing.T) {
	own, theirs := ready(t, tpmtest.Start(t)), ready(t, tpmtest.Start(t))
	right := auth("password")
	account, err := own.NewAccount(t.Context(), right)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		guess := auth(string(rune('a' + i)))
		if i == 20 {
			guess = right
		}
		if _, err := theirs.OpenAccount(t.Context(), account.Secret, guess); !errors.Is(err, tpm.ErrRefused) || errors.Is(err, tpm.ErrWrongAuth) {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	if l, err := theirs.Lockout(t.Context()); err != nil || l.Failed != 0 {
		t.Errorf("the chip compared something: %+v, %v", l, err)
	}
	if _, err := own.OpenAccount(t.Context(), account.Secret, right); err != nil {
		t.Errorf("at home: %v", err)
	}
}

// TestACounterMadeAnewGoesOn is about an owner who removes it to turn it back.
func TestACounterMadeAnewGoesOn(t *testing.T) {
	chip := tpmtest.Start(t)
	d := ready(t, chip)
	blob := mustSeal(t, d, []byte("secret"))
	for from := range uint64(4) {
		mustDo(t, func() error { _, err := d.Advance(t.Context(), nil, from+1); return err })
	}
	id, err := d.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = tpm2.NVUndefineSpace{
		AuthHandle: tpm2.TPMRHOwner, NVIndex: tpm2.NamedHandle{Handle: counter, Name: tpm2.TPM2BName{Buffer: id.Counter}},
	}.Execute(raw(t, chip))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Epoch(t.Context()); !errors.Is(err, tpm.ErrNotReady) {
		t.Errorf("without a counter: Epoch: %v", err)
	}
	if _, err := d.Unseal(t.Context(), blob, 1); !errors.Is(err, tpm.ErrNotReady) {
		t.Errorf("without a counter: Unseal: %v", err)
	}
	if _, err := d.Certify(t.Context(), [32]byte{}); !errors.Is(err, tpm.ErrNotReady) {
		t.Errorf("without a counter: Certify: %v", err)
	}
	anew := ready(t, chip)
	if at, err := anew.Epoch(t.Context()); err != nil || at < 6 {
		t.Errorf("it stands at %d, %v; it stood at 5", at, err)
	}
	if _, err := anew.Unseal(t.Context(), blob, 1); !errors.Is(err, tpm.ErrSpent) {
		t.Errorf("Unseal: %v", err)
	}
}

// TestAnObjectOfAStrangersMakingIsNotUsed has somebody put, in place of an account, one that they made with the same chip under
// an authorisation of theirs, and outside the lockout.
func TestAnObjectOfAStrangersMakingIsNotUsed(t *testing.T) {
	chip := tpmtest.Start(t)
	d := ready(t, chip)
	key, err := tpm2.ReadPublic{ObjectHandle: storageKey}.Execute(raw(t, chip))
	if err != nil {
		t.Fatal(err)
	}
	password := make([]byte, 32)
	rand.Read(password)
	made, err := tpm2.Create{
		ParentHandle: tpm2.AuthHandle{Handle: storageKey, Name: key.Name, Auth: tpm2.PasswordAuth(nil)},
		InSensitive: tpm2.TPM2BSensitiveCreate{Sensitive: &tpm2.TPMSSensitiveCreate{
			UserAuth: tpm2.TPM2BAuth{Buffer: auth("password")},
			Data:     tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: password}),
		}},
		InPublic: tpm2.New2B(tpm2.TPMTPublic{
			Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256,
			ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, UserWithAuth: true, NoDA: true},
		}),
	}.Execute(raw(t, chip))
	if err != nil {
		t.Fatal(err)
	}
	blob := tpm.Blob(append(tpm2.Marshal(made.OutPublic), tpm2.Marshal(made.OutPrivate)...))
	if _, err := d.OpenAccount(t.Context(), blob, auth("password")); !errors.Is(err, tpm.ErrRefused) {
		t.Errorf("OpenAccount: got %v, want ErrRefused", err)
	}
	if _, err := d.Unseal(t.Context(), blob, 1); !errors.Is(err, tpm.ErrRefused) {
		t.Errorf("Unseal: got %v, want ErrRefused", err)
	}
}

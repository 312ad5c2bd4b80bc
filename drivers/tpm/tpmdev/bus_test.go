package tpmdev_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmdev"
	"linekeep/drivers/tpm/tpmtest"
	"linekeep/drivers/tpm/tpmtest/bus"
)

// auth makes an authorisation that a test can tell from every other, with no zero byte in it.
func auth(name string) []byte {
	sum := sha256.Sum256([]byte(name))
	for i := range sum {
		sum[i] |= 1
	}
	return sum[:]
}

// secrets are what must not cross, by what they are.
type secrets map[string][]byte

// visible are those that crossed in clear, even a quarter of one.
func (s secrets) visible(trace bus.Trace) (names []string) {
	return s.in(trace.Contains)
}

func (s secrets) in(contains func([]byte) bool) (names []string) {
	const part = 8
	for name, secret := range s {
		for i := 0; i+part <= len(secret); i++ {
			if contains(secret[i : i+part]) {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

// eavesdropper knows what is public about a chip, and has the right authorisations among its guesses: what it cannot do is
// tell that they are.
func eavesdropper(t *testing.T, chip *tpmtest.Chip, s secrets) *bus.Eavesdropper {
	t.Helper()
	id, err := chip.Open(t).Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := &bus.Eavesdropper{Public: [][]byte{id.Storage, id.Counter, id.Attest}, Names: map[uint32][]byte{0x81004C4B: id.Storage, 0x01804C4B: id.Counter}}
	for _, handle := range []tpm2.TPMHandle{0x81004C4B, 0x81004C4C} {
		key, err := tpm2.ReadPublic{ObjectHandle: handle}.Execute(raw(t, chip))
		if err != nil {
			t.Fatal(err)
		}
		public, err := key.OutPublic.Contents()
		if err != nil {
			t.Fatal(err)
		}
		point, err := public.Unique.ECC()
		if err != nil {
			t.Fatal(err)
		}
		e.Public = append(e.Public, point.X.Buffer, point.Y.Buffer, append(bytes.Clone(point.X.Buffer), point.Y.Buffer...))
		e.Names[uint32(handle)] = key.Name.Buffer
	}
	for _, guess := range s {
		e.Guesses = append(e.Guesses, guess)
	}
	return e
}

// aWholeLife does everything that a box does with its chip, across a tap, and gives what was secret in it.
func aWholeLife(t *testing.T, d *tpmdev.Device) secrets {
	t.Helper()
	s := secrets{"owner": auth("owner"), "lockout": auth("lockout"), "password": auth("password"), "root": auth("root"), "wrong": auth("wrong")}
	tpmtest.Prepared(t, d)
	mustDo(t, func() error { return d.Own(t.Context(), s["owner"], s["lockout"]) })
	mustDo(t, func() error { return d.Own(t.Context(), s["owner"], s["lockout"]) })
	blob, err := d.Seal(t.Context(), s["root"], 2)
	if err != nil {
		t.Fatal(err)
	}
	mustDo(t, func() error { _, err := d.Advance(t.Context(), s["owner"], 1); return err })
	if back, err := d.Unseal(t.Context(), blob, 2); err != nil || !bytes.Equal(back, s["root"]) {
		t.Fatalf("Unseal: %v", err)
	}
	account, err := d.NewAccount(t.Context(), s["password"])
	if err != nil {
		t.Fatal(err)
	}
	if s["account"], err = d.OpenAccount(t.Context(), account.Secret, s["password"]); err != nil {
		t.Fatal(err)
	}
	if _, err := d.OpenAccount(t.Context(), account.Secret, s["wrong"]); !errors.Is(err, tpm.ErrWrongAuth) {
		t.Fatalf("a wrong password: %v", err)
	}
	mustDo(t, func() error { _, err := d.Sign(t.Context(), account.Signing, s["password"], [32]byte{}); return err })
	mustDo(t, func() error { _, err := d.Certify(t.Context(), [32]byte{}); return err })
	mustDo(t, func() error { return d.Unlock(t.Context(), s["lockout"]) })
	return s
}

func TestWhoeverReadsTheBusLearnsNothing(t *testing.T) {
	chip := tpmtest.Start(t)
	tap := bus.Listen(t, chip.Socket, nil)
	s := aWholeLife(t, chip.OpenAt(t, tap.Socket, chip.Demo))
	trace := tap.Trace()
	if names := s.visible(trace); len(names) > 0 {
		t.Errorf("in clear: %v", names)
	}
	found := eavesdropper(t, chip, s).Read(trace)
	if names := s.in(found.Holds); len(names) > 0 {
		t.Errorf("found out: %v", names)
	}
	if len(found.Guessed) > 0 {
		t.Errorf("%d HMACs could be checked", len(found.Guessed))
	}
	if found.Sessions < 20 || len(found.Plain) < 500 {
		t.Errorf("only %d sessions and %d decryptions tried", found.Sessions, len(found.Plain))
	}
}

// TestAnEavesdropperReadsUnsaltedSessions is the positive control: what the driver does, done without salt.
func TestAnEavesdropperReadsUnsaltedSessions(t *testing.T) {
	chip := tpmtest.Start(t)
	id := ready(t, chip)
	storage, err := id.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tap := bus.Listen(t, chip.Socket, nil)
	wire, err := linuxudstpm.Open(tap.Socket)
	if err != nil {
		t.Fatal(err)
	}
	s := secrets{"sealed": auth("sealed"), "password": auth("password"), "owner": auth("owner")}
	unsalted := func(options ...tpm2.AuthOption) tpm2.Session { return tpm2.HMAC(tpm2.TPMAlgSHA256, 16, options...) }
	made, err := tpm2.Create{
		ParentHandle: tpm2.AuthHandle{Handle: 0x81004C4B, Name: tpm2.TPM2BName{Buffer: storage.Storage}, Auth: unsalted(tpm2.AESEncryption(128, tpm2.EncryptIn))},
		InSensitive: tpm2.TPM2BSensitiveCreate{Sensitive: &tpm2.TPMSSensitiveCreate{
			UserAuth: tpm2.TPM2BAuth{Buffer: s["password"]},
			Data:     tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: s["sealed"]}),
		}},
		InPublic: tpm2.New2B(tpm2.TPMTPublic{
			Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, UserWithAuth: true},
		}),
	}.Execute(wire)
	if err != nil {
		t.Fatal(err)
	}
	created := tap.Trace()
	loaded, err := tpm2.Load{
		ParentHandle: tpm2.AuthHandle{Handle: 0x81004C4B, Name: tpm2.TPM2BName{Buffer: storage.Storage}, Auth: tpm2.PasswordAuth(nil)},
		InPublic:     made.OutPublic, InPrivate: made.OutPrivate,
	}.Execute(wire)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tpm2.Unseal{ItemHandle: tpm2.AuthHandle{Handle: loaded.ObjectHandle, Name: loaded.Name, Auth: unsalted(tpm2.Auth(s["password"]))}}.Execute(wire,
		unsalted(tpm2.AESEncryption(128, tpm2.EncryptOut)))
	if err != nil {
		t.Fatal(err)
	}
	opened := tap.Trace()[len(created):]
	_, err = tpm2.HierarchyChangeAuth{AuthHandle: tpm2.TPMRHOwner, NewAuth: tpm2.TPM2BAuth{Buffer: s["owner"]}}.Execute(wire, unsalted(tpm2.AESEncryption(128, tpm2.EncryptIn)))
	if err != nil {
		t.Fatal(err)
	}
	owned := tap.Trace()[len(created)+len(opened):]
	mustDo(t, wire.Close)
	if names := s.visible(tap.Trace()); len(names) > 0 {
		t.Errorf("in clear, so the control shows nothing: %v", names)
	}
	e := eavesdropper(t, chip, s)
	for name, test := range map[string]struct {
		trace bus.Trace
		want  []string
	}{
		"made": {created, []string{"sealed", "password"}}, "opened": {opened, []string{"sealed", "password"}}, "owned": {owned, []string{"owner"}},
	} {
		found := e.Read(test.trace)
		for _, want := range test.want {
			if !found.Holds(s[want]) {
				t.Errorf("%s: %s was not found out", name, want)
			}
		}
	}
}

// TestAForgedEpochIsNotBelieved has somebody on the bus show the counter as it once was.
func TestAForgedEpochIsNotBelieved(t *testing.T) {
	chip := tpmtest.Start(t)
	ready(t, chip)
	var first []byte
	tap := bus.Listen(t, chip.Socket, nil)
	d := chip.OpenAt(t, tap.Socket, chip.Demo)
	if _, err := d.Epoch(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, x := range tap.Trace() {
		if x.Code() == tpm2.TPMCCNVRead {
			first = x.Response
		}
	}
	mustDo(t, func() error { _, err := d.Advance(t.Context(), nil, 1); return err })
	tap.Obey(func(command []byte) bus.Verdict {
		if (bus.Exchange{Command: command}).Code() == tpm2.TPMCCNVRead {
			return bus.Verdict{Answer: first}
		}
		return bus.Verdict{}
	})
	if at, err := d.Epoch(t.Context()); !errors.Is(err, tpm.ErrUnavailable) {
		t.Errorf("got %d, %v; want ErrUnavailable", at, err)
	}
	tap.Obey(nil)
	if at, err := d.Epoch(t.Context()); err != nil || at != 2 {
		t.Errorf("got %d, %v; want 2", at, err)
	}
}

// flip alters one byte of the n-th response behind its header, and tells whether there was one.
func flip(n, at int) (rule bus.Rule, came *bool) {
	came = new(bool)
	return func([]byte) bus.Verdict {
		n--
		if n != 0 {
			return bus.Verdict{}
		}
		return bus.Verdict{Forge: func(response []byte) []byte {
			forged := bytes.Clone(response)
			if i := 10 + at; i < len(forged) {
				*came = true
				forged[i] ^= 0x41
			}
			return forged
		}}
	}, came
}

// TestWhateverIsForgedOnTheBusNoWrongSecretComesOut alters each response, here and there: an operation fails, or does what it should.
func TestWhateverIsForgedOnTheBusNoWrongSecretComesOut(t *testing.T) {
	chip := tpmtest.Start(t)
	tap := bus.Listen(t, chip.Socket, nil)
	d, secret, password := chip.OpenAt(t, tap.Socket, chip.Demo), auth("secret"), auth("password")
	tpmtest.Prepared(t, d)
	const ahead = 1 << 40
	blob, err := d.Seal(t.Context(), secret, ahead)
	if err != nil {
		t.Fatal(err)
	}
	account, err := d.NewAccount(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	inside, err := d.OpenAccount(t.Context(), account.Secret, password)
	if err != nil {
		t.Fatal(err)
	}
	refusals := 0
	for name, operate := range map[string]func() (got, want []byte, err error){
		"Unseal": func() ([]byte, []byte, error) {
			got, err := d.Unseal(t.Context(), blob, ahead)
			return got, secret, err
		},
		"OpenAccount": func() ([]byte, []byte, error) {
			got, err := d.OpenAccount(t.Context(), account.Secret, password)
			return got, inside, err
		},
		"Epoch": func() ([]byte, []byte, error) {
			at, err := d.Epoch(t.Context())
			return []byte{byte(at)}, []byte{1}, err
		},
		"Seal": func() ([]byte, []byte, error) {
			made, err := d.Seal(t.Context(), secret, ahead)
			if err != nil {
				return nil, nil, err
			}
			tap.Obey(nil)
			got, err := d.Unseal(t.Context(), made, ahead)
			if err != nil {
				t.Errorf("what was sealed does not open: %v", err)
			}
			return got, secret, err
		},
	} {
		for i := range 18 * 5 {
			n, at := 1+i/5, []int{0, 5, 13, 34, 61}[i%5]
			rule, came := flip(n, at)
			tap.Obey(rule)
			got, want, err := operate()
			if err == nil && !bytes.Equal(got, want) {
				t.Errorf("%s: byte %d of response %d altered: a wrong secret came out", name, at, n)
			}
			if err != nil && *came {
				refusals++
			}
		}
	}
	if refusals < 50 {
		t.Errorf("only %d forgeries had an effect", refusals)
	}
	tap.Obey(nil)
	if back, err := d.Unseal(t.Context(), blob, ahead); err != nil || !bytes.Equal(back, secret) {
		t.Errorf("afterwards: %v", err)
	}
}

// TestAChipThatComputesAnotherPolicySealsNothing is the comparison before anything relies on a new root.
func TestAChipThatComputesAnotherPolicySealsNothing(t *testing.T) {
	chip := tpmtest.Start(t)
	tap := bus.Listen(t, chip.Socket, nil)
	d := chip.OpenAt(t, tap.Socket, chip.Demo)
	tpmtest.Prepared(t, d)
	tap.Obey(func(command []byte) bus.Verdict {
		if (bus.Exchange{Command: command}).Code() != tpm2.TPMCCPolicyGetDigest {
			return bus.Verdict{}
		}
		return bus.Verdict{Forge: func(response []byte) []byte {
			forged := bytes.Clone(response)
			forged[len(forged)-1] ^= 1
			return forged
		}}
	})
	if _, err := d.Seal(t.Context(), []byte("secret"), 1); !errors.Is(err, tpm.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

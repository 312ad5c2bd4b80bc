package tpm_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmtest"
)

// vector is a certificate that a chip made once; byte fields are base64.
type vector struct {
	Identity    tpm.Identity
	Certificate tpm.Certificate
	Qualifying  []byte
	Epoch       uint64
}

func readVector(t testing.TB) vector {
	t.Helper()
	data, err := os.ReadFile("testdata/v1/certificate.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vector
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// A certificate is shown years after the chip that made it is gone.
func TestACertificateOfThePastStillProves(t *testing.T) {
	v := readVector(t)
	at, err := tpm.Verify(v.Identity, v.Certificate, [32]byte(v.Qualifying))
	if err != nil || at != v.Epoch {
		t.Errorf("got %d, %v; want %d", at, err, v.Epoch)
	}
}

func TestACertificateIsCheckedWithNoChipAndWhole(t *testing.T) {
	v := readVector(t)
	for name, spoil := range map[string]func(v *vector){
		"purpose":          func(v *vector) { v.Qualifying[0] ^= 1 },
		"counter":          func(v *vector) { v.Identity.Counter[33] ^= 1 },
		"no counter":       func(v *vector) { v.Identity.Counter = nil },
		"key":              func(v *vector) { v.Identity.Attest = v.Identity.Attest[1:] },
		"no key":           func(v *vector) { v.Identity.Attest = nil },
		"signature":        func(v *vector) { v.Certificate.Signature[10] ^= 1 },
		"no signature":     func(v *vector) { v.Certificate.Signature = nil },
		"cut":              func(v *vector) { v.Certificate.Attest = v.Certificate.Attest[:40] },
		"something behind": func(v *vector) { v.Certificate.Attest = append(v.Certificate.Attest, 0) },
	} {
		v := readVector(t)
		spoil(&v)
		if at, err := tpm.Verify(v.Identity, v.Certificate, [32]byte(v.Qualifying)); !errors.Is(err, tpm.ErrCertificate) || at != 0 {
			t.Errorf("%s: got %d, %v", name, at, err)
		}
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if v.Identity.Attest, err = x509.MarshalPKIXPublicKey(other.Public()); err != nil {
		t.Fatal(err)
	}
	if _, err := tpm.Verify(v.Identity, v.Certificate, [32]byte(v.Qualifying)); !errors.Is(err, tpm.ErrCertificate) {
		t.Errorf("a key of another curve: %v", err)
	}
}

// FuzzVerify signs whatever comes, so that the parser behind the signature is reached, and holds it to its word: what it
// says was signed was there, in its place.
func FuzzVerify(f *testing.F) {
	v := readVector(f)
	f.Add(v.Certificate.Attest)
	chip := tpmtest.NewMemory()
	tpmtest.Prepared(f, chip)
	made, err := chip.Certify(f.Context(), [32]byte(v.Qualifying))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(made.Attest)
	f.Add(made.Attest[:20])
	f.Add([]byte{0xff, 'T', 'C', 'G', 0x80, 0x14})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	if v.Identity.Attest, err = x509.MarshalPKIXPublicKey(key.Public()); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, attest []byte) {
		sum := sha256.Sum256(attest)
		signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		at, err := tpm.Verify(v.Identity, tpm.Certificate{Attest: attest, Signature: signature}, [32]byte(v.Qualifying))
		switch {
		case err != nil && (at != 0 || !errors.Is(err, tpm.ErrCertificate)):
			t.Fatalf("%d and an error of another kind: %v", at, err)
		case err == nil && (!bytes.HasPrefix(attest, []byte("\xffTCG\x80\x14")) || !bytes.Contains(attest, v.Qualifying) || !bytes.Contains(attest, v.Identity.Counter)):
			t.Fatal("it proves what does not stand there")
		}
	})
}

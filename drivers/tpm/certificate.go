package tpm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// ErrCertificate reports a certificate that does not prove what it should.
var ErrCertificate = errors.New("tpm: certificate")

const (
	attestMagic = 0xff544347 // TPM_GENERATED_VALUE: only the chip itself signs what begins so (TPM 2.0 Part 2, 6.2)
	attestNV    = 0x8014     // TPM_ST_ATTEST_NV
	clockInfo   = 17         // TPMS_CLOCK_INFO: clock, resets, restarts, safe
	firmware    = 8          // firmware version
	counterSize = 8
)

// Certificate is the chip's word for where its counter stood: a TPMS_ATTEST of NV_Certify (TPM 2.0 Part 3, 31.16) and a
// signature over it. Verify reads it anywhere, without a chip.
type Certificate struct {
	Attest    []byte // TPMS_ATTEST, as signed
	Signature []byte // ECDSA P-256 over the SHA-256 of Attest, ASN.1
}

// Verify proves that the chip of that identity signed qualifying when its counter stood at the epoch it gives. It
// needs no chip. Errors: ErrCertificate.
func Verify(chip Identity, c Certificate, qualifying [32]byte) (epoch uint64, err error) {
	key, err := x509.ParsePKIXPublicKey(chip.Attest)
	if err != nil {
		return 0, fmt.Errorf("%w: attestation key: %w", ErrCertificate, err)
	}
	public, ok := key.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return 0, fmt.Errorf("%w: the attestation key is not of P-256", ErrCertificate)
	}
	sum := sha256.Sum256(c.Attest)
	if !ecdsa.VerifyASN1(public, sum[:], c.Signature) {
		return 0, fmt.Errorf("%w: not signed by this chip", ErrCertificate)
	}
	says, err := parseAttest(c.Attest)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w: %w", ErrCertificate, err)
	case !bytes.Equal(says.index, chip.Counter):
		return 0, fmt.Errorf("%w: it is about another counter", ErrCertificate)
	case !bytes.Equal(says.qualifying, qualifying[:]):
		return 0, fmt.Errorf("%w: it was made for something else", ErrCertificate)
	}
	return says.counter, nil
}

// attested is what a certificate says.
type attested struct {
	qualifying, index []byte
	counter           uint64
}

// parseAttest reads a TPMS_ATTEST about a counter (TPM 2.0 Part 2, 10.12.12 and 10.12.8). Nothing may be left over: the signature
// covers all of it, so whatever we did not read could change what the rest means.
func parseAttest(data []byte) (attested, error) {
	var a attested
	s := cryptobyte.String(data)
	var magic uint32
	var kind, offset uint16
	var signer, qualifying, index, contents cryptobyte.String
	if !s.ReadUint32(&magic) || magic != attestMagic || !s.ReadUint16(&kind) || kind != attestNV {
		return a, errors.New("not the chip's word for a counter")
	}
	whole := s.ReadUint16LengthPrefixed(&signer) && s.ReadUint16LengthPrefixed(&qualifying) && s.Skip(clockInfo+firmware) &&
		s.ReadUint16LengthPrefixed(&index) && s.ReadUint16(&offset) && s.ReadUint16LengthPrefixed(&contents) && s.Empty()
	if !whole || offset != 0 || len(contents) != counterSize || !contents.ReadUint64(&a.counter) {
		return a, errors.New("cut short, or not about a whole counter")
	}
	a.qualifying, a.index = qualifying, index
	return a, nil
}

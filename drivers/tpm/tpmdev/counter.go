package tpmdev

import (
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"github.com/google/go-tpm/tpm2"

	"linekeep/drivers/tpm"
)

// counterSize is the length of a counter, in bytes, big endian.
const counterSize = 8

// count reads the counter over a salted session, whose HMAC on the response proves that the chip said it: on a
// password session whoever sits on the wire could show an older epoch.
func (l *link) count(key storage, name tpm2.TPM2BName) (uint64, error) {
	response, err := tpm2.NVRead{
		AuthHandle: tpm2.AuthHandle{Handle: counterHandle, Name: name, Auth: key.salted()},
		NVIndex:    tpm2.NamedHandle{Handle: counterHandle, Name: name},
		Size:       counterSize,
	}.Execute(l)
	switch {
	case errors.Is(err, tpm2.TPMRCHandle):
		return 0, fmt.Errorf("read counter: %w: %w", tpm.ErrNotReady, err)
	case err != nil:
		return 0, fmt.Errorf("read counter: %w", err)
	case len(response.Data.Buffer) != counterSize:
		return 0, fmt.Errorf("read counter: %w: %d bytes", tpm.ErrUnavailable, len(response.Data.Buffer))
	}
	return binary.BigEndian.Uint64(response.Data.Buffer), nil
}

// increment moves the counter up by one. The owner's authorisation is proved over an HMAC session salted to the storage
// key, bound by its nonce to the policy session that then moves the counter.
func (l *link) increment(key storage, name tpm2.TPM2BName, owner []byte) error {
	session, err := l.policy(tpm2.Salted(key.Handle, key.public))
	if err != nil {
		return err
	}
	if err := l.policySecret(key, session, tpm2.TPMRHOwner, owner); err != nil {
		return err
	}
	_, err = tpm2.NVIncrement{
		AuthHandle: tpm2.AuthHandle{Handle: counterHandle, Name: name, Auth: session},
		NVIndex:    tpm2.NamedHandle{Handle: counterHandle, Name: name},
	}.Execute(l)
	if err != nil {
		return fmt.Errorf("move counter: %w", err)
	}
	return l.Flush(session.Handle())
}

// advance implements tpm.Sealer's Advance.
func (l *link) advance(key storage, chip *known, owner []byte, from uint64) (uint64, error) {
	at, err := l.count(key, chip.counter)
	if err != nil || at != from {
		return at, err
	}
	if err := l.increment(key, chip.counter, owner); err != nil {
		return 0, err
	}
	return l.count(key, chip.counter)
}

// certify has the attestation key sign where the counter stands. Nothing in it is secret, and the signature itself shows who made it.
func (l *link) certify(chip *known, qualifying [32]byte) (tpm.Certificate, error) {
	none := tpm.Certificate{}
	response, err := tpm2.NVCertify{
		SignHandle:     tpm2.AuthHandle{Handle: attestHandle, Name: chip.attest, Auth: tpm2.PasswordAuth(nil)},
		AuthHandle:     tpm2.AuthHandle{Handle: counterHandle, Name: chip.counter, Auth: tpm2.PasswordAuth(nil)},
		NVIndex:        tpm2.NamedHandle{Handle: counterHandle, Name: chip.counter},
		QualifyingData: tpm2.TPM2BData{Buffer: qualifying[:]},
		InScheme:       tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgNull},
		Size:           counterSize,
	}.Execute(l)
	if errors.Is(err, tpm2.TPMRCHandle) {
		return none, fmt.Errorf("%w: %w", tpm.ErrNotReady, err)
	}
	if err != nil {
		return none, err
	}
	signature, err := signatureDER(response.Signature)
	if err != nil {
		return none, err
	}
	c := tpm.Certificate{Attest: tpm2.Marshal(response.CertifyInfo)[2:], Signature: signature} // without the length in front
	if _, err := tpm.Verify(chip.Identity, c, qualifying); err != nil {
		return none, fmt.Errorf("%w: what it signed proves nothing: %w", tpm.ErrUnavailable, err)
	}
	return c, nil
}

// signatureDER writes a TPM's ECDSA signature as everybody else's.
func signatureDER(signature tpm2.TPMTSignature) ([]byte, error) {
	ecc, err := signature.Signature.ECDSA()
	if err != nil {
		return nil, fmt.Errorf("read signature: %w: %w", tpm.ErrUnavailable, err)
	}
	der, err := asn1.Marshal(struct{ R, S *big.Int }{
		new(big.Int).SetBytes(ecc.SignatureR.Buffer), new(big.Int).SetBytes(ecc.SignatureS.Buffer),
	})
	if err != nil {
		return nil, fmt.Errorf("write signature: %w", err)
	}
	return der, nil
}

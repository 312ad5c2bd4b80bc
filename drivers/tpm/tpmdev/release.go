package tpmdev

import (
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"

	"linekeep/drivers/tpm/tpmdev/wire"
)

// rebuilds is how often a session is built anew because something moved meanwhile.
const rebuilds = 3

// unseal loads the object and opens it; it starts again when a PCR moved between policy and use. The chip's ticket for the vendor's
// signature is kept: it holds for as long as the chip's seed does, and a small chip takes a tenth of a second to verify.
func (l *link) unseal(d *Device, key storage, chip *known, o object, epoch uint64) ([]byte, error) {
	template, err := d.rootTemplate(chip, epoch)
	if err != nil {
		return nil, err
	}
	loaded, err := l.load(key, o, template)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		if d.ticket == nil {
			if d.ticket, err = l.verify(d); err != nil {
				return nil, err
			}
		}
		secret, err := l.release(d, key, loaded, *d.ticket, passed(chip.counter, epoch))
		switch {
		case try == rebuilds:
		case errors.Is(err, tpm2.TPMRCTicket): // of the chip as it was before it was cleared
			d.ticket = nil
			continue
		case errors.Is(err, tpm2.TPMRCPCRChanged):
			continue
		}
		return secret, err
	}
}

// verify has the chip check the vendor's signature and gives its ticket for that.
func (l *link) verify(d *Device) (*tpm2.TPMTTKVerified, error) {
	vendor, err := tpm2.LoadExternal{InPublic: tpm2.New2B(d.vendor.public), Hierarchy: tpm2.TPMRHOwner}.Execute(l)
	if err != nil {
		return nil, fmt.Errorf("load vendor key: %w", err)
	}
	l.Keep(vendor.ObjectHandle)
	verified, err := tpm2.VerifySignature{
		KeyHandle: vendor.ObjectHandle,
		Digest:    tpm2.TPM2BDigest{Buffer: signedDigest(d.policy.Approved, d.policy.Ref)},
		Signature: d.vendor.signature,
	}.Execute(l)
	if err != nil {
		return nil, fmt.Errorf("verify vendor's signature: %w", err)
	}
	return &verified.Validation, l.Flush(vendor.ObjectHandle)
}

// release satisfies the policy and takes the secret out. The secret crosses the wire under a session of its
// own: encrypting on the policy session would mix in the object's authorisation value, which a chip and
// its client can see differently, and then garbage comes back with no error (tpm2-tss issue 2574).
func (l *link) release(d *Device, key storage, loaded tpm2.NamedHandle, ticket tpm2.TPMTTKVerified, last tpm2.PolicyNV) (secret []byte, err error) {
	session, err := l.policy(tpm2.Salted(key.Handle, key.public))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Flush(session.Handle())) }()
	if err := l.extend(d, session, ticket, last); err != nil {
		return nil, err
	}
	return l.takeOut(key, tpm2.AuthHandle{Handle: loaded.Handle, Name: loaded.Name, Auth: session})
}

// takeOut gives what a loaded object holds; the caller wipes it.
func (l *link) takeOut(key storage, object tpm2.AuthHandle) (secret []byte, err error) {
	wire.Erased(func() {
		var out *tpm2.UnsealResponse
		if out, err = (tpm2.Unseal{ItemHandle: object}).Execute(l, key.encryptOut()); err == nil {
			secret = out.OutData.Buffer
		}
	})
	if err != nil {
		return nil, fmt.Errorf("take the secret out: %w", err)
	}
	return secret, nil
}

package tpmdev

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"golang.org/x/crypto/cryptobyte"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmdev/wire"
)

// create has the chip make an object under the storage key. What is secret in it crosses encrypted, and the session's HMAC proves that
// the chip got what we sent and that we got what it made.
func (l *link) create(key storage, auth, secret []byte, template tpm2.TPMTPublic) (tpm.Blob, tpm2.TPMTPublic, error) {
	sensitive := &tpm2.TPMSSensitiveCreate{UserAuth: tpm2.TPM2BAuth{Buffer: auth}}
	if secret != nil {
		data := append([]byte(nil), secret...)
		defer clear(data)
		sensitive.Data = tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: data})
	}
	var made *tpm2.CreateResponse
	var err error
	wire.Erased(func() {
		made, err = tpm2.Create{
			ParentHandle: tpm2.AuthHandle{Handle: key.Handle, Name: key.Name, Auth: key.encryptIn()},
			InSensitive:  tpm2.TPM2BSensitiveCreate{Sensitive: sensitive},
			InPublic:     tpm2.New2B(template),
		}.Execute(l)
	})
	if err != nil {
		return nil, tpm2.TPMTPublic{}, err
	}
	public, err := made.OutPublic.Contents()
	if err != nil {
		return nil, tpm2.TPMTPublic{}, fmt.Errorf("read what was made: %w", err)
	}
	if !alike(*public, template) {
		return nil, tpm2.TPMTPublic{}, fmt.Errorf("%w: it made something else than was asked for", tpm.ErrUnavailable)
	}
	return append(tpm2.Marshal(made.OutPublic), tpm2.Marshal(made.OutPrivate)...), *public, nil
}

// object is a blob, taken apart.
type object struct {
	public  tpm2.TPMTPublic
	private tpm2.TPM2BPrivate
}

func parseBlob(blob tpm.Blob) (object, error) {
	var public, private cryptobyte.String
	s := cryptobyte.String(blob)
	if !s.ReadUint16LengthPrefixed(&public) || !s.ReadUint16LengthPrefixed(&private) || !s.Empty() {
		return object{}, fmt.Errorf("%w: not a sealed object", tpm.ErrRefused)
	}
	contents, err := tpm2.Unmarshal[tpm2.TPMTPublic](public)
	if err != nil {
		return object{}, fmt.Errorf("%w: not a sealed object: %w", tpm.ErrRefused, err)
	}
	return object{public: *contents, private: tpm2.TPM2BPrivate{Buffer: private}}, nil
}

// load has the chip take an object in, if it is of the kind of template. The session proves that the chip loaded this very
// object, though nothing secret crosses here.
func (l *link) load(key storage, o object, template tpm2.TPMTPublic) (tpm2.NamedHandle, error) {
	if !alike(o.public, template) {
		return tpm2.NamedHandle{}, fmt.Errorf("%w: an object of another kind", tpm.ErrRefused)
	}
	loaded, err := tpm2.Load{
		ParentHandle: tpm2.AuthHandle{Handle: key.Handle, Name: key.Name, Auth: tpm2.PasswordAuth(nil)},
		InPublic:     tpm2.New2B(o.public),
		InPrivate:    o.private,
	}.Execute(l)
	if err != nil {
		return tpm2.NamedHandle{}, fmt.Errorf("load object: %w", err)
	}
	l.Keep(loaded.ObjectHandle)
	name, err := tpm2.ObjectName(&o.public) // ours, not the wire's: what is proved later is proved about this object
	if err != nil {
		return tpm2.NamedHandle{}, fmt.Errorf("name object: %w", err)
	}
	return tpm2.NamedHandle{Handle: loaded.ObjectHandle, Name: *name}, nil
}

// rootTemplate is an object that only the policy opens: userWithAuth and adminWithPolicy are clear, so no password
// works for any use of it.
func (d *Device) rootTemplate(chip *known, epoch uint64) (tpm2.TPMTPublic, error) {
	policy, err := d.vendor.authPolicy(d.policy.Ref, passed(chip.counter, epoch))
	if err != nil {
		return tpm2.TPMTPublic{}, err
	}
	return tpm2.TPMTPublic{
		Type:             tpm2.TPMAlgKeyedHash,
		NameAlg:          tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, NoDA: true},
		AuthPolicy:       tpm2.TPM2BDigest{Buffer: policy},
		Parameters:       sealedParameters(),
	}, nil
}

// sealedParameters are those of an object that is nothing but data.
func sealedParameters() tpm2.TPMUPublicParms {
	return tpm2.NewTPMUPublicParms(tpm2.TPMAlgKeyedHash, &tpm2.TPMSKeyedHashParms{Scheme: tpm2.TPMTKeyedHashScheme{Scheme: tpm2.TPMAlgNull}})
}

// passed is the policy's last term: the counter has not gone past the epoch. The counter only goes up, so what it has passed it has
// passed for good; and a root sealed for a later epoch opens already, whatever becomes of the steps on the way there.
func passed(counter tpm2.TPM2BName, epoch uint64) tpm2.PolicyNV {
	return tpm2.PolicyNV{
		AuthHandle: tpm2.AuthHandle{Handle: counterHandle, Name: counter, Auth: tpm2.PasswordAuth(nil)}, // anybody may read it
		NVIndex:    tpm2.NamedHandle{Handle: counterHandle, Name: counter},
		OperandB:   tpm2.TPM2BOperand{Buffer: binary.BigEndian.AppendUint64(nil, epoch)},
		Operation:  tpm2.TPMEOUnsignedLE,
	}
}

// seal makes an object for the policy, after the chip, too, has come to the same digest for it: once the counter moves, an
// object that our arithmetic got wrong would be the vault's last.
func (l *link) seal(d *Device, key storage, chip *known, secret []byte, epoch uint64) (tpm.Blob, error) {
	template, err := d.rootTemplate(chip, epoch)
	if err != nil {
		return nil, err
	}
	digest, err := l.trial(d, passed(chip.counter, epoch))
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(digest, template.AuthPolicy.Buffer) {
		return nil, fmt.Errorf("%w: it computes another policy than we do", tpm.ErrUnavailable)
	}
	blob, _, err := l.create(key, nil, secret, template)
	if err != nil {
		return nil, fmt.Errorf("make sealed object: %w", err)
	}
	return blob, nil
}

// trial has the chip compute the policy of an object.
func (l *link) trial(d *Device, last tpm2.PolicyNV) ([]byte, error) {
	session, err := l.policy(tpm2.Trial())
	if err != nil {
		return nil, err
	}
	// A trial takes any ticket: it is about the digest, not about the signature.
	ticket := tpm2.TPMTTKVerified{Tag: tpm2.TPMSTVerified, Hierarchy: tpm2.TPMRHNull}
	if err := l.extend(d, session, ticket, last); err != nil {
		return nil, err
	}
	digest, err := tpm2.PolicyGetDigest{PolicySession: session.Handle()}.Execute(l)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	return digest.PolicyDigest.Buffer, l.Flush(session.Handle())
}

// extend takes a policy session through the three terms, in the order that the objects have them in.
func (l *link) extend(d *Device, session tpm2.Session, ticket tpm2.TPMTTKVerified, last tpm2.PolicyNV) error {
	_, err := tpm2.PolicyPCR{PolicySession: session.Handle(), Pcrs: pcrSelection(d.policy.PCRs)}.Execute(l)
	if err != nil {
		return fmt.Errorf("policy of what was measured: %w", err)
	}
	_, err = tpm2.PolicyAuthorize{
		PolicySession:  session.Handle(),
		ApprovedPolicy: tpm2.TPM2BDigest{Buffer: d.policy.Approved},
		PolicyRef:      tpm2.TPM2BDigest{Buffer: []byte(d.policy.Ref)},
		KeySign:        d.vendor.name,
		CheckTicket:    ticket,
	}.Execute(l)
	if err != nil {
		return fmt.Errorf("the vendor has not signed what was measured: %w", err)
	}
	last.PolicySession = session.Handle()
	switch _, err = last.Execute(l); {
	case errors.Is(err, tpm2.TPMRCPolicy):
		return fmt.Errorf("%w: %w", tpm.ErrSpent, err)
	case errors.Is(err, tpm2.TPMRCHandle):
		return fmt.Errorf("policy of the counter: %w: %w", tpm.ErrNotReady, err)
	case err != nil:
		return fmt.Errorf("policy of the counter: %w", err)
	}
	return nil
}

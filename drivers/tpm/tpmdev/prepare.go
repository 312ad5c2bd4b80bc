package tpmdev

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"

	"linekeep/drivers/tpm"
)

// Where our objects are persisted, in the owner's ranges. The storage key is not at the 0x81000001 of the
// TCG's provisioning guidance, where a distribution may have put an RSA key.
const (
	storageHandle tpm2.TPMHandle = 0x81004C4B
	attestHandle  tpm2.TPMHandle = 0x81004C4C
	counterHandle tpm2.TPMHandle = 0x01804C4B
)

// known is a chip's identity as the rest of this package needs it.
type known struct {
	tpm.Identity
	storage, counter, attest tpm2.TPM2BName
}

// storage is the storage key: its handle, and the public half that sessions are salted to.
type storage struct {
	tpm2.NamedHandle
	public tpm2.TPMTPublic
}

// attestTemplate is the key that signs certificates. It is restricted: it signs nothing but what the chip itself made.
func attestTemplate() tpm2.TPMTPublic {
	return signingTemplate(tpm2.TPMAObject{
		FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, NoDA: true, Restricted: true, SignEncrypt: true,
	})
}

// signingTemplate is a P-256 key for ECDSA over SHA-256.
func signingTemplate(attributes tpm2.TPMAObject) tpm2.TPMTPublic {
	return tpm2.TPMTPublic{
		Type:             tpm2.TPMAlgECC,
		NameAlg:          tpm2.TPMAlgSHA256,
		ObjectAttributes: attributes,
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{
			Scheme: tpm2.TPMTECCScheme{
				Scheme:  tpm2.TPMAlgECDSA,
				Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256}),
			},
			CurveID: tpm2.TPMECCNistP256,
		}),
	}
}

// counterPublic is the counter's index. Anybody may read it, only the owner moves it: with an empty authorisation anyone on
// the machine could, and each step erases. It is outside the lockout, so that no stranger's wrong passwords keep the vault shut.
func counterPublic(written bool) (tpm2.TPMSNVPublic, error) {
	calculator, err := tpm2.NewPolicyCalculator(tpm2.TPMAlgSHA256)
	if err == nil {
		err = tpm2.PolicySecret{AuthHandle: tpm2.TPMRHOwner}.Update(calculator)
	}
	if err != nil {
		return tpm2.TPMSNVPublic{}, fmt.Errorf("compute the counter's policy: %w", err)
	}
	return tpm2.TPMSNVPublic{
		NVIndex:    counterHandle,
		NameAlg:    tpm2.TPMAlgSHA256,
		Attributes: tpm2.TPMANV{NT: tpm2.TPMNTCounter, AuthRead: true, PolicyWrite: true, NoDA: true, Written: written},
		AuthPolicy: tpm2.TPM2BDigest{Buffer: calculator.Hash().Digest},
		DataSize:   counterSize,
	}, nil
}

// parts is what the chip has of ours; what it lacks has no name.
type parts struct {
	storage storage
	attest  tpm2.TPM2BName
	public  []byte // of attest, PKIX DER
	counter tpm2.TPM2BName
	written bool
}

func (p parts) whole() bool {
	return len(p.storage.Name.Buffer) > 0 && len(p.attest.Buffer) > 0 && len(p.counter.Buffer) > 0 && p.written
}

func (p parts) known() *known {
	return &known{
		Identity: tpm.Identity{Storage: p.storage.Name.Buffer, Counter: p.counter.Buffer, Attest: p.public},
		storage:  p.storage.Name, counter: p.counter, attest: p.attest,
	}
}

// look finds what there is, and refuses anything but ours: another object could be readable to somebody, or under the lockout.
func (l *link) look() (p parts, err error) {
	if p.storage, err = l.lookStorage(); err != nil {
		return p, err
	}
	public, name, err := l.persistent(attestHandle, attestTemplate())
	if err != nil {
		return p, fmt.Errorf("look for attestation key: %w", err)
	}
	if public != nil {
		key, err := tpm2.Pub(*public)
		if err != nil {
			return p, fmt.Errorf("look for attestation key: %w", err)
		}
		if p.public, err = x509.MarshalPKIXPublicKey(key); err != nil {
			return p, fmt.Errorf("look for attestation key: %w", err)
		}
		p.attest = name
	}
	p.counter, p.written, err = l.lookCounter()
	return p, err
}

func (l *link) lookStorage() (storage, error) {
	public, name, err := l.persistent(storageHandle, tpm2.ECCSRKTemplate)
	if err != nil || public == nil {
		return storage{}, err
	}
	return storage{NamedHandle: tpm2.NamedHandle{Handle: storageHandle, Name: name}, public: *public}, nil
}

// persistent reads a persistent key; nothing there is no error.
func (l *link) persistent(handle tpm2.TPMHandle, template tpm2.TPMTPublic) (*tpm2.TPMTPublic, tpm2.TPM2BName, error) {
	none := tpm2.TPM2BName{}
	response, err := tpm2.ReadPublic{ObjectHandle: handle}.Execute(l)
	if errors.Is(err, tpm2.TPMRCHandle) {
		return nil, none, nil
	}
	if err != nil {
		return nil, none, fmt.Errorf("read key at %#x: %w", handle, err)
	}
	public, err := response.OutPublic.Contents()
	if err != nil {
		return nil, none, fmt.Errorf("read key at %#x: %w", handle, err)
	}
	if !alike(*public, template) {
		return nil, none, fmt.Errorf("%w: something else stands at %#x", tpm.ErrRefused, handle)
	}
	name, err := tpm2.ObjectName(public)
	if err != nil {
		return nil, none, fmt.Errorf("name key at %#x: %w", handle, err)
	}
	return public, *name, nil
}

// alike compares all of a public area but the key itself.
func alike(public, template tpm2.TPMTPublic) bool {
	template.Unique = public.Unique
	return public.Type == template.Type && bytes.Equal(tpm2.Marshal(public), tpm2.Marshal(template))
}

// lookCounter finds the counter, and gives the name it has, or will have, once it was written.
func (l *link) lookCounter() (name tpm2.TPM2BName, written bool, err error) {
	response, err := tpm2.NVReadPublic{NVIndex: counterHandle}.Execute(l)
	if errors.Is(err, tpm2.TPMRCHandle) {
		return name, false, nil
	}
	if err != nil {
		return name, false, fmt.Errorf("look for counter: %w", err)
	}
	public, err := response.NVPublic.Contents()
	if err != nil {
		return name, false, fmt.Errorf("look for counter: %w", err)
	}
	ours, err := counterPublic(public.Attributes.Written)
	if err != nil {
		return name, false, err
	}
	if !bytes.Equal(tpm2.Marshal(*public), tpm2.Marshal(ours)) {
		return name, false, fmt.Errorf("%w: something else stands at %#x", tpm.ErrRefused, counterHandle)
	}
	name, err = counterName(true)
	return name, public.Attributes.Written, err
}

func counterName(written bool) (tpm2.TPM2BName, error) {
	public, err := counterPublic(written)
	if err != nil {
		return tpm2.TPM2BName{}, err
	}
	name, err := tpm2.NVName(&public)
	if err != nil {
		return tpm2.TPM2BName{}, fmt.Errorf("name counter: %w", err)
	}
	return *name, nil
}

// prepare makes what is missing, each step one that a power cut may follow.
func (l *link) prepare() (*known, error) {
	limits, err := l.limits()
	if err != nil {
		return nil, err
	}
	p, err := l.look()
	if err != nil {
		return nil, err
	}
	if p.whole() && limits.right() {
		return p.known(), nil
	}
	if !p.whole() && limits.ownerSet || !limits.right() && limits.lockoutSet {
		return nil, fmt.Errorf("%w: something of ours is missing", tpm.ErrOwned)
	}
	if len(p.storage.Name.Buffer) == 0 {
		if err := l.persist(storageHandle, tpm2.ECCSRKTemplate); err != nil {
			return nil, fmt.Errorf("make storage key: %w", err)
		}
		if p.storage, err = l.lookStorage(); err != nil {
			return nil, err
		}
	}
	if len(p.attest.Buffer) == 0 {
		if err := l.persist(attestHandle, attestTemplate()); err != nil {
			return nil, fmt.Errorf("make attestation key: %w", err)
		}
	}
	if !p.written {
		if err := l.makeCounter(p); err != nil {
			return nil, err
		}
	}
	if !limits.right() {
		if err := l.setLimits(p.storage); err != nil {
			return nil, err
		}
	}
	if p, err = l.look(); err != nil {
		return nil, err
	}
	if !p.whole() {
		return nil, fmt.Errorf("%w: what was made is not there", tpm.ErrUnavailable)
	}
	return p.known(), nil
}

// persist makes a primary key of the owner's hierarchy, while the owner's authorisation is empty, and persists it: remade,
// it would need that authorisation at every start.
func (l *link) persist(handle tpm2.TPMHandle, template tpm2.TPMTPublic) error {
	made, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(template)}.Execute(l)
	if err != nil {
		return err
	}
	l.Keep(made.ObjectHandle)
	_, err = tpm2.EvictControl{
		Auth:             tpm2.TPMRHOwner,
		ObjectHandle:     &tpm2.NamedHandle{Handle: made.ObjectHandle, Name: made.Name},
		PersistentHandle: handle,
	}.Execute(l)
	if err != nil {
		return fmt.Errorf("persist: %w", err)
	}
	return l.Flush(made.ObjectHandle)
}

// makeCounter defines the counter where it is not, and counts once: until then it has neither a value nor its lasting name.
func (l *link) makeCounter(p parts) error {
	public, err := counterPublic(false)
	if err != nil {
		return err
	}
	if len(p.counter.Buffer) == 0 {
		if _, err := (tpm2.NVDefineSpace{AuthHandle: tpm2.TPMRHOwner, PublicInfo: tpm2.New2B(public)}).Execute(l); err != nil {
			return fmt.Errorf("define counter: %w", err)
		}
	}
	name, err := counterName(false)
	if err != nil {
		return err
	}
	if err := l.increment(p.storage, name, nil); err != nil {
		return fmt.Errorf("count for the first time: %w", err)
	}
	return nil
}

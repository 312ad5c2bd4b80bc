package tpmdev

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"golang.org/x/crypto/cryptobyte"

	"linekeep/drivers/tpm"
)

// storageHandle is where our storage key is persisted, in the owner's range. It is not the 0x81000001 of the
// TCG's provisioning guidance, where a distribution may have put an RSA key.
const storageHandle tpm2.TPMHandle = 0x81004C4B

const (
	nonceBytes  = 16  // of a session: half a SHA-256, as TPM 2.0 Part 1, 19.6.3 asks for at least
	wireKeyBits = 128 // AES on the wire
	// rebuilds is how often a session is built anew because a PCR moved meanwhile.
	rebuilds = 3
)

// storage is the storage key: its handle, and the public half that sessions are salted to.
type storage struct {
	tpm2.NamedHandle
	public tpm2.TPMTPublic
}

// storageKey gives the key that sealed objects hang from: ECC P-256, not under dictionary-attack lockout, so
// that no stranger's wrong passwords can keep the vault shut.
func (l *link) storageKey() (storage, error) {
	response, err := tpm2.ReadPublic{ObjectHandle: storageHandle}.Execute(l)
	if errors.Is(err, tpm2.TPMRCHandle) { // nothing there
		return l.makeStorageKey()
	}
	if err != nil {
		return storage{}, fmt.Errorf("read storage key: %w", err)
	}
	return checkStorage(response.OutPublic)
}

func (l *link) makeStorageKey() (storage, error) {
	made, err := tpm2.CreatePrimary{
		PrimaryHandle: tpm2.TPMRHOwner,
		InPublic:      tpm2.New2B(tpm2.ECCSRKTemplate),
	}.Execute(l)
	if err != nil {
		return storage{}, fmt.Errorf("make storage key: %w", err)
	}
	l.keep(made.ObjectHandle)
	_, err = tpm2.EvictControl{
		Auth:             tpm2.TPMRHOwner,
		ObjectHandle:     &tpm2.NamedHandle{Handle: made.ObjectHandle, Name: made.Name},
		PersistentHandle: storageHandle,
	}.Execute(l)
	if err != nil {
		return storage{}, fmt.Errorf("persist storage key: %w", err)
	}
	if err := l.flush(made.ObjectHandle); err != nil {
		return storage{}, err
	}
	return checkStorage(made.OutPublic)
}

// checkStorage refuses any object but one of our template: another could be readable to somebody, or under lockout.
func checkStorage(public tpm2.TPM2BPublic) (storage, error) {
	contents, err := public.Contents()
	if err != nil {
		return storage{}, fmt.Errorf("read storage key: %w", err)
	}
	ours := tpm2.ECCSRKTemplate
	ours.Unique = contents.Unique
	if !bytes.Equal(tpm2.Marshal(*contents), tpm2.Marshal(ours)) {
		return storage{}, fmt.Errorf("%w: something else stands at %#x", tpm.ErrRefused, storageHandle)
	}
	name, err := tpm2.ObjectName(contents)
	if err != nil {
		return storage{}, fmt.Errorf("name storage key: %w", err)
	}
	return storage{NamedHandle: tpm2.NamedHandle{Handle: storageHandle, Name: *name}, public: *contents}, nil
}

// salted starts a session whose secret only the storage key can read, with the wire encryption given.
func (s storage) salted(encryption tpm2.AuthOption) tpm2.Session {
	return tpm2.HMAC(tpm2.TPMAlgSHA256, nonceBytes, tpm2.Salted(s.Handle, s.public), encryption)
}

// parent gives the storage key, and refuses another one than Open found.
func (l *link) parent(d *Device) (storage, error) {
	key, err := l.storageKey()
	if err != nil {
		return key, err
	}
	if !bytes.Equal(key.Name.Buffer, d.srk.Buffer) {
		return key, fmt.Errorf("%w: the chip's storage key is another one than at the start", tpm.ErrRefused)
	}
	return key, nil
}

// seal makes an object that only the policy opens: userWithAuth and adminWithPolicy are clear, so no password
// works for any use of it.
func (l *link) seal(d *Device, secret []byte) (tpm.Blob, error) {
	key, err := l.parent(d)
	if err != nil {
		return nil, err
	}
	authPolicy, err := d.vendor.authPolicy(d.policy.Ref)
	if err != nil {
		return nil, err
	}
	sensitive := append([]byte(nil), secret...)
	defer clear(sensitive)
	made, err := tpm2.Create{
		ParentHandle: tpm2.AuthHandle{Handle: key.Handle, Name: key.Name, Auth: key.salted(tpm2.AESEncryption(wireKeyBits, tpm2.EncryptIn))},
		InSensitive: tpm2.TPM2BSensitiveCreate{
			Sensitive: &tpm2.TPMSSensitiveCreate{Data: tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: sensitive})},
		},
		InPublic: tpm2.New2B(tpm2.TPMTPublic{
			Type:             tpm2.TPMAlgKeyedHash,
			NameAlg:          tpm2.TPMAlgSHA256,
			ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, NoDA: true},
			AuthPolicy:       tpm2.TPM2BDigest{Buffer: authPolicy},
		}),
	}.Execute(l)
	if err != nil {
		return nil, fmt.Errorf("make sealed object: %w", err)
	}
	return append(tpm2.Marshal(made.OutPublic), tpm2.Marshal(made.OutPrivate)...), nil
}

// object is a blob, taken apart.
type object struct {
	public  tpm2.TPM2BPublic
	private tpm2.TPM2BPrivate
}

func parseBlob(blob tpm.Blob) (object, error) {
	var public, private cryptobyte.String
	s := cryptobyte.String(blob)
	if !s.ReadUint16LengthPrefixed(&public) || !s.ReadUint16LengthPrefixed(&private) || !s.Empty() {
		return object{}, errors.New("not a sealed object")
	}
	contents, err := tpm2.Unmarshal[tpm2.TPMTPublic](public)
	if err != nil {
		return object{}, fmt.Errorf("not a sealed object: %w", err)
	}
	return object{public: tpm2.New2B(*contents), private: tpm2.TPM2BPrivate{Buffer: private}}, nil
}

// unseal loads the object and opens it; it starts again when a PCR moved between policy and use.
func (l *link) unseal(d *Device, o object) ([]byte, error) {
	key, err := l.parent(d)
	if err != nil {
		return nil, err
	}
	loaded, err := tpm2.Load{
		ParentHandle: tpm2.AuthHandle{Handle: key.Handle, Name: key.Name, Auth: tpm2.PasswordAuth(nil)}, // nothing secret crosses here
		InPublic:     o.public,
		InPrivate:    o.private,
	}.Execute(l)
	if err != nil {
		return nil, fmt.Errorf("load sealed object: %w", err)
	}
	l.keep(loaded.ObjectHandle)
	ticket, err := l.verify(d)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		secret, err := l.release(d, key, loaded, ticket)
		if errors.Is(err, tpm2.TPMRCPCRChanged) && try < rebuilds {
			continue
		}
		return secret, err
	}
}

// verify has the chip check the vendor's signature and gives its ticket for that.
func (l *link) verify(d *Device) (tpm2.TPMTTKVerified, error) {
	none := tpm2.TPMTTKVerified{}
	vendor, err := tpm2.LoadExternal{InPublic: tpm2.New2B(d.vendor.public), Hierarchy: tpm2.TPMRHOwner}.Execute(l)
	if err != nil {
		return none, fmt.Errorf("load vendor key: %w", err)
	}
	l.keep(vendor.ObjectHandle)
	verified, err := tpm2.VerifySignature{
		KeyHandle: vendor.ObjectHandle,
		Digest:    tpm2.TPM2BDigest{Buffer: signedDigest(d.policy.Approved, d.policy.Ref)},
		Signature: d.vendor.signature,
	}.Execute(l)
	if err != nil {
		return none, fmt.Errorf("verify vendor's signature: %w", err)
	}
	return verified.Validation, l.flush(vendor.ObjectHandle)
}

// release satisfies the policy and takes the secret out. The secret crosses the wire under a session of its
// own: encrypting on the policy session would mix in the object's authorisation value, which a chip and
// its client can see differently, and then garbage comes back with no error (tpm2-tss issue 2574).
func (l *link) release(d *Device, key storage, loaded *tpm2.LoadResponse, ticket tpm2.TPMTTKVerified) (secret []byte, err error) {
	session, _, err := tpm2.PolicySession(l, tpm2.TPMAlgSHA256, nonceBytes, tpm2.Salted(key.Handle, key.public))
	if err != nil {
		return nil, fmt.Errorf("start policy session: %w", err)
	}
	l.keep(session.Handle())
	defer func() { err = errors.Join(err, l.flush(session.Handle())) }()
	_, err = tpm2.PolicyPCR{PolicySession: session.Handle(), Pcrs: pcrSelection(d.policy.PCRs)}.Execute(l)
	if err != nil {
		return nil, fmt.Errorf("policy of what was measured: %w", err)
	}
	_, err = tpm2.PolicyAuthorize{
		PolicySession:  session.Handle(),
		ApprovedPolicy: tpm2.TPM2BDigest{Buffer: d.policy.Approved},
		PolicyRef:      tpm2.TPM2BDigest{Buffer: []byte(d.policy.Ref)},
		KeySign:        d.vendor.name,
		CheckTicket:    ticket,
	}.Execute(l)
	if err != nil {
		return nil, fmt.Errorf("the vendor has not signed what was measured: %w", err)
	}
	out, err := tpm2.Unseal{ItemHandle: tpm2.AuthHandle{Handle: loaded.ObjectHandle, Name: loaded.Name, Auth: session}}.Execute(l,
		key.salted(tpm2.AESEncryption(wireKeyBits, tpm2.EncryptOut)))
	if err != nil {
		return nil, fmt.Errorf("take the secret out: %w", err)
	}
	return out.OutData.Buffer, nil
}

package tpmdev

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"

	"linekeep/drivers/tpm"
	"linekeep/drivers/tpm/tpmdev/wire"
)

// An account's objects are used under their authorisation, and wrong ones count (noDA is clear): the chip itself limits how
// often a password can be tried, wherever the blob was copied to.

func secretTemplate() tpm2.TPMTPublic {
	return tpm2.TPMTPublic{
		Type:             tpm2.TPMAlgKeyedHash,
		NameAlg:          tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, UserWithAuth: true},
		Parameters:       sealedParameters(),
	}
}

func accountSigningTemplate() tpm2.TPMTPublic {
	return signingTemplate(tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, SignEncrypt: true})
}

// NewAccount implements tpm.Accounts. A TPM has its data for a sealed object from outside, so the secret's bytes are
// the kernel's.
func (d *Device) NewAccount(ctx context.Context, auth []byte) (tpm.Account, error) {
	var account tpm.Account
	if err := checkAuth(auth); err != nil {
		return account, fmt.Errorf("make account keys: %w", err)
	}
	value := authValue(auth)
	defer clear(value)
	secret := make([]byte, tpm.AccountSecretSize)
	rand.Read(secret)
	defer clear(secret)
	err := d.with(ctx, func(l *link, key storage, _ *known) (err error) {
		if account.Secret, _, err = l.create(key, value, secret, secretTemplate()); err != nil {
			return err
		}
		var public tpm2.TPMTPublic
		if account.Signing, public, err = l.create(key, value, nil, accountSigningTemplate()); err != nil {
			return err
		}
		verifies, err := tpm2.Pub(public)
		if err != nil {
			return fmt.Errorf("%w: %w", tpm.ErrUnavailable, err)
		}
		account.Public, err = x509.MarshalPKIXPublicKey(verifies)
		return err
	})
	if err != nil {
		return tpm.Account{}, fmt.Errorf("make account keys: %w", err)
	}
	return account, nil
}

// OpenAccount implements tpm.Accounts.
func (d *Device) OpenAccount(ctx context.Context, secret tpm.Blob, auth []byte) ([]byte, error) {
	var out []byte
	err := d.account(ctx, secret, secretTemplate(), auth, func(l *link, key storage, object tpm2.AuthHandle) (err error) {
		out, err = l.takeOut(key, object)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open account: %w", err)
	}
	return out, nil
}

// Sign implements tpm.Accounts.
func (d *Device) Sign(ctx context.Context, signing tpm.Blob, auth []byte, digest [32]byte) ([]byte, error) {
	var signature []byte
	err := d.account(ctx, signing, accountSigningTemplate(), auth, func(l *link, _ storage, object tpm2.AuthHandle) error {
		var response *tpm2.SignResponse
		var err error
		wire.Erased(func() {
			response, err = tpm2.Sign{
				KeyHandle:  object,
				Digest:     tpm2.TPM2BDigest{Buffer: digest[:]},
				InScheme:   tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgNull},
				Validation: tpm2.TPMTTKHashCheck{Tag: tpm2.TPMSTHashCheck, Hierarchy: tpm2.TPMRHNull},
			}.Execute(l)
		})
		if err == nil {
			signature, err = signatureDER(response.Signature)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return signature, nil
}

// account loads one of an account's objects and uses it under its authorisation.
func (d *Device) account(ctx context.Context, blob tpm.Blob, template tpm2.TPMTPublic, auth []byte, use func(*link, storage, tpm2.AuthHandle) error) error {
	if err := checkAuth(auth); err != nil {
		return err
	}
	o, err := parseBlob(blob)
	if err != nil {
		return err
	}
	value := authValue(auth)
	defer clear(value)
	return d.with(ctx, func(l *link, key storage, _ *known) error {
		loaded, err := l.load(key, o, template)
		if err != nil {
			return err
		}
		err = use(l, key, tpm2.AuthHandle{Handle: loaded.Handle, Name: loaded.Name, Auth: key.salted(tpm2.Auth(value))})
		return l.settle(loaded.Handle, err)
	})
}

// settle ends the use of an account's object, and tells the chip to expect a power cut: one that comes upon it between the
// use of such an object and its next orderly stop it would count as a wrong authorisation (TPM 2.0 Part 1, 19.8.6).
func (l *link) settle(object tpm2.TPMHandle, used error) error {
	if errors.Is(used, tpm.ErrUnavailable) {
		return used // nothing more to be had from this link
	}
	switch {
	case wrongAuth(used):
		used = fmt.Errorf("%w: %w", tpm.ErrWrongAuth, used)
	case errors.Is(used, tpm2.TPMRCLockout):
		used = fmt.Errorf("%w: %w", tpm.ErrLocked, used)
	}
	if err := l.Flush(object); err != nil {
		return errors.Join(used, err)
	}
	if _, err := (tpm2.Shutdown{ShutdownType: tpm2.TPMSUClear}).Execute(l); err != nil {
		return errors.Join(used, fmt.Errorf("expect a power cut: %w", err))
	}
	return used
}

// Lockout implements tpm.Accounts.
func (d *Device) Lockout(ctx context.Context) (tpm.Lockout, error) {
	var lockout tpm.Lockout
	err := d.do(ctx, func(l *link) error {
		m, err := l.limits()
		lockout = tpm.Lockout{Failed: int(m.failed), Max: int(m.max), Locked: m.locked}
		return err
	})
	if err != nil {
		return tpm.Lockout{}, fmt.Errorf("ask about the lockout: %w", err)
	}
	return lockout, nil
}

// Unlock implements tpm.Accounts.
func (d *Device) Unlock(ctx context.Context, lockout []byte) error {
	err := d.with(ctx, func(l *link, key storage, _ *known) error { return l.unlock(key, lockout) })
	if err != nil {
		return fmt.Errorf("forgive wrong authorisations: %w", err)
	}
	return nil
}

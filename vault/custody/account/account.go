// Package account makes and opens the keys of an account, which lie in the chip behind a password.
//
//	In:    a password, and the credential that the book keeps
//	Out:   the account's private key, or a signature
//	Owner: the caller's goroutine; one password is hashed at a time
//	Full:  see vault/custody/password
package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/vault/custody/book"
	"linekeep/vault/custody/password"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/secret"
)

var (
	// ErrDenied reports a name, a code or a password that is wrong; it does not say which.
	ErrDenied = errors.New("office: name, code or password is wrong")
	// ErrLocked reports that the chip takes no passwords for now. Recording is not touched.
	ErrLocked = errors.New("office: too many wrong passwords: the security chip takes none for some minutes; recording goes on")
	// ErrOtherChip reports an account whose keys are in a chip that is not there: it must be reset.
	ErrOtherChip = errors.New("office: the account's keys are in another security chip: the account must be reset")
)

// Chip is what is asked of the chip.
type Chip interface {
	NewAccount(ctx context.Context, auth []byte) (tpm.Account, error)
	OpenAccount(ctx context.Context, secret tpm.Blob, auth []byte) ([]byte, error)
	Sign(ctx context.Context, signing tpm.Blob, auth []byte, digest [32]byte) ([]byte, error)
}

// Hasher makes the authorisation out of a password; vault/custody/password has the one a box uses.
type Hasher interface {
	Auth(ctx context.Context, p password.Password, params password.Params) ([]byte, error)
}

// Desk is where passwords are taken to the chip.
type Desk struct {
	Chip    Chip
	Hash    Hasher
	VaultID [keys.VaultIDSize]byte
	Clock   func() time.Time
}

// Account is new keys for an account, not yet in the book.
type Account struct {
	Credential *book.Credential
	Private    envelope.Private
}

// What goes to the chip and comes from it passes through buffers and sessions of the library that speaks to it, and is
// erased with them because all of it is inside secret.Do.

// Make makes the keys of an account. Errors: ErrLocked, tpm.ErrUnavailable.
func (d Desk) Make(ctx context.Context, id keys.ID, roles book.Roles, p password.Password) (a Account, err error) {
	secret.Do(func() { a, err = d.make(ctx, id, roles, p) })
	return a, err
}

func (d Desk) make(ctx context.Context, id keys.ID, roles book.Roles, p password.Password) (Account, error) {
	credential := &book.Credential{Made: d.Clock().UTC().Truncate(time.Second), Params: password.NewParams()}
	auth, err := d.Hash.Auth(ctx, p, credential.Params)
	if err != nil {
		return Account{}, err
	}
	defer clear(auth)
	made, err := d.Chip.NewAccount(ctx, auth)
	if err != nil {
		return Account{}, inWords(err)
	}
	private, err := d.open(ctx, id, made.Secret, auth)
	if err != nil {
		return Account{}, err
	}
	credential.Account, credential.Secret = private.Public(), made.Secret
	if roles.Any(book.Director | book.Controller) {
		credential.Signing, credential.Signer = made.Signing, made.Public
	}
	return Account{Credential: credential, Private: private}, nil
}

// Unlock has the chip open an account. The caller wipes the key. Errors: ErrDenied, ErrLocked, ErrOtherChip,
// tpm.ErrUnavailable.
func (d Desk) Unlock(ctx context.Context, id keys.ID, c *book.Credential, p password.Password) (private envelope.Private, err error) {
	secret.Do(func() {
		var auth []byte
		if auth, err = d.Hash.Auth(ctx, p, c.Params); err != nil {
			return
		}
		defer clear(auth)
		private, err = d.open(ctx, id, c.Secret, auth)
	})
	return private, err
}

func (d Desk) open(ctx context.Context, id keys.ID, blob tpm.Blob, auth []byte) (envelope.Private, error) {
	opened, err := d.Chip.OpenAccount(ctx, blob, auth)
	if err != nil {
		return envelope.Private{}, inWords(err)
	}
	defer clear(opened)
	return Key(d.VaultID, id, opened)
}

// Sign signs a SHA-256 with the account's signing key. Errors: as Unlock.
func (d Desk) Sign(ctx context.Context, c *book.Credential, p password.Password, digest [32]byte) (signature []byte, err error) {
	secret.Do(func() {
		var auth []byte
		if auth, err = d.Hash.Auth(ctx, p, c.Params); err != nil {
			return
		}
		defer clear(auth)
		if signature, err = d.Chip.Sign(ctx, c.Signing, auth, digest); err != nil {
			err = inWords(err)
		}
	})
	return signature, err
}

// inWords says in our words what the chip said.
func inWords(err error) error {
	switch {
	case errors.Is(err, tpm.ErrWrongAuth):
		return ErrDenied
	case errors.Is(err, tpm.ErrLocked):
		return fmt.Errorf("%w: %w", ErrLocked, err)
	case errors.Is(err, tpm.ErrRefused):
		return fmt.Errorf("%w: %w", ErrOtherChip, err)
	}
	return fmt.Errorf("ask the chip for an account: %w", err)
}

// Key is the key pair that the chip's secret stands for.
func Key(vaultID [keys.VaultIDSize]byte, person keys.ID, opened []byte) (private envelope.Private, err error) {
	root, err := secret.From(opened)
	if err != nil {
		return private, err
	}
	defer root.Wipe()
	ikm := root.Derive("account key", vaultID[:], person.Append(nil))
	defer ikm.Wipe()
	ikm.Use(func(b []byte) { private, err = envelope.Derive(b) })
	return private, err
}

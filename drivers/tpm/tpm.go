// Package tpm is the contract with the board's security chip: it seals the one small secret that opens the vault.
//
//	In:    a secret of at most MaxSecret bytes
//	Out:   a Blob that only this chip opens, and only in a state its vendor has signed for
//	Owner: the caller; nothing here starts a goroutine
//	Full:  a chip has three slots for objects: each call frees what it used before it returns
package tpm

import (
	"context"
	"errors"
)

// MaxSecret is the most a TPM seals in one object: 128 bytes (TPM 2.0 Part 2, MAX_SYM_DATA).
const MaxSecret = 128

var (
	// ErrRefused reports that the chip does not give the secret out: the blob was sealed by another chip, or
	// the measured state is not one the vendor signed for. Trying again cannot help.
	ErrRefused = errors.New("tpm: the chip refuses to open this")
	// ErrUnavailable reports that the chip does not answer, or is locked out. Trying later may help.
	ErrUnavailable = errors.New("tpm: the chip does not answer")
)

// Blob is a sealed object as the chip gave it: TPM2B_PUBLIC and then TPM2B_PRIVATE (TPM 2.0 Part 2, 12.2.5
// and 12.3.7), each with its two-byte length. It may stand anywhere: without the chip it is noise.
type Blob []byte

// Sealer is a chip under the policy of one vendor. Its methods may be called from several goroutines; they take turns.
type Sealer interface {
	// Seal makes a Blob of secret. Errors: ErrUnavailable.
	Seal(ctx context.Context, secret []byte) (Blob, error)
	// Unseal gives the secret back. Errors: ErrRefused, ErrUnavailable.
	Unseal(ctx context.Context, blob Blob) ([]byte, error)
	// Close ends the use of the chip and frees what is loaded.
	Close() error
}

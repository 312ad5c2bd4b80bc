// Package tpm is the contract with the board's security chip: it opens the vault's root as long as that has not been
// revoked, counts the revocations, keeps the keys of accounts behind their passwords, and signs what it has counted.
//
//	In:    secrets of at most MaxSecret bytes; authorisations of AuthSize bytes
//	Out:   a Blob that only this chip opens; certificates
//	Owner: the caller; nothing here starts a goroutine
//	Full:  a chip has three slots for objects: each call frees what it used before it returns
package tpm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	// MaxSecret is the most a TPM seals in one object: 128 bytes (TPM 2.0 Part 2, MAX_SYM_DATA).
	MaxSecret = 128
	// AuthSize is the length of every authorisation we use, in bytes: that of a SHA-256, the most a TPM takes
	// for objects whose names are SHA-256 (TPM 2.0 Part 1, 19.6.4.3).
	AuthSize = 32
	// AccountSecretSize is the length of an account's secret, in bytes.
	AccountSecretSize = 32
	// LockoutAfter is how many wrong authorisations of accounts the chip takes before it is asked in vain.
	LockoutAfter = 32
	// LockoutForgives is how often it forgives one of them.
	LockoutForgives = 10 * time.Minute
)

var (
	// ErrRefused reports that the chip does not give the secret out: the blob was sealed by another chip, or
	// the measured state is not one the vendor signed for. Trying again cannot help.
	ErrRefused = errors.New("tpm: the chip refuses to open this")
	// ErrSpent reports a blob whose epoch the chip's counter has passed: it was revoked. It is an ErrRefused.
	ErrSpent = fmt.Errorf("%w: its counter has passed it", ErrRefused)
	// ErrNotReady reports a chip that was never prepared, or was cleared since: what was sealed to it is lost. It is an ErrRefused.
	ErrNotReady = fmt.Errorf("%w: it has no keys of ours", ErrRefused)
	// ErrUnavailable reports that the chip does not answer, or is locked out. Trying later may help.
	ErrUnavailable = errors.New("tpm: the chip does not answer")
	// ErrLocked reports that there were too many wrong authorisations of accounts. Nothing but accounts is locked.
	// It is an ErrUnavailable: ten minutes later the chip answers once more.
	ErrLocked = fmt.Errorf("%w: too many wrong authorisations", ErrUnavailable)
	// ErrWrongAuth reports a wrong authorisation. One of an account counts towards the lockout.
	ErrWrongAuth = errors.New("tpm: wrong authorisation")
	// ErrOwned reports a chip that has another owner already.
	ErrOwned = errors.New("tpm: the chip has another owner already")
)

// Blob is an object as the chip gave it: TPM2B_PUBLIC and then TPM2B_PRIVATE (TPM 2.0 Part 2, 12.2.5
// and 12.3.7), each with its two-byte length. It may stand anywhere: without the chip it is noise.
type Blob []byte

// Identity is what tells a chip from every other. None of it is secret. It is pinned in the vault's root:
// the caller compares it once, and from then on the Sealer holds to it by itself.
type Identity struct {
	Storage []byte // name of the storage key (TPM 2.0 Part 1, 16): two bytes of algorithm, SHA-256
	Counter []byte // name of the counter's index as it is once the counter was written
	Attest  []byte // P-256 public key, PKIX DER: it signs certificates
}

// Fingerprint of the chip's attestation key, to be compared with what the box shows: the first 20 bytes of its SHA-256.
func (i Identity) Fingerprint() string {
	sum := sha256.Sum256(i.Attest)
	text := strings.ToUpper(hex.EncodeToString(sum[:20]))
	var parts []string
	for ; text != ""; text = text[4:] {
		parts = append(parts, text[:4])
	}
	return strings.Join(parts, " ")
}

// Sealer is the part of a Chip that the vault's root needs. Its methods may be called from several goroutines;
// they take turns. As long as it is open it deals with one Identity: when the chip behind it shows another
// one, that is ErrRefused.
type Sealer interface {
	// Seal makes a Blob of secret that opens while the counter is at most epoch, in a state the vendor signed for. What was
	// sealed for an epoch to come opens at once. The chip itself computes the policy once more, and the two are compared.
	// Errors: ErrNotReady, ErrUnavailable.
	Seal(ctx context.Context, secret []byte, epoch uint64) (Blob, error)
	// Unseal gives the secret back; epoch is the one it was sealed for. Errors: ErrRefused (which ErrSpent and ErrNotReady are), ErrUnavailable.
	Unseal(ctx context.Context, blob Blob, epoch uint64) ([]byte, error)
	// Epoch is where the counter stands. A chip's first vault need not begin at 1: a counter made anew goes on after the highest
	// that the chip ever had. Errors: ErrNotReady, ErrUnavailable.
	Epoch(ctx context.Context) (uint64, error)
	// Advance moves the counter up by one if it stands at from, and gives where it stands afterwards; if it stands elsewhere
	// nothing happens and it gives that. Owner is empty as long as the chip has none. An error does not mean that nothing
	// happened: ask Epoch. Errors: ErrWrongAuth, ErrNotReady, ErrUnavailable.
	Advance(ctx context.Context, owner []byte, from uint64) (uint64, error)
	// Prepare makes what is missing of: storage key, counter, attestation key, limits of the lockout. It leaves the authorisations
	// alone, so that the caller can store them first. Errors: ErrOwned where something is missing that only another owner could make,
	// ErrRefused where a stranger's object is in its place, ErrUnavailable.
	Prepare(ctx context.Context) (Identity, error)
	// Identity is that of a prepared chip. Errors: ErrNotReady, ErrUnavailable.
	Identity(ctx context.Context) (Identity, error)
	// Owned says which of the owner's and the lockout's authorisation are set.
	Owned(ctx context.Context) (owner, lockout bool, err error)
	// Own sets both, each of AuthSize bytes, owner first. One that is set already to the same value counts as set, so a caller
	// that a power cut caught calls it again. An empty lockout is left as it is: nobody is there yet who could keep it.
	// Errors: ErrOwned, ErrNotReady, ErrUnavailable.
	Own(ctx context.Context, owner, lockout []byte) error
	// Certify has the chip sign where its counter stands, together with 32 bytes of the caller's. Errors: ErrNotReady, ErrUnavailable.
	Certify(ctx context.Context, qualifying [32]byte) (Certificate, error)
	// Close ends the use of the chip and frees what is loaded.
	Close() error
}

// Account is the two keys of an account, as the chip made them under one authorisation.
type Account struct {
	Secret  Blob   // AccountSecretSize random bytes
	Signing Blob   // a P-256 key that never leaves the chip
	Public  []byte // of Signing, PKIX DER
}

// Lockout is how near the chip is to ErrLocked.
type Lockout struct {
	Failed int // wrong authorisations not yet forgiven
	Max    int
	Locked bool
}

// Accounts is the part of a Chip that people need. Wrong authorisations count towards the lockout, which touches nothing of a Sealer.
type Accounts interface {
	// NewAccount makes an account's keys under an authorisation of AuthSize bytes. Errors: ErrNotReady, ErrUnavailable.
	NewAccount(ctx context.Context, auth []byte) (Account, error)
	// OpenAccount gives the account's secret. Afterwards the chip is told to expect a power cut, so that one does not count as
	// a failure. Errors: ErrWrongAuth, ErrLocked, ErrRefused (another chip's), ErrUnavailable.
	OpenAccount(ctx context.Context, secret Blob, auth []byte) ([]byte, error)
	// Sign signs a SHA-256 with an account's signing key: ECDSA, ASN.1. Errors: as OpenAccount.
	Sign(ctx context.Context, signing Blob, auth []byte, digest [32]byte) ([]byte, error)
	// Lockout tells how near the chip is to locking. Errors: ErrUnavailable.
	Lockout(ctx context.Context) (Lockout, error)
	// Unlock forgives all failures; lockout is the lockout's authorisation. After a wrong one the chip takes none for a day:
	// the first gives ErrWrongAuth, those that follow ErrUnavailable, the right one too. Errors: ErrNotReady as well.
	Unlock(ctx context.Context, lockout []byte) error
}

// Chip is a security chip under the policy of one vendor, at the service of one vault.
type Chip interface {
	Sealer
	Accounts
}

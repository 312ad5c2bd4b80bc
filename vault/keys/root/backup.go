package root

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/envelope"
	"linekeep/vault/secret"
)

const (
	backupMagic   = "LKback"
	backupVersion = 1
	// BackupName is the key backup's name in keys/.
	BackupName = "backup"
)

// ErrWrongKey reports a recovery key that is not the one a backup was made for.
var ErrWrongKey = errors.New("root: the backup is for another recovery key")

// Backup is a root with its key wrapped to the recovery key. With the private half and the shards beside it, it
// opens without the chip.
type Backup struct {
	To      [envelope.PublicSize]byte // the recovery public key
	wrapped [envelope.WrappedSize]byte
	lockout *Lockout
	Root    []byte // the whole file
	front   Front
}

func rootInfo(f Front) []byte {
	return secret.Info("backup root", f.VaultID[:], append(u64(f.ID.Epoch), u64(f.ID.Seq)...))
}

func lockoutInfo(vaultID [VaultIDSize]byte) []byte { return secret.Info("backup lockout", vaultID[:]) }

// WrapLockout wraps the authorisation of a chip's lockout to a recovery key.
func WrapLockout(vaultID [VaultIDSize]byte, to envelope.Public, auth secret.Key) (*Lockout, error) {
	wrapped, err := to.Wrap(lockoutInfo(vaultID), auth)
	if err != nil {
		return nil, fmt.Errorf("wrap the lockout's authorisation: %w", err)
	}
	return &Lockout{To: to.Bytes(), Wrapped: [envelope.WrappedSize]byte(wrapped)}, nil
}

// Open gives the authorisation of the chip's lockout. Errors: ErrWrongKey, envelope.ErrAltered.
func (l *Lockout) Open(vaultID [VaultIDSize]byte, recovery envelope.Private) (secret.Key, error) {
	if recovery.Public().Bytes() != l.To {
		return secret.Key{}, fmt.Errorf("the lockout's authorisation: %w", ErrWrongKey)
	}
	return recovery.Unwrap(lockoutInfo(vaultID), l.Wrapped[:])
}

// SealBackup makes the backup of a root's file, whose key is wrapped to the recovery key in c.
func SealBackup(file []byte, key secret.Key, c *Contents) ([]byte, error) {
	r, err := Parse(file)
	if err != nil {
		return nil, fmt.Errorf("build key backup: %w", err)
	}
	if c.Recovery == nil {
		return nil, errors.New("build key backup: there is no recovery key")
	}
	wrapped, err := c.Recovery.Wrap(rootInfo(r.Front), key)
	if err != nil {
		return nil, fmt.Errorf("build key backup: %w", err)
	}
	return Backup{To: c.Recovery.Bytes(), wrapped: [envelope.WrappedSize]byte(wrapped), lockout: c.Lockout, Root: file, front: r.Front}.marshal()
}

func (b Backup) marshal() ([]byte, error) {
	var out cryptobyte.Builder
	out.AddBytes([]byte(backupMagic))
	out.AddUint16(backupVersion)
	out.AddBytes(b.front.VaultID[:])
	out.AddBytes(b.To[:])
	out.AddUint16LengthPrefixed(func(out *cryptobyte.Builder) { out.AddBytes(b.wrapped[:]) })
	out.AddUint16LengthPrefixed(func(out *cryptobyte.Builder) {
		if b.lockout != nil {
			out.AddBytes(b.lockout.To[:])
			out.AddBytes(b.lockout.Wrapped[:])
		}
	})
	out.AddUint32LengthPrefixed(func(out *cryptobyte.Builder) { out.AddBytes(b.Root) })
	file, err := out.Bytes()
	if err != nil {
		return nil, fmt.Errorf("build key backup: %w", err)
	}
	sum := sha256.Sum256(file)
	return append(file, sum[:]...), nil
}

// ParseBackup reads a backup's outside.
func ParseBackup(file []byte) (Backup, error) {
	var b Backup
	s, err := checked(file, backupMagic, backupVersion)
	if err != nil {
		return b, err
	}
	var vaultID [VaultIDSize]byte
	var wrapped, lockout, whole cryptobyte.String
	ok := s.CopyBytes(vaultID[:]) && s.CopyBytes(b.To[:]) &&
		s.ReadUint16LengthPrefixed(&wrapped) && wrapped.CopyBytes(b.wrapped[:]) && wrapped.Empty() &&
		s.ReadUint16LengthPrefixed(&lockout) && readUint32LengthPrefixed(&s, &whole) && s.Empty()
	if ok && !lockout.Empty() {
		b.lockout = new(Lockout)
		ok = lockout.CopyBytes(b.lockout.To[:]) && lockout.CopyBytes(b.lockout.Wrapped[:]) && lockout.Empty()
	}
	if !ok {
		return b, errors.New("key backup cut short")
	}
	r, err := Parse(whole)
	if err != nil {
		return b, fmt.Errorf("key backup: its root: %w", err)
	}
	if r.VaultID != vaultID {
		return b, errors.New("key backup: its root is of another vault")
	}
	b.Root, b.front = whole, r.Front
	return b, nil
}

// Front is what its root says of itself in clear.
func (b Backup) Front() Front { return b.front }

// Open opens the root in the backup. Errors: ErrWrongKey, envelope.ErrAltered.
func (b Backup) Open(recovery envelope.Private) (*Contents, error) {
	if recovery.Public().Bytes() != b.To {
		return nil, ErrWrongKey
	}
	key, err := recovery.Unwrap(rootInfo(b.front), b.wrapped[:])
	if err != nil {
		return nil, fmt.Errorf("open key backup: %w", err)
	}
	defer key.Wipe()
	r, err := Parse(b.Root)
	if err != nil {
		return nil, fmt.Errorf("open key backup: %w", err)
	}
	return r.Open(key)
}

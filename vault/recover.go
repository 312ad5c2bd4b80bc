package vault

import "errors"

// The errors of a recovery, beside ErrWrongCode and those of tpm.Sealer.
var (
	// ErrNoBackup reports that the box keeps no copy of its keys that a recovery code could open.
	ErrNoBackup = errors.New("vault: no key backup on this box")
	// ErrOldBackup reports that the copy of the keys is older than what stands beside it.
	ErrOldBackup = errors.New("vault: the key backup is older than the vault")
)

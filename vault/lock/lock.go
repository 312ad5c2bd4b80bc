// Package lock keeps a vault's folder to one process.
//
//	In:    a folder that is there
//	Out:   its lock, until it is closed
//	Owner: the caller; the kernel lets go of it when the process ends, however it ends
//	Full:  one empty file in the folder
package lock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Name is the file's.
const Name = "lock"

// ErrTaken reports that another process has the folder.
var ErrTaken = errors.New("vault: open in another process")

// Take takes the folder's lock. Errors: ErrTaken.
func Take(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, Name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the vault's lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrTaken
		}
		return nil, errors.Join(fmt.Errorf("lock the vault: %w", err), f.Close())
	}
	return f, nil
}

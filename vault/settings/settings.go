// Package settings keeps the box's own small secrets, such as the key of the console's certificate, sealed under the
// vault key: whoever takes the disk gets none of them.
//
//	In:    named values of at most MaxSize
//	Out:   the same bytes, or an error that says they are not what was saved
//	Owner: the caller; no goroutine
//	Full:  a value that finds no room leaves the old one as it was
//
// Each value is a file of its own, in two copies, as vault/keys keeps its own: a flipped bit must not make a box that
// everybody in the office has to be told about anew.
package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
	"linekeep/vault/seal"
)

// MaxSize is the largest value: a key and its certificate take some 2 KB.
const MaxSize = 64 << 10

// The form of a file is in vault/FORMAT.md, section 13.
const (
	head  = "LKst\x01" // magic and version
	label = "setting"  // in the associated data: no other box of the vault can stand in a setting's place
)

// ErrAltered reports a value that is there in neither copy as it was saved.
var ErrAltered = errors.New("settings: altered")

// Folder is where settings are kept.
type Folder struct {
	vaultID [keys.VaultIDSize]byte
	key     keys.Key
	pair    *pair.Folder
}

// Open keeps settings in dir, which it makes where it is missing, under key.
func Open(dir string, vaultID [keys.VaultIDSize]byte, key keys.Key) (*Folder, error) {
	f := &Folder{vaultID: vaultID, key: key, pair: pair.At(dir, pair.Disk{})}
	if err := f.pair.Make(); err != nil {
		return nil, fmt.Errorf("make the settings' folder: %w", err)
	}
	return f, nil
}

// Inspect is Verify for a vault that nobody has open: nothing is made or mended.
func Inspect(dir string, vaultID [keys.VaultIDSize]byte, key keys.Key) []error {
	f := &Folder{vaultID: vaultID, key: key, pair: pair.At(dir, pair.Disk{})}
	return f.Verify()
}

// Verify reads both copies of every value and names each that is missing, or not what was saved: fs.ErrNotExist, ErrAltered. It
// changes nothing, and takes turns with Save.
func (f *Folder) Verify() []error {
	names, err := f.pair.List()
	if err != nil {
		return []error{err}
	}
	var found []error
	for _, name := range names {
		both, err := f.pair.Copies(name)
		if err != nil {
			found = append(found, err)
			continue
		}
		for i, file := range both {
			where := []string{"settings/", "settings/copy/"}[i] + name
			if file == nil {
				found = append(found, fmt.Errorf("%s: %w", where, fs.ErrNotExist))
			} else if _, err := f.open(name, file); err != nil {
				found = append(found, fmt.Errorf("%s: %w: %w", where, ErrAltered, err))
			} else if i == 1 && both[0] != nil && !bytes.Equal(both[0], file) && f.opens(name, both[0]) {
				found = append(found, fmt.Errorf("%s: %w: it is older than its second copy, or newer", where, ErrAltered))
			}
		}
	}
	return found
}

func (f *Folder) opens(name string, file []byte) bool {
	_, err := f.open(name, file)
	return err == nil
}

// Load gives a value that Save kept. Errors: fs.ErrNotExist for one that was never saved, ErrAltered.
func (f *Folder) Load(name string) ([]byte, error) {
	if err := valid(name); err != nil {
		return nil, err
	}
	var value []byte
	// A copy that was mended on the way loses nothing; a disk that flips bits is told by vault/check.
	_, _, err := f.pair.Read(name, func(file []byte) (err error) {
		value, err = f.open(name, file)
		return err
	})
	switch {
	case errors.Is(err, pair.ErrMissing) && !errors.Is(err, pair.ErrAltered):
		return nil, fmt.Errorf("load the setting %s: %w", name, fs.ErrNotExist)
	case err != nil:
		return nil, fmt.Errorf("load the setting %s: %w: %w", name, ErrAltered, err)
	}
	return value, nil
}

// Save keeps a value: nil = stored, in both copies.
func (f *Folder) Save(name string, value []byte) error {
	if err := valid(name); err != nil {
		return err
	}
	if len(value) > MaxSize {
		return fmt.Errorf("save the setting %s: %d bytes, more than %d", name, len(value), MaxSize)
	}
	boxed := seal.Box(f.key, value, f.place(name)...)
	if err := f.pair.Write(name, append([]byte(head), boxed...)); err != nil {
		return fmt.Errorf("save the setting %s: %w", name, err)
	}
	return nil
}

// Names are those of all values that are kept.
func (f *Folder) Names() ([]string, error) {
	names, err := f.pair.List()
	if err != nil {
		return nil, fmt.Errorf("list the settings: %w", err)
	}
	return names, nil
}

// Remove lets a value go, both its copies: nil = gone, also where there was none.
func (f *Folder) Remove(name string) error {
	if err := valid(name); err != nil {
		return err
	}
	if err := f.pair.Remove(name); err != nil {
		return fmt.Errorf("remove the setting %s: %w", name, err)
	}
	return nil
}

// open reads a file's bytes.
func (f *Folder) open(name string, file []byte) ([]byte, error) {
	boxed, ok := bytes.CutPrefix(file, []byte(head))
	if !ok {
		return nil, fmt.Errorf("%w: not a setting of a known version", ErrAltered)
	}
	return seal.OpenBox(f.key, boxed, f.place(name)...)
}

// place is what ties a box to where it belongs.
func (f *Folder) place(name string) [][]byte {
	return [][]byte{[]byte(label), []byte(head), f.vaultID[:], []byte(name)}
}

// valid keeps a name inside the folder.
func valid(name string) error {
	if name == "" || name != filepath.Base(name) || name[0] == '.' {
		return fmt.Errorf("settings: %q is not a name", name)
	}
	return nil
}

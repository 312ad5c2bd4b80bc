// Package custody holds the key pair that stands between the box and the sound: the box has the public half
// and can only add, people hold the private half.
//
//	In:    a recovery code; data keys to wrap
//	Out:   wrapped keys of 80 bytes; keys/custody.1 in two copies
//	Owner: plain values; no goroutine
//	Full:  a custody file is 244 bytes and is written once
//
// In this first stage the private half exists only under the recovery code.
package custody

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
	"linekeep/vault/secret"
)

var (
	// ErrWrongCode reports a whole recovery code of another vault, or of an earlier custody key.
	ErrWrongCode = errors.New("custody: the recovery code does not open this vault")
	// ErrAltered reports a custody file that is not as it was written.
	ErrAltered = errors.New("custody: altered")
	// ErrExists reports that there is a custody file already; another one would part old calls from new ones.
	ErrExists = errors.New("custody: there is a custody key here already")
)

const (
	fileName    = "custody.1"
	fileNumber  = 1
	fileMagic   = "LKcust"
	fileVersion = 1
)

// file is what a custody file says.
type file struct {
	number   uint32
	public   [envelope.PublicSize]byte
	digest   [sha256.Size]byte         // the whole of what Fingerprint shows the start of
	recovery [envelope.PublicSize]byte // public half of the key that the recovery code stands for
	wrapped  []byte                    // the private half, wrapped to recovery
}

func (f *file) marshal(vaultID [keys.VaultIDSize]byte, outer keys.Key) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddBytes([]byte(fileMagic))
	b.AddUint16(fileVersion)
	b.AddBytes(vaultID[:])
	b.AddUint32(f.number)
	kemID, kdfID, aeadID := envelope.Suite()
	b.AddUint16(kemID)
	b.AddUint16(kdfID)
	b.AddUint16(aeadID)
	b.AddBytes(f.public[:])
	b.AddBytes(f.digest[:])
	b.AddBytes(f.recovery[:])
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(f.wrapped) })
	data, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("build custody file: %w", err)
	}
	return append(data, mac(outer, data)...), nil
}

func mac(outer keys.Key, data []byte) []byte {
	h := outer.HMAC()
	h.Write(data)
	return h.Sum(nil)
}

func parse(data []byte, vaultID [keys.VaultIDSize]byte, outer keys.Key) (file, error) {
	var f file
	if len(data) < sha256.Size {
		return f, errors.New("not a custody file")
	}
	body := data[:len(data)-sha256.Size]
	if !hmac.Equal(mac(outer, body), data[len(body):]) {
		return f, errors.New("authentication code differs")
	}
	s := cryptobyte.String(body)
	var magic, wrapped cryptobyte.String
	var version, kemID, kdfID, aeadID uint16
	wantKEM, wantKDF, wantAEAD := envelope.Suite()
	var id [keys.VaultIDSize]byte
	if !s.ReadBytes((*[]byte)(&magic), len(fileMagic)) || string(magic) != fileMagic || !s.ReadUint16(&version) {
		return f, errors.New("not a custody file")
	}
	if version != fileVersion {
		return f, fmt.Errorf("custody file of version %d, this program reads %d", version, fileVersion)
	}
	ok := s.CopyBytes(id[:]) && s.ReadUint32(&f.number) && s.ReadUint16(&kemID) && s.ReadUint16(&kdfID) && s.ReadUint16(&aeadID) &&
		s.CopyBytes(f.public[:]) && s.CopyBytes(f.digest[:]) && s.CopyBytes(f.recovery[:]) &&
		s.ReadUint16LengthPrefixed(&wrapped) && s.Empty()
	f.wrapped = wrapped
	switch {
	case !ok || len(f.wrapped) != envelope.WrappedSize:
		return f, errors.New("custody file of the wrong length")
	case id != vaultID:
		return f, errors.New("custody file of another vault")
	case kemID != wantKEM || kdfID != wantKDF || aeadID != wantAEAD:
		return f, errors.New("custody file of another HPKE suite")
	}
	return f, nil
}

// wrapInfo binds the wrapped private half to its vault and its public half.
func wrapInfo(vaultID [keys.VaultIDSize]byte, public [envelope.PublicSize]byte) []byte {
	return secret.Info("custody private", vaultID[:], public[:])
}

// Create makes a custody key pair and writes dir/custody.1 and dir/copy/custody.1: the public half in clear and
// authenticated under outer, the private half wrapped to the key of code. Errors: ErrExists.
func Create(dir string, vaultID [keys.VaultIDSize]byte, outer keys.Key, code Code) (envelope.Public, error) {
	for _, path := range []string{filepath.Join(dir, fileName), filepath.Join(dir, "copy", fileName)} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return envelope.Public{}, fmt.Errorf("create custody key: %w", errors.Join(ErrExists, err))
		}
	}
	private, err := envelope.New()
	if err != nil {
		return envelope.Public{}, err
	}
	defer private.Wipe()
	recovery, err := code.Recovery(vaultID)
	if err != nil {
		return envelope.Public{}, err
	}
	defer recovery.Wipe()
	public := private.Public()
	f := file{number: fileNumber, public: public.Bytes(), digest: public.Digest(), recovery: recovery.Public().Bytes()}
	if f.wrapped, err = recovery.Public().Wrap(wrapInfo(vaultID, f.public), private.Secret()); err != nil {
		return envelope.Public{}, err
	}
	data, err := f.marshal(vaultID, outer)
	if err != nil {
		return envelope.Public{}, err
	}
	folder := pair.At(dir, pair.Disk{})
	if err := errors.Join(folder.Make(), folder.Write(fileName, data)); err != nil {
		return envelope.Public{}, fmt.Errorf("write custody file: %w", err)
	}
	return public, nil
}

// Custody is a vault's custody file, read.
type Custody struct {
	folder   *pair.Folder
	vaultID  [keys.VaultIDSize]byte
	data     []byte
	file     file
	public   envelope.Public
	findings []error
}

// Load reads dir/custody.1 and mends one copy from the other. Errors: ErrAltered when no copy is good;
// pair.ErrMissing beside it when there is none.
func Load(dir string, vaultID [keys.VaultIDSize]byte, outer keys.Key) (*Custody, error) {
	c := &Custody{folder: pair.At(dir, pair.Disk{}), vaultID: vaultID}
	data, findings, err := c.folder.Read(fileName, func(data []byte) (err error) {
		c.file, err = parse(data, vaultID, outer)
		if err == nil {
			c.public, err = envelope.PublicFrom(c.file.public[:])
		}
		if err == nil && c.public.Digest() != c.file.digest {
			err = errors.New("fingerprint is not the public key's")
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAltered, err)
	}
	c.data = data
	c.note(findings)
	return c, nil
}

func (c *Custody) note(findings []error) {
	for _, f := range findings {
		c.findings = append(c.findings, fmt.Errorf("%w: %w", ErrAltered, f))
	}
}

// Public is the half that wraps.
func (c *Custody) Public() envelope.Public { return c.public }

// Recover opens the private half with the recovery code. Errors: ErrWrongCode; ErrAltered when the code is right.
func (c *Custody) Recover(code Code) (envelope.Private, error) {
	recovery, err := code.Recovery(c.vaultID)
	if err != nil {
		return envelope.Private{}, err
	}
	defer recovery.Wipe()
	if recovery.Public().Bytes() != c.file.recovery {
		return envelope.Private{}, ErrWrongCode
	}
	secret, err := recovery.Unwrap(wrapInfo(c.vaultID, c.file.public), c.file.wrapped)
	if err != nil {
		return envelope.Private{}, fmt.Errorf("%w: %w", ErrAltered, err)
	}
	private, err := envelope.PrivateFrom(secret)
	if err != nil {
		return envelope.Private{}, err
	}
	if private.Public().Bytes() != c.public.Bytes() {
		private.Wipe()
		return envelope.Private{}, fmt.Errorf("%w: the private key is not that of the public one", ErrAltered)
	}
	return private, nil
}

// Verify reads both copies again, mends one from the other, and gives everything found wrong since Load.
func (c *Custody) Verify() []error {
	_, findings, err := c.folder.Read(fileName, func(data []byte) error {
		if !bytes.Equal(data, c.data) {
			return errors.New("not the file that was loaded")
		}
		return nil
	})
	c.note(findings)
	if err != nil {
		c.note([]error{err})
	}
	return c.findings
}

// Package clear is what a vault says in clear, for the day on which its root does not open: under which keys the box
// may go on recording.
//
//	In:    the vault's id, its custody public key, the public half of its spare pair, its retention classes
//	Out:   keys/clear in two copies; the same again, and whether it is the vault's own word
//	Owner: plain values; no goroutine
//	Full:  at most some 8 KB
//
// Nothing in it is secret. Anybody can read it without a key, and a checksum tells damage. Whether it is what the
// vault wrote only the opened vault can tell, by a MAC under a key of its own; until then the printed fingerprint is what
// a person has to compare with.
package clear

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
)

// Name is the file's name, in keys/ and in keys/copy/.
const Name = "clear"

// The form is in vault/FORMAT.md, the section on the clear file.
const (
	magic   = "LKclea"
	version = 1
	// maxClasses is far more than an office has; so a length in the file needs one byte.
	maxClasses = 255
)

// Outer is the purpose of the key that authenticates the file.
const Outer = "clear"

var (
	// ErrMissing reports that there is no such file: the vault was not made to its end, or somebody took it away.
	ErrMissing = errors.New("clear: no copy in clear of what recording needs")
	// ErrAltered reports that neither copy is as it was written.
	ErrAltered = errors.New("clear: altered")
	// ErrForeign reports a file that is whole and that this vault did not write: its keys are somebody else's.
	ErrForeign = errors.New("clear: not written by this vault")
)

// Clear is what the file says.
type Clear struct {
	VaultID  [keys.VaultIDSize]byte
	Number   uint32            // of the custody key
	Custody  envelope.Public   // new calls are wrapped to it
	Spare    envelope.Public   // the root of a degraded vault is wrapped to it
	Recovery [sha256.Size]byte // digest of the recovery key's public half: tells whether a code is this vault's; zeros where there is none
	Classes  []string          // retention classes in use
}

// File is a file as it was read or made.
type File struct {
	Clear

	bytes []byte
}

// Bytes are the whole file.
func (f File) Bytes() []byte { return f.bytes }

// Make writes c as the vault whose outer key this is.
func Make(c Clear, outer keys.Key) (File, error) {
	if len(c.Classes) == 0 || len(c.Classes) > maxClasses {
		return File{}, fmt.Errorf("clear: %d retention classes, want 1 to %d", len(c.Classes), maxClasses)
	}
	var b cryptobyte.Builder
	b.AddBytes([]byte(magic))
	b.AddUint16(version)
	b.AddBytes(c.VaultID[:])
	b.AddUint32(c.Number)
	custody, digest, spare := c.Custody.Bytes(), c.Custody.Digest(), c.Spare.Bytes()
	for _, part := range [][]byte{custody[:], digest[:], spare[:], c.Recovery[:]} {
		b.AddBytes(part)
	}
	b.AddUint8(uint8(len(c.Classes)))
	for _, class := range c.Classes {
		if err := keys.ValidClass(class); err != nil {
			return File{}, err
		}
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(class)) })
	}
	body, err := b.Bytes()
	if err != nil {
		return File{}, fmt.Errorf("build the clear file: %w", err)
	}
	body = append(body, mac(outer, body)...)
	sum := sha256.Sum256(body)
	return Parse(append(body, sum[:]...))
}

func mac(outer keys.Key, body []byte) []byte {
	h := outer.HMAC()
	h.Write(body)
	return h.Sum(nil)
}

// Parse reads a file and finds damage. It cannot tell who wrote it; see Authentic.
func Parse(data []byte) (File, error) {
	if len(data) < 2*sha256.Size {
		return File{}, errors.New("not a clear file")
	}
	whole := data[:len(data)-sha256.Size]
	if sum := sha256.Sum256(whole); !hmac.Equal(sum[:], data[len(whole):]) {
		return File{}, errors.New("checksum differs")
	}
	s := cryptobyte.String(whole[:len(whole)-sha256.Size])
	var head cryptobyte.String
	var ver uint16
	if !s.ReadBytes((*[]byte)(&head), len(magic)) || string(head) != magic || !s.ReadUint16(&ver) {
		return File{}, errors.New("not a clear file")
	}
	if ver != version {
		return File{}, fmt.Errorf("clear file of version %d, this program reads %d", ver, version)
	}
	f := File{bytes: data}
	var digest [sha256.Size]byte
	var count uint8
	ok := s.CopyBytes(f.VaultID[:]) && s.ReadUint32(&f.Number) && readPublic(&s, &f.Custody) && s.CopyBytes(digest[:]) &&
		readPublic(&s, &f.Spare) && s.CopyBytes(f.Recovery[:]) && s.ReadUint8(&count) && count > 0
	for range count {
		var class cryptobyte.String
		ok = ok && s.ReadUint8LengthPrefixed(&class) && keys.ValidClass(string(class)) == nil
		f.Classes = append(f.Classes, string(class))
	}
	if !ok || !s.Empty() {
		return File{}, errors.New("clear file of another form")
	}
	if f.Custody.Digest() != digest {
		return File{}, errors.New("fingerprint is not the custody key's")
	}
	return f, nil
}

func readPublic(s *cryptobyte.String, p *envelope.Public) bool {
	var b [envelope.PublicSize]byte
	if !s.CopyBytes(b[:]) || b == [envelope.PublicSize]byte{} {
		return false
	}
	var err error
	*p, err = envelope.PublicFrom(b[:])
	return err == nil
}

// Authentic says whether the vault with this outer key wrote the file.
func (f File) Authentic(outer keys.Key) bool {
	end := len(f.bytes) - 2*sha256.Size
	return end > 0 && hmac.Equal(mac(outer, f.bytes[:end]), f.bytes[end:end+sha256.Size])
}

// Read reads dir/clear and mends one copy from the other; what it found wrong with a copy comes beside the file.
// Errors: ErrMissing, ErrAltered.
func Read(dir string) (f File, findings []error, err error) {
	_, findings, err = pair.At(dir, pair.Disk{}).Read(Name, func(data []byte) (err error) {
		f, err = Parse(data)
		return err
	})
	switch {
	case err == nil:
		return f, findings, nil
	case errors.Is(err, pair.ErrMissing) && !errors.Is(err, pair.ErrAltered):
		return File{}, nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	return File{}, nil, fmt.Errorf("%w: %w", ErrAltered, err)
}

// Write puts the file into dir, in two copies: nil = stored.
func Write(dir string, f File) error {
	folder := pair.At(dir, pair.Disk{})
	if err := errors.Join(folder.Make(), folder.Write(Name, f.bytes)); err != nil {
		return fmt.Errorf("write the clear file: %w", err)
	}
	return nil
}

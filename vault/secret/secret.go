// Package secret holds 32-byte keys that cannot be shown, and derives keys from them.
//
//	In:    random bytes, or bytes that somebody else wipes
//	Out:   a Key; other keys by HKDF; the info strings that bind a key or a ciphertext to its purpose
//	Owner: the caller, who wipes; no goroutine
//	Full:  a key takes some hundred bytes
package secret

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Size is the length of every key, in bytes.
const Size = 32

// derivation begins the HKDF info of every key, so that none of them can be one of another program or format.
const derivation = "linekeep/1 "

// ErrNeverMarshalled stops an encoder that was handed a struct with a secret in it.
var ErrNeverMarshalled = errors.New("secret: a secret is never marshalled")

// Key is 32 secret bytes. It refuses to be shown: in any verb of fmt, at any depth, in JSON, in a log.
// The bytes sit behind a func because fmt can read any other kind of unexported field.
// The zero Key is no key: using it panics.
type Key struct{ bytes func() *[Size]byte }

// New makes a random key.
func New() Key {
	k := new([Size]byte)
	rand.Read(k[:]) // never returns an error: crypto/rand ends the program rather than give weak bytes
	return hold(k)
}

// From copies a key out of b, which must be Size bytes. The caller wipes b.
func From(b []byte) (Key, error) {
	if len(b) != Size {
		return Key{}, fmt.Errorf("secret: a key has %d bytes, not %d", Size, len(b))
	}
	return hold((*[Size]byte)(append([]byte(nil), b...))), nil
}

func hold(k *[Size]byte) Key { return Key{bytes: func() *[Size]byte { return k }} }

// IsZero tells a Key that was never set.
func (k Key) IsZero() bool { return k.bytes == nil }

// Bytes is for the constructor of a cipher, and for nothing else. They are not a copy.
func (k Key) Bytes() *[Size]byte {
	if k.bytes == nil {
		panic("secret: the zero Key was used")
	}
	return k.bytes()
}

// Equal compares in constant time.
func (k Key) Equal(other Key) bool {
	return subtle.ConstantTimeCompare(k.Bytes()[:], other.Bytes()[:]) == 1
}

// Derive makes another key by HKDF-SHA256 without salt: k is uniformly random already. Each part of the
// context is preceded by its length, so that no two lists of parts give the same key.
func (k Key) Derive(label string, context ...[]byte) Key {
	info := Info(label, context...)
	out, err := hkdf.Key(sha256.New, k.Bytes()[:], nil, string(info), Size)
	if err != nil {
		panic("secret: HKDF refused 32 bytes: " + err.Error()) // unreachable: only a length over 8,160 is refused
	}
	return hold((*[Size]byte)(out))
}

// Info is the one way a purpose and its context are written where HKDF or HPKE want an info string, or an
// AEAD its associated data: the prefix, the label, a zero byte, then each part after its length in four bytes.
func Info(label string, context ...[]byte) []byte {
	info := append([]byte(derivation), label...)
	info = append(info, 0)
	for _, part := range context {
		info = binary.BigEndian.AppendUint32(info, uint32(len(part)))
		info = append(info, part...)
	}
	return info
}

// Wipe overwrites the key. Copies that ciphers made of it are out of reach until their memory is used again.
func (k Key) Wipe() {
	if k.bytes != nil {
		clear(k.bytes()[:])
	}
}

// Format writes the same words for every verb.
func (Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "Key(hidden)") } // fmt.State keeps no errors

// LogValue hides the key from slog.
func (Key) LogValue() slog.Value { return slog.StringValue("hidden") }

// MarshalJSON always gives an error.
func (Key) MarshalJSON() ([]byte, error) { return nil, ErrNeverMarshalled }

// MarshalText always gives an error; it stops XML and TOML.
func (Key) MarshalText() ([]byte, error) { return nil, ErrNeverMarshalled }

// Package envelope wraps keys to a public key, so that whoever wraps cannot open: HPKE (RFC 9180) on X25519.
//
//	In:    a key, and an info string that binds the wrap to its place
//	Out:   80 bytes that only the private half opens
//	Owner: plain values; no goroutine
//	Full:  each wrap costs an X25519 key pair, some 0.1 ms
//
// Whatever holds a private key or an opened one works inside secret.Do: the standard library's key objects live on the
// heap and cannot be wiped, but what was made inside is erased once it is dropped.
package envelope

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"linekeep/vault/secret"
)

const (
	// PublicSize is the length of a public key, in bytes.
	PublicSize = 32
	// WrappedSize is the length of a wrapped key: an ephemeral public key, the key, a tag.
	WrappedSize = 32 + secret.Size + 16
)

// The HPKE suite (RFC 9180): all of it in Go's standard library, and fast without AES hardware.
func kem() hpke.KEM   { return hpke.DHKEM(ecdh.X25519()) }
func kdf() hpke.KDF   { return hpke.HKDFSHA256() }
func aead() hpke.AEAD { return hpke.ChaCha20Poly1305() }

// ErrAltered reports a wrapped key that is not as it was written, or is for another key pair or another place: HPKE does not
// tell them apart.
var ErrAltered = errors.New("envelope: altered, or for another key")

// Public wraps keys. What it wrapped it cannot open, so the box that holds it records without being able to play.
type Public struct {
	key   hpke.PublicKey
	bytes [PublicSize]byte
}

// PublicFrom reads the 32 bytes of a public key. Those of low order are refused when they are used.
func PublicFrom(b []byte) (Public, error) {
	key, err := kem().NewPublicKey(b)
	if err != nil {
		return Public{}, fmt.Errorf("read public key: %w", err)
	}
	return Public{key: key, bytes: [PublicSize]byte(b)}, nil
}

// Bytes is the key as RFC 9180 writes it.
func (p Public) Bytes() [PublicSize]byte { return p.bytes }

// Digest is the whole of what Fingerprint shows the start of.
func (p Public) Digest() [sha256.Size]byte {
	return sha256.Sum256(secret.Info("custody fingerprint", p.bytes[:]))
}

// Fingerprint is printed on sheets and compared by people: 20 characters, 100 bits of a SHA-256, "ABCDE-FGH12-...".
func (p Public) Fingerprint() string {
	const (
		chars    = 20
		group    = 5
		alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ" // Crockford's base32
	)
	sum := p.Digest()
	var out strings.Builder
	for i := range chars {
		if i > 0 && i%group == 0 {
			out.WriteByte('-')
		}
		var v byte
		for bit := i * 5; bit < i*5+5; bit++ {
			v = v<<1 | sum[bit/8]>>(7-bit%8)&1
		}
		out.WriteByte(alphabet[v])
	}
	return out.String()
}

// Wrap is HPKE (RFC 9180 base mode, DHKEM X25519, HKDF-SHA256, ChaCha20-Poly1305): 80 bytes for 32.
func (p Public) Wrap(info []byte, key secret.Key) ([]byte, error) {
	if p.key == nil {
		return nil, errors.New("envelope: the zero Public was used")
	}
	var wrapped []byte
	var err error
	secret.Do(func() {
		key.Use(func(k []byte) { wrapped, err = hpke.Seal(p.key, kdf(), aead(), info, k) })
	})
	if err != nil {
		return nil, fmt.Errorf("wrap key: %w", err)
	}
	return wrapped, nil
}

// Private opens what Public wrapped. It cannot be printed.
type Private struct {
	secret secret.Key
	public Public
}

// PrivateFrom makes a key pair of its private half, which it keeps.
func PrivateFrom(key secret.Key) (Private, error) {
	p, err := pairOf(func() (hpke.PrivateKey, error) { return use(key) })
	if err != nil {
		return Private{}, err
	}
	p.secret.Wipe() // the pair's is the one it was made of
	p.secret = key
	return p, nil
}

// use makes the library's form of a private key, for use inside Do.
func use(key secret.Key) (private hpke.PrivateKey, err error) {
	key.Use(func(b []byte) { private, err = kem().NewPrivateKey(b) })
	return private, err
}

// pairOf keeps a key pair that make makes: its private half in the arena, its public half on the heap as ever.
func pairOf(make func() (hpke.PrivateKey, error)) (p Private, err error) {
	var public [PublicSize]byte
	secret.Do(func() {
		var private hpke.PrivateKey
		if private, err = make(); err != nil {
			return
		}
		copy(public[:], private.PublicKey().Bytes())
		p.secret, err = secretOf(private)
	})
	if err != nil {
		return Private{}, fmt.Errorf("make key pair: %w", err)
	}
	p.public, err = PublicFrom(public[:])
	return p, err
}

// New makes a key pair.
func New() (Private, error) {
	return pairOf(kem().GenerateKey)
}

func secretOf(private hpke.PrivateKey) (secret.Key, error) {
	b, err := private.Bytes()
	if err != nil {
		return secret.Key{}, fmt.Errorf("read private key: %w", err)
	}
	defer clear(b)
	return secret.From(b)
}

// Derive makes the key pair that 32 secret bytes stand for (DeriveKeyPair of RFC 9180).
func Derive(ikm []byte) (Private, error) {
	return pairOf(func() (hpke.PrivateKey, error) { return kem().DeriveKeyPair(ikm) })
}

// Suite names the KEM, KDF and AEAD, as RFC 9180 section 7 numbers them.
func Suite() (kemID, kdfID, aeadID uint16) { return kem().ID(), kdf().ID(), aead().ID() }

// Public is the half that wraps.
func (p Private) Public() Public { return p.public }

// Secret is the private half, for wrapping it. It is not a copy.
func (p Private) Secret() secret.Key { return p.secret }

// Unwrap opens a wrapped key. Errors: ErrAltered, also for another info or another key pair: HPKE does not tell them apart.
func (p Private) Unwrap(info, wrapped []byte) (key secret.Key, err error) {
	if len(wrapped) != WrappedSize {
		return secret.Key{}, fmt.Errorf("%w: a wrapped key has %d bytes, not %d", ErrAltered, WrappedSize, len(wrapped))
	}
	secret.Do(func() {
		var private hpke.PrivateKey
		if private, err = use(p.secret); err != nil {
			err = fmt.Errorf("use private key: %w", err)
			return
		}
		var plain []byte
		if plain, err = hpke.Open(private, kdf(), aead(), info, wrapped); err != nil {
			err = fmt.Errorf("%w: unwrap key: %w", ErrAltered, err)
			return
		}
		defer clear(plain)
		key, err = secret.From(plain)
	})
	return key, err
}

// Wipe overwrites the key; what an Unwrap copied is erased by the next garbage collection (secret.Collect).
func (p Private) Wipe() { p.secret.Wipe() }

// Format writes the same words for every verb.
func (Private) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "Private(hidden)") } // fmt.State keeps no errors

// LogValue hides the key from slog.
func (Private) LogValue() slog.Value { return slog.StringValue("hidden") }

// MarshalJSON always gives an error.
func (Private) MarshalJSON() ([]byte, error) { return nil, secret.ErrNeverMarshalled }

// MarshalText always gives an error.
func (Private) MarshalText() ([]byte, error) { return nil, secret.ErrNeverMarshalled }

package custody

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"linekeep/vault/keys"
)

const (
	publicSize = 32
	// WrappedSize is the length of a wrapped key: an ephemeral public key, the key, a tag.
	WrappedSize = 32 + keys.KeySize + 16
)

// The HPKE suite (RFC 9180): all of it in Go's standard library, and fast without AES hardware.
func kem() hpke.KEM   { return hpke.DHKEM(ecdh.X25519()) }
func kdf() hpke.KDF   { return hpke.HKDFSHA256() }
func aead() hpke.AEAD { return hpke.ChaCha20Poly1305() }

// Public wraps data keys. What it wrapped it cannot open, so the box that holds it records without being able to play.
type Public struct {
	key   hpke.PublicKey
	bytes [publicSize]byte
}

func publicFrom(b []byte) (Public, error) {
	key, err := kem().NewPublicKey(b)
	if err != nil {
		return Public{}, fmt.Errorf("read custody public key: %w", err)
	}
	return Public{key: key, bytes: [publicSize]byte(b)}, nil
}

// Bytes is the key as RFC 9180 writes it.
func (p Public) Bytes() [publicSize]byte { return p.bytes }

func (p Public) digest() [sha256.Size]byte {
	return sha256.Sum256(keys.Info("custody fingerprint", p.bytes[:]))
}

// Fingerprint is printed on sheets and compared by people: 20 characters, 100 bits of a SHA-256, "ABCDE-FGH12-...".
func (p Public) Fingerprint() string {
	const chars = 20
	sum := p.digest()
	var out strings.Builder
	for i := range chars {
		if i > 0 && i%groupChars == 0 {
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
func (p Public) Wrap(info []byte, key keys.Key) ([]byte, error) {
	if p.key == nil {
		return nil, errors.New("custody: the zero Public was used")
	}
	wrapped, err := hpke.Seal(p.key, kdf(), aead(), info, key.Bytes()[:])
	if err != nil {
		return nil, fmt.Errorf("wrap key: %w", err)
	}
	return wrapped, nil
}

// Private opens what Public wrapped. It cannot be printed.
type Private struct {
	secret keys.Key
	public Public
}

func privateFrom(secret keys.Key) (Private, error) {
	private, err := kem().NewPrivateKey(secret.Bytes()[:])
	if err != nil {
		return Private{}, fmt.Errorf("read custody private key: %w", err)
	}
	public, err := publicFrom(private.PublicKey().Bytes())
	return Private{secret: secret, public: public}, err
}

func newPrivate() (Private, error) {
	private, err := kem().GenerateKey()
	if err != nil {
		return Private{}, fmt.Errorf("make custody key: %w", err)
	}
	secret, err := secretOf(private)
	if err != nil {
		return Private{}, err
	}
	return privateFrom(secret)
}

func secretOf(private hpke.PrivateKey) (keys.Key, error) {
	b, err := private.Bytes()
	if err != nil {
		return keys.Key{}, fmt.Errorf("read private key: %w", err)
	}
	defer clear(b)
	return keys.KeyFrom(b)
}

// Public is the half that wraps.
func (p Private) Public() Public { return p.public }

// Unwrap opens a wrapped key. Errors: ErrAltered, also for another info or another key pair: HPKE does not tell them apart.
func (p Private) Unwrap(info, wrapped []byte) (keys.Key, error) {
	private, err := kem().NewPrivateKey(p.secret.Bytes()[:])
	if err != nil {
		return keys.Key{}, fmt.Errorf("use custody key: %w", err)
	}
	return unwrap(private, info, wrapped)
}

func unwrap(private hpke.PrivateKey, info, wrapped []byte) (keys.Key, error) {
	if len(wrapped) != WrappedSize {
		return keys.Key{}, fmt.Errorf("%w: a wrapped key has %d bytes, not %d", ErrAltered, WrappedSize, len(wrapped))
	}
	secret, err := hpke.Open(private, kdf(), aead(), info, wrapped)
	if err != nil {
		return keys.Key{}, fmt.Errorf("%w: unwrap key: %w", ErrAltered, err)
	}
	defer clear(secret)
	return keys.KeyFrom(secret)
}

// Wipe overwrites the key; what a running Unwrap copied goes with the next garbage collection.
func (p Private) Wipe() { p.secret.Wipe() }

// Format writes the same words for every verb.
func (Private) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "Private(hidden)") } // fmt.State keeps no errors

// LogValue hides the key from slog.
func (Private) LogValue() slog.Value { return slog.StringValue("hidden") }

// MarshalJSON always gives an error.
func (Private) MarshalJSON() ([]byte, error) { return nil, errNeverMarshalled }

// MarshalText always gives an error.
func (Private) MarshalText() ([]byte, error) { return nil, errNeverMarshalled }

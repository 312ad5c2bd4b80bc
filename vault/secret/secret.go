// Package secret keeps what must not be seen: keys that cannot be shown, in memory that is neither swapped nor dumped.
//
//	In:    random bytes, or bytes that somebody else wipes
//	Out:   a Key, a Buffer, a Password; other keys by HKDF; the info strings that bind a key or a ciphertext to its
//	       purpose; Status, which says whether the memory is locked
//	Owner: whoever made it wipes it; what is dropped unwiped is wiped when the garbage collector finds it. No goroutine
//	Full:  a key takes 32 locked bytes and some hundred of bookkeeping; where the kernel locks no more memory, keys are
//	       kept unlocked and Status says so: recording never stops for it
//
// All keys of the process live in one arena of locked pages, outside the garbage collector's heap. So no handle gives
// out a pointer that could outlive it: Use lends the bytes for the length of a call, and whoever wipes meanwhile
// takes effect when the call is over.
package secret

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Size is the length of every key, in bytes.
const Size = 32

// ErrNeverMarshalled stops an encoder that was handed a struct with a secret in it.
var ErrNeverMarshalled = errors.New("secret: a secret is never marshalled")

// Key is 32 secret bytes. It refuses to be shown: in any verb of fmt, at any depth, in JSON, in a log.
// The bytes sit behind a func because fmt can read any other kind of unexported field. Copies of a Key are the
// same key: wiping one wipes all. The zero Key is no key: using it panics, and so does using a wiped one, because
// the alternative is to seal under 32 zeros.
type Key struct{ place func() *place }

// New makes a random key.
func New() Key {
	p := process().take()
	rand.Read(p.bytes) // never returns an error: crypto/rand ends the program rather than give weak bytes
	return hold(p)
}

// From copies a key out of b, which must be Size bytes. The caller wipes b.
func From(b []byte) (Key, error) {
	if len(b) != Size {
		return Key{}, fmt.Errorf("secret: a key has %d bytes, not %d", Size, len(b))
	}
	p := process().take()
	copy(p.bytes, b)
	return hold(p), nil
}

func hold(p *place) Key { return Key{place: func() *place { return p }} }

// IsZero tells a Key that was never set.
func (k Key) IsZero() bool { return k.place == nil }

// Use lends the key's bytes to f. They are valid until f returns, and must be neither kept nor changed.
func (k Key) Use(f func(key []byte)) {
	if k.place == nil {
		panic("secret: the zero Key was used")
	}
	k.place().use(f)
}

// Bytes is a copy on the ordinary heap, for tests and for libraries that keep a key as long as they run. For all else there
// is Use.
func (k Key) Bytes() *[Size]byte {
	b := new([Size]byte)
	k.Use(func(key []byte) { copy(b[:], key) })
	return b
}

// Equal compares in constant time.
func (k Key) Equal(other Key) (same bool) {
	k.Use(func(a []byte) {
		other.Use(func(b []byte) { same = subtle.ConstantTimeCompare(a, b) == 1 })
	})
	return same
}

// Wipe overwrites the key and gives its place back, at once or when the last Use of it is over. Wiping again, or the
// zero Key, does nothing. Copies that others made of it are out of reach until their memory is used again, unless they
// were made in Do.
func (k Key) Wipe() {
	if k.place != nil {
		k.place().wipe()
	}
}

// Wiped tells a key that was wiped. For tests: anything else would ask too late.
func (k Key) Wiped() bool { return k.place != nil && k.place().shut() }

// Format writes the same words for every verb.
func (Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "Key(hidden)") } // fmt.State keeps no errors

// LogValue hides the key from slog.
func (Key) LogValue() slog.Value { return slog.StringValue("hidden") }

// MarshalJSON always gives an error.
func (Key) MarshalJSON() ([]byte, error) { return nil, ErrNeverMarshalled }

// MarshalText always gives an error; it stops XML and TOML.
func (Key) MarshalText() ([]byte, error) { return nil, ErrNeverMarshalled }

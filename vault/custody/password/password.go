// Package password makes the authorisation of a chip's objects out of what a person knows.
//
//	In:    a password; the parameters and salt that stand in the account's credential
//	Out:   32 bytes for the chip, and for nobody else
//	Owner: the caller's goroutine; one hash at a time, the next waits for its turn or its context
//	Full:  a hash takes 19 MiB while it runs; since there is never a second one, that is all
//
// The chip limits guessing, so the hash need not: it is there for whoever has opened the chip. OWASP's least setting for
// argon2id (19 MiB, two passes) is what a small board can spare beside 32 lines.
package password

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"linekeep/vault/secret"
)

const (
	// Shortest is how many characters a password has at least. There are no other rules but Weak's: what rules of digits
	// and signs bring forth is written on paper below the keyboard.
	Shortest = 12
	// longest bounds what is hashed; nobody types more.
	longest = 1024
	// SaltSize is the length of a salt, in bytes.
	SaltSize = 16
	// AuthSize is the length of an authorisation, in bytes.
	AuthSize = 32
)

// ErrWeak reports a password that is too short, or is a name everybody knows. The error says which.
var ErrWeak = errors.New("password: cannot be taken")

// Password is what a person typed.
type Password = secret.Password

// Weak says why a password cannot be taken, if so: names are those of the person, the box and the site. Errors: ErrWeak.
func Weak(p Password, names ...string) (err error) {
	if p.IsZero() {
		return weak(nil, names)
	}
	p.Use(func(b []byte) { err = weak(b, names) })
	return err
}

func weak(b []byte, names []string) error {
	if !utf8.Valid(b) {
		return fmt.Errorf("%w: it is not text", ErrWeak)
	}
	if n := utf8.RuneCount(b); n < Shortest {
		return fmt.Errorf("%w: it has %d characters, at least %d are needed", ErrWeak, n, Shortest)
	}
	if len(b) > longest {
		return fmt.Errorf("%w: it has more than %d bytes", ErrWeak, longest)
	}
	all := true
	for _, c := range b {
		all = all && c == b[0]
	}
	if all {
		return fmt.Errorf("%w: it is one character over and over", ErrWeak)
	}
	var err error
	secret.Do(func() {
		text := letters(string(b))
		for _, name := range names {
			// What is left beside the name must be a password of some length itself.
			if n := letters(name); len(n) >= 3 && strings.Contains(text, n) && len(text)-len(n) < Shortest/2 {
				err = fmt.Errorf("%w: it is hardly more than a name", ErrWeak)
			}
		}
	})
	return err
}

func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" .-_@", r) {
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// Params is how a password is hashed.
type Params struct {
	Passes    uint32
	MemoryKiB uint32
	Salt      [SaltSize]byte
}

// NewParams has a salt of its own.
func NewParams() Params {
	p := Params{Passes: 2, MemoryKiB: 19 << 10}
	rand.Read(p.Salt[:])
	return p
}

// most bounds what a credential may ask for: a file that asks for more would stop the box.
const (
	mostPasses    = 64
	mostMemoryKiB = 256 << 10
)

// Valid refuses parameters that argon2 panics at, or that would take the box's memory.
func (p Params) Valid() error {
	if p.Passes < 1 || p.Passes > mostPasses || p.MemoryKiB < 8 || p.MemoryKiB > mostMemoryKiB {
		return fmt.Errorf("password: %d passes over %d KiB cannot be", p.Passes, p.MemoryKiB)
	}
	return nil
}

// Hasher hashes, one at a time.
type Hasher struct{ turn chan struct{} } // one place: who holds it hashes

// NewHasher makes the one a box has.
func NewHasher() *Hasher { return &Hasher{turn: make(chan struct{}, 1)} }

// Auth is the authorisation. The caller wipes it. Errors: those of ctx, while it waits for its turn.
func (h *Hasher) Auth(ctx context.Context, p Password, params Params) (auth []byte, err error) {
	if err := params.Valid(); err != nil {
		return nil, err
	}
	select {
	case h.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to hash a password: %w", ctx.Err())
	}
	defer func() { <-h.turn }()
	hash := func(b []byte) { auth = argon2.IDKey(b, params.Salt[:], params.Passes, params.MemoryKiB, 1, AuthSize) }
	if p.IsZero() {
		hash(nil)
		return auth, nil
	}
	secret.Do(func() { p.Use(hash) })
	return auth, nil
}

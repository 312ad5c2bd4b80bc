// Package slip is the code on a piece of paper with which somebody makes an account theirs, once.
//
//	In:    random bytes; what somebody typed
//	Out:   a code to print; a verifier to keep, which the code cannot be told from
//	Owner: plain values; no goroutine
//	Full:  a slip is ten bytes
package slip

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"linekeep/vault/keys"
	"linekeep/vault/secret"
)

const (
	size     = 10 // 80 random bits: so much that one HKDF is enough
	chars    = 16
	group    = 4
	alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ" // as in recovery codes: no I, L, O or U
)

// Slip is the code on a slip of paper that lets somebody claim their account, once. It cannot be printed but by Reveal.
type Slip struct{ code func() *[size]byte }

// New makes a random slip.
func New() Slip {
	b := new([size]byte)
	rand.Read(b[:])
	return Slip{code: func() *[size]byte { return b }}
}

// IsZero tells a slip that was not made.
func (s Slip) IsZero() bool { return s.code == nil }

// Reveal is the code in clear, "ABCD-EFGH-JKMN-PQRS". It is for the slip, and for nothing else.
func (s Slip) Reveal() string {
	var out strings.Builder
	for i := range chars {
		if i > 0 && i%group == 0 {
			out.WriteByte('-')
		}
		var v byte
		for bit := i * 5; bit < i*5+5; bit++ {
			v = v<<1 | s.code()[bit/8]>>(7-bit%8)&1
		}
		out.WriteByte(alphabet[v])
	}
	return out.String()
}

// ErrMistyped reports a code that is on no slip.
var ErrMistyped = errors.New("slip: no slip has this code")

// Parse reads a slip's code as people type it. Errors: ErrMistyped.
func Parse(typed string) (Slip, error) {
	typed = strings.NewReplacer(" ", "", "-", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(strings.TrimSpace(typed)))
	b := new([size]byte)
	if len(typed) != chars {
		return Slip{}, ErrMistyped
	}
	for i := range chars {
		v := strings.IndexByte(alphabet, typed[i])
		if v < 0 {
			return Slip{}, ErrMistyped
		}
		for j := range 5 {
			bit := i*5 + j
			b[bit/8] |= byte(v>>(4-j)&1) << (7 - bit%8)
		}
	}
	return Slip{code: func() *[size]byte { return b }}, nil
}

// Verifier is what the book keeps of a slip.
func (s Slip) Verifier(vaultID [keys.VaultIDSize]byte, person keys.ID) (v [32]byte, err error) {
	out, err := hkdf.Key(sha256.New, s.code()[:], vaultID[:], string(secret.Info("slip", person.Append(nil))), len(v))
	if err != nil {
		return v, fmt.Errorf("derive a slip's verifier: %w", err)
	}
	return [32]byte(out), nil
}

// Format writes the same words for every verb.
func (Slip) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "Slip(hidden)") } // fmt.State keeps no errors

// LogValue hides the code from slog.
func (Slip) LogValue() slog.Value { return slog.StringValue("hidden") }

// MarshalJSON always gives an error.
func (Slip) MarshalJSON() ([]byte, error) { return nil, secret.ErrNeverMarshalled }

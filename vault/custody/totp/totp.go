// Package totp is the second factor: codes that a telephone shows for half a minute (RFC 6238), and codes printed at
// claim, each good once, for a box or a telephone whose clock is wrong.
//
//	In:    20 secret bytes, the time, what somebody typed
//	Out:   the step a code belongs to, so that each code is taken once
//	Owner: plain values; no goroutine
//	Full:  a factor is some hundred bytes
package totp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	"linekeep/vault/secret"
)

const (
	// Size is the length of a secret, in bytes: that of a SHA-1, which RFC 4226 section 4 recommends.
	Size = 20
	// Step is how long a code is shown. What a telephone can be told in the URI differs between programs; 30 s, six
	// digits and SHA-1 are what all of them know.
	Step = 30 * time.Second
	// window is how many steps a clock may be off, to either side.
	window = 1
	digits = 6
	modulo = 1_000_000

	// Printed is how many codes are printed at claim.
	Printed = 10
	// printedDigits: of 10^8 codes ten are good, so that guessing one is as hard as guessing what the telephone shows.
	printedDigits = 8
	printedModulo = 100_000_000
)

// ErrWrong reports a code that is not right now, or was used before.
var ErrWrong = errors.New("totp: wrong code")

// Secret is what a telephone and the box share. It cannot be printed but by URI, for the sheet or the screen of the claim.
type Secret struct{ held secret.Key } // 20 bytes, then zeros up to the length of a key

// New makes a random secret.
func New() Secret {
	var b [Size]byte
	rand.Read(b[:])
	defer clear(b[:])
	return hold(b[:])
}

// From copies a secret out of b. The caller wipes b.
func From(b []byte) (Secret, error) {
	if len(b) != Size {
		return Secret{}, fmt.Errorf("totp: a secret has %d bytes, not %d", Size, len(b))
	}
	return hold(b), nil
}

func hold(b []byte) Secret {
	var padded [secret.Size]byte
	copy(padded[:], b)
	defer clear(padded[:])
	held, err := secret.From(padded[:])
	if err != nil {
		panic("totp: " + err.Error()) // unreachable: it has the length of a key
	}
	return Secret{held: held}
}

// IsZero tells a secret that was never set.
func (s Secret) IsZero() bool { return s.held.IsZero() }

// Use lends the 20 bytes to f. They are valid until f returns, and must be neither kept nor changed.
func (s Secret) Use(f func(b []byte)) { s.held.Use(func(b []byte) { f(b[:Size]) }) }

// Wipe overwrites the secret.
func (s Secret) Wipe() { s.held.Wipe() }

// URI is what a telephone reads, as text or as a picture of squares: "otpauth://totp/BOX:NAME?secret=...".
func (s Secret) URI(box, name string) string {
	var key string
	s.Use(func(b []byte) { key = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b) })
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + box + ":" + name,
		RawQuery: url.Values{"secret": {key}, "issuer": {box}}.Encode()}
	return u.String()
}

// StepAt is the number of the step that t lies in.
func StepAt(t time.Time) uint64 { return uint64(t.Unix()) / uint64(Step/time.Second) }

// Code is what a telephone shows in a step.
func (s Secret) Code(step uint64) (code string) {
	s.Use(func(b []byte) {
		mac := hmac.New(sha1.New, b)
		mac.Write(binary.BigEndian.AppendUint64(nil, step))
		sum := mac.Sum(nil)
		at := sum[len(sum)-1] & 0xf
		code = fmt.Sprintf("%0*d", digits, binary.BigEndian.Uint32(sum[at:])&0x7fffffff%modulo)
	})
	return code
}

// Check finds the step, newer than last, whose code was typed; it may be one off. Whoever stores the step as the new last
// takes no code twice. Errors: ErrWrong.
func (s Secret) Check(typed string, now time.Time, last uint64) (step uint64, err error) {
	typed = plain(typed)
	at := StepAt(now)
	for step := at - window; step <= at+window; step++ {
		same := subtle.ConstantTimeCompare([]byte(s.Code(step)), []byte(typed)) == 1
		if same && step > last {
			return step, nil
		}
	}
	return 0, ErrWrong
}

// plain takes away what people put between digits.
func plain(typed string) string {
	return strings.NewReplacer(" ", "", "-", "").Replace(strings.TrimSpace(typed))
}

// NewPrinted makes the codes of a sheet.
func NewPrinted() []uint32 {
	codes := make([]uint32, Printed)
	for i := range codes {
		var b [8]byte
		rand.Read(b[:])
		codes[i] = uint32(binary.BigEndian.Uint64(b[:]) % printedModulo) // 2^64 is so much more that no code is likelier
	}
	return codes
}

// Show writes a printed code as it stands on the sheet, "1234 5678".
func Show(code uint32) string {
	text := fmt.Sprintf("%0*d", printedDigits, code)
	return text[:4] + " " + text[4:]
}

// Read reads codes as Show writes them.
func Read(sheet []string) (codes []uint32, err error) {
	for _, text := range sheet {
		v, err := strconv.ParseUint(plain(text), 10, 32)
		if err != nil || len(plain(text)) != printedDigits {
			return nil, ErrWrong // what was typed may be half right, so it is not repeated
		}
		codes = append(codes, uint32(v))
	}
	return codes, nil
}

// CheckPrinted gives what is left of the codes once the typed one is used. Errors: ErrWrong.
func CheckPrinted(typed string, codes []uint32) (left []uint32, err error) {
	typed = plain(typed)
	v, err := strconv.ParseUint(typed, 10, 32)
	if len(typed) != printedDigits || err != nil {
		return nil, ErrWrong
	}
	found := false
	for _, c := range codes {
		if subtle.ConstantTimeEq(int32(c), int32(uint32(v))) == 1 && !found {
			found = true
			continue
		}
		left = append(left, c)
	}
	if !found {
		return nil, ErrWrong
	}
	return left, nil
}

// Format writes the same words for every verb.
func (Secret) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "Secret(hidden)") } // fmt.State keeps no errors

// LogValue hides the secret from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue("hidden") }

// MarshalJSON always gives an error.
func (Secret) MarshalJSON() ([]byte, error) { return nil, secret.ErrNeverMarshalled }

// MarshalText always gives an error.
func (Secret) MarshalText() ([]byte, error) { return nil, secret.ErrNeverMarshalled }

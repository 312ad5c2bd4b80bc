package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
)

// MaxPassword is the longest password or code that is read, in bytes: a page, which is what one takes anyway.
const MaxPassword = 4096

// ErrTooLong reports a password or code of more than MaxPassword bytes.
var ErrTooLong = errors.New("secret: too long for a password or a code")

// Password is what a person typed: a password, a code. It cannot be printed, and its length neither.
// Copies of a Password are the same memory; the zero Password is none.
type Password struct{ buffer Buffer }

// PasswordFrom moves a password out of b: b is wiped, also when it is refused. Errors: ErrTooLong.
func PasswordFrom(b []byte) (Password, error) {
	defer clear(b)
	if len(b) > MaxPassword {
		return Password{}, ErrTooLong
	}
	p := Password{NewBuffer(len(b))}
	p.Use(func(to []byte) { copy(to, b) })
	return p, nil
}

// ReadPassword reads r to its end, as far as one line break after the password, which is not part of it. What r itself
// keeps is its own affair: a file or a socket keeps nothing. Errors: ErrTooLong, and those of r.
func ReadPassword(r io.Reader) (p Password, err error) {
	room := NewBuffer(MaxPassword + len("\r\n") + 1) // the last one stays empty, or it is too long
	defer room.Wipe()
	room.Use(func(b []byte) {
		n, readErr := io.ReadFull(r, b)
		if readErr == nil {
			err = ErrTooLong
			return
		}
		if !errors.Is(readErr, io.EOF) && !errors.Is(readErr, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("read password: %w", readErr)
			return
		}
		b = bytes.TrimSuffix(bytes.TrimSuffix(b[:n], []byte("\n")), []byte("\r"))
		p, err = PasswordFrom(b)
	})
	return p, err
}

// ReadFile reads a password or code from a file, or from a pipe or terminal that has a path.
func ReadFile(path string) (p Password, err error) {
	f, err := os.Open(path)
	if err != nil {
		return Password{}, fmt.Errorf("read password: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return ReadPassword(f)
}

// IsZero tells a Password that was never set, or is empty.
func (p Password) IsZero() bool { return p.buffer.Len() == 0 }

// Use lends the bytes to f. They are valid until f returns, and must be neither kept nor changed.
func (p Password) Use(f func(password []byte)) { p.buffer.Use(f) }

// Wipe overwrites the password and frees it, at once or when the last Use of it is over.
func (p Password) Wipe() { p.buffer.Wipe() }

// Wiped tells a password that was wiped. For tests.
func (p Password) Wiped() bool { return p.buffer.Wiped() }

// Format writes the same words for every verb.
func (Password) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "Password(hidden)") } // fmt.State keeps no errors

// LogValue hides the password from slog.
func (Password) LogValue() slog.Value { return slog.StringValue("hidden") }

// UnmarshalJSON takes a password out of a question. Decode inside Do: the decoder has a copy of its own. Errors: ErrTooLong.
func (p *Password) UnmarshalJSON(text []byte) (err error) {
	Do(func() {
		var s string
		if err = json.Unmarshal(text, &s); err == nil {
			*p, err = PasswordFrom([]byte(s))
		}
	})
	return err
}

// MarshalJSON always gives an error.
func (Password) MarshalJSON() ([]byte, error) { return nil, ErrNeverMarshalled }

// MarshalText always gives an error.
func (Password) MarshalText() ([]byte, error) { return nil, ErrNeverMarshalled }

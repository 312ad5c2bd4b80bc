package secret

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"
)

// Buffer is secret memory of any length, in locked pages of its own. It cannot be printed. Copies of a Buffer are the
// same memory. The zero Buffer is none: using it panics, and so does using a wiped one.
type Buffer struct{ place func() *place }

// NewBuffer makes a buffer of n zero bytes. It takes whole pages: for 32 bytes take a Key.
func NewBuffer(n int) Buffer {
	pages := process().pages
	b := pages.get(max(n, 1))[:n]
	p := &place{bytes: b, home: pages}
	p.cleanup = runtime.AddCleanup(p, pages.dropped, b)
	return Buffer{place: func() *place { return p }}
}

// IsZero tells a Buffer that was never made.
func (b Buffer) IsZero() bool { return b.place == nil }

// Len is how many bytes it has.
func (b Buffer) Len() int {
	if b.place == nil {
		return 0
	}
	return len(b.place().bytes)
}

// Use lends the bytes to f, which may change them. They are valid until f returns, and must not be kept.
// What one Use writes while another reads is theirs to arrange.
func (b Buffer) Use(f func(secret []byte)) {
	if b.place == nil {
		panic("secret: the zero Buffer was used")
	}
	b.place().use(f)
}

// Wipe overwrites the buffer and frees it, at once or when the last Use of it is over.
func (b Buffer) Wipe() {
	if b.place != nil {
		b.place().wipe()
	}
}

// Wiped tells a buffer that was wiped. For tests: anything else would ask too late.
func (b Buffer) Wiped() bool { return b.place != nil && b.place().shut() }

// Format writes the same words for every verb.
func (Buffer) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "Buffer(hidden)") } // fmt.State keeps no errors

// LogValue hides the bytes from slog.
func (Buffer) LogValue() slog.Value { return slog.StringValue("hidden") }

// MarshalJSON always gives an error.
func (Buffer) MarshalJSON() ([]byte, error) { return nil, ErrNeverMarshalled }

// MarshalText always gives an error.
func (Buffer) MarshalText() ([]byte, error) { return nil, ErrNeverMarshalled }

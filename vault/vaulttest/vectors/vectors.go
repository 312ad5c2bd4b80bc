// Package vectors reads the worked examples out of vault/FORMAT.md, so that the description and the code
// cannot drift apart.
//
//	In:    fenced blocks of FORMAT.md that begin with "```vector NAME"
//	Out:   the named byte strings in each
//	Owner: plain values; no goroutine
//	Full:  FORMAT.md is read whole; it is tens of kilobytes
//
// In a block each line is "field: hex", or more hex for the field above; spaces in the hex do not count, and
// what follows a # is a remark. It imports nothing of the vault, so any package's tests may use it.
package vectors

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Vector is one worked example: byte strings by the name of their field.
type Vector map[string][]byte

// Read gives the vector called name, and fails the test when FORMAT.md has none.
func Read(t testing.TB, name string) Vector {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	path := filepath.Join(filepath.Dir(here), "..", "..", "FORMAT.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read the format's description: %v", err)
	}
	all, err := Parse(string(text))
	if err != nil {
		t.Fatalf("FORMAT.md: %v", err)
	}
	v, ok := all[name]
	if !ok {
		t.Fatalf("FORMAT.md has no vector %q", name)
	}
	return v
}

// Bytes is the field called name, and fails the test when the vector has none.
func (v Vector) Bytes(t testing.TB, name string) []byte {
	t.Helper()
	b, ok := v[name]
	if !ok {
		t.Fatalf("the vector has no field %q", name)
	}
	return b
}

// Parse finds all vectors in a text.
func Parse(text string) (map[string]Vector, error) {
	all := make(map[string]Vector)
	var current Vector
	var field string
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```vector "):
			name := strings.TrimSpace(strings.TrimPrefix(line, "```vector "))
			if _, twice := all[name]; twice {
				return nil, fmt.Errorf("line %d: vector %q stands twice", n+1, name)
			}
			current, field = make(Vector), ""
			all[name] = current
		case strings.HasPrefix(line, "```"):
			current = nil
		case current != nil:
			var err error
			if field, err = current.line(field, line); err != nil {
				return nil, fmt.Errorf("line %d: %w", n+1, err)
			}
		}
	}
	return all, nil
}

// line takes one line of a block and says which field the next line may go on with.
func (v Vector) line(field, line string) (string, error) {
	if i := strings.IndexByte(line, '#'); i >= 0 {
		line = line[:i]
	}
	digits := line
	if name, rest, ok := strings.Cut(line, ":"); ok {
		field, digits = strings.TrimSpace(name), rest
		v[field] = []byte{}
	}
	digits = strings.Join(strings.Fields(digits), "")
	if digits == "" {
		return field, nil
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return field, fmt.Errorf("field %q: %w", field, err)
	}
	v[field] = append(v[field], b...)
	return field, nil
}

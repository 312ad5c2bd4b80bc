package entry

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

const (
	// MaxDetails is the most bytes that an entry's details have, before they are sealed.
	MaxDetails  = 32<<10 - 256
	detailsStep = 64 // they are padded to a multiple of it
)

// Detail is one thing that an entry tells under seal.
type Detail struct{ Name, Value string }

// Details are what an entry tells under seal.
type Details []Detail

// Of gives the value of a name.
func (d Details) Of(name string) string {
	for _, one := range d {
		if one.Name == name {
			return one.Value
		}
	}
	return ""
}

// Bytes writes details, padded so that the length of what is sealed tells little. Errors: ErrBad.
func (d Details) Bytes() ([]byte, error) {
	c := cryptobyte.NewBuilder(nil)
	c.AddUint16(uint16(len(d)))
	for _, one := range d {
		c.AddUint8LengthPrefixed(func(c *cryptobyte.Builder) { c.AddBytes([]byte(one.Name)) })
		c.AddUint16LengthPrefixed(func(c *cryptobyte.Builder) { c.AddBytes([]byte(one.Value)) })
	}
	b, err := c.Bytes()
	if err != nil || len(b) > MaxDetails {
		return nil, fmt.Errorf("write details of an audit entry: too long (%d bytes): %w", len(b), errors.Join(err, ErrBad))
	}
	return append(b, make([]byte, (detailsStep-len(b)%detailsStep)%detailsStep)...), nil
}

// ParseDetails reads what Bytes wrote. Errors: ErrBad.
func ParseDetails(b []byte) (Details, error) {
	s := cryptobyte.String(b)
	var n uint16
	if !s.ReadUint16(&n) {
		return nil, fmt.Errorf("%w: details cut short", ErrBad)
	}
	var d Details
	for range n {
		var name, value cryptobyte.String
		if !s.ReadUint8LengthPrefixed(&name) || !s.ReadUint16LengthPrefixed(&value) {
			return nil, fmt.Errorf("%w: details cut short", ErrBad)
		}
		d = append(d, Detail{string(name), string(value)})
	}
	if len(s) >= detailsStep || len(bytes.Trim(s, "\x00")) > 0 {
		return nil, fmt.Errorf("%w: details cut short", ErrBad)
	}
	return d, nil
}

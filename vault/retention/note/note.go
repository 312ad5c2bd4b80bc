// Package note keeps what retention must not forget in small files: two copies each, authenticated, every one written
// with a higher number than the last.
//
//	In:    the bytes of a note
//	Out:   the same bytes after a power cut, or those of before; never a mixture, and never somebody else's
//	Owner: the caller, who takes turns; no goroutine
//	Full:  a note that finds no room is refused, and the one before stands
//
// There is nothing personal in a note: times, ids, marks. FORMAT.md section "Retention" has the bytes.
package note

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
)

// ErrAltered reports bytes that are not as they were written.
var ErrAltered = errors.New("note: altered")

const (
	magic         = "LKrtnt"
	formatVersion = 1
	macSize       = sha256.Size
)

// Config says where the notes are, and what authenticates them.
type Config struct {
	Dir     string // retention/ ; second copies stand in retention/copy/
	VaultID [keys.VaultIDSize]byte
	Key     keys.Key // the outer key "retention"
	FS      pair.FS  // the disk; tests cut its power
	// Fresh is a number that no note written before can have: the clock's nanoseconds. It takes the place of the last
	// note's number where that cannot be read.
	Fresh func() uint64
}

// Validate reports what is missing.
func (c Config) Validate() error {
	if c.Dir == "" || c.FS == nil || c.Fresh == nil {
		return errors.New("note: Config needs Dir, FS and Fresh")
	}
	return nil
}

// Note is one file.
type Note struct {
	cfg    Config
	name   string
	files  *pair.Folder
	number uint64 // of what stands there
}

// Opened is what was found.
type Opened struct {
	Body     []byte // nil where there is none, or none that can be read
	Lost     bool   // there was one, and neither copy can be read
	Findings []error
}

// Open reads a note. One that is not there is no error; one that is damaged is a finding, never an error: what retention
// forgets must not keep the box from recording.
func Open(cfg Config, name string) (*Note, Opened, error) {
	if err := cfg.Validate(); err != nil {
		return nil, Opened{}, err
	}
	n := &Note{cfg: cfg, name: name, files: pair.At(cfg.Dir, cfg.FS)}
	if err := n.files.Make(); err != nil {
		return nil, Opened{}, fmt.Errorf("open the note %s: %w", name, err)
	}
	names, err := n.files.Names()
	if err != nil {
		return nil, Opened{}, fmt.Errorf("open the note %s: %w", name, err)
	}
	if !slices.Contains(names, name) {
		return n, Opened{}, nil
	}
	var o Opened
	data, findings, err := n.files.ReadNewest(name, func(b []byte) (uint64, error) {
		number, _, err := n.open(b)
		return number, err
	})
	o.Findings = findings
	if err != nil {
		n.number = cfg.Fresh()
		o.Lost = true
		o.Findings = append(o.Findings, fmt.Errorf("the note %s cannot be read: %w", name, err))
		return n, o, nil
	}
	n.number, o.Body, err = n.open(data)
	return n, o, err
}

// Write puts body in the place of what stands there: nil = both copies are on the disk.
func (n *Note) Write(body []byte) error {
	if err := n.files.Write(n.name, n.seal(n.number+1, body)); err != nil {
		return fmt.Errorf("write the note %s: %w", n.name, err)
	}
	n.number++
	return nil
}

func (n *Note) seal(number uint64, body []byte) []byte {
	c := cryptobyte.NewBuilder(nil)
	c.AddBytes([]byte(magic))
	c.AddUint16(formatVersion)
	c.AddBytes(n.cfg.VaultID[:])
	c.AddUint8LengthPrefixed(func(c *cryptobyte.Builder) { c.AddBytes([]byte(n.name)) })
	c.AddUint64(number)
	c.AddBytes(body)
	data := c.BytesOrPanic() // names are ours, and short
	return append(data, n.mac(data)...)
}

func (n *Note) mac(data []byte) []byte {
	h := n.cfg.Key.HMAC()
	h.Write(data)
	return h.Sum(nil)
}

// open reads what seal wrote.
func (n *Note) open(data []byte) (number uint64, body []byte, err error) {
	if len(data) < macSize {
		return 0, nil, fmt.Errorf("%w: cut short", ErrAltered)
	}
	data, mac := data[:len(data)-macSize], data[len(data)-macSize:]
	if !hmac.Equal(n.mac(data), mac) {
		return 0, nil, fmt.Errorf("%w: the MAC is not ours", ErrAltered)
	}
	s := cryptobyte.String(data)
	var head []byte
	var version uint16
	var vaultID [keys.VaultIDSize]byte
	var name cryptobyte.String
	if !s.ReadBytes(&head, len(magic)) || string(head) != magic || !s.ReadUint16(&version) || version != formatVersion ||
		!s.CopyBytes(vaultID[:]) || vaultID != n.cfg.VaultID || !s.ReadUint8LengthPrefixed(&name) || string(name) != n.name || !s.ReadUint64(&number) {
		return 0, nil, fmt.Errorf("%w: not of a known version, or not this note", ErrAltered)
	}
	return number, s, nil
}

// Package entry is what the audit log says: one entry for each act, in a form that shows nothing personal.
//
//	In:    who did what, to which things, by their ids
//	Out:   the bytes that are hashed into the log, and back; the table of all acts, which renders ACTIONS.md
//	Owner: plain values; no goroutine
//	Full:  an entry names at most MaxAbout things
//
// The details of an act (terms of a search, a reason, names) are not in it. They are sealed beside it under the slot of what
// they concern, and the entry has the hash of the sealed bytes: so they can be erased, or withheld from somebody
// who is shown the entry, and the log stays whole.
package entry

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/keys/shard"
)

// ErrBad reports bytes that are no entry of a known version.
var ErrBad = errors.New("audit: not an entry")

const (
	version = 1
	// MaxAbout is the most things, and the most hashes, that one entry names.
	MaxAbout = 1 << 10
)

// Kind says what kind of actor somebody is. The numbers are written to disk.
type Kind uint8

// The kinds of actors.
const (
	Box     Kind = 0 // the box by itself: a date that came, a start, a stop
	Person  Kind = 1 // somebody who is signed in, by the id of their record
	Machine Kind = 2 // whoever is root on the box, by the control socket
	Code    Kind = 3 // whoever had the recovery code: break-glass
	Visitor Kind = 4 // a browser, nobody signed in
)

func (k Kind) String() string {
	switch k {
	case Box:
		return "box"
	case Person:
		return "person"
	case Machine:
		return "machine"
	case Code:
		return "recovery code"
	case Visitor:
		return "visitor"
	}
	return fmt.Sprintf("actor of kind %d", uint8(k))
}

// Actor is who did something.
type Actor struct {
	Kind Kind
	ID   shard.ID // of a Person
}

// Somebody is a person who is signed in.
func Somebody(id shard.ID) Actor { return Actor{Kind: Person, ID: id} }

func (a Actor) String() string {
	if a.Kind == Person {
		return "person " + a.ID.String()
	}
	return a.Kind.String()
}

// Outcome says what became of an act. The numbers are written to disk.
type Outcome uint8

// The outcomes. An act is written down before it is done, so Begun is the usual one: it was done, unless a later entry says
// of it that it was refused or failed.
const (
	Begun   Outcome = 0
	Refused Outcome = 1
	Failed  Outcome = 2
)

func (o Outcome) String() string {
	switch o {
	case Begun:
		return "begun"
	case Refused:
		return "refused"
	case Failed:
		return "failed"
	}
	return fmt.Sprintf("outcome %d", uint8(o))
}

// Entry is one entry of the log.
type Entry struct {
	Seq      uint64 // counts from 0: its place in the log
	At       time.Time
	Boot     [16]byte      // which start of the machine
	Up       time.Duration // since then, sleep included: no clock that is set moves it
	Actor    Actor
	Action   Action
	Outcome  Outcome
	Of       uint64 // of a Refused or Failed: the Seq of the entry that began it, plus one; 0: it never began
	Case     shard.ID
	Register uint64 // sequence of the register's transaction whose hash is the first of Hashes; 0: none
	About    []shard.ID
	Hashes   [][sha256.Size]byte // of what About names, where there is one for each; else as the action says
	Slot     shard.ID            // the details are sealed under it; zero: there are none
	Details  [sha256.Size]byte   // SHA-256 of the sealed details
}

// Bytes are those of FORMAT.md section "Audit log", "entry". Their RFC 6962 leaf hash stands in the tree.
func (e *Entry) Bytes() ([]byte, error) {
	if len(e.About) > MaxAbout || len(e.Hashes) > MaxAbout {
		return nil, fmt.Errorf("%w: it names %d things and %d hashes, at most %d", ErrBad, len(e.About), len(e.Hashes), MaxAbout)
	}
	c := cryptobyte.NewBuilder(make([]byte, 0, 128+shard.IDSize*len(e.About)+sha256.Size*len(e.Hashes)))
	c.AddUint8(version)
	c.AddUint64(e.Seq)
	c.AddUint64(uint64(e.At.UnixNano()))
	c.AddBytes(e.Boot[:])
	c.AddUint64(uint64(e.Up))
	c.AddUint8(uint8(e.Actor.Kind))
	c.AddBytes(e.Actor.ID.Append(nil))
	c.AddUint16(uint16(e.Action))
	c.AddUint8(uint8(e.Outcome))
	c.AddUint64(e.Of)
	c.AddBytes(e.Case.Append(nil))
	c.AddUint64(e.Register)
	c.AddUint16(uint16(len(e.About)))
	for _, id := range e.About {
		c.AddBytes(id.Append(nil))
	}
	c.AddUint16(uint16(len(e.Hashes)))
	for i := range e.Hashes {
		c.AddBytes(e.Hashes[i][:])
	}
	c.AddBytes(e.Slot.Append(nil))
	c.AddBytes(e.Details[:])
	return c.Bytes()
}

// Parse reads what Bytes wrote, and nothing else. Errors: ErrBad.
func Parse(data []byte) (Entry, error) {
	var e Entry
	s := cryptobyte.String(data)
	var v, kind, outcome uint8
	var at, up uint64
	var action uint16
	ok := s.ReadUint8(&v) && v == version && s.ReadUint64(&e.Seq) && s.ReadUint64(&at) && s.CopyBytes(e.Boot[:]) && s.ReadUint64(&up) &&
		s.ReadUint8(&kind) && readID(&s, &e.Actor.ID) && s.ReadUint16(&action) && s.ReadUint8(&outcome) && s.ReadUint64(&e.Of) &&
		readID(&s, &e.Case) && s.ReadUint64(&e.Register)
	if !ok {
		return e, fmt.Errorf("%w of a known version", ErrBad)
	}
	e.At, e.Up = time.Unix(0, int64(at)).UTC(), time.Duration(up)
	e.Actor.Kind, e.Action, e.Outcome = Kind(kind), Action(action), Outcome(outcome)
	if !e.readLists(&s) || !readID(&s, &e.Slot) || !s.CopyBytes(e.Details[:]) || !s.Empty() {
		return e, fmt.Errorf("%w: cut short, or bytes left over", ErrBad)
	}
	return e, nil
}

func (e *Entry) readLists(s *cryptobyte.String) bool {
	var n uint16
	if !s.ReadUint16(&n) || n > MaxAbout {
		return false
	}
	for range n {
		var id shard.ID
		if !readID(s, &id) {
			return false
		}
		e.About = append(e.About, id)
	}
	if !s.ReadUint16(&n) || n > MaxAbout {
		return false
	}
	for range n {
		var h [sha256.Size]byte
		if !s.CopyBytes(h[:]) {
			return false
		}
		e.Hashes = append(e.Hashes, h)
	}
	return true
}

func readID(s *cryptobyte.String, id *shard.ID) bool {
	return s.ReadUint32(&id.Shard) && s.ReadUint32(&id.Slot)
}

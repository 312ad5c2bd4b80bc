package book

import (
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/seal"
)

// GrantWrapSize is the length of a data key in a grant: wrapped to the holder, and that boxed under the recording's slot.
const GrantWrapSize = envelope.WrappedSize + seal.BoxOverhead

// Acts is what a grant allows.
type Acts uint8

// The acts.
const (
	Hear Acts = 1 << iota
	Copy
	Export

	allActs = Hear | Copy | Export
)

func (a Acts) String() string {
	var all []string
	for i, name := range []string{"hear", "copy", "export"} {
		if a&(1<<i) != 0 {
			all = append(all, name)
		}
	}
	return strings.Join(all, ", ")
}

// Granted is one recording of a grant.
type Granted struct {
	ID   keys.ID
	Wrap []byte // empty while the grant waits for the Controller
}

// Grant lets its owner do acts with a fixed list of recordings until a time. Its id is its slot's.
type Grant struct {
	Made       time.Time
	Until      time.Time
	Acts       Acts
	Authoriser keys.ID  // the person who signed
	Request    [32]byte // hash of what was asked for, as the register keeps it
	Signature  []byte   // by the authoriser's signing key, over Digest
	// To is the account key the wraps are for; zero while the grant waits for the Controller.
	To         [envelope.PublicSize]byte
	Recordings []Granted
}

// Waiting says that no wrap was made yet.
func (g *Grant) Waiting() bool { return g.To == [envelope.PublicSize]byte{} }

// Find is the recording's place in the grant.
func (g *Grant) Find(id keys.ID) (Granted, bool) {
	for _, r := range g.Recordings {
		if r.ID == id {
			return r, true
		}
	}
	return Granted{}, false
}

func (*Grant) kind() kind { return kindGrant }

func (g *Grant) marshal(c *cryptobyte.Builder) {
	addTime(c, g.Made)
	addTime(c, g.Until)
	c.AddUint8(uint8(g.Acts))
	c.AddBytes(g.Authoriser.Append(nil))
	c.AddBytes(g.Request[:])
	c.AddUint16LengthPrefixed(func(c *cryptobyte.Builder) { c.AddBytes(g.Signature) })
	c.AddBytes(g.To[:])
	c.AddUint32(uint32(len(g.Recordings)))
	for _, r := range g.Recordings {
		c.AddBytes(r.ID.Append(nil))
		c.AddBytes(r.Wrap) // nothing, or GrantWrapSize: To says which
	}
}

func (g *Grant) parse(s *cryptobyte.String) bool {
	var acts uint8
	var n uint32
	ok := readTime(s, &g.Made) && readTime(s, &g.Until) && s.ReadUint8(&acts) && Acts(acts)&^allActs == 0 && readID(s, &g.Authoriser) &&
		s.CopyBytes(g.Request[:]) && readBytes(s, &g.Signature) && s.CopyBytes(g.To[:]) && s.ReadUint32(&n)
	g.Acts = Acts(acts)
	for ; ok && n > 0; n-- {
		var r Granted
		ok = readID(s, &r.ID) && (g.Waiting() || readFixed(s, &r.Wrap, GrantWrapSize))
		g.Recordings = append(g.Recordings, r)
	}
	return ok
}

// Invitation lets whoever has the slip's code claim the owner's account, once, until a time.
type Invitation struct {
	Expires  time.Time
	Verifier [32]byte // of the code
	Reset    bool     // the account was claimed before
}

func (*Invitation) kind() kind { return kindInvitation }

func (r *Invitation) marshal(c *cryptobyte.Builder) {
	addTime(c, r.Expires)
	c.AddBytes(r.Verifier[:])
	var reset uint8
	if r.Reset {
		reset = 1
	}
	c.AddUint8(reset)
}

func (r *Invitation) parse(s *cryptobyte.String) bool {
	var reset uint8
	ok := readTime(s, &r.Expires) && s.CopyBytes(r.Verifier[:]) && s.ReadUint8(&reset) && reset <= 1
	r.Reset = reset == 1
	return ok
}

// What a notice tells.
type What uint8

// The notices.
const (
	NoticeReset   What = 1 // the owner's account was reset: whoever did it can act as the owner
	NoticeAdded   What = 2 // the owner was made a Controller or Director
	NoticeRemoved What = 3 // the owner's account was removed
	NoticeCode    What = 4 // there is a new recovery code
	NoticeHolder  What = 5 // the custody key was wrapped to the owner
)

func (w What) String() string {
	names := [...]string{"", "account reset", "made controller or director", "account removed", "new recovery code", "given the custody key"}
	if int(w) < len(names) {
		return names[w]
	}
	return "unknown"
}

// Notice is shown to every Director until they have acknowledged it.
type Notice struct {
	What What
	At   time.Time
	By   keys.ID // the zero ID: the recovery code, or the box
	Seen []keys.ID
}

func (*Notice) kind() kind { return kindNotice }

func (r *Notice) marshal(c *cryptobyte.Builder) {
	c.AddUint8(uint8(r.What))
	addTime(c, r.At)
	c.AddBytes(r.By.Append(nil))
	c.AddUint8(uint8(len(r.Seen)))
	for _, id := range r.Seen {
		c.AddBytes(id.Append(nil))
	}
}

func (r *Notice) parse(s *cryptobyte.String) bool {
	var what, n uint8
	ok := s.ReadUint8(&what) && readTime(s, &r.At) && readID(s, &r.By) && s.ReadUint8(&n)
	r.What = What(what)
	for ; ok && n > 0; n-- {
		var id keys.ID
		ok = readID(s, &id)
		r.Seen = append(r.Seen, id)
	}
	return ok
}

// DropOver takes delegations, grants and invitations out whose time is over.
func (tx *Tx) DropOver(now time.Time) {
	for _, e := range slices.Clone(tx.entries) {
		var until time.Time
		switch r := e.Record.(type) {
		case *Holding:
			until = r.Until
		case *Grant:
			until = r.Until
		case *Invitation:
			until = r.Expires
		}
		if !until.IsZero() && !now.Before(until) {
			tx.Drop(e.ID)
		}
	}
}

package book

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/drivers/tpm"
	"linekeep/vault/custody/password"
	"linekeep/vault/custody/totp"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
)

const recordVersion = 1

// Record is one of *Person, *Credential, *Holding, *Retired, *Grant, *Invitation, *Notice. It is never changed once it is
// in a book: a changed copy takes its place.
type Record interface {
	kind() kind
	marshal(c *cryptobyte.Builder)
	parse(s *cryptobyte.String) bool
}

type kind uint8

const (
	kindPerson     kind = 1
	kindCredential kind = 2
	kindHolding    kind = 3
	kindRetired    kind = 4
	kindGrant      kind = 5
	kindInvitation kind = 6
	kindNotice     kind = 7
)

func (k kind) String() string {
	names := [...]string{"", "person", "credential", "holding", "retired key", "grant", "invitation", "notice"}
	if int(k) < len(names) && k > 0 {
		return names[k]
	}
	return fmt.Sprintf("record of kind %d", uint8(k))
}

func newRecord(k kind) Record {
	switch k {
	case kindPerson:
		return &Person{}
	case kindCredential:
		return &Credential{}
	case kindHolding:
		return &Holding{}
	case kindRetired:
		return &Retired{}
	case kindGrant:
		return &Grant{}
	case kindInvitation:
		return &Invitation{}
	case kindNotice:
		return &Notice{}
	}
	return nil
}

func parseRecord(k kind, plain []byte) (Record, error) {
	r := newRecord(k)
	if r == nil {
		return nil, fmt.Errorf("a %s is not known", k)
	}
	s := cryptobyte.String(plain)
	var version uint8
	if !s.ReadUint8(&version) || version != recordVersion || !r.parse(&s) || !s.Empty() {
		return nil, fmt.Errorf("a %s of a form that is not known", k)
	}
	return r, nil
}

// Roles is what a person is, by policy.md.
type Roles uint8

// The roles.
const (
	Installer Roles = 1 << iota
	Staff
	Controller
	Delegate
	Director
	Auditor

	allRoles = Installer | Staff | Controller | Delegate | Director | Auditor
)

func roleNames() []string {
	return []string{"installer", "staff", "controller", "delegate", "director", "auditor"}
}

// Has says whether all of other are among them.
func (r Roles) Has(other Roles) bool { return r&other == other }

// Any says whether one of other is among them.
func (r Roles) Any(other Roles) bool { return r&other != 0 }

// Single says whether it is exactly one role.
func (r Roles) Single() bool { return r != 0 && r&(r-1) == 0 }

func (r Roles) String() string {
	var all []string
	for i, name := range roleNames() {
		if r.Has(1 << i) {
			all = append(all, name)
		}
	}
	return strings.Join(all, ", ")
}

// ParseRoles reads what String writes.
func ParseRoles(text string) (Roles, error) {
	var r Roles
	for name := range strings.SplitSeq(text, ",") {
		i := slices.Index(roleNames(), strings.TrimSpace(name))
		if i < 0 {
			return 0, fmt.Errorf("%q is not a role: %s", strings.TrimSpace(name), strings.Join(roleNames(), ", "))
		}
		r |= 1 << i
	}
	return r, nil
}

// Person is who somebody is. It survives a change of password.
type Person struct {
	Name    string
	Mail    string
	Roles   Roles
	Manager keys.ID // the line manager's account, or
	Boss    string  // the line manager's mail address
	Left    time.Time
	// The second factor; zero until the account is claimed.
	TOTP    totp.Secret
	Step    uint64   // the newest step whose code was used
	Printed []uint32 // printed codes not yet used
}

// WithoutFactor is the person without a second factor, as before the account was claimed.
func (p *Person) WithoutFactor() *Person {
	q := *p
	q.TOTP, q.Printed = totp.Secret{}, nil // Step stays: a code once used is used
	return &q
}

func (*Person) kind() kind { return kindPerson }

func (p *Person) marshal(c *cryptobyte.Builder) {
	c.AddUint8(uint8(p.Roles))
	addText(c, p.Name)
	addText(c, p.Mail)
	c.AddBytes(p.Manager.Append(nil))
	addText(c, p.Boss)
	addTime(c, p.Left)
	c.AddUint8LengthPrefixed(func(c *cryptobyte.Builder) {
		if !p.TOTP.IsZero() {
			p.TOTP.Use(c.AddBytes)
		}
	})
	c.AddUint64(p.Step)
	c.AddUint8(uint8(len(p.Printed)))
	for _, code := range p.Printed {
		c.AddUint32(code)
	}
}

func (p *Person) parse(s *cryptobyte.String) bool {
	var roles, n uint8
	var factor cryptobyte.String
	ok := s.ReadUint8(&roles) && Roles(roles)&^allRoles == 0 && readText(s, &p.Name) && readText(s, &p.Mail) && readID(s, &p.Manager) &&
		readText(s, &p.Boss) && readTime(s, &p.Left) && s.ReadUint8LengthPrefixed(&factor) && s.ReadUint64(&p.Step) && s.ReadUint8(&n)
	p.Roles = Roles(roles)
	for ; ok && n > 0; n-- {
		var code uint32
		ok = s.ReadUint32(&code)
		p.Printed = append(p.Printed, code)
	}
	if ok && len(factor) > 0 {
		var err error
		p.TOTP, err = totp.From(factor)
		ok = err == nil
	}
	return ok
}

// Credential is the keys of an account, under one password.
type Credential struct {
	Made    time.Time
	Params  password.Params
	Account envelope.Public // wraps to the account go to it
	Secret  tpm.Blob        // what the account's private key is derived from
	Signing tpm.Blob        // empty for roles that sign nothing
	Signer  []byte          // public half of Signing, PKIX DER
}

func (*Credential) kind() kind { return kindCredential }

func (r *Credential) marshal(c *cryptobyte.Builder) {
	addTime(c, r.Made)
	c.AddUint32(r.Params.Passes)
	c.AddUint32(r.Params.MemoryKiB)
	c.AddBytes(r.Params.Salt[:])
	public := r.Account.Bytes()
	c.AddBytes(public[:])
	for _, b := range [][]byte{r.Secret, r.Signing, r.Signer} {
		c.AddUint16LengthPrefixed(func(c *cryptobyte.Builder) { c.AddBytes(b) })
	}
}

func (r *Credential) parse(s *cryptobyte.String) bool {
	var public [envelope.PublicSize]byte
	ok := readTime(s, &r.Made) && s.ReadUint32(&r.Params.Passes) && s.ReadUint32(&r.Params.MemoryKiB) && s.CopyBytes(r.Params.Salt[:]) &&
		s.CopyBytes(public[:]) && readBytes(s, (*[]byte)(&r.Secret)) && readBytes(s, (*[]byte)(&r.Signing)) && readBytes(s, &r.Signer)
	if ok {
		var err error
		r.Account, err = envelope.PublicFrom(public[:])
		ok = err == nil && r.Params.Valid() == nil
	}
	return ok
}

// Holding is a custody key wrapped to its owner's account, or to the recovery key where it has no owner.
type Holding struct {
	Number  uint32    // of the custody key
	Until   time.Time // the end of a delegation; zero for none
	Wrapped []byte
}

func (*Holding) kind() kind { return kindHolding }

func (r *Holding) marshal(c *cryptobyte.Builder) {
	c.AddUint32(r.Number)
	addTime(c, r.Until)
	c.AddBytes(r.Wrapped)
}

func (r *Holding) parse(s *cryptobyte.String) bool {
	return s.ReadUint32(&r.Number) && readTime(s, &r.Until) && readFixed(s, &r.Wrapped, envelope.WrappedSize)
}

// Retired is the private half of an earlier custody key, wrapped to a later one.
type Retired struct {
	Number  uint32
	Under   uint32 // the custody key it is wrapped to
	Wrapped []byte
}

func (*Retired) kind() kind { return kindRetired }

func (r *Retired) marshal(c *cryptobyte.Builder) {
	c.AddUint32(r.Number)
	c.AddUint32(r.Under)
	c.AddBytes(r.Wrapped)
}

func (r *Retired) parse(s *cryptobyte.String) bool {
	return s.ReadUint32(&r.Number) && s.ReadUint32(&r.Under) && readFixed(s, &r.Wrapped, envelope.WrappedSize)
}

func addText(c *cryptobyte.Builder, text string) {
	c.AddUint8LengthPrefixed(func(c *cryptobyte.Builder) { c.AddBytes([]byte(text)) })
}

func readText(s *cryptobyte.String, text *string) bool {
	var v cryptobyte.String
	ok := s.ReadUint8LengthPrefixed(&v)
	*text = string(v)
	return ok
}

// addTime writes Unix seconds; 0 stands for no time at all.
func addTime(c *cryptobyte.Builder, t time.Time) {
	if t.IsZero() {
		c.AddUint64(0)
		return
	}
	c.AddUint64(uint64(t.Unix()))
}

func readTime(s *cryptobyte.String, t *time.Time) bool {
	var v uint64
	ok := s.ReadUint64(&v)
	if v != 0 {
		*t = time.Unix(int64(v), 0).UTC()
	}
	return ok
}

func readBytes(s *cryptobyte.String, out *[]byte) bool {
	var v cryptobyte.String
	ok := s.ReadUint16LengthPrefixed(&v)
	*out = slices.Clone([]byte(v))
	return ok
}

func readFixed(s *cryptobyte.String, out *[]byte, n int) bool {
	var v []byte
	ok := s.ReadBytes(&v, n)
	*out = slices.Clone(v)
	return ok
}

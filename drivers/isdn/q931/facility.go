package q931

import "fmt"

// Kinds of component, as ITU-T X.229 tags them.
const (
	Invoke      = 0xa1
	ReturnValue = 0xa2
	ReturnError = 0xa3
	Reject      = 0xa4
)

// profileROSE says that a facility's components are remote operations (ITU-T X.219).
const profileROSE = 0x11

// Component is one remote operation of a supplementary service: asked for, answered or refused.
type Component struct {
	Kind      uint8
	ID        int // which asking an answer belongs to
	HasID     bool
	Operation int    // with Invoke and ReturnValue, if it is a number
	Numbered  bool   // Operation is given
	Object    []byte // its object identifier, if it is one
	Data      []byte // all that stands in it, as it came
}

// Facility is the element Facility.
type Facility struct {
	Profile uint8  // 0x11: remote operations
	Data    []byte // as it came
}

// ParseFacility reads the element.
func ParseFacility(b []byte) (Facility, error) {
	if len(b) == 0 {
		return Facility{}, short("facility")
	}
	return Facility{Profile: b[0] & 0x1f, Data: b[1:]}, nil
}

// Components gives the remote operations within, in order, until yield says no. What cannot be read ends it.
func (f Facility) Components(yield func(Component) bool) {
	b := f.Data
	if f.Profile != profileROSE {
		return
	}
	for len(b) > 0 {
		// Interpretation, network and protocol profile components stand before the operations they are about.
		tag, body, rest, err := ber(b)
		if err != nil {
			return
		}
		b = rest
		if tag < Invoke || tag > Reject {
			continue
		}
		if !yield(component(tag, body)) {
			return
		}
	}
}

func component(kind uint8, body []byte) Component {
	c := Component{Kind: kind, Data: body}
	tag, value, rest, err := ber(body)
	if err != nil {
		return c
	}
	if tag == 0x02 { // INTEGER
		c.ID, c.HasID = integer(value), true
	}
	for len(rest) > 0 {
		if tag, value, rest, err = ber(rest); err != nil {
			return c
		}
		switch {
		case tag == 0x80 && kind == Invoke: // the asking that this one is linked to
			continue
		case tag == 0x30 && kind == ReturnValue: // SEQUENCE of operation and result
			rest = value
			continue
		case tag == 0x02 && (kind == Invoke || kind == ReturnValue):
			c.Operation, c.Numbered = integer(value), true
		case tag == 0x06 && (kind == Invoke || kind == ReturnValue):
			c.Object = value
		}
		return c
	}
	return c
}

func integer(b []byte) int {
	n := 0
	for i, octet := range b[:min(4, len(b))] {
		if i == 0 && octet&0x80 != 0 {
			n = -1
		}
		n = n<<8 | int(octet)
	}
	return n
}

// ber takes the first value from octets in the Basic Encoding Rules (ITU-T X.690): tags of one octet, lengths of up to
// two octets or indefinite, which is as much as fits a message.
func ber(b []byte) (tag uint8, body, rest []byte, err error) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return 0, nil, nil, fmt.Errorf("%w: facility", ErrElement)
	}
	tag = b[0]
	n, at := int(b[1]), 2
	switch {
	case n == 0x80:
		return indefinite(b)
	case n == 0x81 && len(b) > 2:
		n, at = int(b[2]), 3
	case n == 0x82 && len(b) > 3:
		n, at = int(b[2])<<8|int(b[3]), 4
	case n > 0x80:
		return 0, nil, nil, fmt.Errorf("%w: facility", ErrElement)
	}
	if len(b) < at+n {
		return 0, nil, nil, short("facility")
	}
	return tag, b[at : at+n], b[at+n:], nil
}

// maxNesting bounds values of indefinite length within each other.
const maxNesting = 8

// indefinite finds the end of a value that says none: two octets of 0, past the values within.
func indefinite(b []byte) (tag uint8, body, rest []byte, err error) {
	end, err := indefiniteEnd(b[2:], maxNesting)
	if err != nil {
		return 0, nil, nil, err
	}
	return b[0], b[2 : 2+end], b[4+end:], nil
}

func indefiniteEnd(b []byte, nesting int) (int, error) {
	at := 0
	for {
		v := b[at:]
		switch {
		case len(v) < 2 || nesting == 0:
			return 0, short("facility")
		case v[0] == 0 && v[1] == 0:
			return at, nil
		case v[1] == 0x80:
			inner, err := indefiniteEnd(v[2:], nesting-1)
			if err != nil {
				return 0, err
			}
			at += 4 + inner
		default:
			_, _, rest, err := ber(v)
			if err != nil {
				return 0, err
			}
			at += len(v) - len(rest)
		}
	}
}

package q931

import (
	"encoding/hex"
	"fmt"
)

// Types of number.
const (
	NumberUnknown       = 0
	NumberInternational = 1
	NumberNational      = 2
	NumberNetwork       = 3
	NumberSubscriber    = 4
	NumberAbbreviated   = 6
)

// Whether a number may be shown.
const (
	PresentationAllowed     = 0
	PresentationRestricted  = 1
	PresentationUnavailable = 2 // not known, as from abroad or an older network
)

// Who vouches for a number.
const (
	UserNotScreened = 0
	UserVerified    = 1
	UserFailed      = 2
	NetworkProvided = 3
)

// Number is a telephone number of an element, digits and what is said of them.
type Number struct {
	Kind         uint8
	Plan         uint8 // 1: ISDN (E.164), 8: national, 9: private
	Shown        bool  // Presentation and Screening were given
	Presentation uint8
	Screening    uint8
	Reasoned     bool // Reason was given
	Reason       uint8
	Digits       []byte // characters of IA5
}

// ParseNumber reads the elements Called, Calling, Connected, Redirecting and Redirection number.
func ParseNumber(b []byte) (Number, error) {
	var n Number
	if len(b) == 0 {
		return n, short("number")
	}
	n.Kind, n.Plan = b[0]>>4&7, b[0]&0x0f
	more := b[0]&0x80 == 0
	b = b[1:]
	for octet := 0; more; octet++ {
		if len(b) == 0 {
			return n, short("number")
		}
		switch octet {
		case 0:
			n.Shown, n.Presentation, n.Screening = true, b[0]>>5&3, b[0]&3
		case 1:
			n.Reasoned, n.Reason = true, b[0]&0x0f
		}
		more = b[0]&0x80 == 0
		b = b[1:]
	}
	n.Digits = b
	return n, nil
}

// SubAddress chooses a telephone, or a program, behind a number.
type SubAddress struct {
	Kind uint8 // 0: NSAP, 2: of the user's own making
	Odd  bool  // with BCD digits: the last half octet is none
	Data []byte
}

// ParseSubAddress reads the elements Calling, Called and Connected party sub-address.
func ParseSubAddress(b []byte) (SubAddress, error) {
	if len(b) == 0 {
		return SubAddress{}, short("sub-address")
	}
	return SubAddress{Kind: b[0] >> 4 & 7, Odd: b[0]&8 != 0, Data: b[1:]}, nil
}

// afiIA5 begins an NSAP sub-address whose rest is characters of IA5 (ITU-T X.213).
const afiIA5 = 0x50

func (s SubAddress) String() string {
	if s.Kind == 0 && len(s.Data) > 1 && s.Data[0] == afiIA5 {
		return ParseText(s.Data[1:])
	}
	return hex.EncodeToString(s.Data)
}

// Network is a network that a call is to be led through.
type Network struct {
	Kind, Plan uint8
	Name       []byte
}

// ParseNetwork reads the element Transit network selection.
func ParseNetwork(b []byte) (Network, error) {
	if len(b) == 0 {
		return Network{}, short("transit network selection")
	}
	return Network{Kind: b[0] >> 4 & 7, Plan: b[0] & 0x0f, Name: b[1:]}, nil
}

// NetworkFacility is the element Network-specific facilities.
type NetworkFacility struct {
	Network       // Name is empty where it is the network at hand
	Specification []byte
}

// ParseNetworkFacility reads it.
func ParseNetworkFacility(b []byte) (NetworkFacility, error) {
	var f NetworkFacility
	if len(b) == 0 {
		return f, short("network-specific facilities")
	}
	n := int(b[0])
	if len(b) < 1+n {
		return f, fmt.Errorf("%w: network-specific facilities end within the network's name", ErrElement)
	}
	if n > 0 {
		network, err := ParseNetwork(b[1 : 1+n])
		if err != nil {
			return f, err
		}
		f.Network = network
	}
	f.Specification = b[1+n:]
	return f, nil
}

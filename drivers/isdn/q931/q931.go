// Package q931 reads the messages of ISDN call control (ITU-T Q.931) as EuroISDN uses them (ETS 300 102-1, EN 300 403-1).
//
//	In:    the information of a LAPD frame I or UI at SAPI 0
//	Out:   Message: call reference, type and information elements; a Parse function for what each element says
//	Owner: nothing; every function is pure, and what it returns points into the octets it was given
//	Full:  a message has at most as many elements as octets; Message.Elements is the caller's and is used again
//
// What is not known stays as it came: elements of other codesets and unknown ones keep their octets, and a message
// whose last element is cut off gives all that stand before it.
package q931

import (
	"errors"
	"fmt"
)

// Discriminator is the protocol discriminator of call control.
const Discriminator = 0x08

var (
	// ErrMessage reports octets that are no message of Q.931.
	ErrMessage = errors.New("q931: not a message")
	// ErrProtocol reports a message of another protocol, such as the maintenance of a North American line.
	ErrProtocol = errors.New("q931: another protocol")
	// ErrElement reports an information element that does not say what it should. The message around it is good.
	ErrElement = errors.New("q931: wrong information element")
)

// Type is a message type.
type Type uint8

// The message types of Q.931 and Q.932.
const (
	Escape                Type = 0x00
	Alerting              Type = 0x01
	CallProceeding        Type = 0x02
	ProgressMessage       Type = 0x03
	Setup                 Type = 0x05
	Connect               Type = 0x07
	SetupAcknowledge      Type = 0x0d
	ConnectAcknowledge    Type = 0x0f
	UserInformation       Type = 0x20
	SuspendReject         Type = 0x21
	ResumeReject          Type = 0x22
	Hold                  Type = 0x24
	Suspend               Type = 0x25
	Resume                Type = 0x26
	HoldAcknowledge       Type = 0x28
	SuspendAcknowledge    Type = 0x2d
	ResumeAcknowledge     Type = 0x2e
	HoldReject            Type = 0x30
	Retrieve              Type = 0x31
	RetrieveAcknowledge   Type = 0x33
	RetrieveReject        Type = 0x37
	Disconnect            Type = 0x45
	RestartMessage        Type = 0x46
	Release               Type = 0x4d
	RestartAcknowledge    Type = 0x4e
	ReleaseComplete       Type = 0x5a
	Segment               Type = 0x60
	FacilityMessage       Type = 0x62
	Register              Type = 0x64
	Notify                Type = 0x6e
	StatusEnquiry         Type = 0x75
	CongestionControl     Type = 0x79
	Information           Type = 0x7b
	Status                Type = 0x7d
	maxReferenceOctets         = 2
	referenceLengthOctets      = 0x0f
)

func (t Type) String() string {
	switch t {
	case Escape:
		return "ESCAPE"
	case Alerting:
		return "ALERTING"
	case CallProceeding:
		return "CALL PROCEEDING"
	case ProgressMessage:
		return "PROGRESS"
	case Setup:
		return "SETUP"
	case Connect:
		return "CONNECT"
	case SetupAcknowledge:
		return "SETUP ACKNOWLEDGE"
	case ConnectAcknowledge:
		return "CONNECT ACKNOWLEDGE"
	case Disconnect:
		return "DISCONNECT"
	case Release:
		return "RELEASE"
	case ReleaseComplete:
		return "RELEASE COMPLETE"
	case RestartMessage:
		return "RESTART"
	case RestartAcknowledge:
		return "RESTART ACKNOWLEDGE"
	case Information:
		return "INFORMATION"
	case Notify:
		return "NOTIFY"
	case Status:
		return "STATUS"
	case StatusEnquiry:
		return "STATUS ENQUIRY"
	}
	return t.supplementary()
}

func (t Type) supplementary() string {
	switch t {
	case UserInformation:
		return "USER INFORMATION"
	case SuspendReject:
		return "SUSPEND REJECT"
	case ResumeReject:
		return "RESUME REJECT"
	case Hold:
		return "HOLD"
	case Suspend:
		return "SUSPEND"
	case Resume:
		return "RESUME"
	case HoldAcknowledge:
		return "HOLD ACKNOWLEDGE"
	case SuspendAcknowledge:
		return "SUSPEND ACKNOWLEDGE"
	case ResumeAcknowledge:
		return "RESUME ACKNOWLEDGE"
	case HoldReject:
		return "HOLD REJECT"
	case Retrieve:
		return "RETRIEVE"
	case RetrieveAcknowledge:
		return "RETRIEVE ACKNOWLEDGE"
	case RetrieveReject:
		return "RETRIEVE REJECT"
	case Segment:
		return "SEGMENT"
	case FacilityMessage:
		return "FACILITY"
	case Register:
		return "REGISTER"
	case CongestionControl:
		return "CONGESTION CONTROL"
	}
	return fmt.Sprintf("Type(%#02x)", uint8(t))
}

// Reference is a call reference: which call of an interface a message is about.
type Reference struct {
	Octets  uint8  // 0: the dummy reference, of no call; 1 on basic access; 2 on primary rate access
	Value   uint16 // without the flag; 0 is the global reference, of all calls
	ToMaker bool   // the flag: the message goes to the side that chose the reference
}

// Dummy says that the message belongs to no call.
func (r Reference) Dummy() bool { return r.Octets == 0 }

// Global says that the message is about all calls, or the interface.
func (r Reference) Global() bool { return r.Octets > 0 && r.Value == 0 }

// Header is what every message begins with.
type Header struct {
	Protocol  uint8
	Reference Reference
	Type      Type
}

// Element is an information element as it came.
type Element struct {
	Codeset uint8
	ID      uint8  // the whole octet: an element of a single octet (bit 8 set) has its content in it
	Body    []byte // what follows the length; nil with a single octet
}

// Single says that the element has one octet.
func (e Element) Single() bool { return e.ID&0x80 != 0 }

// Message is a message of call control.
type Message struct {
	Header
	Elements []Element
	Cut      []byte // what is left where the last element says it is longer than the message; nil if whole
}

// Find gives the first element of a kind in codeset 0.
func (m *Message) Find(id uint8) (Element, bool) {
	for _, e := range m.Elements {
		if e.ID == id && e.Codeset == 0 {
			return e, true
		}
	}
	return Element{}, false
}

// ParseHeader reads how a message begins, and gives what follows. The error is ErrMessage, or ErrProtocol.
func ParseHeader(b []byte) (Header, []byte, error) {
	var h Header
	if len(b) == 0 {
		return h, nil, fmt.Errorf("%w: it is empty", ErrMessage)
	}
	h.Protocol = b[0]
	if h.Protocol != Discriminator {
		return h, b[1:], ErrProtocol
	}
	if len(b) < 3 {
		return h, nil, fmt.Errorf("%w: %d octets", ErrMessage, len(b))
	}
	n := int(b[1] & referenceLengthOctets)
	if b[1]&^referenceLengthOctets != 0 || n > maxReferenceOctets {
		return h, nil, fmt.Errorf("%w: call reference length %#02x", ErrMessage, b[1])
	}
	if len(b) < 3+n {
		return h, nil, fmt.Errorf("%w: it ends within the call reference", ErrMessage)
	}
	h.Reference.Octets = uint8(n)
	if n > 0 {
		h.Reference.ToMaker = b[2]&0x80 != 0
		h.Reference.Value = uint16(b[2] & 0x7f)
	}
	if n == 2 {
		h.Reference.Value = h.Reference.Value<<8 | uint16(b[3])
	}
	h.Type = Type(b[2+n])
	return h, b[3+n:], nil
}

// Decode reads a message into m, whose Elements are used again. Nothing is copied. A message that is cut off within an
// element is no error: see Message.Cut.
func Decode(b []byte, m *Message) error {
	m.Elements, m.Cut = m.Elements[:0], nil
	h, rest, err := ParseHeader(b)
	m.Header = h
	if err != nil {
		return err
	}
	locked, next := uint8(0), uint8(0)
	for len(rest) > 0 {
		e := Element{Codeset: next, ID: rest[0]}
		next = locked
		if e.Single() {
			rest = rest[1:]
			if e.ID&0xf0 == Shift {
				next = e.ID & 7
				if e.ID&8 == 0 { // this shift stays until the end of the message, the other for one element
					locked = next
				}
			}
			m.Elements = append(m.Elements, e)
			continue
		}
		if len(rest) < 2 || len(rest) < 2+int(rest[1]) {
			m.Cut = rest
			return nil
		}
		end := 2 + int(rest[1])
		e.Body = rest[2:end:end]
		rest = rest[end:]
		m.Elements = append(m.Elements, e)
	}
	return nil
}

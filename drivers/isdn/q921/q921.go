// Package q921 reads the frames of an ISDN D channel (LAPD, ITU-T Q.921 and ETS 300 125).
//
//	In:    the octets of one frame without flags and checksum, as a card gives them
//	Out:   Frame: address, control field and what it carries; Management: how terminals get their addresses
//	Owner: nothing; every function is pure, and what it returns points into the octets it was given
//	Full:  a frame longer than MaxFrame is refused
package q921

import (
	"errors"
	"fmt"
)

const (
	// MaxFrame is the longest frame that is read. The standard's is 264 octets (N201 of 260, and 4 for address and
	// control); twice that leaves room for an exchange that was set otherwise.
	MaxFrame = 528
	// Broadcast is the terminal endpoint identifier of all terminals at once.
	Broadcast = 127
	// Modulus is where the numbers of frames start again from 0.
	Modulus = 128
)

// Service access points: what a frame is about.
const (
	SAPICall       = 0  // call control, ITU-T Q.931
	SAPIPacket     = 16 // X.25 packets
	SAPIManagement = 63 // the addresses of terminals
)

// ErrFrame reports octets that are no frame of Q.921.
var ErrFrame = errors.New("q921: not a frame")

// Side is the end of a D channel that a frame came from.
type Side uint8

// The two ends of a D channel.
const (
	Network Side = 0 // the exchange
	User    Side = 1 // a telephone, a PBX
)

// Other is the end that a frame from s goes to.
func (s Side) Other() Side { return s ^ 1 }

func (s Side) String() string {
	if s == Network {
		return "network"
	}
	return "user"
}

// Kind is what a frame does.
type Kind uint8

// The kinds of frame.
const (
	I     Kind = iota // information in sequence
	RR                // receive ready: an acknowledgement
	RNR               // receive not ready
	REJ               // please send again from N(R)
	SABME             // set up the link; numbers start from 0
	DM                // there is no link
	UI                // information outside the sequence
	DISC              // end the link
	UA                // SABME or DISC carried out
	FRMR              // a frame was refused
	XID               // parameters are exchanged
)

func (k Kind) String() string {
	names := [...]string{"I", "RR", "RNR", "REJ", "SABME", "DM", "UI", "DISC", "UA", "FRMR", "XID"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Frame is one frame.
type Frame struct {
	SAPI uint8
	TEI  uint8
	CR   bool // command/response bit as it stands; what it means depends on the side, see Command
	Kind Kind
	PF   bool   // poll bit of a command, final bit of a response
	NS   uint8  // with I: its number
	NR   uint8  // with I, RR, RNR, REJ: the number of the next one expected
	Info []byte // with I, UI, FRMR, XID
}

// Command says whether the frame is a command, if it came from side.
func (f *Frame) Command(side Side) bool { return f.CR == (side == Network) }

// Decode reads a frame. What it carries is not copied.
func Decode(b []byte, f *Frame) error {
	*f = Frame{}
	switch {
	case len(b) < 3:
		return fmt.Errorf("%w: %d octets", ErrFrame, len(b))
	case len(b) > MaxFrame:
		return fmt.Errorf("%w: %d octets are more than %d", ErrFrame, len(b), MaxFrame)
	case b[0]&1 != 0 || b[1]&1 != 1:
		return fmt.Errorf("%w: the address is not of two octets", ErrFrame)
	}
	f.SAPI, f.CR, f.TEI = b[0]>>2, b[0]&2 != 0, b[1]>>1
	if b[2]&3 == 3 {
		return f.unnumbered(b)
	}
	if len(b) < 4 {
		return fmt.Errorf("%w: the control field has one octet of two", ErrFrame)
	}
	f.NR, f.PF = b[3]>>1, b[3]&1 != 0
	if b[2]&1 == 0 {
		f.Kind, f.NS, f.Info = I, b[2]>>1, b[4:]
		return nil
	}
	switch b[2] {
	case 0x01:
		f.Kind = RR
	case 0x05:
		f.Kind = RNR
	case 0x09:
		f.Kind = REJ
	default:
		return fmt.Errorf("%w: control field %#02x", ErrFrame, b[2])
	}
	return nil
}

func (f *Frame) unnumbered(b []byte) error {
	f.PF = b[2]&0x10 != 0
	switch b[2] &^ 0x10 {
	case 0x6f:
		f.Kind = SABME
	case 0x0f:
		f.Kind = DM
	case 0x43:
		f.Kind = DISC
	case 0x63:
		f.Kind = UA
	case 0x03:
		f.Kind, f.Info = UI, b[3:]
	case 0x87:
		f.Kind, f.Info = FRMR, b[3:]
	case 0xaf:
		f.Kind, f.Info = XID, b[3:]
	default:
		return fmt.Errorf("%w: control field %#02x", ErrFrame, b[2])
	}
	return nil
}

// Rejection is what a frame FRMR says of the frame that was refused.
type Rejection struct {
	Control  [2]byte // its control field
	VS, VR   uint8   // where the sender of FRMR stands
	Response bool    // it was a response
	Reason   uint8   // W 1: undefined; X 2: information where none may be; Y 4: too long; Z 8: wrong N(R)
}

// ParseRejection reads what a frame FRMR carries.
func ParseRejection(info []byte) (Rejection, error) {
	if len(info) < 5 {
		return Rejection{}, fmt.Errorf("%w: FRMR carries %d octets of 5", ErrFrame, len(info))
	}
	return Rejection{Control: [2]byte(info), VS: info[2] >> 1, VR: info[3] >> 1, Response: info[3]&1 != 0, Reason: info[4] & 0x0f}, nil
}

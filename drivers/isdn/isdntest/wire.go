// Package isdntest writes what an exchange and its terminals say to each other on an ISDN D channel.
//
//	In:    scripts: who sends which message, and when
//	Out:   isdn.Frame, both directions as a tap hears them; Outcome, what a tracker made of them
//	Owner: nothing; a Wire is for one caller at a time
//	Full:  it keeps all frames of its script
package isdntest

import (
	"encoding/binary"
	"time"

	"linekeep/drivers/isdn"
	"linekeep/drivers/isdn/q921"
	"linekeep/drivers/isdn/q931"
	"linekeep/drivers/line"
)

// Millisecond as positions on the line.
const Millisecond = line.RateHz / 1000

// step is how far apart two frames are that follow each other at once.
const step = 5 * Millisecond

// start is when the first frame of a wire was heard; any time would do.
const startUnix = 1_700_000_000

// Wire collects what both sides send.
type Wire struct {
	Frames []isdn.Frame
	At     line.Position // of the next frame
	Octets int           // of a call reference: 1 on basic, 2 on primary rate access
	Acks   bool          // each frame in sequence is acknowledged by RR, as real links do in a pause

	next [q921.Broadcast][2]uint8 // N(S) of the next frame, by terminal and side
}

// Basic is a basic rate interface: a bus of terminals.
func Basic() *Wire { return &Wire{Octets: 1, At: second} }

// Primary is a primary rate interface: one PBX, TEI 0.
func Primary() *Wire { return &Wire{Octets: 2, At: second} }

const second = line.RateHz

// Wait lets time pass.
func (w *Wire) Wait(d time.Duration) { w.At += line.In(d) }

// Raw sends octets as they are.
func (w *Wire) Raw(from q921.Side, octets []byte) {
	heard := time.Unix(startUnix, 0).Add(w.At.Duration())
	w.Frames = append(w.Frames, isdn.Frame{From: from, At: w.At, Heard: heard, Data: octets})
	w.At += step
}

// Address is the first two octets of a frame.
func Address(from q921.Side, command bool, sapi, tei uint8) []byte {
	b := []byte{sapi << 2, tei<<1 | 1}
	if command == (from == q921.Network) {
		b[0] |= 2
	}
	return b
}

// Unnumbered sends a frame with a control field of one octet and what it carries.
func (w *Wire) Unnumbered(from q921.Side, command bool, sapi, tei, control uint8, info ...byte) {
	w.Raw(from, append(append(Address(from, command, sapi, tei), control), info...))
}

// Establish sets up a terminal's link: SABME, and UA from the other side.
func (w *Wire) Establish(from q921.Side, tei uint8) {
	w.Unnumbered(from, true, q921.SAPICall, tei, 0x7f)
	w.Unnumbered(from.Other(), false, q921.SAPICall, tei, 0x73)
	w.next[tei] = [2]uint8{}
}

// Send sends a message in sequence.
func (w *Wire) Send(from q921.Side, tei uint8, message []byte) {
	n := &w.next[tei]
	w.Raw(from, Numbered(from, tei, n[from], n[from.Other()], message))
	n[from] = (n[from] + 1) % q921.Modulus
	if w.Acks {
		w.Raw(from.Other(), append(Address(from.Other(), false, q921.SAPICall, tei), 0x01, n[from]<<1))
	}
}

// Numbered makes a frame I.
func Numbered(from q921.Side, tei, ns, nr uint8, message []byte) []byte {
	return append(append(Address(from, true, q921.SAPICall, tei), ns<<1, nr<<1), message...)
}

// Again sends the newest frame once more, as after a lost acknowledgement.
func (w *Wire) Again() {
	last := w.Frames[len(w.Frames)-1]
	octets := append([]byte(nil), last.Data...)
	octets[3] |= 1 // the poll bit
	w.Raw(last.From, octets)
}

// Unheard takes back the newest frame: it was sent and received, and the tap missed it.
func (w *Wire) Unheard() { w.Frames = w.Frames[:len(w.Frames)-1] }

// Assign gives a terminal its address.
func (w *Wire) Assign(tei uint8, reference uint16) {
	ask := binary.BigEndian.AppendUint16([]byte{0x0f}, reference)
	w.Unnumbered(q921.User, true, q921.SAPIManagement, q921.Broadcast, 0x03, append(ask[:3:3], q921.IdentityRequest, 0xff)...)
	w.Unnumbered(q921.Network, true, q921.SAPIManagement, q921.Broadcast, 0x03, append(ask[:3:3], q921.IdentityAssigned, tei<<1|1)...)
}

// Message makes a message of call control. A reference of no octets is the dummy.
func Message(octets int, ref uint16, toMaker bool, kind q931.Type, elements ...[]byte) []byte {
	b := []byte{q931.Discriminator, uint8(octets)}
	switch octets {
	case 1:
		b = append(b, uint8(ref))
	case 2:
		b = binary.BigEndian.AppendUint16(b, ref)
	}
	if toMaker && octets > 0 {
		b[2] |= 0x80
	}
	b = append(b, uint8(kind))
	for _, e := range elements {
		b = append(b, e...)
	}
	return b
}

// Restart restarts channels, or without any the interface, and has it acknowledged.
func (w *Wire) Restart(from q921.Side, tei uint8, elements ...[]byte) {
	w.Send(from, tei, Message(w.Octets, 0, false, q931.RestartMessage, elements...))
	w.Send(from.Other(), tei, Message(w.Octets, 0, true, q931.RestartAcknowledge, elements...))
}

// Call is one call on a wire.
type Call struct {
	Wire  *Wire
	Maker q921.Side
	Ref   uint16
	TEI   uint8 // whose link the messages go by
}

// From is the same call on another terminal's link.
func (c Call) From(tei uint8) Call { c.TEI = tei; return c }

// Message makes a message of the call.
func (c Call) Message(from q921.Side, kind q931.Type, elements ...[]byte) []byte {
	return Message(c.Wire.Octets, c.Ref, from != c.Maker, kind, elements...)
}

// Network says something from the exchange.
func (c Call) Network(kind q931.Type, elements ...[]byte) {
	c.Wire.Send(q921.Network, c.TEI, c.Message(q921.Network, kind, elements...))
}

// User says something from the terminal.
func (c Call) User(kind q931.Type, elements ...[]byte) {
	c.Wire.Send(q921.User, c.TEI, c.Message(q921.User, kind, elements...))
}

// Offer sends SETUP to all terminals of the bus.
func (c Call) Offer(elements ...[]byte) {
	c.Wire.Unnumbered(q921.Network, true, q921.SAPICall, q921.Broadcast, 0x03, c.Message(q921.Network, q931.Setup, elements...)...)
}

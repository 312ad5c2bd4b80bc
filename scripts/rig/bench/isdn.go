package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Card is one of mISDN's, by its number: a port of l1oip, which has the wire of an ISDN line in UDP. Two of them are the two
// directions of a tapped line. The product opens a card as whoever would hear that direction.
type Card int

// The cards that LoadISDN makes.
const (
	BRIFromNetwork  Card = iota // hears what the network sends: opened as a terminal (TE)
	BRIFromTerminal             // hears what the terminals send: opened as the network (NT)
	PRIFromNetwork
	PRIFromTerminal
	cards
)

func (c Card) kind() string {
	if c.primary() {
		return "2"
	}
	return "1"
}

func (c Card) primary() bool   { return c == PRIFromNetwork || c == PRIFromTerminal }
func (c Card) port() int       { return 9310 + int(c) }
func (c Card) remotePort() int { return 9410 + int(c) }
func (c Card) id() uint32      { return 4660 + uint32(c) }

// D is the number of the card's D channel on the wire.
func (c Card) D() int {
	if c.primary() {
		return 16
	}
	return 3
}

// Feed is the wire before a card. What it sends, the card hears; there is no pace but the sender's.
type Feed struct {
	card Card
	conn *net.UDPConn
	time [32]uint16 // of each channel: samples sent
}

// NewFeed takes hold of a card's wire. The link is up with the first packet, and down a minute after the last.
func NewFeed(c Card) (*Feed, error) {
	loopback := net.IPv4(127, 0, 0, 1)
	conn, err := net.DialUDP("udp4", &net.UDPAddr{IP: loopback, Port: c.remotePort()}, &net.UDPAddr{IP: loopback, Port: c.port()})
	if err != nil {
		return nil, fmt.Errorf("feed card %d: %w", c, err)
	}
	return &Feed{card: c, conn: conn}, nil
}

// Close lets go of the wire.
func (f *Feed) Close() error { return f.conn.Close() }

// Up brings the link up, or keeps it up: a packet of channel 0 without data.
func (f *Feed) Up() error { return f.send(0, nil) }

// SendD sends a frame of the D channel, without FCS: at least 2 bytes, at most 300.
func (f *Feed) SendD(frame []byte) error { return f.send(f.card.D(), frame) }

// SendB sends sound of a B channel, A-law, at most 300 bytes. A piece that is 0xff or 0x2a all through l1oip would not send itself.
func (f *Feed) SendB(channel int, sound []byte) error { return f.send(channel, sound) }

// send makes a packet: flags and codec, id, channel, time base, data (drivers/isdn/mISDN/l1oip.h).
func (f *Feed) send(channel int, data []byte) error {
	first := byte(0x10)
	if f.card.primary() {
		first = 0x30
	}
	p := binary.BigEndian.AppendUint32([]byte{first}, f.card.id())
	p = append(p, byte(channel))
	p = binary.BigEndian.AppendUint16(p, f.time[channel])
	p = append(p, data...)
	f.time[channel] += uint16(len(data))
	if _, err := f.conn.Write(p); err != nil {
		return fmt.Errorf("feed card %d: %w", f.card, err)
	}
	return nil
}

// Protocols of mISDN's sockets.
const (
	ProtocolTES0 = 1
	ProtocolNTS0 = 2
	ProtocolTEE1 = 3
	ProtocolNTE1 = 4
	ProtocolBRaw = 0x21
)

// Primitives of mISDN's messages.
const (
	ActivateReq   = 0x0101
	ActivateInd   = 0x0102
	DeactivateInd = 0x0202
	DataInd       = 0x2002
)

const (
	familyISDN  = 34
	getCount    = 0x80044943
	isdnTimeout = 10 * time.Second
)

// Socket hears a channel of a card, for tests of the bench itself and to compare with.
type Socket struct{ fd int }

// OpenD opens a card's D channel by one of the protocols TES0, NTS0, TEE1 and NTE1.
func OpenD(c Card, protocol int) (*Socket, error) { return openISDN(c, 0, protocol) }

// OpenB opens a B channel of a card and asks for what it hears.
func OpenB(c Card, channel int) (*Socket, error) {
	s, err := openISDN(c, channel, ProtocolBRaw)
	if err != nil {
		return nil, err
	}
	activate := binary.LittleEndian.AppendUint64(nil, ActivateReq)
	if _, err := unix.Write(s.fd, activate); err != nil {
		return nil, errors.Join(fmt.Errorf("open channel %d of card %d: %w", channel, c, err), s.Close())
	}
	return s, nil
}

func openISDN(c Card, channel, protocol int) (*Socket, error) {
	fail := func(err error) (*Socket, error) {
		return nil, fmt.Errorf("open channel %d of card %d: %w", channel, c, err)
	}
	fd, err := unix.Socket(familyISDN, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return fail(err)
	}
	s := &Socket{fd: fd}
	timeout := unix.NsecToTimeval(isdnTimeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return fail(errors.Join(err, s.Close()))
	}
	address := [6]byte{familyISDN, 0, byte(c), byte(channel)} // struct sockaddr_mISDN; sapi and tei are 0
	if _, _, errno := unix.Syscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&address)), unsafe.Sizeof(address)); errno != 0 {
		return fail(errors.Join(errno, s.Close()))
	}
	return s, nil
}

// Close lets go of the channel.
func (s *Socket) Close() error { return unix.Close(s.fd) }

// Next waits for a message. Errors: ErrTime.
func (s *Socket) Next() (primitive uint32, data []byte, err error) {
	buf := make([]byte, 2048)
	for {
		n, err := unix.Read(s.fd, buf)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return 0, nil, fmt.Errorf("mISDN socket: %w", ErrTime)
		case err != nil:
			return 0, nil, fmt.Errorf("mISDN socket: %w", err)
		case n < 8:
			return 0, nil, fmt.Errorf("mISDN socket: a message of %d bytes", n)
		default:
			return binary.LittleEndian.Uint32(buf), buf[8:n], nil
		}
	}
}

// NextData waits for data, and passes all else by.
func (s *Socket) NextData() ([]byte, error) {
	for {
		primitive, data, err := s.Next()
		if err != nil || primitive == DataInd {
			return data, err
		}
	}
}

// Cards says how many cards mISDN has.
func Cards() (int, error) {
	fd, err := unix.Socket(familyISDN, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("count mISDN's cards: %w", err)
	}
	var n int32
	err = errors.Join(ioctl(fd, getCount, unsafe.Pointer(&n)), unix.Close(fd))
	return int(n), err
}

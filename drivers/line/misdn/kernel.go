package misdn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// system is what is asked of the kernel. Nothing in it writes.
type system interface {
	socket(protocol int) (fd int, err error)
	bind(fd, card, channel int) error
	close(fd int) error
	read(fd int, p []byte) (int, error)
	// info asks for the card of a number.
	info(fd, card int) (cardInfo, error)
	poll(fds []unix.PollFd, timeout time.Duration) error
}

// Protocols of linux/mISDNif.h.
const (
	protoTES0 = 0x01
	protoNTS0 = 0x02
	protoTEE1 = 0x03
	protoNTE1 = 0x04
	protoBRaw = 0x21
)

// Messages. What else comes is what others on this machine ask of the card, and its answers.
const (
	activated   = 0x0102 // PH_ACTIVATE_IND
	deactivated = 0x0202 // PH_DEACTIVATE_IND
	data        = 0x2002 // PH_DATA_IND
)

const (
	headBytes    = 8      // of a message: what it is, and its number
	idAny        = 0xFFFF // MISDN_ID_ANY: no number; of a B channel: no time base
	maxCards     = 64     // MISDN_MAX_IDX
	devInfoBytes = 56
	reqDevInfo   = 0x80044944 // IMGETDEVINFO
)

// cardInfo is what is read of struct mISDN_devinfo.
type cardInfo struct {
	id       int
	name     string
	pri      bool
	channels [16]byte // a bit for each B channel
}

func (c cardInfo) has(slot int) bool { return c.channels[slot>>3]&(1<<(slot&7)) != 0 }

// packets says whether the card's sound comes in packets that leave idle out. Nothing but its name tells: the kernel's own
// answer (MISDN_CTRL_HW_FEATURES, unclocked) is written through a pointer, and for other parts of the kernel.
func (c cardInfo) packets() bool { return strings.HasPrefix(c.name, "l1oip") }

// kernel is the real one.
type kernel struct{}

func (kernel) socket(protocol int) (int, error) {
	fd, err := unix.Socket(unix.AF_ISDN, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return -1, fmt.Errorf("open an ISDN socket: %w", err)
	}
	return fd, nil
}

// bind needs the bare system call: the kernel refuses an address that is not 6 bytes long, and x/sys has no type for it.
func (kernel) bind(fd, card, channel int) error {
	address := [6]byte{2: byte(card), 3: byte(channel)}
	binary.NativeEndian.PutUint16(address[:], unix.AF_ISDN)
	if _, _, errno := unix.Syscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&address[0])), uintptr(len(address))); errno != 0 {
		return errno
	}
	return nil
}

func (kernel) close(fd int) error { return unix.Close(fd) }

func (kernel) read(fd int, p []byte) (int, error) { return unix.Read(fd, p) }

func (kernel) info(fd, card int) (cardInfo, error) {
	var b [devInfoBytes]byte
	binary.NativeEndian.PutUint32(b[:], uint32(card))
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), reqDevInfo, uintptr(unsafe.Pointer(&b[0]))); errno != 0 {
		return cardInfo{}, errno
	}
	name, _, _ := strings.Cut(string(b[36:]), "\x00")
	d := binary.NativeEndian.Uint32(b[4:])
	return cardInfo{id: card, name: name, pri: d&(1<<protoTEE1|1<<protoNTE1) != 0, channels: [16]byte(b[16:32])}, nil
}

func (kernel) poll(fds []unix.PollFd, timeout time.Duration) error {
	_, err := unix.Poll(fds, int(timeout/time.Millisecond))
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	return err
}

// find is the card of a name or a number.
func find(sys system, name string) (cardInfo, error) {
	fd, err := sys.socket(protoTES0) // unbound: it only asks
	if err != nil {
		return cardInfo{}, err
	}
	found, err := search(sys, fd, name)
	return found, errors.Join(err, sys.close(fd))
}

func search(sys system, fd int, name string) (cardInfo, error) {
	number, notNumber := strconv.Atoi(name)
	for id := range maxCards {
		info, err := sys.info(fd, id)
		if err == nil && (info.name == name || notNumber == nil && id == number) {
			return info, nil
		}
	}
	return cardInfo{}, fmt.Errorf("there is no card %q", name)
}

package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests of DAHDI's device files, from dahdi/user.h on amd64.
const (
	hook           = 0x4004DA07
	getEvent       = 0x8004DA08
	spanStat       = 0xC13ADA0A
	setBufInfo     = 0x4018DA1B
	audioMode      = 0x4004DA20
	specify        = 0x4004DA26
	setLaw         = 0x4004DA27
	getRxBits      = 0x8004DA2B
	setTxBits      = 0x4004DA2B
	dynamicCreate  = 0xC048DA50
	dynamicDestroy = 0x4048DA51
	bufferEvents   = 0x4004DA69
)

const lawALaw = 2

// What an event of a channel means; the numbers are DAHDI's.
const (
	OnHook        = Event(1)
	OffHook       = Event(2) // or the end of a burst of ringing, where it is heard
	WinkFlash     = Event(3)
	Alarm         = Event(4)
	NoAlarm       = Event(5)
	Abort         = Event(6)
	Overrun       = Event(7)
	BadFCS        = Event(8)
	RingerOn      = Event(10)
	RingerOff     = Event(11)
	HookComplete  = Event(12)
	BitsChanged   = Event(13)
	RingBegin     = Event(18)
	ReadOverrun   = Event(29)
	WriteUnderrun = Event(30)
)

// Event is what DAHDI tells of a channel besides its sound.
type Event int32

func (e Event) String() string {
	if name, ok := map[Event]string{OnHook: "on hook", OffHook: "off hook", WinkFlash: "wink or flash", Alarm: "alarm", NoAlarm: "no alarm",
		Abort: "abort", Overrun: "overrun", BadFCS: "bad FCS", RingerOn: "ringer on", RingerOff: "ringer off", HookComplete: "hook complete",
		BitsChanged: "bits changed", RingBegin: "ring begins", ReadOverrun: "read overrun", WriteUnderrun: "write underrun"}[e]; ok {
		return name
	}
	return fmt.Sprintf("event %d", int32(e))
}

// What Hook does.
const (
	HookOn      = 0 // hang up; for an exchange: end the call
	HookOff     = 1 // answer or seize; for an exchange: stop ringing, the call is up
	HookWink    = 2
	HookFlash   = 3
	HookRing    = 5 // an exchange rings, in its country's cadence, until HookOff or HookRingOff
	HookRingOff = 6
)

// errEvent is DAHDI's own error number: there is an event to be taken before anything else.
const errEvent = unix.Errno(500)

// ErrTime reports that nothing came within the time.
var ErrTime = errors.New("nothing came within the time")

// RingDebounce is how long a line must have been open, and on hook, before its ringing is told.
const RingDebounce = 2500 * time.Millisecond

// Channel is an open channel of DAHDI's.
type Channel struct {
	Number int
	Within time.Duration // how long reading and writing wait; 10 s at first
	fd     int
	// Events that reading and writing met and took out of their way.
	ReadOverruns, Aborts, BadFCS atomic.Int64
}

// Open opens a channel by DAHDI's number to be read and written. For the sound of a clear one (PRI, BRI, Clear) call Audio next.
func Open(number int) (*Channel, error) { return open(number, unix.O_RDWR) }

// Listen opens a channel to be read only, as a tap is.
func Listen(number int) (*Channel, error) { return open(number, unix.O_RDONLY) }

func open(number, flags int) (*Channel, error) {
	fd, err := unix.Open("/dev/dahdi/channel", flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open DAHDI channel %d: %w", number, err)
	}
	c := &Channel{Number: number, Within: 10 * time.Second, fd: fd}
	n := int32(number)
	if err := c.ioctl(specify, unsafe.Pointer(&n)); err != nil {
		return nil, errors.Join(fmt.Errorf("open DAHDI channel %d: %w", number, err), c.Close())
	}
	return c, nil
}

// Close frees the channel for others.
func (c *Channel) Close() error { return unix.Close(c.fd) }

// Audio makes a clear channel give and take A-law, as it is on the wire, in blocks of so many bytes; so many blocks are
// kept each way. 800 and 32 are 3.2 s, which a busy machine needs, for who speaks as well as for who listens; 160 and 16 are 320 ms.
func (c *Channel) Audio(block, blocks int) error {
	if err := errors.Join(c.set(audioMode, 1), c.set(setLaw, lawALaw)); err != nil {
		return err
	}
	return c.Buffers(block, blocks)
}

// Frames gives a D channel room for 32 frames each way: without it there is room for two, and a burst is lost. Then it waits a
// moment: a frame that is sent before the receivers have seen a few flags is lost too.
func (c *Channel) Frames() error {
	err := c.Buffers(1024, 32)
	<-time.After(flags)
	return err
}

const flags = 100 * time.Millisecond

// Buffers sets the size and the number of the blocks that are kept each way, at most 8192 bytes and 32 blocks.
func (c *Channel) Buffers(block, blocks int) error {
	info := [6]int32{0, 0, int32(blocks), int32(block)}
	if err := c.ioctl(setBufInfo, unsafe.Pointer(&info)); err != nil {
		return fmt.Errorf("DAHDI channel %d: set buffers: %w", c.Number, err)
	}
	return nil
}

// TellOverruns says whether sound that nobody read in time is told as a ReadOverrun. It outlives the Channel: take it back.
func (c *Channel) TellOverruns(tell bool) error {
	if tell {
		return c.set(bufferEvents, 1)
	}
	return c.set(bufferEvents, 0)
}

// Read waits for what the channel hears: at most a block of sound, or one frame of a D channel with its two bytes of FCS.
// Events that come meanwhile are counted, and the others are lost: who wants them calls Event.
func (c *Channel) Read(p []byte) (int, error) { return c.transfer(unix.POLLIN, p, unix.Read) }

// Write waits for room and gives the channel p to say: at most a block. A frame of a D channel goes by SendFrame.
func (c *Channel) Write(p []byte) (int, error) { return c.transfer(unix.POLLOUT, p, unix.Write) }

func (c *Channel) transfer(ready int16, p []byte, do func(int, []byte) (int, error)) (int, error) {
	for end := time.Now().Add(c.Within); ; {
		met, err := c.poll(ready|unix.POLLPRI, time.Until(end))
		if err != nil {
			return 0, err
		}
		if met&unix.POLLPRI != 0 {
			if err := c.pass(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := do(c.fd, p)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
		case errors.Is(err, errEvent):
			if err := c.pass(); err != nil {
				return 0, err
			}
		case err != nil:
			return 0, fmt.Errorf("DAHDI channel %d: %w", c.Number, err)
		default:
			return n, nil
		}
	}
}

// pass takes an event out of the way.
func (c *Channel) pass() error {
	e, err := c.take()
	switch e {
	case ReadOverrun, Overrun:
		c.ReadOverruns.Add(1)
	case Abort:
		c.Aborts.Add(1)
	case BadFCS:
		c.BadFCS.Add(1)
	}
	return err
}

func (c *Channel) take() (Event, error) {
	var e int32
	if err := c.ioctl(getEvent, unsafe.Pointer(&e)); err != nil {
		return 0, fmt.Errorf("DAHDI channel %d: take event: %w", c.Number, err)
	}
	return Event(e), nil
}

func (c *Channel) poll(events int16, within time.Duration) (int16, error) {
	for end := time.Now().Add(within); ; {
		fds := []unix.PollFd{{Fd: int32(c.fd), Events: events}}
		n, err := unix.Poll(fds, max(0, int(time.Until(end).Milliseconds())))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, fmt.Errorf("DAHDI channel %d: wait: %w", c.Number, err)
		case n > 0:
			return fds[0].Revents, nil
		case !time.Now().Before(end):
			return 0, fmt.Errorf("DAHDI channel %d: %w", c.Number, ErrTime)
		}
	}
}

// Event waits so long for the next event. Errors: ErrTime.
func (c *Channel) Event(within time.Duration) (Event, error) {
	for end := time.Now().Add(within); ; {
		if _, err := c.poll(unix.POLLPRI, time.Until(end)); err != nil {
			return 0, err
		}
		if e, err := c.take(); err != nil || e != 0 {
			return e, err
		}
	}
}

// Await takes events until e comes, and gives those that came before it.
func (c *Channel) Await(e Event, within time.Duration) ([]Event, error) {
	var before []Event
	for end := time.Now().Add(within); ; {
		got, err := c.Event(time.Until(end))
		if err != nil {
			return before, fmt.Errorf("wait for %q, after %v: %w", e, before, err)
		}
		if got == e {
			return before, nil
		}
		before = append(before, got)
	}
}

// Hook rings, answers, flashes or hangs up: HookRing and the others. It waits until the channel has done what it was told before.
func (c *Channel) Hook(what int) error {
	var err error
	eventually(c.Within, func() bool { err = c.set(hook, what); return !errors.Is(err, unix.EBUSY) })
	return err
}

// SetBits sends signalling bits ABCD on a CAS channel.
func (c *Channel) SetBits(bits int) error { return c.set(setTxBits, bits) }

// Bits are the signalling bits ABCD that a CAS channel hears. In dynamic spans the kernel leaves a neighbour's bits above them.
func (c *Channel) Bits() (int, error) {
	var bits int32
	if err := c.ioctl(getRxBits, unsafe.Pointer(&bits)); err != nil {
		return 0, fmt.Errorf("DAHDI channel %d: read bits: %w", c.Number, err)
	}
	return int(bits & 0x0f), nil
}

// SendFrame sends a frame of a D channel, without FCS: the kernel makes it.
func (c *Channel) SendFrame(frame []byte) error {
	_, err := c.Write(append(append([]byte(nil), frame...), 0, 0)) // the kernel puts the FCS over the last two
	return err
}

// ReadFrame waits for a frame of a D channel, checks its FCS and takes it off.
func (c *Channel) ReadFrame() ([]byte, error) {
	buf := make([]byte, 1024)
	n, err := c.Read(buf)
	if err != nil {
		return nil, err
	}
	if n < 2 {
		return nil, fmt.Errorf("DAHDI channel %d: a frame of %d bytes", c.Number, n)
	}
	frame := buf[:n-2]
	if got, want := binary.LittleEndian.Uint16(buf[n-2:n]), FCS(frame); got != want {
		return frame, fmt.Errorf("DAHDI channel %d: FCS %04x, want %04x", c.Number, got, want)
	}
	return frame, nil
}

// FCS is a frame's check sequence (ITU-T Q.921, 2.7): CRC-16/X.25, sent low byte first.
func FCS(frame []byte) uint16 {
	crc := uint16(0xffff)
	for _, b := range frame {
		crc ^= uint16(b)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ 0x8408
			} else {
				crc >>= 1
			}
		}
	}
	return ^crc
}

func (c *Channel) set(request uint, value int) error {
	v := int32(value)
	err := c.ioctl(request, unsafe.Pointer(&v))
	if err != nil {
		return fmt.Errorf("DAHDI channel %d: request %#x of %d: %w", c.Number, request, value, err)
	}
	return nil
}

func (c *Channel) ioctl(request uint, argument unsafe.Pointer) error {
	return ioctl(c.fd, request, argument)
}

func ioctl(fd int, request uint, argument unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(argument))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

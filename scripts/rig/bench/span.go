package bench

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// AlarmRed is a span's alarm when nothing comes from its other end.
const AlarmRed = 0x8

// Span is what DAHDI tells of a span.
type Span struct {
	Number, Channels int
	Name             string
	Alarms           int
}

// control asks DAHDI as a whole, not one channel.
func control(request uint, argument unsafe.Pointer) error {
	fd, err := unix.Open("/dev/dahdi/ctl", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open DAHDI's control: %w", err)
	}
	return errors.Join(ioctl(fd, request, argument), unix.Close(fd))
}

// SpanOf tells of a span by its number. One that does not exist is an error.
func SpanOf(number int) (Span, error) {
	var info [314]byte // struct dahdi_spaninfo, packed
	binary.LittleEndian.PutUint32(info[:], uint32(number))
	if err := control(spanStat, unsafe.Pointer(&info)); err != nil {
		return Span{}, fmt.Errorf("DAHDI span %d: %w", number, err)
	}
	name, _, _ := bytes.Cut(info[4:24], []byte{0})
	at := func(offset int) int { return int(binary.LittleEndian.Uint32(info[offset:])) }
	return Span{Number: at(0), Name: string(name), Alarms: at(64), Channels: at(120)}, nil
}

// dynamicSpan is struct dahdi_dynamic_span.
type dynamicSpan struct {
	driver                   [20]byte
	address                  [40]byte
	channels, timing, number int32
}

func loc(address string, channels int) *dynamicSpan {
	d := &dynamicSpan{channels: int32(channels)}
	copy(d.driver[:], "loc")
	copy(d.address[:], address)
	return d
}

// The fragile group's spans, as scripts/rig/system.conf makes them.
const (
	FragileOffice       = "4:0"
	FragileExchange     = "4:1"
	FragileFromOffice   = "4:2:0"
	FragileFromExchange = "4:3:1"
	fragileChannels     = 2
)

// DestroySpan takes a span of the fragile group away, as a card that is pulled. None of its channels may be open.
func DestroySpan(address string) error {
	if err := control(dynamicDestroy, unsafe.Pointer(loc(address, fragileChannels))); err != nil {
		return fmt.Errorf("take span %s away: %w", address, err)
	}
	return nil
}

// CreateSpan brings one back, and says which number it has. Its channels must then be set up, by Configure.
func CreateSpan(address string) (int, error) {
	d := loc(address, fragileChannels)
	if err := control(dynamicCreate, unsafe.Pointer(d)); err != nil {
		return 0, fmt.Errorf("bring span %s back: %w", address, err)
	}
	return int(d.number), nil
}

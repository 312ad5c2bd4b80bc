package dahdi

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Requests of dahdi/user.h, as they are numbered on 64-bit machines. All of these only read, or set how we read.
const (
	reqFlush        = 0x4004DA03
	reqGetParams    = 0xC088DA05
	reqGetEvent     = 0x8004DA08
	reqSpanStat     = 0xC13ADA0A
	reqSetConf      = 0xC00CDA0D
	reqSetBufInfo   = 0x4018DA1B
	reqAudioMode    = 0x4004DA20
	reqSpecify      = 0x4004DA26
	reqSetLaw       = 0x4004DA27
	reqBufferEvents = 0x4004DA69
)

// Sizes of the structures that go with them.
const (
	paramsSize   = 136
	spanInfoSize = 314
	confSize     = 12
	bufInfoSize  = 24
)

// errEvent is what read says while an event waits: errno 500, ELAST, a number that no errno has.
const errEvent = unix.Errno(500)

// Events.
const (
	eventNone        = 0
	eventAlarm       = 4
	eventNoAlarm     = 5
	eventAbort       = 6
	eventOverrun     = 7
	eventBadFCS      = 8
	eventPolarity    = 17
	eventRemoved     = 20
	eventReadOverrun = 29
)

// Alarms of a span.
const (
	alarmYellow = 1 << 2
	alarmRed    = 1 << 3
	alarmBlue   = 1 << 4
)

// Kinds of signalling a channel is configured for.
const (
	sigClear    = 1 << 7
	sigHDLCRaw  = 1<<8 | sigClear
	sigHDLCFCS  = 1<<9 | sigHDLCRaw
	sigHardHDLC = 1<<19 | sigClear
	sigFXO      = 1 << 12 // that a telephone is connected to
	sigFXS      = 1 << 13 // that an exchange is connected to
)

// What an analogue card hears and sends.
const (
	rxOffHook = 1
	rxRing    = 3
	txOffHook = 1
	txRing    = 2
)

const (
	confDigitalMon = 9 // SETCONF: copy what a channel receives, bit by bit
	flushAll       = 5 // FLUSH: what was read, and events
	lawMu          = 1
	lawA           = 2
)

// The kernel's buffers of a channel: 32 of 800 bytes, 3.2 s. With 16 of 160, 140 channels lost sound on a busy machine.
const (
	buffers     = 32
	bufferBytes = 800
	// frameBytes is the room for a D-channel frame: 260 of Q.921 and the check sequence.
	frameBytes = 512
)

func ints(v ...int) []byte {
	var b []byte
	for _, n := range v {
		b = binary.NativeEndian.AppendUint32(b, uint32(n))
	}
	return b
}

func intAt(b []byte, at int) int { return int(int32(binary.NativeEndian.Uint32(b[at:]))) }

// params is what is read of struct dahdi_params.
type params struct {
	channel, span, position int
	sig                     int
	rxBits                  int // -1 where the channel has none
	rxHook, txHook          int // -1 where the channel has none
	alarms                  int
}

// desk asks of channels and spans without opening them, by /dev/dahdi/ctl.
type desk struct {
	sys system
	fd  int
	b   [spanInfoSize]byte // no memory is taken for each question
}

func (d *desk) params(channel int) (params, error) {
	b := d.b[:paramsSize]
	clear(b)
	binary.NativeEndian.PutUint32(b, uint32(channel))
	if err := d.sys.ioctl(d.fd, reqGetParams, b); err != nil {
		return params{}, fmt.Errorf("ask for channel %d: %w", channel, err)
	}
	return params{channel: intAt(b, 0), span: intAt(b, 4), position: intAt(b, 8), sig: intAt(b, 12), rxBits: intAt(b, 24),
		txHook: intAt(b, 32), rxHook: intAt(b, 36), alarms: intAt(b, 132)}, nil
}

// dChannel finds the number of a span's D channel: the one that is configured as such, whatever its time slot.
func (d *desk) dChannel(span int) (int, error) {
	found := 0
	for n := 1; n <= maxChannel; n++ {
		p, err := d.params(n)
		if err != nil || p.span != span || p.sig != sigHDLCFCS && p.sig != sigHardHDLC {
			continue
		}
		if found != 0 {
			return 0, fmt.Errorf("span %d has two D channels, %d and %d", span, found, n)
		}
		found = n
	}
	if found == 0 {
		return 0, fmt.Errorf("span %d has no D channel (dchan= in DAHDI's system.conf)", span)
	}
	return found, nil
}

// spanInfo is what is read of struct dahdi_spaninfo.
type spanInfo struct {
	alarms            int
	bipolarViolations int
	crc4              int // blocks that failed
	irqMisses         int
}

func (d *desk) span(span int) (spanInfo, error) {
	b := d.b[:]
	clear(b)
	binary.NativeEndian.PutUint32(b, uint32(span))
	if err := d.sys.ioctl(d.fd, reqSpanStat, b); err != nil {
		return spanInfo{}, fmt.Errorf("ask for span %d: %w", span, err)
	}
	return spanInfo{alarms: intAt(b, 64), bipolarViolations: intAt(b, 76), crc4: intAt(b, 80), irqMisses: intAt(b, 112)}, nil
}

// channel finds the number of a span's time slot.
func (d *desk) channel(span, slot int) (int, error) {
	for n := 1; n <= maxChannel; n++ {
		p, err := d.params(n)
		if err != nil || p.span != span {
			continue // numbers have holes
		}
		if found := n + slot - p.position; found >= 1 && found <= maxChannel {
			return found, nil
		}
	}
	return 0, fmt.Errorf("span %d has no channels", span)
}

// goodFCS says whether a frame's check sequence is right (ISO/IEC 13239, 16 bits, as Q.921 uses it).
func goodFCS(frame []byte) bool {
	fcs := uint16(0xFFFF)
	for _, b := range frame {
		fcs ^= uint16(b)
		for range 8 {
			if low := fcs & 1; low != 0 {
				fcs = fcs>>1 ^ 0x8408
			} else {
				fcs >>= 1
			}
		}
	}
	return fcs == 0xF0B8
}

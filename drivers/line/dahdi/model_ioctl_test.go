package dahdi

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

func (m *model) ioctl(fd int, request uint, arg []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	f := m.files[fd]
	switch {
	case f == nil:
		return unix.EBADF
	case f.gone:
		return unix.ENODEV
	}
	switch request {
	case reqGetParams:
		return m.params(arg)
	case reqSpanStat:
		return m.spanStat(arg)
	case reqSpecify:
		return m.specify(f, intAt(arg, 0))
	case reqSetConf:
		return m.monitor(f, intAt(arg, 4), intAt(arg, 8))
	}
	if f.ch == nil && !f.pseudo {
		return unix.EINVAL
	}
	return m.onChannel(f, request, arg)
}

func (m *model) onChannel(f *mFile, request uint, arg []byte) error {
	switch request {
	case reqAudioMode:
		if f.pseudo || f.ch.sig != sigClear {
			return unix.EINVAL
		}
	case reqSetLaw:
		if law := intAt(arg, 0); law != lawA && law != lawMu {
			return unix.EINVAL
		}
	case reqSetBufInfo:
		if f.number, f.size = intAt(arg, 8), intAt(arg, 12); f.number > 32 || f.size > 8192 || f.number*f.size > 32768 {
			return unix.EINVAL
		}
		f.full, f.part = nil, nil
	case reqBufferEvents:
		if f.pseudo && f.ch == nil {
			return unix.ENOTTY
		}
		f.ch.bufEvents = intAt(arg, 0) != 0
	case reqFlush:
		f.events, f.full, f.part, f.overran = nil, nil, nil, false
		f.done = int64(time.Since(m.born)/time.Millisecond) / burst * burst
	case reqGetEvent:
		e := eventNone
		if len(f.events) > 0 {
			e, f.events = f.events[0], f.events[1:]
		}
		binary.NativeEndian.PutUint32(arg, uint32(e))
	default:
		m.t.Errorf("the driver asked %#x of channel %d: that is not only listening", request, f.ch.number)
		return unix.ENOTTY
	}
	return nil
}

func (m *model) params(arg []byte) error {
	c := m.chans[intAt(arg, 0)]
	if len(arg) != paramsSize || c == nil {
		return unix.EINVAL
	}
	for at, v := range map[int]int{4: c.span.number, 8: c.position, 12: c.sig, 24: c.rxBits, 32: c.txHook, 36: c.rxHook, 132: c.alarms} {
		binary.NativeEndian.PutUint32(arg[at:], uint32(v))
	}
	return nil
}

func (m *model) spanStat(arg []byte) error {
	s := m.spans[intAt(arg, 0)]
	if len(arg) != spanInfoSize || s == nil {
		return unix.EINVAL
	}
	binary.NativeEndian.PutUint32(arg[64:], uint32(s.alarms))
	binary.NativeEndian.PutUint32(arg[112:], uint32(s.misses))
	return nil
}

func (m *model) specify(f *mFile, number int) error {
	c := m.chans[number]
	switch {
	case c == nil || c.sig == 0 || f.pseudo:
		return unix.ENXIO
	case c.file != nil:
		return unix.EBUSY
	}
	f.ch, c.file = c, f
	f.number, f.size, f.done = 2, 1024, int64(time.Since(m.born)/time.Millisecond)
	return nil
}

// monitor makes a pseudo channel of a copy of c: a channel of its own, with c's sound.
func (m *model) monitor(f *mFile, number, mode int) error {
	c := m.chans[number]
	if c == nil || !f.pseudo || mode != confDigitalMon {
		return unix.EINVAL
	}
	f.ch = &mChan{number: 1000 + number, sig: c.sig, span: c.span, source: c.source, file: f}
	return nil
}

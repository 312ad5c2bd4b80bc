package misdn

import (
	"encoding/binary"
	"math/bits"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// model is mISDN in memory: cards whose B channels one socket can have at a time, queues that drop the newest when they are
// full, D channels that tell at once whether the line is active. It lives in whatever time package time has.
type model struct {
	t     *testing.T
	mu    sync.Mutex
	born  time.Time
	cards map[int]*mCard
	socks map[int]*sock
	last  int
	wake  chan struct{}
	binds int
}

type mCard struct {
	info   cardInfo
	active bool
	source int // whose sound its channel 1 hears; the next channels' are the next
	mute   bool
	dProto int
}

type sock struct {
	proto, channel int
	card           *mCard
	queue          [][]byte
	bytes          int
	pieces         int64 // of sound, from born
	gone           bool
}

const (
	pieceSamples = 128     // of an HFC card
	queueBytes   = 1 << 17 // what a socket's queue takes
)

func newModel(t *testing.T) *model {
	return &model{t: t, born: time.Now(), cards: map[int]*mCard{}, socks: map[int]*sock{}, wake: make(chan struct{}, 1)}
}

// code is what is really on a circuit: sample i of what source sends.
func code(source int, i int64) byte {
	x := uint64(i)*0x9E3779B97F4A7C15 + uint64(source)<<40
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	return byte(x >> 33)
}

func (m *model) add(id int, name string, pri bool, source int) {
	m.do(func() {
		c := &mCard{info: cardInfo{id: id, name: name, pri: pri}, active: true, source: source}
		for slot := 1; slot <= 31; slot++ {
			if !pri && slot <= 2 || pri && slot != 16 {
				c.info.channels[slot>>3] |= 1 << (slot & 7)
			}
		}
		m.cards[id] = c
	})
}

func (m *model) do(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	f()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// remove takes a card away.
func (m *model) remove(id int) {
	m.do(func() {
		for _, s := range m.socks {
			if s.card == m.cards[id] && s.card != nil {
				s.gone = true
			}
		}
		delete(m.cards, id)
	})
}

// activate tells whether a card's line is active.
func (m *model) activate(id int, active bool) {
	m.do(func() {
		c := m.cards[id]
		c.active = active
		for _, s := range m.socks {
			if s.card == c && s.proto != protoBRaw {
				m.state(s)
			}
		}
	})
}

func (m *model) state(s *sock) {
	if s.card.active {
		s.put(activated, idAny, nil)
	} else {
		s.put(deactivated, idAny, nil)
	}
}

// send is a message on a channel of a card.
func (m *model) send(id, channel int, kind, number uint32, b []byte) {
	m.do(func() {
		for _, s := range m.socks {
			if s.card == m.cards[id] && s.card != nil && s.channel == channel {
				s.put(kind, number, b)
			}
		}
	})
}

func (s *sock) put(kind, id uint32, b []byte) {
	if s.bytes+len(b) > queueBytes {
		return
	}
	msg := binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, kind), id)
	s.queue = append(s.queue, append(msg, b...))
	s.bytes += len(b)
}

// advance lets cards of real hardware give their sound.
func (m *model) advance() {
	now := int64(time.Since(m.born) / (pieceSamples * time.Second / 8000))
	for _, s := range m.socks {
		if s.card == nil || s.gone || s.proto != protoBRaw || s.card.info.packets() {
			continue
		}
		for ; s.pieces < now; s.pieces++ {
			if !s.card.mute && s.card.active {
				s.put(data, idAny, turned(s.card.source+s.channel-1, s.pieces*pieceSamples, pieceSamples))
			}
		}
	}
}

// turned is sound as it lies in mISDN's messages.
func turned(source int, from int64, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = bits.Reverse8(code(source, from+int64(i)))
	}
	return b
}

func (m *model) socket(protocol int) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	m.socks[m.last] = &sock{proto: protocol, channel: -1}
	return m.last, nil
}

func (m *model) bind(fd, id, channel int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.binds++
	s, c := m.socks[fd], m.cards[id]
	if c == nil {
		return unix.ENODEV
	}
	if s.proto == protoBRaw {
		if !c.info.has(channel) {
			return unix.EINVAL
		}
		for _, o := range m.socks {
			if o.card == c && o.channel == channel {
				return unix.EBUSY
			}
		}
		s.pieces = int64(time.Since(m.born) / (pieceSamples * time.Second / 8000))
	} else {
		if pri := s.proto == protoTEE1 || s.proto == protoNTE1; pri != c.info.pri || channel != 0 {
			return unix.EINVAL
		}
		if c.dProto != 0 && c.dProto != s.proto {
			return unix.EBUSY
		}
		c.dProto = s.proto
	}
	s.card, s.channel = c, channel
	if s.proto != protoBRaw && c.active {
		m.state(s)
	}
	return nil
}

func (m *model) close(fd int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.socks[fd] == nil {
		return unix.EBADF
	}
	delete(m.socks, fd)
	return nil
}

func (m *model) read(fd int, p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	s := m.socks[fd]
	switch {
	case s == nil:
		return 0, unix.EBADF
	case len(s.queue) == 0 && s.gone:
		return 0, nil
	case len(s.queue) == 0:
		return 0, unix.EAGAIN
	}
	if len(s.queue[0]) > len(p) {
		return 0, unix.ENOSPC
	}
	n := copy(p, s.queue[0])
	s.bytes -= len(s.queue[0]) - headBytes
	s.queue = s.queue[1:]
	return n, nil
}

func (m *model) info(_, card int) (cardInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.cards[card]; c != nil {
		return c.info, nil
	}
	return cardInfo{}, unix.ENODEV
}

func (m *model) poll(fds []unix.PollFd, timeout time.Duration) error {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for {
		m.mu.Lock()
		m.advance()
		ready := false
		for i := range fds {
			if s := m.socks[int(fds[i].Fd)]; s == nil || s.gone || len(s.queue) > 0 {
				fds[i].Revents, ready = unix.POLLIN, true
			}
		}
		m.mu.Unlock()
		if ready {
			return nil
		}
		timer := time.NewTimer(4 * time.Millisecond)
		select {
		case <-deadline.C:
			timer.Stop()
			return nil
		case <-m.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

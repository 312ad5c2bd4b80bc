package dahdi

import (
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// model is DAHDI in memory, as dahdi-base.c of 2.11.1 behaves: buffers that are filled chunk by chunk, dropped and told of when
// none is free, events that make read fail until they are taken, channels that one file can have at a time. It lives
// in whatever time package time has. Anything that would send, or set what is sent, fails the test.
type model struct {
	t      *testing.T
	mu     sync.Mutex
	born   time.Time
	spans  map[int]*mSpan
	chans  map[int]*mChan
	files  map[int]*mFile
	lastFD int
	wake   chan struct{}
	frozen time.Duration // how long the next poll takes because we do not get the processor
	absent bool          // no module is loaded
	opens  int
}

type mSpan struct {
	number, alarms, misses int
	lose                   int64 // chunks that its card is about to miss
	mute                   bool  // gives no clock: nothing is received
}

type mChan struct {
	number, position, sig, rxBits, rxHook, txHook, alarms int
	span                                                  *mSpan
	source                                                int // whose sound it receives
	bufEvents, underrun                                   bool
	file                                                  *mFile
}

// mFile is an open file; before SPECIFY it has no channel.
type mFile struct {
	ch      *mChan
	pseudo  bool
	gone    bool
	events  []int
	done    int64    // chunks received, from born
	full    [][]byte // buffers to be read
	part    []byte
	number  int
	size    int
	overran bool
}

const (
	chunk = 8 // DAHDI_CHUNKSIZE
	burst = 4 // chunks that DAHDI's own timer gives at once with a kernel of 250 Hz
)

func newModel(t *testing.T) *model {
	return &model{t: t, born: time.Now(), spans: map[int]*mSpan{}, chans: map[int]*mChan{}, files: map[int]*mFile{}, wake: make(chan struct{}, 1)}
}

// code is what is really on a circuit: sample i of what source sends.
func code(source int, i int64) byte {
	x := uint64(i)*0x9E3779B97F4A7C15 + uint64(source)<<40
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	return byte(x >> 33)
}

// addSpan adds a span whose channels hear sources from first on.
func (m *model) addSpan(number, base, source int, sigs ...int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &mSpan{number: number}
	m.spans[number] = s
	for i, sig := range sigs {
		m.chans[base+i] = &mChan{number: base + i, position: i + 1, sig: sig, rxBits: -1, rxHook: -1, txHook: -1, span: s, source: source + i}
	}
}

// e1 is the channels of an E1 with a D channel in slot 16.
func e1() []int {
	sigs := make([]int, 31)
	for i := range sigs {
		if sigs[i] = sigClear; i == 15 {
			sigs[i] = sigHDLCFCS
		}
	}
	return sigs
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

// remove takes a span away by surprise: files of its channels are good for nothing any more.
func (m *model) remove(span int) {
	m.do(func() {
		delete(m.spans, span)
		for n, c := range m.chans {
			if c.span.number == span {
				if c.file != nil {
					c.file.gone = true
				}
				delete(m.chans, n)
			}
		}
	})
}

func (m *model) event(channel, e int) {
	m.do(func() {
		if f := m.chans[channel].file; f != nil {
			f.events = append(f.events, e)
		}
	})
}

// frame receives a frame on a D channel.
func (m *model) frame(channel int, text string) {
	b := []byte(text)
	m.do(func() {
		f := m.chans[channel].file
		if f == nil {
			return
		}
		fcs := ^crc(b)
		f.receive(append(append([]byte(nil), b...), byte(fcs), byte(fcs>>8)))
	})
}

func crc(b []byte) uint16 {
	c := uint16(0xFFFF)
	for _, x := range b {
		c ^= uint16(x)
		for range 8 {
			c = c>>1 ^ 0x8408*(c&1)
		}
	}
	return c
}

// receive puts a buffer where it can be read, or loses it.
func (f *mFile) receive(b []byte) {
	if len(f.full) == f.number {
		if !f.overran && f.ch.bufEvents {
			f.events = append(f.events, eventReadOverrun)
		}
		f.overran = true
		return
	}
	f.overran = false
	f.full = append(f.full, b)
}

// advance receives what has come until now.
func (m *model) advance() {
	now := int64(time.Since(m.born)/time.Millisecond) / burst * burst
	for _, f := range m.files {
		if f.ch == nil || f.gone || f.number == 0 {
			continue
		}
		for ; f.done < now; f.done++ {
			if f.done < f.ch.span.lose {
				continue
			}
			if f.ch.sig&sigHDLCRaw != sigHDLCRaw && !f.ch.span.mute {
				f.chunk()
			}
		}
	}
}

func (f *mFile) chunk() {
	if c := f.ch; c.bufEvents && !c.underrun && !f.pseudo { // nobody writes
		c.underrun = true
		f.events = append(f.events, 30)
	}
	if len(f.full) == f.number {
		f.receive(nil)
		return
	}
	f.overran = false
	for i := range int64(chunk) {
		f.part = append(f.part, code(f.ch.source, f.done*chunk+i))
	}
	if len(f.part) == f.size {
		f.full = append(f.full, f.part)
		f.part = make([]byte, 0, f.size)
	}
}

func (m *model) open(path string) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.absent {
		return -1, unix.ENOENT
	}
	m.opens++
	m.lastFD++
	switch path {
	case "/dev/dahdi/ctl", "/dev/dahdi/channel":
		m.files[m.lastFD] = &mFile{}
	case "/dev/dahdi/pseudo":
		m.files[m.lastFD] = &mFile{pseudo: true}
	default:
		return -1, unix.ENOENT
	}
	return m.lastFD, nil
}

func (m *model) close(fd int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[fd]
	if f == nil {
		return unix.EBADF
	}
	if f.ch != nil && f.ch.file == f {
		f.ch.file = nil
	}
	delete(m.files, fd)
	return nil
}

func (m *model) read(fd int, p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	f := m.files[fd]
	switch {
	case f == nil:
		return 0, unix.EBADF
	case f.gone:
		return 0, unix.ENODEV
	case len(f.events) > 0:
		return 0, errEvent
	case len(f.full) == 0:
		return 0, unix.EAGAIN
	}
	n := copy(p, f.full[0]) // what does not fit is lost
	f.full = f.full[1:]
	return n, nil
}

func (m *model) poll(fds []unix.PollFd, timeout time.Duration) error {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	m.mu.Lock()
	frozen := m.frozen
	m.frozen = 0
	m.mu.Unlock()
	if frozen > 0 {
		timer := time.NewTimer(frozen)
		<-timer.C
	}
	for {
		next, ready := m.ready(fds)
		if ready {
			return nil
		}
		timer := time.NewTimer(next)
		select {
		case <-deadline.C:
			timer.Stop()
			m.ready(fds)
			return nil
		case <-m.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// ready says what can be read, and when to look again.
func (m *model) ready(fds []unix.PollFd) (next time.Duration, any bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	chunks := int64(1000)
	for i := range fds {
		f := m.files[int(fds[i].Fd)]
		if f == nil || f.gone {
			fds[i].Revents = unix.POLLERR | unix.POLLHUP
		} else if len(f.events) > 0 || len(f.full) > 0 {
			if len(f.full) > 0 {
				fds[i].Revents |= unix.POLLIN
			}
			if len(f.events) > 0 {
				fds[i].Revents |= unix.POLLPRI
			}
		} else if f.size > 0 {
			chunks = min(chunks, max(1, int64(f.size-len(f.part))/chunk))
		}
		any = any || fds[i].Revents != 0
	}
	now := time.Since(m.born)
	due := (int64(now/time.Millisecond)/burst*burst + chunks + burst - 1) / burst * burst
	return time.Duration(due)*time.Millisecond - now, any
}

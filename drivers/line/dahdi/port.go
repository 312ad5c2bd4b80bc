package dahdi

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"linekeep/drivers/line"
	"linekeep/drivers/line/circuit"
)

// port is one channel that is listened to: sound of one direction of a line, or one direction of a D channel.
type port struct {
	kind    Kind
	number  int           // of the span or channel
	slot    int           // of a span; 0 for a D channel
	line    *circuit.Line // nil for a D channel
	side    line.Side
	law     line.Law
	fd      int // -1 while it is closed
	channel int // DAHDI's number, while it is open
	span    int // its span
	sig     int
	last    time.Time // when something came last
	retry   circuit.Retry
	suspect bool  // the card has missed interrupts: the clock is to say whether sound was lost
	breaks  []int // how many buffers are to be read before each place where sound was lost
	why     atomic.Pointer[string]
	counts  portCounts
}

type portCounts struct {
	opens, overruns, badFCS, aborts, frames, polarity atomic.Uint64
	up                                                atomic.Bool
}

func newPort(kind Kind, number, slot int, side line.Side, law line.Law, l *circuit.Line) *port {
	return &port{kind: kind, number: number, slot: slot, side: side, law: law, line: l, fd: -1,
		breaks: make([]int, 0, buffers)}
}

func (p *port) name() string {
	switch {
	case p.isD():
		return fmt.Sprintf("span %d D channel", p.number)
	case p.kind == Span:
		return fmt.Sprintf("span %d slot %d", p.number, p.slot)
	}
	return fmt.Sprintf("%s %d", p.kind, p.number)
}

func (p *port) isD() bool { return p.line == nil }

// open opens the channel and sets how it is read.
func (p *port) open(d *desk, now time.Time) error {
	channel, err := p.find(d)
	if err != nil {
		return err
	}
	info, err := d.params(channel)
	if err != nil {
		return err
	}
	if err := p.suits(info); err != nil {
		return err
	}
	path := "/dev/dahdi/channel"
	if p.kind == Monitor {
		path = "/dev/dahdi/pseudo"
	}
	fd, err := d.sys.open(path)
	if err != nil {
		return err
	}
	if err := p.set(d.sys, fd, channel, info); err != nil {
		return errors.Join(err, d.sys.close(fd))
	}
	p.fd, p.channel, p.span, p.sig, p.last = fd, channel, info.span, info.sig, now
	p.retry.Opened(now)
	p.breaks = p.breaks[:0]
	p.counts.opens.Add(1)
	p.counts.up.Store(true)
	return nil
}

// find is the number of the channel: a span that comes back may have got others.
func (p *port) find(d *desk) (int, error) {
	if p.kind != Span {
		return p.number, nil
	}
	if p.isD() {
		return d.dChannel(p.number)
	}
	return d.channel(p.number, p.slot)
}

// suits says what is wrong with how a channel is configured.
func (p *port) suits(info params) error {
	switch {
	case p.kind == Span && !p.isD() && (info.span != p.number || info.position != p.slot):
		return fmt.Errorf("span %d has no slot %d", p.number, p.slot)
	case !p.isD() && (info.sig&sigHDLCRaw == sigHDLCRaw || info.sig == sigHardHDLC):
		return fmt.Errorf("channel %d is configured as a D channel and carries no sound", info.channel)
	case info.sig == 0:
		return fmt.Errorf("channel %d is not configured (bchan= or cas= in DAHDI's system.conf)", info.channel)
	}
	return nil
}

// set makes a freshly opened channel give what p wants.
func (p *port) set(sys system, fd, channel int, info params) error {
	ask := func(what string, request uint, arg ...int) error {
		if err := sys.ioctl(fd, request, ints(arg...)); err != nil {
			return fmt.Errorf("%s of channel %d: %w", what, channel, err)
		}
		return nil
	}
	size, law := bufferBytes, lawA
	if p.isD() {
		size = frameBytes
	}
	if p.law == line.MuLaw {
		law = lawMu
	}
	var errs []error
	if p.kind != Monitor {
		errs = append(errs, ask("take hold", reqSpecify, channel))
	}
	if !p.isD() {
		if info.sig == sigClear && p.kind != Monitor { // the others are audio anyway, and refuse
			errs = append(errs, ask("set to audio", reqAudioMode, 1))
		}
		errs = append(errs, ask("set the law", reqSetLaw, law))
	}
	errs = append(errs, ask("set the buffers", reqSetBufInfo, 0, 0, buffers, size, 0, 0))
	if p.kind == Monitor {
		errs = append(errs, ask("monitor", reqSetConf, 0, channel, confDigitalMon))
	}
	err := ask("be told of overruns", reqBufferEvents, 1)
	if err == nil && !p.isD() {
		p.line.Counted(int(p.side))
	}
	if !errors.Is(err, unix.ENOTTY) { // then the clock tells
		errs = append(errs, err)
	}
	errs = append(errs, ask("flush", reqFlush, flushAll))
	return errors.Join(errs...)
}

// shut closes the channel and says when to try again.
func (p *port) shut(sys system, now time.Time) error {
	// The flag outlives the close; whoever opens the channel next would get events it did not ask for. What the kernel answers
	// changes nothing: of a channel that is gone it cannot be cleared.
	_ = sys.ioctl(p.fd, reqBufferEvents, ints(0))
	err := sys.close(p.fd)
	p.fd = -1
	p.counts.up.Store(false)
	p.retry.Failed(now)
	return err
}

// overrun notes that the kernel had no room: all its buffers are full, and the loss lies behind them.
func (p *port) overrun() {
	p.counts.overruns.Add(1)
	if len(p.breaks) < cap(p.breaks) {
		p.breaks = append(p.breaks, buffers)
	}
}

// behind says whether sound was lost just before the buffer that has been read.
func (p *port) behind() line.Cause {
	cause := line.CauseNone
	if p.suspect {
		p.suspect, cause = false, line.CauseOverrun
	}
	if len(p.breaks) > 0 && p.breaks[0] == 0 {
		cause = line.CauseOverrun
		p.breaks = append(p.breaks[:0], p.breaks[1:]...)
	}
	for i := range p.breaks {
		p.breaks[i]--
	}
	return cause
}

// FD implements circuit.Port.
func (p *port) FD() int { return p.fd }

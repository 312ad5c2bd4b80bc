package misdn

import (
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/circuit"
)

const (
	// period is the longest piece of sound that cards give at once: 64 ms of 512 octets. Most give 16 ms.
	period = 64 * time.Millisecond
	// idleLag is how far idle that is filled in stays behind the clock: a packet that is later than that comes after idle
	// that was not there, which the next idle makes good: no sound is thrown away.
	idleLag = 490 * time.Millisecond
	// jump is how far a time base may be from the clock's to be believed; further, its sender has begun anew.
	jump = line.RateHz / 2
	// silenceFor is after how much filled-in idle a time base is only compared with the clock, not counted on: clocks drift.
	silenceFor = line.RateHz
	// idle is 0x2A turned round.
	idle = 0x54
)

// card is one direction of a circuit.
type card struct {
	name   string
	info   cardInfo
	known  bool
	active atomic.Bool // its line is
	loss   atomic.Uint64
}

// port is one socket: a D channel, or one direction of a line.
type port struct {
	card  *card
	side  line.Side
	slot  int           // 0 for the D channel
	line  *circuit.Line // nil for the D channel
	fd    int           // -1 while it is closed
	last  time.Time     // when something came last
	retry circuit.Retry
	clock base
	codes [4096]byte

	why    atomic.Pointer[string]
	counts portCounts
}

type portCounts struct {
	opens, frames, pieces, odd, idle, late atomic.Uint64
	up                                     atomic.Bool
}

func newPort(c *card, side line.Side, slot int, l *circuit.Line) *port {
	return &port{card: c, side: side, slot: slot, line: l, fd: -1}
}

func (p *port) isD() bool { return p.line == nil }

func (p *port) name() string {
	if p.isD() {
		return p.card.name + " D channel"
	}
	return fmt.Sprintf("%s channel %d", p.card.name, p.slot)
}

// protocol of the socket. A card that hears the network is a terminal to its driver, one that hears terminals is a network.
func (p *port) protocol() int {
	switch {
	case !p.isD():
		return protoBRaw
	case p.card.info.pri && p.side == line.Remote:
		return protoTEE1
	case p.card.info.pri:
		return protoNTE1
	case p.side == line.Remote:
		return protoTES0
	}
	return protoNTS0
}

func (p *port) open(sys system, now time.Time) error {
	info, err := find(sys, p.card.name)
	if err != nil {
		return err
	}
	p.card.info, p.card.known = info, true
	if !p.isD() && !info.has(p.slot) {
		return fmt.Errorf("card %q has no B channel %d", p.card.name, p.slot)
	}
	fd, err := sys.socket(p.protocol())
	if err != nil {
		return err
	}
	if err := sys.bind(fd, info.id, p.slot); err != nil {
		return errors.Join(fmt.Errorf("take hold of %s: %w", p.name(), err), sys.close(fd))
	}
	p.fd, p.last = fd, now
	p.clock = base{fed: now}
	if !p.isD() && info.packets() {
		p.line.Counted(int(p.side))
	}
	p.retry.Opened(now)
	p.counts.opens.Add(1)
	p.counts.up.Store(true)
	return nil
}

func (p *port) shut(sys system, now time.Time) error {
	err := sys.close(p.fd)
	p.fd = -1
	p.counts.up.Store(false)
	p.retry.Failed(now)
	return err
}

// base is the time base of a card that leaves idle out.
type base struct {
	set    bool
	next   uint32    // of the next sample
	fed    time.Time // up to when sound has been given, filled-in idle included
	filled int       // samples of idle since the last packet
	debt   int       // samples of idle filled in where a late packet belonged
}

// hear takes a piece of sound.
func (p *port) hear(now time.Time, id uint32, b []byte) {
	p.counts.pieces.Add(1)
	codes := p.codes[:len(b)]
	for i, x := range b {
		codes[i] = bits.Reverse8(x)
	}
	if !p.card.info.packets() {
		p.give(now, codes, line.CauseNone)
		return
	}
	began := now.Add(-line.Samples(len(b)).Duration())
	if !p.clock.set {
		p.fill(began)
		p.clock.set, p.clock.next = true, id
	}
	apart, due, cause := int(int32(id-p.clock.next)), int(line.In(began.Sub(p.clock.fed))), line.CauseNone
	switch {
	case p.clock.filled >= silenceFor:
		p.fill(began)
	case apart > 0 && apart-due < jump:
		p.idle(apart)
	case apart > 0, apart < -jump: // the sender has begun anew
		p.counts.odd.Add(1)
		cause = line.CauseOverrun
	case apart < 0:
		p.counts.late.Add(1)
		p.clock.debt += -apart
	}
	p.clock.next = id + uint32(len(codes))
	p.clock.filled = 0
	p.give(now, codes, cause)
}

func (p *port) give(now time.Time, codes []byte, cause line.Cause) {
	p.line.Sound(int(p.side), now, codes, cause)
	p.clock.fed = now
}

// fill gives idle up to a moment.
func (p *port) fill(until time.Time) {
	if n := int(line.In(until.Sub(p.clock.fed))); n > 0 {
		p.idle(n)
	}
}

// idle gives idle samples at the time they were on the line.
func (p *port) idle(n int) {
	p.counts.idle.Add(uint64(n))
	p.clock.filled += n
	p.clock.next += uint32(n)
	paid := min(n, p.clock.debt)
	p.clock.debt -= paid
	p.clock.fed = p.clock.fed.Add(line.Samples(paid).Duration())
	for n -= paid; n > 0; {
		k := min(n, line.FrameSamples)
		for i := range k {
			p.codes[2048+i] = idle
		}
		p.clock.fed = p.clock.fed.Add(line.Samples(k).Duration())
		p.line.Sound(int(p.side), p.clock.fed, p.codes[2048:2048+k], line.CauseNone)
		n -= k
	}
}

// rest fills in what a card leaves out while its line is active.
func (p *port) rest(now time.Time) {
	if p.isD() || p.fd < 0 || !p.card.info.packets() {
		return
	}
	if !p.card.active.Load() {
		p.clock = base{fed: now}
		return
	}
	p.line.Alive(int(p.side), now)
	if until := now.Add(-idleLag); until.Sub(p.clock.fed) >= line.FramePeriod {
		p.fill(until)
	}
}

// FD implements circuit.Port.
func (p *port) FD() int { return p.fd }

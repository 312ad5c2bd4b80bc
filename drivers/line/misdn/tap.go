package misdn

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"linekeep/drivers/line"
	"linekeep/drivers/line/circuit"
)

// most is how many messages are taken from one socket in a row.
const most = 1000

// tap is one circuit, and its goroutine.
type tap struct {
	device Device
	sys    system
	log    circuit.Log
	cards  [2]*card
	ports  []*port // the D channels first: they tell whether the cards' lines are active
	lines  []*tapped
	d      circuit.DChannel
	dUp    bool // it can be heard

	ears circuit.Poll[*port]
	buf  [4096]byte
}

// tapped is a line.
type tapped struct {
	*circuit.Line
	cfg  LineConfig
	down bool // as it was logged
}

func newTap(device Device, sys system, log *slog.Logger) *tap {
	t := &tap{device: device, sys: sys, ears: circuit.Poll[*port]{Events: unix.POLLIN}, log: circuit.Log{To: log.With(slog.String("device", device.String()))}, d: circuit.Deaf{}}
	t.cards = [2]*card{line.Office: {name: device.Office}, line.Remote: {name: device.Remote}}
	for side, c := range t.cards {
		t.ports = append(t.ports, newPort(c, line.Side(side), 0, nil))
	}
	return t
}

// add makes a line of the circuit.
func (t *tap) add(cfg LineConfig, dchannel func(string) circuit.DChannel) *circuit.Line {
	l := circuit.New(line.Info{Name: cfg.name(), Channels: 2, Law: cfg.Law, Signals: cfg.ISDN, Answers: cfg.ISDN}, period)
	if _, deaf := t.d.(circuit.Deaf); deaf && cfg.ISDN && dchannel != nil {
		t.d = dchannel(t.device.String())
	}
	for side, c := range t.cards {
		t.ports = append(t.ports, newPort(c, line.Side(side), cfg.Slot, l))
	}
	t.lines = append(t.lines, &tapped{Line: l, cfg: cfg})
	return l
}

// Begin implements circuit.Tap.
func (t *tap) Begin(start time.Time) {
	for _, l := range t.lines {
		l.Begin(start)
	}
}

// Run implements circuit.Tap.
func (t *tap) Run(ctx context.Context) {
	for ctx.Err() == nil {
		t.maintain(ctx, time.Now())
		t.hear(ctx)
		t.look(ctx)
	}
	now := time.Now()
	for _, p := range t.ports {
		if p.fd >= 0 {
			t.lose(ctx, now, p, errors.New("the tap has ended"))
		}
	}
	for _, l := range t.lines {
		l.End(now)
	}
}

// maintain opens what is closed and due, and closes what gives nothing though it should.
func (t *tap) maintain(ctx context.Context, now time.Time) {
	for _, p := range t.ports {
		switch {
		case p.fd < 0 && p.retry.Due(now):
			t.reach(ctx, now, p)
		case p.fd < 0 || p.isD() || p.card.info.packets():
		case !p.card.active.Load():
			p.last = now // a line at rest gives nothing
		case now.Sub(p.last) > circuit.ReopenAfter:
			t.lose(ctx, now, p, errors.New("gave no sound"))
		}
	}
}

// reach tries to open a socket.
func (t *tap) reach(ctx context.Context, now time.Time, p *port) {
	err := p.open(t.sys, now)
	if err == nil {
		p.why.Store(nil)
		t.ears.Stale = true
		return
	}
	p.retry.Failed(now)
	why := err.Error()
	if old := p.why.Swap(&why); old == nil || *old != why {
		t.log.Say(ctx, now, slog.LevelWarn, "channel cannot be heard", slog.Any("err", err))
	}
}

// lose closes a socket, to be opened again later.
func (t *tap) lose(ctx context.Context, now time.Time, p *port, why error) {
	text := why.Error()
	p.why.Store(&text)
	if err := p.shut(t.sys, now); err != nil {
		t.log.Say(ctx, now, slog.LevelWarn, "close a channel", slog.Any("err", err))
	}
	t.ears.Stale = true
	if p.isD() {
		t.rest(now, p)
	} else {
		p.line.Cut(int(p.side))
	}
}

// rest notes that a card's line is not active any more.
func (t *tap) rest(now time.Time, p *port) {
	p.card.active.Store(false)
	t.tell(now, t.d.Lost(p.side, now))
}

// hear waits for what comes, for a tick at most, and takes it.
func (t *tap) hear(ctx context.Context) {
	for p := range t.ears.Wait(t.ports, t.sys.poll) {
		if err := t.drain(p); err != nil {
			t.lose(ctx, time.Now(), p, err)
		}
	}
}

// drain reads a socket until there is nothing more.
func (t *tap) drain(p *port) error {
	for range most {
		n, err := t.sys.read(p.fd, t.buf[:])
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n == 0:
			return errors.New("the card was taken away")
		case n >= headBytes:
			t.take(p, t.buf[:n])
		}
	}
	return nil
}

// take passes on a message.
func (t *tap) take(p *port, b []byte) {
	now := time.Now()
	p.last = now
	kind, id, b := binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint32(b[4:]), b[headBytes:]
	switch {
	case kind == activated && p.isD():
		p.card.active.Store(true)
	case kind == deactivated && p.isD():
		p.card.loss.Add(1)
		t.rest(now, p)
	case kind != data || len(b) == 0 || len(b) > 2048:
	case p.isD():
		p.card.active.Store(true) // what speaks is active, whatever its driver told
		p.counts.frames.Add(1)
		t.tell(now, t.d.Frame(circuit.Frame{From: p.side, Heard: now, Bytes: b}))
	default:
		p.hear(now, id, b)
	}
}

// tell tells lines what the D channel says of them.
func (t *tap) tell(now time.Time, told []circuit.Told) {
	for _, e := range told {
		i := slices.IndexFunc(t.lines, func(l *tapped) bool { return l.cfg.Slot == e.Channel && l.cfg.ISDN })
		if i >= 0 {
			t.lines[i].Tell(now, e.Event)
		}
	}
}

// look lets the lines find out what they have.
func (t *tap) look(ctx context.Context) {
	now := time.Now()
	for _, p := range t.ports {
		p.rest(now)
	}
	if up := t.hearsD(); up != t.dUp {
		t.dUp = up
		t.d.Carrier(up, now)
	}
	t.tell(now, t.d.Tick(now))
	for _, l := range t.lines {
		l.Bar(now, t.barred(l))
		l.Look(now)
		if down := l.Down(); down != l.down {
			if l.down = down; down {
				t.log.Say(ctx, now, slog.LevelWarn, "line down", slog.String("line", l.Info().Name))
			} else {
				t.log.Say(ctx, now, slog.LevelInfo, "line up", slog.String("line", l.Info().Name))
			}
		}
	}
}

// barred says whether a line's sound or signals cannot be heard.
func (t *tap) barred(l *tapped) bool {
	return !t.hearsD() || slices.ContainsFunc(t.ports, func(p *port) bool { return p.fd < 0 && p.line == l.Line })
}

// hearsD says whether both cards' lines are active, as their D channels tell.
func (t *tap) hearsD() bool {
	return t.cards[0].active.Load() && t.cards[1].active.Load() &&
		!slices.ContainsFunc(t.ports, func(p *port) bool { return p.isD() && p.fd < 0 })
}

// Stats are what one circuit has been through since Run began, for health.
type Stats struct {
	Device   string
	Lines    []circuit.Counts // in the order of the configuration
	Channels []ChannelStats
}

// ChannelStats are of one socket.
type ChannelStats struct {
	Name   string
	Side   line.Side
	Up     bool
	Why    string // why it is not
	Active bool   // the card's line is
	Rests  uint64 // times it was deactivated
	Opens  uint64
	Frames uint64 // of a D channel
	Pieces uint64 // of sound
	Idle   uint64 // samples of idle that were left out, and filled in
	Late   uint64 // packets that came when idle had been filled in for them
	Odd    uint64 // jumps of the time base
}

func (t *tap) stats() Stats {
	s := Stats{Device: t.device.String()}
	for _, l := range t.lines {
		s.Lines = append(s.Lines, l.Counts())
	}
	for _, p := range t.ports {
		n := &p.counts
		c := ChannelStats{Name: p.name(), Side: p.side, Up: n.up.Load(), Active: p.card.active.Load(), Rests: p.card.loss.Load(),
			Opens: n.opens.Load(), Frames: n.frames.Load(), Pieces: n.pieces.Load(), Idle: n.idle.Load(), Late: n.late.Load(), Odd: n.odd.Load()}
		if why := p.why.Load(); why != nil {
			c.Why = *why
		}
		s.Channels = append(s.Channels, c)
	}
	return s
}

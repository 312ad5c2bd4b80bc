package dahdi

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"linekeep/drivers/line"
	"linekeep/drivers/line/circuit"
)

const (
	// period is the sound in one of the kernel's buffers.
	period = bufferBytes * time.Second / line.RateHz
	// askEvery is how often the spans are asked for alarms.
	askEvery = 100 * time.Millisecond
	// most is how many buffers or events are taken from one channel in a row.
	most = 4 * buffers
)

// tap is one circuit or channel, and its goroutine.
type tap struct {
	device Device
	desk   desk
	log    circuit.Log
	ports  []*port
	lines  []*tapped
	d      circuit.DChannel // nil without ISDN lines
	dUp    bool             // it can be heard
	spans  []*spanState

	ears  circuit.Poll[*port]
	asked time.Time
	ctl   circuit.Retry
	buf   [bufferBytes]byte
}

// tapped is a line and what its signals are doing.
type tapped struct {
	*circuit.Line
	cfg   LineConfig
	ports []*port
	hook  *hook
	down  bool // as it was logged
}

func newTap(device Device, sys system, log *slog.Logger) *tap {
	t := &tap{device: device, desk: desk{sys: sys, fd: -1}, ears: circuit.Poll[*port]{Events: unix.POLLIN | unix.POLLPRI}, log: circuit.Log{To: log.With(slog.String("device", device.String()))}}
	for _, n := range []int{device.Office, device.Remote} {
		if s := (&spanState{}); n != 0 {
			if device.Kind == Span {
				s.number.Store(int64(n))
			}
			t.spans = append(t.spans, s)
		}
	}
	return t
}

// add makes a line of the tap.
func (t *tap) add(cfg LineConfig, dchannel func(string) circuit.DChannel) *circuit.Line {
	info := line.Info{Name: cfg.name(), Channels: 2, Law: cfg.Law, Signals: cfg.signals() != None,
		Answers: cfg.signals() == ISDN || cfg.signals() == EandM}
	if cfg.Device.Remote == 0 {
		info.Channels = 1
	}
	l := &tapped{Line: circuit.New(info, period), cfg: cfg}
	numbers := []int{cfg.Device.Office, cfg.Device.Remote}[:info.Channels]
	for side, n := range numbers {
		p := newPort(cfg.Device.Kind, n, cfg.Slot, line.Side(side), cfg.Law, l.Line)
		l.ports = append(l.ports, p)
		t.ports = append(t.ports, p)
	}
	switch cfg.signals() {
	case ISDN:
		t.listenD(dchannel)
	case Loop, EandM:
		l.hook = newHook(cfg)
	}
	t.lines = append(t.lines, l)
	return l.Line
}

// listenD adds the two directions of the D channel, once.
func (t *tap) listenD(dchannel func(string) circuit.DChannel) {
	if t.d != nil {
		return
	}
	if t.d = circuit.DChannel(circuit.Deaf{}); dchannel != nil {
		t.d = dchannel(t.device.String())
	}
	for side, n := range []int{t.device.Office, t.device.Remote} {
		t.ports = append(t.ports, newPort(Span, n, 0, line.Side(side), line.ALaw, nil))
	}
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
		now := time.Now()
		t.maintain(ctx, now)
		t.hear(ctx)
		t.look(ctx)
	}
	now := time.Now()
	for _, p := range t.ports {
		if p.fd >= 0 {
			t.lose(ctx, now, p, errors.New("the tap has ended"))
		}
	}
	if t.desk.fd >= 0 {
		t.closed(ctx, t.desk.sys.close(t.desk.fd))
	}
	for _, l := range t.lines {
		l.End(now)
	}
}

// maintain opens what is closed and due, and asks the spans how they are.
func (t *tap) maintain(ctx context.Context, now time.Time) {
	if t.desk.fd < 0 {
		if !t.ctl.Due(now) {
			return
		}
		fd, err := t.desk.sys.open("/dev/dahdi/ctl")
		if err != nil { // the driver is not loaded yet
			t.ctl.Failed(now)
			t.log.Say(ctx, now, slog.LevelWarn, "DAHDI is not there", slog.Any("err", err))
			return
		}
		t.desk.fd = fd
	}
	for _, d := range [...]bool{false, true} { // a D channel after its span's sound
		for _, p := range t.ports {
			if p.isD() == d {
				t.mind(ctx, now, p)
			}
		}
	}
	if now.Sub(t.asked) >= askEvery {
		t.asked = now
		t.ask(ctx, now)
	}
}

// mind opens a channel that is closed and due, and closes one that gives nothing.
func (t *tap) mind(ctx context.Context, now time.Time, p *port) {
	switch {
	case p.fd < 0 && p.retry.Due(now) && (!p.isD() || !t.deaf(p.side)):
		t.reach(ctx, now, p)
	case p.fd < 0:
	case p.isD() && t.deaf(p.side): // with its span's sound: a span can only be taken out while nobody has any of it open
		t.lose(ctx, now, p, errors.New("its span gives no sound"))
	case !p.isD() && now.Sub(p.last) > circuit.ReopenAfter:
		t.lose(ctx, now, p, errors.New("gave no sound"))
	}
}

// deaf says whether no sound of a direction is heard.
func (t *tap) deaf(side line.Side) bool {
	return !slices.ContainsFunc(t.ports, func(p *port) bool { return !p.isD() && p.side == side && p.fd >= 0 })
}

// reach tries to open a channel.
func (t *tap) reach(ctx context.Context, now time.Time, p *port) {
	err := p.open(&t.desk, now)
	if err == nil {
		p.why.Store(nil)
		t.ears.Stale = true
		t.spans[p.side].number.Store(int64(p.span))
		t.ask(ctx, now) // an alarm that is on already must not be taken for sound
		return
	}
	p.retry.Failed(now)
	why := err.Error()
	if old := p.why.Swap(&why); old == nil || *old != why {
		t.log.Say(ctx, now, slog.LevelWarn, "channel cannot be heard", slog.Any("err", err))
	}
}

// lose closes a channel, to be opened again later.
func (t *tap) lose(ctx context.Context, now time.Time, p *port, why error) {
	text := why.Error()
	p.why.Store(&text)
	t.closed(ctx, p.shut(t.desk.sys, now))
	t.ears.Stale = true
	if p.isD() {
		t.tell(now, t.d.Lost(p.side, now))
	} else {
		p.line.Cut(int(p.side))
	}
}

// closed logs an error of close: the descriptor is gone all the same.
func (t *tap) closed(ctx context.Context, err error) {
	if err != nil {
		t.log.Say(ctx, time.Now(), slog.LevelWarn, "close a channel", slog.Any("err", err))
	}
}

// hear waits for what comes, for a tick at most, and takes it.
func (t *tap) hear(ctx context.Context) {
	for p := range t.ears.Wait(t.ports, t.desk.sys.poll) {
		if err := t.drain(p); err != nil {
			t.lose(ctx, time.Now(), p, err)
		}
	}
}

// drain reads a channel until there is nothing more.
func (t *tap) drain(p *port) error {
	for range most {
		n, err := t.desk.sys.read(p.fd, t.buf[:])
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, errEvent):
			if err := t.events(p); err != nil {
				return err
			}
		case err != nil:
			return err
		case n > 0:
			t.take(p, time.Now(), t.buf[:n])
		}
	}
	return nil
}

// take passes on what was read.
func (t *tap) take(p *port, now time.Time, b []byte) {
	p.last = now
	if !p.isD() {
		p.line.Sound(int(p.side), now, b, p.behind())
		return
	}
	if p.sig == sigHDLCFCS && !goodFCS(b) || len(b) < 4 { // the kernel has looked as well; cards that do it all leave other bytes there
		p.counts.badFCS.Add(1)
		t.tell(now, t.d.Lost(p.side, now))
		return
	}
	p.counts.frames.Add(1)
	t.tell(now, t.d.Frame(circuit.Frame{From: p.side, Heard: now, Bytes: b[:len(b)-2]}))
}

// events takes all events of a channel.
func (t *tap) events(p *port) error {
	for range most {
		b := t.desk.b[:4]
		clear(b)
		if err := t.desk.sys.ioctl(p.fd, reqGetEvent, b); err != nil {
			return err
		}
		e := intAt(b, 0)
		if e == eventNone {
			return nil
		}
		if err := t.event(p, e); err != nil {
			return err
		}
	}
	return nil
}

func (t *tap) event(p *port, e int) error {
	now := time.Now()
	switch e {
	case eventRemoved:
		return errors.New("the card was taken away")
	case eventAlarm, eventNoAlarm:
		t.asked = time.Time{} // ask at once
	case eventPolarity:
		p.counts.polarity.Add(1)
	case eventReadOverrun:
		if p.overrun(); p.isD() {
			p.breaks = p.breaks[:0]
			t.tell(now, t.d.Lost(p.side, now))
		}
	case eventBadFCS:
		p.counts.badFCS.Add(1)
	case eventAbort, eventOverrun:
		p.counts.aborts.Add(1)
	}
	if p.isD() && (e == eventBadFCS || e == eventAbort || e == eventOverrun) {
		t.tell(now, t.d.Lost(p.side, now))
	}
	return nil
}

// tell tells lines what the D channel says of them.
func (t *tap) tell(now time.Time, told []circuit.Told) {
	for _, e := range told {
		i := slices.IndexFunc(t.lines, func(l *tapped) bool { return l.cfg.Slot == e.Channel && l.cfg.signals() == ISDN })
		if i >= 0 {
			t.lines[i].Tell(now, e.Event)
		}
	}
}

// look lets the lines find out what they have, and looks at their hooks.
func (t *tap) look(ctx context.Context) {
	now := time.Now()
	if t.d != nil {
		if up := t.hearsD(); up != t.dUp {
			t.dUp = up
			t.d.Carrier(up, now)
		}
		t.tell(now, t.d.Tick(now))
	}
	for _, l := range t.lines {
		l.Bar(now, t.barred(l))
		l.Look(now)
		if l.hook != nil {
			t.sample(l, now)
		}
		if down := l.Down(); down != l.down {
			l.down = down
			t.report(ctx, now, l)
		}
	}
}

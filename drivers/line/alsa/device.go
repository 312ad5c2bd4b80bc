package alsa

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/alsa/decimate"
	"linekeep/drivers/line/timeline"
)

const (
	// stallAfter is how long a device may give nothing: with the pump's look every 20 ms, a stall is seen within 100 ms.
	stallAfter = 78 * time.Millisecond
	// closeAfter is when it is closed for that: not at once, because a host that holds up one processor of a virtual machine holds up
	// the timers on it as well (130 ms were seen), and closing loses the 640 ms in the card's buffer. Sound that comes before is late
	// and not lost. The first loss is told then, 100 ms after Down at most.
	closeAfter = 165 * time.Millisecond
	// starveAfter is the same for a device whose thread waits for the processor. Its sound is safe for 640 ms in the
	// card's buffer, and closing it would lose that.
	starveAfter = 500 * time.Millisecond
	// firstAfter is how long a device may take from its opening to its first sound.
	firstAfter = 500 * time.Millisecond
	// deadAfter is how many errors in a row mean that the stream is dead. One comes when a state changes between two calls.
	deadAfter = 3
	// markEvery is how much loss is told at once while a device is away: with the look every 20 ms, at least every 100 ms.
	markEvery = 60 * time.Millisecond

	// firstPause and longestPause bound the pauses between two attempts to open a device; each is twice the one before.
	// A device that was well for healthyFor starts from the first again.
	firstPause   = 100 * time.Millisecond
	longestPause = time.Second
	healthyFor   = 10 * time.Second
)

// device is one ALSA device: its minder opens and closes it, the pump reads it.
type device struct {
	cfg    Device
	taps   []*tap
	log    *slog.Logger
	start  time.Time
	counts counters

	next    atomic.Pointer[capture] // from the minder to the pump
	failure atomic.Pointer[string]  // why the last opening failed
	giveUp  chan struct{}           // from the pump to the minder: close it. One: there is one capture at a time

	// The pump's own.
	cur      *capture
	gaps     gaps
	down     bool
	quit     bool // cur has been given up: what it still gives is told as lost
	broken   bool // a break lies before the next sound
	pumped   int64
	logged   time.Time
	sound    [][]int16 // of each sound channel, at the device's rate
	narrow   [][]int16 // the same at 8 kHz
	decimate []*decimate.Decimator
}

func newDevice(cfg Device, log *slog.Logger) *device {
	d := &device{cfg: cfg, log: log.With(slog.String("device", cfg.Name)), giveUp: make(chan struct{}, 1)}
	for _, channels := range cfg.lines() {
		d.taps = append(d.taps, newTap(cfg.Name, channels))
	}
	return d
}

func (d *device) begin(start time.Time) { d.start = start }

// mind opens the device, and closes it when the pump gives it up or ctx ends, again and again with growing pauses.
func (d *device) mind(ctx context.Context, open opener) {
	card := open(d.cfg)
	defer card.free()
	pause := firstPause
	for ctx.Err() == nil {
		if c, err := card.open(d.start, &d.counts); err != nil {
			why := err.Error()
			d.failure.Store(&why)
		} else {
			d.counts.opens.Add(1)
			d.next.Store(c)
			select {
			case <-ctx.Done():
			case <-d.giveUp:
			}
			card.shut()
			if c.closed.Store(true); time.Since(d.start)-time.Duration(c.opened) > healthyFor {
				pause = firstPause
			}
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		pause = min(2*pause, longestPause)
	}
}

// pump moves what has come since the last look to the lines. The last look is sure that no more will come.
func (d *device) pump(ctx context.Context, now time.Time, last bool) {
	at := int64(now.Sub(d.start))
	clk := clock{now: now, at: at}
	for again := true; again; {
		again = false
		if d.cur == nil {
			if d.cur = d.next.Swap(nil); d.cur != nil {
				d.adopt()
			}
		}
		if d.cur == nil {
			break
		}
		closed := d.cur.closed.Load() // before draining: what came before the end is still to be drained
		d.drain(ctx, clk, last || closed)
		switch {
		case closed:
			d.cur, again = nil, last
		case !last:
			d.watch(ctx, clk)
		}
	}
	if why := d.failure.Swap(nil); why != nil && d.cur == nil {
		d.goDown(ctx, clk, *why)
	}
	if d.down {
		d.mark(clk)
	}
	d.pumped = at
}

// adopt makes room for a new capture's sound.
func (d *device) adopt() {
	d.quit, d.broken = false, d.gaps.known
	d.gaps.setRate(d.cur.rateHz)
	d.sound = make([][]int16, d.cur.channels)
	d.narrow, d.decimate = make([][]int16, d.cur.channels), nil
	most := maxChunkBytes / d.cur.frameBytes()
	var filter *decimate.Filter
	if d.cur.rateHz != line.RateHz {
		filter = d.cur.filter
		d.decimate = make([]*decimate.Decimator, d.cur.channels)
	}
	for _, t := range d.taps {
		for _, c := range t.channels {
			d.sound[c] = make([]int16, 0, most)
			if filter != nil {
				d.narrow[c] = make([]int16, 0, filter.MaxOut(most))
				d.decimate[c] = filter.NewDecimator()
			}
		}
	}
}

// drain passes on what can be passed on.
func (d *device) drain(ctx context.Context, clk clock, sure bool) {
	r := d.cur.ring
	for r.waiting() > 0 {
		if d.quit {
			r.pop()
			continue
		}
		pass, lost := d.gaps.judge(r, d.broken, sure)
		if !pass {
			return
		}
		clk.usual = d.gaps.Usual()
		if lost > 0 {
			d.lose(ctx, clk, lost)
		}
		if d.broken = false; d.down {
			d.goUp(ctx, clk)
		}
		d.give(clk)
		d.gaps.passed(r.peek(0))
		r.pop()
	}
}

// lose tells every line of a gap before the next sound.
func (d *device) lose(ctx context.Context, clk clock, n line.Samples) {
	cause := line.CauseOverrun
	if d.down || d.broken {
		cause = line.CauseGone
	}
	d.gaps.lost(n)
	d.counts.gaps.Add(1)
	for _, t := range d.taps {
		t.Lose(n, cause)
	}
	if !d.down {
		d.say(ctx, clk, slog.LevelWarn, "sound was lost", slog.Int64("samples", int64(n)), slog.String("cause", cause.String()))
	}
}

// give passes the oldest chunk on to the lines.
func (d *device) give(clk clock) {
	first, second := d.cur.ring.sound()
	for c := range d.sound {
		if d.sound[c] == nil {
			continue
		}
		s := d.cur.pick(d.sound[c][:0], first, c)
		d.sound[c] = d.cur.pick(s, second, c)
	}
	out := d.sound
	if d.decimate != nil {
		out = d.narrow
		for c, dec := range d.decimate {
			if dec != nil {
				d.narrow[c] = d.narrow[c][:cap(d.narrow[c])]
				d.narrow[c] = d.narrow[c][:dec.Convert(d.narrow[c], d.sound[c])]
			}
		}
	}
	for _, t := range d.taps {
		t.take(out, clk)
	}
}

// watch gives a device up that gives nothing.
func (d *device) watch(ctx context.Context, clk clock) {
	c := d.cur
	late := clk.at-d.pumped > 2*int64(tick) // we were held up ourselves; the audio thread may have been too
	if d.quit || late {
		return
	}
	c.hurry()
	last := c.last.Load()
	silence, limit := time.Duration(clk.at-last), stallAfter
	if last == 0 {
		silence, limit = time.Duration(clk.at-c.opened), firstAfter
	}
	why := "no sound"
	dead := c.errors.Load() >= deadAfter
	switch {
	case dead:
		why = "the stream is dead"
	case silence <= limit:
		return
	case silence < starveAfter && c.starving():
		return
	}
	d.drain(ctx, clk, true)
	d.goDown(ctx, clk, why)
	if !dead && silence < closeAfter {
		return
	}
	d.quit = true
	select {
	case d.giveUp <- struct{}{}:
	default: // asked already
	}
}

// goDown tells that nothing is to be heard any more.
func (d *device) goDown(ctx context.Context, clk clock, why string) {
	if d.down {
		return
	}
	if !d.gaps.known { // it never gave anything: all since Run began is lost
		d.gaps.restart(0)
	}
	d.down = true
	d.counts.up.Store(false)
	d.tell(line.Down, clk.now)
	d.say(ctx, clk, slog.LevelWarn, "device away", slog.String("why", why))
}

// tell queues an event on all lines at the place where the next sample would be. Down and Up come in turns, so a reader
// that takes none for 32 absences loses the newest; what it then sees last is still a true pair.
func (d *device) tell(kind line.Kind, heard time.Time) {
	for _, t := range d.taps {
		t.Tell(line.Event{Kind: kind, At: t.Out(), Heard: heard})
	}
}

func (d *device) goUp(ctx context.Context, clk clock) {
	d.down = false
	d.tell(line.Up, clk.now)
	d.say(ctx, clk, slog.LevelInfo, "device back")
}

// mark tells the loss so far of a device that is away. While an open device may only be late, and once sound waits to be
// judged, the sound itself tells it.
func (d *device) mark(clk clock) {
	n := d.gaps.missing(clk.at)
	if n < line.In(markEvery) || d.cur != nil && !d.quit && d.cur.last.Load() != 0 {
		return
	}
	d.gaps.lost(n)
	for _, t := range d.taps {
		t.Lose(n, line.CauseGone)
		t.Mark(clk.now)
	}
}

// say logs at most once a second: a loose plug can do all this many times over.
func (d *device) say(ctx context.Context, clk clock, level slog.Level, msg string, attrs ...slog.Attr) {
	if !d.logged.IsZero() && clk.now.Sub(d.logged) < time.Second {
		d.counts.cut.Add(1)
		return
	}
	d.logged = clk.now
	if n := d.counts.cut.Swap(0); n > 0 {
		attrs = append(attrs, slog.Uint64("not_logged_since", n))
	}
	d.log.LogAttrs(ctx, level, msg, attrs...) //nolint:sloglint // msg is a constant at each of the callers above
}

// clock says when a position was heard, seen from one look of the pump.
type clock struct {
	now   time.Time
	at    int64 // now, in ns since Run began
	usual int64 // how late sound comes, in ns
}

func (c clock) heard(p line.Position) time.Time {
	return c.now.Add(time.Duration(min(0, int64(p)*int64(timeline.SampleTime)+c.usual-c.at)))
}

package dahdi

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/circuit"
)

// Stats are what one tap has been through since Run began, for health.
type Stats struct {
	Device   string
	Lines    []circuit.Counts // in the order of the configuration
	Channels []ChannelStats
	Spans    []SpanStats
}

// ChannelStats are of one channel that is listened to.
type ChannelStats struct {
	Name     string // such as "span 3 slot 16"
	Side     line.Side
	Up       bool
	Why      string // why it is not
	Opens    uint64
	Overruns uint64 // times the kernel had no room
	Frames   uint64 // of a D channel
	BadFCS   uint64 // frames of a D channel that were damaged
	Aborts   uint64 // frames of a D channel that were broken off
	Polarity uint64 // reversals of an analogue line
}

// SpanStats are of one span, as its card counts them.
type SpanStats struct {
	Span              int
	Alarms            string // such as "red"; empty for none
	BipolarViolations int
	CRC4              int
	IRQMisses         int
}

// spanState is what is known of a span that a tap depends on.
type spanState struct {
	number                           atomic.Int64 // 0 while it is not known
	alarms, bipolar, crc4, irqMisses atomic.Int64
	gone                             atomic.Bool
	noBattery                        atomic.Bool // an analogue line's
}

// alarmed says whether what comes from the span is not what is on the line.
func (s *spanState) alarmed() bool {
	return s.alarms.Load()&(alarmRed|alarmYellow|alarmBlue) != 0 || s.gone.Load() || s.noBattery.Load()
}

func (s *spanState) text() string {
	if s.gone.Load() {
		return "gone"
	}
	if s.noBattery.Load() {
		return "no battery"
	}
	var all []string
	for _, a := range [...]struct {
		bit  int64
		name string
	}{{alarmRed, "red"}, {alarmYellow, "yellow"}, {alarmBlue, "blue"}} {
		if s.alarms.Load()&a.bit != 0 {
			all = append(all, a.name)
		}
	}
	return strings.Join(all, "+")
}

// ask asks the spans of all channels how they are.
func (t *tap) ask(ctx context.Context, now time.Time) {
	for i, s := range t.spans {
		number := int(s.number.Load())
		if number == 0 {
			continue
		}
		was := s.text()
		info, err := t.desk.span(number)
		s.gone.Store(err != nil)
		if err == nil {
			s.alarms.Store(int64(info.alarms))
			s.bipolar.Store(int64(info.bipolarViolations))
			s.crc4.Store(int64(info.crc4))
			t.missed(i, int64(info.irqMisses)-s.irqMisses.Swap(int64(info.irqMisses)))
		}
		if t.device.Kind == Channel && t.device.Remote == 0 && t.lines[0].hook == nil { // with a hook, that is off-hook
			p, err := t.desk.params(t.ports[i].channel)
			s.noBattery.Store(err == nil && p.alarms&alarmRed != 0)
		}
		if is := s.text(); is != was {
			t.log.Say(ctx, now, slog.LevelWarn, "alarm of a span", slog.Int("span", number), slog.String("was", was), slog.String("is", is))
		}
	}
}

// missed notes that a card has missed interrupts: that loses a millisecond of all its channels each time, and the kernel
// tells of it only so.
func (t *tap) missed(side int, n int64) {
	for _, p := range t.ports {
		p.suspect = p.suspect || n > 0 && !p.isD() && int(p.side) == side
	}
}

// barred says whether the line's sound is not to be believed, or its signals cannot be heard.
func (t *tap) barred(l *tapped) bool {
	return t.alarmed() || l.cfg.signals() == ISDN && !t.hearsD() ||
		slices.ContainsFunc(l.ports, func(p *port) bool { return p.fd < 0 })
}

func (t *tap) alarmed() bool { return slices.ContainsFunc(t.spans, (*spanState).alarmed) }

// hearsD says whether the D channel can be heard in both directions.
func (t *tap) hearsD() bool {
	return !t.alarmed() && !slices.ContainsFunc(t.ports, func(p *port) bool { return p.isD() && p.fd < 0 })
}

func (t *tap) report(ctx context.Context, now time.Time, l *tapped) {
	if l.down {
		t.log.Say(ctx, now, slog.LevelWarn, "line down", slog.String("line", l.Info().Name))
		return
	}
	t.log.Say(ctx, now, slog.LevelInfo, "line up", slog.String("line", l.Info().Name))
}

func (t *tap) stats() Stats {
	s := Stats{Device: t.device.String()}
	for _, l := range t.lines {
		s.Lines = append(s.Lines, l.Counts())
	}
	for _, p := range t.ports {
		c := ChannelStats{Name: p.name(), Side: p.side, Up: p.counts.up.Load(), Opens: p.counts.opens.Load(), Overruns: p.counts.overruns.Load(),
			Frames: p.counts.frames.Load(), BadFCS: p.counts.badFCS.Load(), Aborts: p.counts.aborts.Load(), Polarity: p.counts.polarity.Load()}
		if why := p.why.Load(); why != nil {
			c.Why = *why
		}
		s.Channels = append(s.Channels, c)
	}
	for _, sp := range t.spans {
		s.Spans = append(s.Spans, SpanStats{Span: int(sp.number.Load()), Alarms: sp.text(), BipolarViolations: int(sp.bipolar.Load()),
			CRC4: int(sp.crc4.Load()), IRQMisses: int(sp.irqMisses.Load())})
	}
	return s
}

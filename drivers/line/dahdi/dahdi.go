// Package dahdi taps telephone lines through DAHDI, the kernel's drivers for analogue, E1, T1 and BRI cards.
//
// Stage: [line] -> call -> encode -> seal -> store -> search -> release.
//
//	In:    channels of DAHDI: of tap spans, two for the two directions of a circuit; of analogue cards; or copies of what
//	       another program's channels receive (the pseudo channel's DIGITALMON)
//	Out:   a line.Line for each configured line, with the signals of its D channel, its CAS bits or its hook
//	Owner: Source.Run: one goroutine for each tap, which does everything
//	Full:  the kernel keeps 3.2 s of each channel for a stalled box; past that the newest is dropped, and told where
//
// Everything is opened for reading alone, and no request that DAHDI carries out on the line is ever made: no HOOK, no DIAL,
// no SETTXBITS. A channel that is open sends idle, as one that is not open does: a tap's transmit pair is not connected.
//
// One goroutine polls all channels of a tap. Blocking reads in a goroutine each would cost a thread of the system for each
// of 62 channels, and could not be ended: nothing wakes a read of a channel whose span gives no clock any more.
package dahdi

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/circuit"
)

// Signals says how calls are found on a line.
type Signals string

// The ways there are.
const (
	None  Signals = "none" // by their sound
	ISDN  Signals = "isdn" // by the D channel of the spans
	Loop  Signals = "loop" // ring and hook of an analogue line: by CAS bits of its two directions, or by what an analogue card sees
	EandM Signals = "e&m"  // by CAS bits of a tie line between two exchanges
)

const (
	maxSpan    = 128  // DAHDI_MAX_SPANS
	maxChannel = 1023 // DAHDI_MAX_CHANNELS, from 1
	maxSlot    = 31   // of an E1 frame; slot 0 carries no channel
	// shortestFlash is above the breaks of a dialling disc (66 ms), longestFlash the US's longest.
	shortestFlash = 100 * time.Millisecond
	longestFlash  = 1500 * time.Millisecond
	// defaultFlash is longer than DAHDI's own flash (750 ms), shorter than what anybody takes between two calls.
	defaultFlash = 900 * time.Millisecond
)

// Kind says what a Device names.
type Kind string

// The kinds of devices.
const (
	Span    Kind = "span"    // a whole circuit: E1, T1 or BRI; a line is one of its time slots
	Channel Kind = "channel" // one channel of a card that nobody else has open
	Monitor Kind = "monitor" // a copy of what a channel receives that another program has open
)

// Device names what is listened to: two spans or channels, the one that hears the office first; or one channel that carries
// both sides.
type Device struct {
	Kind   Kind
	Office int // DAHDI's number of the span or channel that hears what the office sends
	Remote int // the same of the other side; 0 where one channel carries both
}

// ParseDevice reads "span 3+4", "channel 5", "channel 141+149" or "monitor 125+133".
func ParseDevice(text string) (Device, error) {
	kind, numbers, ok := strings.Cut(strings.TrimSpace(text), " ")
	d := Device{Kind: Kind(kind)}
	first, second, two := strings.Cut(strings.TrimSpace(numbers), "+")
	var err error
	if d.Office, err = strconv.Atoi(strings.TrimSpace(first)); err != nil || !ok {
		return d, fmt.Errorf("%q is not such as \"span 3+4\", \"channel 5\" or \"monitor 125+133\"", text)
	}
	if two {
		if d.Remote, err = strconv.Atoi(strings.TrimSpace(second)); err != nil || d.Remote == 0 {
			return d, fmt.Errorf("%q: %q is not a number of DAHDI's", text, second)
		}
	}
	return d, d.fault()
}

func (d Device) fault() error {
	most := maxChannel
	switch d.Kind {
	case Span:
		if most = maxSpan; d.Remote == 0 {
			return errors.New("a circuit is tapped by two spans, such as \"span 3+4\": the one that hears the office first")
		}
	case Channel, Monitor:
	default:
		return fmt.Errorf("%q is not span, channel or monitor", d.Kind)
	}
	if d.Office < 1 || d.Office > most || d.Remote < 0 || d.Remote > most || d.Office == d.Remote {
		return fmt.Errorf("%s: two different numbers from 1 to %d are needed", d, most)
	}
	return nil
}

func (d Device) String() string {
	if d.Remote == 0 {
		return fmt.Sprintf("%s %d", d.Kind, d.Office)
	}
	return fmt.Sprintf("%s %d+%d", d.Kind, d.Office, d.Remote)
}

// LineConfig is one line.
type LineConfig struct {
	Device  Device
	Slot    int           // of a span: the time slot, 1 to 31
	Signals Signals       // empty means None
	Law     line.Law      // ALaw or MuLaw; a T1 speaks µ-law
	Flash   time.Duration // of Loop and EandM: how long a press of the hook may be; longer is a hang-up. 0 means 900 ms
}

// Config is all that a Source needs to know.
type Config struct {
	Lines []LineConfig
	// DChannel makes what follows a D channel; asked once for each tap with ISDN lines. Nil means that nothing does.
	DChannel func(name string) circuit.DChannel
}

// Validate reports every fault at once.
func (c Config) Validate() error {
	var errs []error
	if len(c.Lines) == 0 {
		errs = append(errs, errors.New("lines: none given"))
	}
	used := make(map[string]int)
	for i, l := range c.Lines {
		for _, err := range l.faults() {
			errs = append(errs, fmt.Errorf("lines[%d].%w", i, err))
		}
		for _, input := range l.inputs() {
			if first, twice := used[input]; twice {
				errs = append(errs, fmt.Errorf("lines[%d].device: %s is lines[%d]'s already", i, input, first))
			}
			used[input] = i
		}
	}
	return errors.Join(errs...)
}

func (l LineConfig) faults() []error {
	var errs []error
	if err := l.Device.fault(); err != nil {
		errs = append(errs, fmt.Errorf("device: %w", err))
	}
	if l.Device.Kind == Span && (l.Slot < 1 || l.Slot > maxSlot) {
		errs = append(errs, fmt.Errorf("slot: %d is not in 1 to %d", l.Slot, maxSlot))
	}
	if l.Device.Kind != Span && l.Slot != 0 {
		errs = append(errs, fmt.Errorf("slot: %s has no time slots", l.Device))
	}
	if l.Law != line.ALaw && l.Law != line.MuLaw {
		errs = append(errs, fmt.Errorf("law: %v is not of G.711", l.Law))
	}
	if f := l.flash(); f < shortestFlash || f > longestFlash {
		errs = append(errs, fmt.Errorf("flash: %v is not between %v and %v", f, shortestFlash, longestFlash))
	}
	switch {
	case l.signals() == ISDN && l.Device.Kind != Span:
		errs = append(errs, fmt.Errorf("signals: %s has no D channel", l.Device))
	case l.signals() == EandM && l.Device.Remote == 0:
		errs = append(errs, errors.New("signals: e&m needs both directions"))
	case l.signals() != None && l.signals() != ISDN && l.signals() != Loop && l.signals() != EandM:
		errs = append(errs, fmt.Errorf("signals: %q is not none, isdn, loop or e&m", l.Signals))
	}
	return errs
}

func (l LineConfig) signals() Signals {
	if l.Signals == "" {
		return None
	}
	return l.Signals
}

func (l LineConfig) flash() time.Duration {
	if l.Flash == 0 {
		return defaultFlash
	}
	return l.Flash
}

// inputs are what the line takes for itself.
func (l LineConfig) inputs() []string {
	var all []string
	for _, n := range []int{l.Device.Office, l.Device.Remote} {
		if n != 0 {
			all = append(all, strings.TrimSuffix(fmt.Sprintf("%s %d slot %d", l.Device.Kind, n, l.Slot), " slot 0"))
		}
	}
	return all
}

func (l LineConfig) name() string {
	if l.Device.Kind == Span {
		return fmt.Sprintf("dahdi %s slot %d", l.Device, l.Slot)
	}
	return "dahdi " + l.Device.String()
}

// Source is any number of taps read together.
type Source struct{ circuit.Source[*tap] }

var _ line.Source = (*Source)(nil)

// New prepares all lines. It touches no hardware.
func New(cfg Config, log *slog.Logger) (*Source, error) { return newSource(cfg, kernel{}, log) }

func newSource(cfg Config, sys system, log *slog.Logger) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("dahdi: %w", err)
	}
	s := &Source{}
	taps := make(map[string]*tap)
	for _, l := range cfg.Lines {
		key := l.name()
		if l.Device.Kind == Span {
			key = l.Device.String()
		}
		t := taps[key]
		if t == nil {
			t = newTap(l.Device, sys, log)
			taps[key] = t
			s.Taps = append(s.Taps, t)
		}
		s.Heard = append(s.Heard, t.add(l, cfg.DChannel))
	}
	return s, nil
}

// Stats adds the state of every tap to dst.
func (s *Source) Stats(dst []Stats) []Stats {
	for _, t := range s.Taps {
		dst = append(dst, t.stats())
	}
	return dst
}

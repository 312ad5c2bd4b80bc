// Package misdn taps ISDN lines through mISDN, the kernel's drivers for BRI and PRI cards, by two cards as the two directions.
//
// Stage: [line] -> call -> encode -> seal -> store -> search -> release.
//
//	In:    AF_ISDN sockets: of each card one for its D channel and one for each B channel that a line is on
//	Out:   a line.Line for each B channel, with the signals of the D channel
//	Owner: Source.Run: one goroutine for each circuit, which does everything
//	Full:  the kernel keeps some seconds in each socket's queue; past that the newest is dropped, found by the clock and told
//
// Nothing is ever written to a socket: there is no such call in this package. So no card is asked to activate a line, or to
// send. A bus whose exchange lets it rest between calls is down then, and up again before the call.
//
// A B channel's octets come with the bit first that is first on the line; they are turned round, to be G.711 codes.
//
// Cards by l1oip leave pieces out that are all idle (0xFF, or 0x2A), and give the others a time base. What the time base
// skips was idle, and is filled in with 0x2A turned round, the quieter of the two: it is silence, not loss. Cards of
// real hardware give every sample and no time base; there the clock tells what is missing.
package misdn

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"linekeep/drivers/line"
	"linekeep/drivers/line/circuit"
)

const (
	maxSlot = 31 // of a PRI; 16 is its D channel
	dSlot   = 16
	maxName = 19 // of a card, its end mark left out
)

// Device names the two cards of a circuit, each by its name such as hfc-4s.1-1, or by its number.
type Device struct {
	Office string // the card that hears what the office's terminals send
	Remote string // the card that hears what the network sends
}

// ParseDevice reads "hfc-pci.1+hfc-pci.2" or "0+1".
func ParseDevice(text string) (Device, error) {
	office, remote, ok := strings.Cut(text, "+")
	d := Device{Office: strings.TrimSpace(office), Remote: strings.TrimSpace(remote)}
	if !ok {
		return d, fmt.Errorf("%q names one card; a circuit is tapped by two, such as \"hfc-pci.1+hfc-pci.2\": the one that hears the office first", text)
	}
	return d, d.fault()
}

func (d Device) fault() error {
	switch {
	case d.Office == "" || d.Remote == "" || len(d.Office) > maxName || len(d.Remote) > maxName:
		return fmt.Errorf("%q is not the names of two cards", d)
	case d.Office == d.Remote:
		return fmt.Errorf("%q names one card twice", d)
	}
	return nil
}

func (d Device) String() string { return d.Office + "+" + d.Remote }

// LineConfig is one line.
type LineConfig struct {
	Device Device
	Slot   int      // the B channel: 1 and 2 of a BRI; 1 to 15 and 17 to 31 of a PRI
	ISDN   bool     // calls are found by the D channel; otherwise by their sound
	Law    line.Law // ALaw or MuLaw
}

// Config is all that a Source needs to know.
type Config struct {
	Lines []LineConfig
	// DChannel makes what follows a D channel; asked once for each circuit with ISDN lines. Nil means that nothing does.
	DChannel func(name string) circuit.DChannel
}

// Validate reports every fault at once.
func (c Config) Validate() error {
	var errs []error
	if len(c.Lines) == 0 {
		errs = append(errs, errors.New("lines: none given"))
	}
	used, cards := make(map[string]int), make(map[string]Device)
	for i, l := range c.Lines {
		if err := l.Device.fault(); err != nil {
			errs = append(errs, fmt.Errorf("lines[%d].device: %w", i, err))
		}
		if l.Slot < 1 || l.Slot > maxSlot || l.Slot == dSlot {
			errs = append(errs, fmt.Errorf("lines[%d].slot: %d is no B channel", i, l.Slot))
		}
		if l.Law != line.ALaw && l.Law != line.MuLaw {
			errs = append(errs, fmt.Errorf("lines[%d].law: %v is not of G.711", i, l.Law))
		}
		if first, twice := used[l.name()]; twice {
			errs = append(errs, fmt.Errorf("lines[%d].device: %s is lines[%d]'s already", i, l.name(), first))
		}
		used[l.name()] = i
		for _, name := range []string{l.Device.Office, l.Device.Remote} {
			if d, ok := cards[name]; ok && d != l.Device {
				errs = append(errs, fmt.Errorf("lines[%d].device: %s is part of %q already", i, name, d))
			}
			cards[name] = l.Device
		}
	}
	return errors.Join(errs...)
}

func (l LineConfig) name() string { return fmt.Sprintf("misdn %s channel %d", l.Device, l.Slot) }

// Source is any number of circuits read together.
type Source struct{ circuit.Source[*tap] }

var _ line.Source = (*Source)(nil)

// New prepares all lines. It touches no hardware.
func New(cfg Config, log *slog.Logger) (*Source, error) { return newSource(cfg, kernel{}, log) }

func newSource(cfg Config, sys system, log *slog.Logger) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("misdn: %w", err)
	}
	s := &Source{}
	taps := make(map[Device]*tap)
	for _, l := range cfg.Lines {
		t := taps[l.Device]
		if t == nil {
			t = newTap(l.Device, sys, log)
			taps[l.Device] = t
			s.Taps = append(s.Taps, t)
		}
		s.Heard = append(s.Heard, t.add(l, cfg.DChannel))
	}
	return s, nil
}

// Stats adds the state of every circuit to dst.
func (s *Source) Stats(dst []Stats) []Stats {
	for _, t := range s.Taps {
		dst = append(dst, t.stats())
	}
	return dst
}

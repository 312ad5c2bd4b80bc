// Package alsa taps analogue lines through sound cards, by malgo's ALSA backend.
//
// Stage: [line] -> call -> encode -> seal -> store -> search -> release.
//
//	In:    16, 24 or 32-bit sound of any ALSA capture device, at 8, 44.1 or 48 kHz
//	Out:   a line.Line for each sound channel, or for each pair of them
//	Owner: Source.Run: a goroutine for each device, which opens and closes it, and the pump, which does the rest
//	Full:  a device's ring holds 2 s; past that its newest sound is dropped, counted and told as an overrun
//
// What miniaudio does not tell is found out here: it recovers from an overrun without a word, and after an
// unplugging it spins in its read loop for ever (517,172 turns in 2.3 s were counted). So the callback only
// copies and stamps, the pump compares what came with the monotonic clock, and a device that gives
// nothing for 80 ms is closed and opened anew.
package alsa

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"linekeep/drivers/line"
)

const (
	// MaxSoundChannels is how many sound channels of one device can be used: what the biggest multichannel
	// interfaces sold for such work have.
	MaxSoundChannels = 32
	// maxNameBytes is the room that miniaudio has for an ALSA name, its end mark left out.
	maxNameBytes = 255
	// tick is how often the pump looks: one period, so that a stall is seen within 100 ms.
	tick = line.FramePeriod
)

// Device says which ALSA device to listen to and what its sound channels are.
type Device struct {
	// Name is the ALSA name, such as "hw:CARD=Tap,DEV=0". A plain ":0,0" is refused: miniaudio would try dsnoop first.
	Name string `toml:"name"`
	// Channels is how many sound channels to use when Lines is empty; 0 means 2.
	Channels int `toml:"channels"`
	// Lines gives the sound channels of each line, from 0: one, or two for a split line, the office side
	// first. Empty means one line for each channel.
	Lines [][]int `toml:"lines"`
}

// Config is all that a Source needs to know.
type Config struct {
	Devices []Device
}

// Validate reports every fault at once.
func (c Config) Validate() error {
	var errs []error
	if len(c.Devices) == 0 {
		errs = append(errs, errors.New("devices: none given"))
	}
	names := make(map[string]bool)
	for i, d := range c.Devices {
		if names[d.Name] {
			errs = append(errs, fmt.Errorf("devices[%d].name: %q is given twice", i, d.Name))
		}
		names[d.Name] = true
		for _, err := range d.faults() {
			errs = append(errs, fmt.Errorf("devices[%d].%w", i, err))
		}
	}
	return errors.Join(errs...)
}

func (d Device) faults() []error {
	var errs []error
	if d.Name == "" || d.Name[0] == ':' || len(d.Name) > maxNameBytes {
		errs = append(errs, fmt.Errorf("name: %q is no ALSA name that can be used", d.Name))
	}
	if d.Channels < 0 || d.Channels > MaxSoundChannels {
		errs = append(errs, fmt.Errorf("channels: %d is not in 0 to %d", d.Channels, MaxSoundChannels))
	}
	used := make(map[int]bool)
	for i, l := range d.Lines {
		if len(l) < 1 || len(l) > line.MaxChannels {
			errs = append(errs, fmt.Errorf("lines[%d]: %d sound channels, want 1 or 2", i, len(l)))
		}
		for _, c := range l {
			if c < 0 || c >= MaxSoundChannels || used[c] {
				errs = append(errs, fmt.Errorf("lines[%d]: sound channel %d is out of range or used twice", i, c))
			}
			used[c] = true
		}
	}
	return errs
}

// lines are the sound channels of each line, defaults filled in.
func (d Device) lines() [][]int {
	if len(d.Lines) > 0 {
		return d.Lines
	}
	n := d.Channels
	if n == 0 {
		n = 2
	}
	lines := make([][]int, n)
	for c := range lines {
		lines[c] = []int{c}
	}
	return lines
}

// needs is how many sound channels the device must have.
func (d Device) needs() int {
	n := 0
	for _, l := range d.lines() {
		n = max(n, slices.Max(l)+1)
	}
	return n
}

// Source is any number of ALSA devices read together.
type Source struct {
	devices []*device
	lines   []line.Line
	open    opener
	log     *slog.Logger
	ran     atomic.Bool
}

var _ line.Source = (*Source)(nil)

// New prepares the lines of all devices. It touches no hardware.
func New(cfg Config, log *slog.Logger) (*Source, error) { return newSource(cfg, openALSA, log) }

func newSource(cfg Config, open opener, log *slog.Logger) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("alsa: %w", err)
	}
	s := &Source{open: open, log: log}
	for _, d := range cfg.Devices {
		dev := newDevice(d, log)
		s.devices = append(s.devices, dev)
		for _, t := range dev.taps {
			s.lines = append(s.lines, t)
		}
	}
	return s, nil
}

// Lines are the lines of all devices, in the order of the configuration.
func (s *Source) Lines() []line.Line { return s.lines }

// Stats are what one device has been through since Run began, for health.
type Stats struct {
	Device    string
	Up        bool
	Opens     uint64 // times it was opened
	Callbacks uint64 // pieces of sound it gave
	Overruns  uint64 // overruns that ALSA told of
	Refused   uint64 // pieces with an impossible length, thrown away
	LogLines  uint64 // lines that miniaudio logged
	Gaps      uint64 // places where sound was lost
}

// Stats adds the state of every device to dst.
func (s *Source) Stats(dst []Stats) []Stats {
	for _, d := range s.devices {
		dst = append(dst, d.counts.stats(d.cfg.Name))
	}
	return dst
}

// Run listens to every device until ctx ends. It returns once all are closed: at once, or for a kernel driver
// that hangs in a read after the 10 s in which the kernel gives up.
func (s *Source) Run(ctx context.Context) error {
	if !s.ran.CompareAndSwap(false, true) {
		return errors.New("alsa: Run runs once")
	}
	start := time.Now()
	var minders sync.WaitGroup
	for _, d := range s.devices {
		d.begin(start)
		minders.Go(func() { d.mind(ctx, s.open) })
	}
	closed := make(chan struct{})
	go func() {
		minders.Wait()
		close(closed)
	}()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for running := true; running; {
		select {
		case <-closed:
			running = false
		case <-ticker.C:
		}
		now := time.Now()
		for _, d := range s.devices {
			d.pump(ctx, now, !running)
		}
	}
	for _, d := range s.devices {
		for _, t := range d.taps {
			t.End()
		}
	}
	return nil
}

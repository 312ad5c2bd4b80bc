// Package inputs makes the settings' lines into drivers' lines: the real ones. Simulated ones are linekeepd-sim's own.
//
//	In:    config.Line, as the settings file names its device and channels
//	Out:   an appliance.Input for all lines of one driver together
//	Owner: no goroutine; the source is run by the appliance
//	Full:  nothing is kept
package inputs

import (
	"fmt"
	"log/slog"

	"linekeep/drivers/line"
	"linekeep/drivers/line/alsa"
	"linekeep/drivers/line/circuit"
	"linekeep/drivers/line/dahdi"
	"linekeep/drivers/line/dchannel"
	"linekeep/drivers/line/misdn"
	"linekeep/firmware/appliance"
	"linekeep/firmware/config"
)

// All prepares every line that a real driver hears. It touches no hardware yet.
func All(lines []config.Line, log *slog.Logger) ([]appliance.Input, error) {
	var all []appliance.Input
	for _, d := range [...]struct {
		driver config.Driver
		open   func([]config.Line, *slog.Logger) (appliance.Input, error)
	}{{config.ALSA, ALSA}, {config.DAHDI, DAHDI}, {config.MISDN, MISDN}} {
		var own []config.Line
		for _, l := range lines {
			if l.Driver == d.driver {
				own = append(own, l)
			}
		}
		if len(own) == 0 {
			continue
		}
		in, err := d.open(own, log)
		if err != nil {
			return nil, err
		}
		all = append(all, in)
	}
	return all, nil
}

// DAHDI prepares the channels of DAHDI that lines name.
func DAHDI(lines []config.Line, log *slog.Logger) (appliance.Input, error) {
	taps, err := each(lines, config.Line.DAHDILine)
	if err != nil {
		return appliance.Input{}, err
	}
	source, err := dahdi.New(dahdi.Config{Lines: taps, DChannel: follow}, log)
	if err != nil {
		return appliance.Input{}, fmt.Errorf("prepare the telephone cards: %w", err)
	}
	return named(source, lines), nil
}

// MISDN prepares the cards of mISDN that lines name.
func MISDN(lines []config.Line, log *slog.Logger) (appliance.Input, error) {
	taps, err := each(lines, config.Line.MISDNLine)
	if err != nil {
		return appliance.Input{}, err
	}
	source, err := misdn.New(misdn.Config{Lines: taps, DChannel: follow}, log)
	if err != nil {
		return appliance.Input{}, fmt.Errorf("prepare the ISDN cards: %w", err)
	}
	return named(source, lines), nil
}

// each makes a driver's own form of every line.
func each[T any](lines []config.Line, form func(config.Line) (T, error)) ([]T, error) {
	all := make([]T, 0, len(lines))
	for _, l := range lines {
		one, err := form(l)
		if err != nil {
			return nil, fmt.Errorf("prepare line %s: %w", l.ID, err)
		}
		all = append(all, one)
	}
	return all, nil
}

// follow has the D channel of a circuit followed.
func follow(string) circuit.DChannel { return dchannel.New() }

// named gives a source's lines their names, in their order.
func named(source line.Source, order []config.Line) appliance.Input {
	in := appliance.Input{Source: source, Lines: map[string]line.Line{}}
	for i, l := range source.Lines() {
		in.Lines[order[i].ID] = l
	}
	return in
}

// ALSA prepares the sound cards that lines name. It touches no hardware yet: a card that is missing now may come.
func ALSA(lines []config.Line, log *slog.Logger) (appliance.Input, error) {
	devices, order := group(lines)
	source, err := alsa.New(alsa.Config{Devices: devices}, log)
	if err != nil {
		return appliance.Input{}, fmt.Errorf("prepare the sound cards: %w", err)
	}
	return named(source, order), nil
}

// group puts the lines of one device together: a device can be opened only once. The driver gives its lines device by
// device, so their order is told as well. The settings count channels from 1, the driver from 0.
func group(lines []config.Line) (devices []alsa.Device, order []config.Line) {
	var names []string
	of := map[string][]config.Line{}
	for _, l := range lines {
		if of[l.Device] == nil {
			names = append(names, l.Device)
		}
		of[l.Device] = append(of[l.Device], l)
	}
	for _, name := range names {
		d := alsa.Device{Name: name}
		for _, l := range of[name] {
			channels := make([]int, len(l.Channels))
			for i, ch := range l.Channels {
				channels[i] = ch - 1
			}
			d.Lines = append(d.Lines, channels)
			order = append(order, l)
		}
		devices = append(devices, d)
	}
	return devices, order
}

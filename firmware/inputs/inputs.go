// Package inputs makes the settings' lines into drivers' lines: the real ones. Simulated ones are linekeepd-sim's own.
//
//	In:    config.Line, as the settings file names its device and channels
//	Out:   an appliance.Input for all ALSA lines together
//	Owner: no goroutine; the source is run by the appliance
//	Full:  nothing is kept
package inputs

import (
	"fmt"
	"log/slog"

	"linekeep/drivers/line"
	"linekeep/drivers/line/alsa"
	"linekeep/firmware/appliance"
	"linekeep/firmware/config"
)

// ALSA prepares the sound cards that lines name. It touches no hardware yet: a card that is missing now may come.
func ALSA(lines []config.Line, log *slog.Logger) (appliance.Input, error) {
	devices, order := group(lines)
	source, err := alsa.New(alsa.Config{Devices: devices}, log)
	if err != nil {
		return appliance.Input{}, fmt.Errorf("prepare the sound cards: %w", err)
	}
	in := appliance.Input{Source: source, Lines: map[string]line.Line{}}
	for i, l := range source.Lines() {
		in.Lines[order[i].ID] = l
	}
	return in, nil
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

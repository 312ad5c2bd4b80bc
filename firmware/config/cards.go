package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"linekeep/drivers/line"
	"linekeep/drivers/line/dahdi"
	"linekeep/drivers/line/misdn"
)

// DAHDILine is the line as its driver takes it: A-law, as all of Europe's networks speak.
func (l Line) DAHDILine() (dahdi.LineConfig, error) {
	device, err := dahdi.ParseDevice(l.Device)
	out := dahdi.LineConfig{Device: device, Signals: dahdi.Signals(l.Signals), Law: line.ALaw}
	if device.Kind == dahdi.Span {
		out.Slot = l.Channels[0]
	}
	return out, err
}

// MISDNLine is the line as its driver takes it.
func (l Line) MISDNLine() (misdn.LineConfig, error) {
	device, err := misdn.ParseDevice(l.Device)
	return misdn.LineConfig{Device: device, Slot: l.Channels[0], ISDN: l.Signals == string(dahdi.ISDN), Law: line.ALaw}, err
}

// cards has the drivers of telephone cards judge their lines, all together: two lines may want the same channel.
func (r *reader) cards(lines []Line) {
	var d dahdi.Config
	var m misdn.Config
	var ofD, ofM []string // their lines' keys
	for i, l := range lines {
		key := fmt.Sprintf("line[%d]", i+1)
		if l.Driver != DAHDI && l.Driver != MISDN || l.Device == "" {
			continue
		}
		if len(l.Channels) != 1 {
			r.fault(key+".channels", "%d channels: one time slot, in which both cards hear the call", len(l.Channels))
			continue
		}
		var err error
		if l.Driver == DAHDI {
			var one dahdi.LineConfig
			if one, err = l.DAHDILine(); err == nil {
				d.Lines, ofD = append(d.Lines, one), append(ofD, key)
			}
		} else if l.Signals != string(dahdi.None) && l.Signals != string(dahdi.ISDN) {
			r.fault(key+".signals", "%q is not none or isdn", l.Signals)
		} else {
			var one misdn.LineConfig
			if one, err = l.MISDNLine(); err == nil {
				m.Lines, ofM = append(m.Lines, one), append(ofM, key)
			}
		}
		if err != nil {
			r.fault(key+".device", "%v", err)
		}
	}
	if len(d.Lines) > 0 {
		r.judged(ofD, d.Validate())
	}
	if len(m.Lines) > 0 {
		r.judged(ofM, m.Validate())
	}
}

// numbered is how a driver names one of its lines.
var numbered = regexp.MustCompile(`lines\[(\d+)\]`)

// judged tells a driver's faults with the keys of the settings.
func (r *reader) judged(keys []string, err error) {
	for _, fault := range parts(err) {
		text := numbered.ReplaceAllStringFunc(fault.Error(), func(name string) string {
			i, err := strconv.Atoi(name[len("lines[") : len(name)-1])
			if err != nil || i >= len(keys) {
				return name
			}
			return keys[i]
		})
		field, text, _ := strings.Cut(text, ": ")
		r.fault(strings.Replace(field, ".slot", ".channels", 1), "%s", text)
	}
}

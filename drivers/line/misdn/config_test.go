package misdn

import (
	"strings"
	"testing"

	"linekeep/drivers/line"
)

func TestDevicesAreReadAndFaultsNameTheirField(t *testing.T) {
	if d, err := ParseDevice(" hfc-4s.1-1 + hfc-4s.1-2"); err != nil || d != (Device{"hfc-4s.1-1", "hfc-4s.1-2"}) {
		t.Errorf("%+v, %v", d, err)
	}
	for _, text := range []string{"", "hfc", "a+", "+a", "a+a", "a name that is much too long+b"} {
		if d, err := ParseDevice(text); err == nil {
			t.Errorf("ParseDevice(%q): %v, no error", text, d)
		}
	}
	good := lines("hfc", true, 1)[0]
	for want, spoil := range map[string]func(*LineConfig){
		"lines[0].device: ": func(l *LineConfig) { l.Device.Remote = "" },
		"lines[0].slot: ":   func(l *LineConfig) { l.Slot = 16 },
		"lines[0].law: ":    func(l *LineConfig) { l.Law = line.S16 },
	} {
		l := good
		spoil(&l)
		if err := (Config{Lines: []LineConfig{l}}).Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	other := good
	other.Device, other.Slot = Device{"hfc.2", "hfc.3"}, 2
	for want, cfg := range map[string][]LineConfig{
		"is lines[0]'s already": {good, good}, `lines[1].device: hfc.2 is part of "hfc.1+hfc.2" already`: {good, other}, "none given": nil,
	} {
		if err := (Config{Lines: cfg}).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

package inputs

import (
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"linekeep/drivers/line/alsa"
	"linekeep/firmware/config"
)

func TestLinesOfOneDeviceShareItAndKeepTheirNames(t *testing.T) {
	lines := []config.Line{
		{ID: "a", Device: "hw:0", Channels: []int{1}},
		{ID: "b", Device: "hw:1", Channels: []int{1, 2}},
		{ID: "c", Device: "hw:0", Channels: []int{2}},
	}
	devices, order := group(lines)
	want := []alsa.Device{{Name: "hw:0", Lines: [][]int{{0}, {1}}}, {Name: "hw:1", Lines: [][]int{{0, 1}}}}
	if d := cmp.Diff(want, devices); d != "" {
		t.Errorf("devices, want -, got +:\n%s", d)
	}
	if order[0].ID != "a" || order[1].ID != "c" || order[2].ID != "b" {
		t.Errorf("order of the driver's lines: %v", order)
	}
	in, err := ALSA(lines, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("ALSA: %v", err)
	}
	for _, l := range lines {
		if in.Lines[l.ID] == nil {
			t.Fatalf("%s has no line", l.ID)
		}
		if got := in.Lines[l.ID].Info().Channels; got != len(l.Channels) {
			t.Errorf("%s: %d channels, want %d", l.ID, got, len(l.Channels))
		}
	}
}

func TestEachDriverGetsItsOwnLines(t *testing.T) {
	lines := []config.Line{
		{ID: "trunk", Driver: config.DAHDI, Device: "span 3+4", Channels: []int{31}, Signals: "isdn"},
		{ID: "desk", Driver: config.ALSA, Device: "hw:0", Channels: []int{1}},
		{ID: "bus", Driver: config.MISDN, Device: "0+1", Channels: []int{2}, Signals: "isdn"},
		{ID: "fax", Driver: config.DAHDI, Device: "channel 141+149", Channels: []int{1}, Signals: "loop"},
	}
	all, err := All(lines, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("All: %v", err)
	}
	names := map[string]string{}
	for _, in := range all {
		for id, l := range in.Lines {
			names[id] = l.Info().Name
		}
	}
	want := map[string]string{"desk": "hw:0 channel 1", "trunk": "dahdi span 3+4 slot 31", "fax": "dahdi channel 141+149", "bus": "misdn 0+1 channel 2"}
	if d := cmp.Diff(want, names); d != "" || len(all) != 3 {
		t.Errorf("%d inputs; lines, want -, got +:\n%s", len(all), d)
	}
	for _, bad := range []config.Line{{ID: "x", Driver: config.DAHDI, Device: "x", Channels: []int{1}}, {ID: "x", Driver: config.MISDN, Device: "x", Channels: []int{1}}} {
		if _, err := All([]config.Line{bad}, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
}

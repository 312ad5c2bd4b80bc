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

//go:build cgo

package alsa_test

import (
	"log/slog"
	"testing"

	"linekeep/drivers/line/alsa"
	"linekeep/drivers/line/alsa/alsatest"
	"linekeep/drivers/line/linetest"
)

// minute is how long the sounds of the tests are; then they begin again.
const minute = 60

func open(t *testing.T, devices ...alsa.Device) *alsa.Source {
	t.Helper()
	s, err := alsa.New(alsa.Config{Devices: devices}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestALSALinesKeepTheContract(t *testing.T) {
	linetest.Run(t, func(t *testing.T) linetest.Rig {
		bench := alsatest.New(t)
		sound := alsatest.Sound{Channels: 2, Frames: minute * 8000}
		plug := bench.Add(alsatest.Device{Name: "tap", File: sound.Write(t, 16), Channels: 2})
		bench.Start()
		return linetest.Rig{Source: open(t, alsa.Device{Name: "tap"}), Unplug: plug.Unplug, Replug: plug.Replug}
	})
}

package tone_test

import (
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"linekeep/audio/tone"
	"linekeep/drivers/line"
)

// long says whether the long forms are wanted.
func long() bool { return os.Getenv("LONG") != "" }

func detector(t testing.TB, cfg tone.Config) *tone.Detector {
	t.Helper()
	d, err := tone.New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() {
		if lost := d.Lost(); lost != 0 {
			t.Errorf("%d events lost", lost)
		}
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return d
}

// hear feeds samples as the pipeline does, 20 ms at a time, and polls after each.
func hear(d *tone.Detector, samples []int16) []tone.Event {
	var all []tone.Event
	var some [4]tone.Event
	for len(samples) > 0 {
		n := min(len(samples), line.FrameSamples)
		d.Feed(samples[:n])
		samples = samples[n:]
		for {
			m := d.Poll(some[:])
			all = append(all, some[:m]...)
			if m < len(some) {
				break
			}
		}
	}
	return all
}

func of(events []tone.Event, kinds ...tone.Kind) []tone.Event {
	var some []tone.Event
	for _, e := range events {
		for _, k := range kinds {
			if e.Kind == k {
				some = append(some, e)
			}
		}
	}
	return some
}

// keys are the digits of events, in order.
func keys(events []tone.Event) string {
	var s []byte
	for _, e := range of(events, tone.Digit) {
		s = append(s, e.Digit.Reveal())
	}
	return string(s)
}

// tool is a program of Debian's that a test compares with; scripts/setup installs it.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: scripts/setup installs it", name)
	}
	return path
}

// writeRaw puts samples into a file as sox and multimon-ng read them.
func writeRaw(t testing.TB, samples []int16) string {
	t.Helper()
	raw := make([]byte, 2*len(samples))
	for i, s := range samples {
		binary.LittleEndian.PutUint16(raw[2*i:], uint16(s))
	}
	path := filepath.Join(t.TempDir(), "sound.raw")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// readWAV gives the samples of a plain 16-bit mono file of 8 kHz.
func readWAV(t testing.TB, path string) []int16 {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) < 44 || string(raw[:4]) != "RIFF" || binary.LittleEndian.Uint32(raw[24:]) != line.RateHz || binary.LittleEndian.Uint16(raw[34:]) != 16 {
		t.Fatalf("%s is not 16-bit PCM at 8 kHz", path)
	}
	at := 12
	for string(raw[at:at+4]) != "data" {
		at += 8 + int(binary.LittleEndian.Uint32(raw[at+4:]))
	}
	data := raw[at+8:]
	out := make([]int16, len(data)/2)
	for i := range out {
		out[i] = int16(binary.LittleEndian.Uint16(data[2*i:]))
	}
	return out
}

func scale(samples []int16, dB float64) []int16 {
	out, f := make([]int16, len(samples)), math.Pow(10, dB/20)
	for i, s := range samples {
		out[i] = int16(max(-32768, min(32767, math.Round(float64(s)*f))))
	}
	return out
}

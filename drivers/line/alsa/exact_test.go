//go:build cgo

package alsa_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/alsa"
	"linekeep/drivers/line/alsa/alsatest"
	"linekeep/drivers/line/alsa/decimate"
)

// bench is n devices of two channels, each with a sound of its own, and their configuration.
func bench(t *testing.T, n int, d alsatest.Device) (plugs []*alsatest.Plug, sounds []alsatest.Sound, cfg []alsa.Device) {
	t.Helper()
	b := alsatest.New(t)
	for i := range n {
		sound := alsatest.Sound{Device: i, Channels: 2, Frames: minute * max(d.RateHz, line.RateHz)}
		d.Name, d.File, d.Channels = fmt.Sprintf("tap%d", i), sound.Write(t, max(16, d.Bits)), 2
		plugs, sounds = append(plugs, b.Add(d)), append(sounds, sound)
		cfg = append(cfg, alsa.Device{Name: d.Name, Lines: [][]int{{0, 1}}})
	}
	b.Start()
	return plugs, sounds, cfg
}

func TestSixteenDevicesOfTwoChannelsLoseNothingAndChangeNothing(t *testing.T) {
	long := 10 * time.Second
	if os.Getenv("LONG") != "" {
		long = time.Minute
	}
	// A machine that stands still for longer than a card's buffer of 640 ms loses sound whatever we do, and says so. One
	// whole run of three shows what the driver does.
	const runs = 3
	for n := 1; n <= runs; n++ {
		if sixteen(t, long) {
			return
		}
		t.Logf("run %d of %d: the machine stood still", n, runs)
	}
	t.Error("sound was lost in every run")
}

// sixteen hears sixteen devices for so long, and says whether nothing was lost. If so, every sample must be right.
func sixteen(t *testing.T, long time.Duration) (whole bool) {
	t.Helper()
	const devices = 16
	_, sounds, cfg := bench(t, devices, alsatest.Device{})
	r := run(t, cfg...)
	wrong := make([]int, devices)
	for i, e := range r.ears { // compared as it comes: a minute of 16 devices need not be kept
		e.took = func(f *line.Frame) {
			for c := range 2 {
				for k, v := range f.Samples[c][:f.Len] {
					if v != sounds[i].At(c, int64(f.Start)+int64(k)) {
						wrong[i]++
					}
				}
			}
		}
	}
	cpu := processCPU(t)
	r.heard()
	r.listen(long)
	cpu = processCPU(t) - cpu
	r.stop()
	for i, e := range r.ears {
		if e.LostSamples() != 0 {
			t.Logf("device %d: lost %v, events %v; %+v", i, e.Lost, e.Events, r.stats(i))
			return false
		}
	}
	for i, e := range r.ears {
		if e.Heard < line.In(long) || wrong[i] != 0 {
			t.Errorf("device %d: %v heard of %v, %d samples differ; %+v", i, e.Heard.Duration(), long, wrong[i], r.stats(i))
		}
	}
	t.Logf("%d devices: %.1f %% of a core, test included", devices, 100*cpu.Seconds()/long.Seconds())
	return true
}

func TestLossAndUnpluggingAreToldAsMuchAsWasMissingAndWhere(t *testing.T) {
	plugs, sounds, cfg := bench(t, 4, alsatest.Device{OverrunMS: 30})
	r := run(t, cfg...)
	r.heard()
	r.listen(time.Second)
	plugs[0].Lose(320)
	plugs[1].Overrun()
	plugs[2].Unplug()
	r.listen(1200 * time.Millisecond)
	plugs[0].Lose(480)
	plugs[1].Overrun()
	plugs[2].Replug()
	r.until("the card to be back", func() bool { return r.ears[2].Told(line.Up) })
	r.listen(time.Second)
	r.stop()
	r.ears[0].compare(t, sounds[0], 2, line.CauseOverrun)
	r.ears[1].compare(t, sounds[1], 2, line.CauseOverrun)
	r.ears[2].compare(t, sounds[2], 1, line.CauseGone)
	r.ears[3].compare(t, sounds[3], 0, line.CauseNone) // and nobody else noticed
	for i, e := range r.ears {
		if e.Heard+e.LostSamples() != e.End {
			t.Errorf("device %d: %d heard + %d lost is not %d seen", i, e.Heard, e.LostSamples(), e.End)
		}
	}
}

func TestACardWithADriftingClockLosesNothing(t *testing.T) {
	for _, speed := range []float64{0.9998, 1.0002} {
		t.Run(fmt.Sprint(speed), func(t *testing.T) {
			_, sounds, cfg := bench(t, 1, alsatest.Device{Speed: speed})
			r := run(t, cfg...)
			r.heard()
			r.listen(4 * time.Second)
			r.stop()
			r.ears[0].compare(t, sounds[0], 0, line.CauseNone)
		})
	}
}

func TestACardOf32BitsGivesItsUpper16(t *testing.T) {
	_, sounds, cfg := bench(t, 1, alsatest.Device{Bits: 32})
	r := run(t, cfg...)
	r.heard()
	r.listen(500 * time.Millisecond)
	r.stop()
	r.ears[0].compare(t, sounds[0], 0, line.CauseNone)
}

func TestCardsOfOtherRatesAreBroughtTo8kHzExactly(t *testing.T) {
	for _, rate := range []int{44100, 48000} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			_, sounds, cfg := bench(t, 1, alsatest.Device{RateHz: rate})
			r := run(t, cfg...)
			r.heard()
			r.listen(2 * time.Second)
			r.stop()
			e := r.ears[0]
			if e.LostSamples() != 0 {
				t.Errorf("lost %v", e.Lost)
			}
			f, err := decimate.NewFilter(rate)
			if err != nil {
				t.Fatal(err)
			}
			for c := range 2 {
				got := e.sound[c]
				in := make([]int16, (len(got)+1)*rate/line.RateHz)
				for i := range in {
					in[i] = sounds[0].At(c, int64(i))
				}
				want := make([]int16, f.MaxOut(len(in)))
				want = want[:f.NewDecimator().Convert(want, in)]
				if !slices.Equal(got, want[:len(got)]) {
					t.Errorf("channel %d differs from the card's sound brought to 8 kHz", c)
				}
			}
		})
	}
}

func TestEachSoundChannelIsALineUnlessToldOtherwise(t *testing.T) {
	_, sounds, _ := bench(t, 1, alsatest.Device{})
	r := run(t, alsa.Device{Name: "tap0"})
	if len(r.ears) != 2 {
		t.Fatalf("%d lines, want 2", len(r.ears))
	}
	r.heard()
	for c, e := range r.ears {
		if e.line.Info().Channels != 1 || e.sound[0][0] != sounds[0].At(c, 0) {
			t.Errorf("line %d: %+v, first sample %d", c, e.line.Info(), e.sound[0][0])
		}
	}
}

package alsa

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/alsa/alsatest"
	"linekeep/drivers/line/linetest"
	"linekeep/drivers/line/timeline"
)

// script is how a card of the tests behaves, in virtual time.
type script struct {
	speed float64                        // of its clock; 0 means 1
	late  func(period int) time.Duration // how late the thread reads a period; never before an earlier one
	lost  map[int]int                    // periods lost before a period, without a word
	sleep bool                           // while it is late, the kernel says that the thread waits for the device
	away  atomic.Bool
}

// scriptCard is a card that hears alsatest.Sound and never was hardware.
type scriptCard struct {
	*script
	sound alsatest.Sound
	stop  chan struct{} // closed by shut
	ended chan struct{} // closed by the audio goroutine
	born  time.Time
}

func (s *script) opener(sound alsatest.Sound) opener {
	return func(Device) card { return &scriptCard{script: s, sound: sound} }
}

func (k *scriptCard) open(start time.Time, counts *counters) (*capture, error) {
	if k.away.Load() {
		return nil, errors.New("away")
	}
	if k.born.IsZero() {
		k.born = time.Now()
	}
	c := newCapture(format{rateHz: line.RateHz, channels: k.sound.Channels, sampleBytes: 2}, start, counts)
	c.thread.Store(-1)
	c.starving = func() bool { return !k.away.Load() && !k.sleep } // in these tests a card that is there is only late
	k.stop, k.ended = make(chan struct{}), make(chan struct{})
	go k.hear(c)
	return c, nil
}

func (k *scriptCard) shut() {
	close(k.stop)
	<-k.ended
}

func (k *scriptCard) free() {}

// hear is the audio thread: a period of sound every 20 ms of the card's own clock.
func (k *scriptCard) hear(c *capture) {
	defer close(k.ended)
	speed := k.speed
	if speed == 0 {
		speed = 1
	}
	began, heard := time.Now(), int64(time.Since(k.born)/timeline.SampleTime)
	sound := make([]byte, line.FrameSamples*c.frameBytes())
	for n, given := 0, 0; ; n++ {
		n += k.lost[given]
		due := began.Add(time.Duration(float64(n+1) * float64(line.FramePeriod) / speed))
		if k.late != nil {
			due = due.Add(k.late(given))
		}
		timer := time.NewTimer(time.Until(due))
		select {
		case <-k.stop:
			timer.Stop()
			return
		case <-timer.C:
		}
		if k.away.Load() {
			<-k.stop
			return
		}
		place := heard + int64(n)*line.FrameSamples
		for i := range line.FrameSamples {
			for ch := range c.channels {
				binary.LittleEndian.PutUint16(sound[(i*c.channels+ch)*2:], uint16(k.sound.At(ch, place+int64(i))))
			}
		}
		c.data(sound, line.FrameSamples)
		given++
	}
}

// listenVirtual runs a card for d in a bubble and returns what its line told, and the place in the card's sound of each gap.
func listenVirtual(t *testing.T, s *script, d time.Duration) (tl linetest.Timeline, gaps []gap) {
	t.Helper()
	sound := alsatest.Sound{Channels: 1, Frames: 1 << 40}
	src, err := newSource(Config{Devices: []Device{{Name: "script", Channels: 1}}}, s.opener(sound), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- src.Run(ctx) }()
	frames, events := make([]line.Frame, line.RingFrames), make([]line.Event, line.EventQueue)
	var end line.Position // of the sound before
	var place int64       // of its end, in the card's sound
	for {
		n, err := src.Lines()[0].Read(frames)
		if errors.Is(err, line.ErrGone) {
			break
		}
		for i := range frames[:n] {
			f := &frames[i]
			if err := tl.Take(frames[i : i+1]); err != nil {
				t.Fatal(err)
			}
			if f.Len == 0 {
				continue
			}
			told := int64(f.Start - end)
			end = tl.End
			found, ok := sound.Find(0, f.Samples[0][:], place+told, 8000)
			if !ok {
				t.Fatalf("frame at %d is not in the card's sound near %d", f.Start, place+told)
			}
			if found != place || told != 0 {
				gaps = append(gaps, gap{told: told, was: found - place, at: place})
			}
			place = found + int64(f.Len)
		}
		if m, err := src.Lines()[0].ReadEvents(events); err == nil {
			if err := tl.TakeEvents(events[:m]); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(3 * line.FramePeriod) // of virtual time
	}
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	return tl, gaps
}

// gap is a break in what a line told, and what was really missing there.
type gap struct{ told, was, at int64 }

func TestALSALinesKeepTheContractInVirtualTime(t *testing.T) {
	linetest.RunVirtual(t, func(t *testing.T) linetest.Rig {
		s := &script{}
		src, err := newSource(Config{Devices: []Device{{Name: "script"}}}, s.opener(alsatest.Sound{Channels: 2, Frames: 1 << 40}),
			slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return linetest.Rig{Source: src, Unplug: func() { s.away.Store(true) }, Replug: func() { s.away.Store(false) }}
	})
}

func TestSoundThatIsOnlyLateIsNotLost(t *testing.T) {
	for _, stall := range []time.Duration{15, 40, 90, 130, 290, 450} {
		t.Run((stall * time.Millisecond).String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// Every second the thread is held up; then it reads all that has gathered at once.
				s := &script{late: func(period int) time.Duration {
					return max(0, stall*time.Millisecond-time.Duration(period%50)*line.FramePeriod)
				}}
				tl, gaps := listenVirtual(t, s, 20*time.Second)
				if len(gaps) != 0 || tl.LostSamples() != 0 {
					t.Errorf("gaps %+v, lost %v, want none", gaps, tl.Lost)
				}
				if tl.Heard < line.In(19*time.Second) {
					t.Errorf("%v heard of 20 s", tl.Heard.Duration())
				}
			})
		})
	}
}

func TestACardHeldUpWithItsProcessorIsDownForAMomentAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{sleep: true, late: func(period int) time.Duration {
			return max(0, 130*time.Millisecond-time.Duration(period%50)*line.FramePeriod)
		}}
		tl, gaps := listenVirtual(t, s, 20*time.Second)
		if len(gaps) != 0 || tl.LostSamples() != 0 {
			t.Errorf("gaps %+v, lost %v, want none", gaps, tl.Lost)
		}
		if !tl.Told(line.Down) || tl.Events[len(tl.Events)-1].Kind != line.Up {
			t.Errorf("events %v, want Down and Up in turns", tl.Events)
		}
	})
}

func TestALateReadEveryTimeIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 4))
		var late float64
		s := &script{late: func(int) time.Duration { // 15 ms in the mean, and never out of order
			late = max(rng.ExpFloat64()*15, late-20)
			return time.Duration(late * float64(time.Millisecond))
		}}
		if _, gaps := listenVirtual(t, s, time.Minute); len(gaps) != 0 {
			t.Errorf("gaps %+v, want none", gaps)
		}
	})
}

func TestAClockThatDriftsLosesNothing(t *testing.T) {
	long := 5 * time.Minute
	if os.Getenv("LONG") != "" {
		long = 2 * time.Hour
	}
	for _, ppm := range []float64{-1000, -200, 200, 1000} {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(5, 6))
			s := &script{speed: 1 + ppm/1e6, late: func(int) time.Duration {
				return time.Duration(rng.ExpFloat64() * float64(time.Millisecond))
			}}
			tl, gaps := listenVirtual(t, s, long)
			if len(gaps) != 0 {
				t.Errorf("%v ppm: gaps %+v, want none", ppm, gaps)
			}
			if want := line.Samples(float64(line.In(long)) * (1 + ppm/1e6)); tl.Heard < want-2000 || tl.Heard > want {
				t.Errorf("%v ppm: %d samples heard in %v, want %d", ppm, tl.Heard, long, want)
			}
		})
	}
}

func TestPeriodsLostWithoutAWordAreFoundInTheirPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(7, 8))
		s := &script{lost: map[int]int{}, speed: 1.0002, late: func(int) time.Duration {
			return time.Duration(min(12, rng.ExpFloat64()*1.5) * float64(time.Millisecond))
		}}
		var want []int64
		for p := 100; p < 5800; p += 60 + rng.IntN(200) {
			s.lost[p] = 1 + rng.IntN(3)
			want = append(want, int64(s.lost[p])*line.FrameSamples)
		}
		tl, gaps := listenVirtual(t, s, 2*time.Minute+10*time.Second)
		if len(gaps) != len(want) {
			t.Fatalf("%d gaps, want %d", len(gaps), len(want))
		}
		for i, g := range gaps {
			if g.was != want[i] { // the frames around a gap are whole, so a gap in the wrong place would be another one
				t.Errorf("gap %d at %d: the sound around it lacks %d samples, want %d", i, g.at, g.was, want[i])
			}
			if off := g.told - g.was; off > 40 || off < -40 {
				t.Errorf("gap %d at %d told as %d, was %d", i, g.at, g.told, g.was)
			}
		}
		if n := tl.Lost[line.CauseOverrun]; n != tl.LostSamples() {
			t.Errorf("%d of %d lost samples told as overrun", n, tl.LostSamples())
		}
	})
}

func TestAnAbsenceIsToldToTheMillisecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		var wait time.Duration
		for i := range 20 {
			wait += time.Duration(1500+137*i) * time.Millisecond
			unplug := time.AfterFunc(wait, func() { s.away.Store(true) })
			wait += time.Duration(30+97*i) * time.Millisecond
			replug := time.AfterFunc(wait, func() { s.away.Store(false) })
			defer unplug.Stop()
			defer replug.Stop()
		}
		tl, gaps := listenVirtual(t, s, wait+5*time.Second)
		if len(gaps) < 15 {
			t.Errorf("%d gaps, want one for each of 20 absences but the shortest", len(gaps))
		}
		for i, g := range gaps {
			if off := g.told - g.was; off > 8 || off < -8 {
				t.Errorf("gap %d at %d told as %d, was %d", i, g.at, g.told, g.was)
			}
		}
		if n := tl.Lost[line.CauseGone]; n != tl.LostSamples() {
			t.Errorf("%d of %d lost samples told as gone", n, tl.LostSamples())
		}
	})
}

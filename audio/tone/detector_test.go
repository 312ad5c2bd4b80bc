package tone_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"linekeep/audio/tone"
	"linekeep/audio/tone/tonetest"
	"linekeep/drivers/line"
)

func TestAConfigSaysWhichFieldIsWrong(t *testing.T) {
	for field, cfg := range map[string]tone.Config{
		"country":  {Country: "XX", Digits: true},
		"progress": {Country: "GB"},
	} {
		err := cfg.Validate()
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
		if _, err := tone.New(cfg); err == nil {
			t.Errorf("%s: New takes it", field)
		}
	}
	for _, country := range tone.Countries() {
		if err := (tone.Config{Country: country, Progress: true}).Validate(); err != nil {
			t.Errorf("%s: %v", country, err)
		}
	}
}

func TestFeedingAllocatesNothing(t *testing.T) {
	d := detector(t, tone.Defaults())
	sound, _ := tonetest.DTMF(pad, 60*time.Millisecond, 60*time.Millisecond, -15)
	sound = tonetest.Noise(tonetest.Mix(sound, tonetest.Cadence("400/375,0/375", 2*time.Second, -20)), -40, 1)
	var events [8]tone.Event
	at, heard := 0, 0
	if n := testing.AllocsPerRun(500, func() {
		d.Feed(sound[at : at+line.FrameSamples])
		heard += d.Poll(events[:])
		at = (at + line.FrameSamples) % (len(sound) - line.FrameSamples)
	}); n != 0 {
		t.Errorf("%v allocations in a frame", n)
	}
	if heard == 0 {
		t.Error("nothing was heard, so nothing was measured")
	}
}

// TestPlacesAreOnTheLinesOwnTimeline: a line does not begin at 0, and loses sound.
func TestPlacesAreOnTheLinesOwnTimeline(t *testing.T) {
	d := detector(t, tone.Defaults())
	const start, lost = 90 * 24 * 3600 * line.RateHz, 5 * line.RateHz // after three months; a stall of five seconds
	d.Skip(start)
	key, _ := tonetest.DTMF("7", 100*time.Millisecond, 100*time.Millisecond, -15)
	events := of(hear(d, around(key)), tone.Digit)
	d.Skip(lost)
	events = append(events, of(hear(d, around(key)), tone.Digit)...)
	if len(events) != 2 {
		t.Fatalf("%d digits, want 2", len(events))
	}
	first := line.Position(start) + line.In(500*time.Millisecond)
	second := first + line.Position(len(around(key))) + lost
	late := detector(t, tone.Defaults()) // one that begins in the middle of a tone
	late.Skip(start)
	if dial := hear(late, tonetest.Cadence("350+440", 2*time.Second, -20)); len(dial) == 0 || dial[0].From != start {
		t.Errorf("a tone that was there from the first sample: %v", dial)
	}
	if off(events[0].From, first) > tone.DigitSlack || off(events[1].From, second) > tone.DigitSlack {
		t.Errorf("digits at %d and %d, want %d and %d", events[0].From, events[1].From, first, second)
	}
}

func TestAKeyHeldIntoAGapEndsThere(t *testing.T) {
	d := detector(t, tone.Defaults())
	key, _ := tonetest.DTMF("5", 300*time.Millisecond, 0, -15)
	events := hear(d, key)
	d.Skip(line.RateHz)
	events = append(events, hear(d, make([]int16, 160))...)
	got := of(events, tone.Digit)
	if len(got) != 1 || off(got[0].To, line.In(300*time.Millisecond)) > tone.DigitSlack {
		t.Errorf("a key that was down when sound was lost: %d digits, %v", len(got), got)
	}
}

func TestASmallBufferForEventsLosesNone(t *testing.T) {
	d := detector(t, tone.Defaults())
	sound, _ := tonetest.DTMF(pad, 60*time.Millisecond, 0, -15) // without pauses: one key's end is the next one's begin
	d.Feed(append(sound, make([]int16, 800)...))
	var s []byte
	var e [1]tone.Event
	for d.Poll(e[:]) == 1 {
		if e[0].Kind == tone.Digit {
			s = append(s, e[0].Digit.Reveal())
		}
	}
	if string(s) != pad {
		t.Errorf("keys without pauses, polled one by one: %q", s)
	}
}

func TestNoKeyIsPrinted(t *testing.T) {
	sound, _ := tonetest.DTMF("4", 60*time.Millisecond, 60*time.Millisecond, -15)
	events := hear(detector(t, tone.Defaults()), around(sound))
	if keys(events) != "4" {
		t.Fatal("the key is not found")
	}
	for _, e := range events {
		e.From, e.To, e.Level = 0, 0, 0
		e.Kind = 0
		for _, verb := range []string{"%v", "%+v", "%#v", "%d", "%q"} {
			if s := fmt.Sprintf(verb, e); strings.Contains(s, "4") || strings.Contains(s, "52") {
				t.Errorf("%s prints the key: %s", verb, s)
			}
		}
	}
}

func TestAClosedDetectorIsSilent(t *testing.T) {
	d, err := tone.New(tone.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d.Feed(make([]int16, 160))
	d.Skip(100)
	d.BeforeRing(true)
	if n := d.Poll(make([]tone.Event, 4)); n != 0 || d.Lost() != 0 {
		t.Errorf("%d events of a closed detector", n)
	}
	if d.Close() == nil {
		t.Error("a second Close says nothing")
	}
}

// TestDetectorsAreMadeAndUsedSideBySide is for the race detector and for the library's tables, which it fills without asking.
func TestDetectorsAreMadeAndUsedSideBySide(t *testing.T) {
	sound, _ := tonetest.DTMF(pad, 60*time.Millisecond, 60*time.Millisecond, -15)
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			if got := keys(hear(detector(t, tone.Defaults()), around(sound))); got != pad {
				t.Errorf("%q", got)
			}
		})
	}
}

// FuzzFeed feeds any samples, over and over, in pieces of any length, with gaps and windows anywhere: no crash, and events on the timeline.
func FuzzFeed(f *testing.F) {
	key, _ := tonetest.DTMF("#", 20*time.Millisecond, 5*time.Millisecond, -6)
	for i, s := range [][]int16{key, tonetest.Sines(20*time.Millisecond, -6, 1300), tonetest.Sines(20*time.Millisecond, -12, 425), make([]int16, 160)} {
		raw := make([]byte, len(s))
		for k, v := range s {
			raw[k] = byte(v >> 8)
		}
		f.Add(raw, uint64(i))
	}
	f.Fuzz(func(t *testing.T, raw []byte, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 2))
		var samples []int16
		for range 1 + r.IntN(40) {
			for _, v := range raw[:min(len(raw), 2000)] {
				samples = append(samples, int16(v)<<8)
			}
		}
		all := tone.Countries()
		d := detector(t, tone.Config{Country: all[r.IntN(len(all))], Digits: true, CallerID: true, Progress: true})
		var events [3]tone.Event
		at := line.Position(0)
		for len(samples) > 0 {
			n := min(len(samples), r.IntN(700))
			d.Feed(samples[:n])
			samples, at = samples[n:], at+line.Position(n)
			switch r.IntN(20) {
			case 0:
				lost := line.Samples(r.IntN(20000))
				d.Skip(lost)
				at += lost
			case 1:
				d.BeforeRing(r.IntN(2) == 0)
			}
			for {
				m := d.Poll(events[:])
				for _, e := range events[:m] {
					if e.Kind == 0 || e.From < 0 || e.From > e.To || e.To > at+fade {
						t.Fatalf("at %d: %v from %d to %d", at, e.Kind, e.From, e.To)
					}
				}
				if m < len(events) {
					break
				}
			}
		}
	})
}

// fade is how far a tone that a gap cut off may be told to reach into it.
const fade = 512

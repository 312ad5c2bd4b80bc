package spandsp_test

import (
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"linekeep/audio/tone/spandsp"
	"linekeep/audio/tone/tonetest"
)

// Each test here is named after something of libspandsp 0.0.6 that is not as one would think. They show that it is so, with
// the library alone, so that a newer one which is better tells us what can go.

func feed(t *testing.T, s spandsp.Setup, samples []int16) []spandsp.Event {
	t.Helper()
	d, err := spandsp.New(s)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Free()
	var all []spandsp.Event
	for ; len(samples) > 0; samples = samples[min(160, len(samples)):] {
		d.Feed(samples[:min(160, len(samples))])
		var e spandsp.Event
		for d.Take(&e) {
			all = append(all, e)
		}
	}
	if d.Lost() != 0 {
		t.Errorf("%d events lost", d.Lost())
	}
	return all
}

// begun counts how often a pattern began.
func begun(events []spandsp.Event, pattern int) int {
	n := 0
	for _, e := range events {
		if e.Kind == spandsp.Tone && e.Code == pattern {
			n++
		}
	}
	return n
}

func elements(tone int, steps ...[4]int) []spandsp.Element {
	var all []spandsp.Element
	for _, s := range steps {
		all = append(all, spandsp.Element{Tone: tone, F1: s[0], F2: s[1], Min: s[2], Max: s[3]})
	}
	return all
}

const ringing = "400+450/400,0/200,400+450/400,0/2000"

func ring(f1, f2, silence int) []spandsp.Element {
	return elements(1, [4]int{f1, f2, 330, 470}, [4]int{silence, silence, 150, 250}, [4]int{f1, f2, 330, 470}, [4]int{silence, silence, 600, 2300})
}

func TestTrapTheFrequencyRegisteredFirstMustBeNamedFirst(t *testing.T) {
	sound := tonetest.Cadence(ringing, 10*time.Second, -20)
	dial := elements(0, [4]int{350, 450, 700, 0}) // registers 350, then 450; the ring adds 400 as the third
	if n := begun(feed(t, spandsp.Setup{Elements: append(dial, ring(450, 400, 0)...)}, sound), 1); n != 1 {
		t.Errorf("in the order of registration the ring is found %d times, want 1", n)
	}
	dial = elements(0, [4]int{350, 450, 700, 0})
	if n := begun(feed(t, spandsp.Setup{Elements: append(dial, ring(400, 450, 0)...)}, sound), 1); n != 0 {
		t.Errorf("in the other order the ring is found %d times: the trap is gone, and so may be the order in plan.element", n)
	}
}

func TestTrapSilenceIsZeroNotMinusOne(t *testing.T) {
	sound := tonetest.Cadence(ringing, 10*time.Second, -20)
	dial := elements(0, [4]int{350, 450, 700, 0})
	if n := begun(feed(t, spandsp.Setup{Elements: append(dial, ring(450, 400, -1)...)}, sound), 1); n != 0 {
		t.Errorf("with -1 for silence, as the header says, the ring is found %d times: the trap is gone", n)
	}
}

func TestTrapFrequenciesWithin10HzBecomeOne(t *testing.T) {
	dial := elements(0, [4]int{350, 450, 700, 0}) // one country's dial tone
	if n := begun(feed(t, spandsp.Setup{Elements: append(dial, ring(450, 400, 0)...)}, tonetest.Cadence("350+441", 2*time.Second, -20)), 0); n != 1 {
		t.Errorf("another country's dial tone is taken for it %d times, want 1: so a descriptor holds one country", n)
	}
	merged := elements(0, [4]int{950, 0, 700, 0}) // never alone: see TestTrapOneFrequencyAlone... in audio/tone
	merged = append(merged, elements(2, [4]int{440, 0, 60_000, 0})...)
	merged = append(merged, elements(1, [4]int{450, 0, 700, 0})...)
	if n := begun(feed(t, spandsp.Setup{Elements: merged}, tonetest.Cadence("440", 3*time.Second, -20)), 1); n != 1 {
		t.Errorf("440 Hz is taken for 450 Hz %d times, want 1", n)
	}
}

func TestTrapACadenceOfThreeStepsFlaps(t *testing.T) {
	sound := tonetest.Cadence("425/500,0/500", 12*time.Second, -20)
	on, off, other := [4]int{425, 0, 420, 580}, [4]int{0, 0, 420, 580}, elements(0, [4]int{950, 0, 700, 0})
	three := begun(feed(t, spandsp.Setup{Elements: append(other, elements(1, on, off, on)...)}, sound), 1)
	four := begun(feed(t, spandsp.Setup{Elements: append(other, elements(1, on, off, on, off)...)}, sound), 1)
	if four != 1 || three < 3 {
		t.Errorf("twelve seconds of busy begin %d times with three steps and %d times with four; want many and 1", three, four)
	}
}

func TestTrapTheCarrierOfCallerIDIsCutOffAtMinus30(t *testing.T) {
	m := tonetest.Message(0x80, tonetest.Field(2, "01632960018"))
	sound := tonetest.Join(tonetest.Silence(300*time.Millisecond), tonetest.FSK(m, tonetest.V23(), -36), tonetest.Silence(300*time.Millisecond))
	if n := len(feed(t, spandsp.Setup{Caller: spandsp.CLIP, Cutoff: -30}, sound)); n != 0 {
		t.Errorf("with the library's cut-off of -30 dBm0 a message of -36 dBFS is found %d times: the trap is gone", n)
	}
	if n := len(feed(t, spandsp.Setup{Caller: spandsp.CLIP, Cutoff: -42}, sound)); n != 1 {
		t.Errorf("with a cut-off of -42 dBm0 it is found %d times, want 1", n)
	}
}

func TestTrapEachReceiverOfCallerIDDecodesBothModulations(t *testing.T) {
	m := tonetest.Message(0x80, tonetest.Field(2, "01632960018"))
	for _, standard := range []int{spandsp.CLASS, spandsp.CLIP} {
		for _, modulation := range []tonetest.Modulation{tonetest.V23(), tonetest.Bell202()} {
			sound := tonetest.Join(tonetest.FSK(m, modulation, -15), tonetest.Silence(300*time.Millisecond))
			if n := len(feed(t, spandsp.Setup{Caller: standard, Cutoff: -42}, sound)); n != 1 {
				t.Errorf("receiver %d finds %d messages of mark %v: one receiver is not enough any more", standard, n, modulation.Mark)
			}
		}
	}
}

// TestTrapNoiseAndMusicPassForTones: the library's threshold for how much of the power must lie in the tones is 1/64 of all.
// The leaf asks for two fifths; with that, noise and three notes that lie a little beside are none.
func TestTrapNoiseAndMusicPassForTones(t *testing.T) {
	dial := elements(0, [4]int{350, 440, 700, 0})
	for name, sound := range map[string][]int16{
		"noise":       tonetest.Noise(tonetest.Silence(60*time.Second), -20, 1),
		"400 Hz":      tonetest.Cadence("400", 5*time.Second, -20),
		"a chord":     tonetest.Cadence("330+415+494", 5*time.Second, -20),
		"three notes": tonetest.Cadence("350+600+700", 5*time.Second, -20),
	} {
		if n := len(feed(t, spandsp.Setup{Elements: dial}, sound)); n != 0 {
			t.Errorf("%s is taken for a dial tone", name)
		}
	}
}

// TestTrapADescriptorOutlivesItsReceiversAndIsFreed makes, feeds and frees two hundred detectors with everything, and ten thousand unfed; the
// receivers point into the descriptor, so freeing it first would be read after, and not freeing it would show here.
func TestTrapADescriptorOutlivesItsReceiversAndIsFreed(t *testing.T) {
	setup := spandsp.Setup{Digits: true, Least: -42, Caller: spandsp.CLIP, Cutoff: -42, Notches: [2]float32{350, 440},
		Elements: append(elements(0, [4]int{350, 440, 700, 0}), ring(450, 400, 0)...)}
	sound := tonetest.Noise(tonetest.Cadence(ringing, time.Second, -20), -40, 1)
	cycles := func(n int, sound []int16) {
		for range n {
			feed(t, setup, sound)
		}
	}
	cycles(1000, nil) // what the allocators keep for themselves
	before := resident(t)
	cycles(200, sound)
	cycles(10_000, nil)                                // a descriptor alone is some 800 bytes: enough of them to be seen
	if grown := resident(t) - before; grown > 3*1024 { // KB
		t.Errorf("10200 detectors made and freed leave %d KB", grown)
	}
}

// resident is what the process has in memory, in KB.
func resident(t *testing.T) int {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(raw))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize() / 1024
}

func TestAFullRingDropsTheNewestAndCounts(t *testing.T) {
	d, err := spandsp.New(spandsp.Setup{Digits: true, Least: -42})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Free()
	sound, _ := tonetest.DTMF(strings.Repeat("123456789", 8), 60*time.Millisecond, 60*time.Millisecond, -15) // 72 keys: 144 events
	waiting := d.Feed(append(sound, make([]int16, 800)...))
	if waiting != 64 || d.Lost() != 144-64 {
		t.Errorf("%d events wait and %d are lost, want 64 and 80", waiting, d.Lost())
	}
	var e spandsp.Event
	for i := range 64 {
		if !d.Take(&e) || i%2 == 0 && e.Code != int("123456789"[i/2%9]) {
			t.Fatalf("event %d is %d", i, e.Code)
		}
	}
	if d.Take(&e) {
		t.Error("a 65th event waits")
	}
}

func TestTheFilterBeforeDigitsNeverRunsAway(t *testing.T) {
	loud := make([]int16, 80000)
	for i := range loud {
		loud[i] = math.MaxInt16
		if i/10%2 == 0 {
			loud[i] = math.MinInt16
		}
	}
	digits, _ := tonetest.DTMF("0123456789", 60*time.Millisecond, 60*time.Millisecond, -30)
	events := feed(t, spandsp.Setup{Digits: true, Least: -58, Notches: [2]float32{350, 440}}, tonetest.Join(loud, digits, tonetest.Silence(100*time.Millisecond)))
	if len(events) < 20 {
		t.Errorf("after ten seconds of full scale %d of 20 events are found", len(events))
	}
}

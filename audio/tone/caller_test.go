package tone_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"linekeep/audio/tone"
	"linekeep/audio/tone/callerid"
	"linekeep/audio/tone/tonetest"
	"linekeep/drivers/line"
)

// The messages that exchanges send, without their checksums, and what they say.
func messages() map[string]struct {
	raw  []byte
	want callerid.Message
} {
	clock := callerid.Clock{Month: 11, Day: 24, Hour: 9, Minute: 41}
	return map[string]struct {
		raw  []byte
		want callerid.Message
	}{
		"SDMF": {tonetest.Message(0x04, "11240941", "2125550147"),
			callerid.Message{Number: "2125550147", Clock: clock, HasClock: true}},
		"SDMF withheld": {tonetest.Message(0x04, "11240941", "P"),
			callerid.Message{NumberAbsent: callerid.Withheld, Clock: clock, HasClock: true}},
		"MDMF": {tonetest.Message(0x80, tonetest.Field(1, "11240941"), tonetest.Field(2, "2125550147"), tonetest.Field(7, "SMITH ZOE")),
			callerid.Message{Number: "2125550147", Name: "SMITH ZOE", Clock: clock, HasClock: true}},
		"MDMF out of area": {tonetest.Message(0x80, tonetest.Field(1, "11240941"), tonetest.Field(4, "O"), tonetest.Field(8, "O")),
			callerid.Message{NumberAbsent: callerid.Unavailable, NameAbsent: callerid.Unavailable, Clock: clock, HasClock: true}},
		"BT": {tonetest.Message(0x80, tonetest.Field(0x11, "\x01"), tonetest.Field(1, "11240941"), tonetest.Field(2, "01632960018")),
			callerid.Message{Number: "01632960018", Type: 1, Clock: clock, HasClock: true}},
		"BT withheld": {tonetest.Message(0x80, tonetest.Field(0x11, "\x01"), tonetest.Field(1, "11240941"), tonetest.Field(4, "P")),
			callerid.Message{NumberAbsent: callerid.Withheld, Type: 1, Clock: clock, HasClock: true}},
	}
}

// minimodem sends bytes as an independent modem does, at full scale: seizure and message are its own, the mark between them,
// which it cannot hold, is a sine.
func minimodem(t *testing.T, message []byte, m tonetest.Modulation) []int16 {
	t.Helper()
	send := func(b []byte) []int16 {
		out := filepath.Join(t.TempDir(), "modem.wav")
		cmd := exec.Command(tool(t, "minimodem"), "--tx", "-q", "-8", "-R", strconv.Itoa(line.RateHz), "-M", fmt.Sprint(m.Mark), "-S", fmt.Sprint(m.Space), "-f", out, "1200")
		cmd.Stdin = bytes.NewReader(b)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("minimodem: %v %s", err, text)
		}
		return readWAV(t, out)
	}
	return tonetest.Join(send(bytes.Repeat([]byte{0x55}, 30)), tonetest.Sines(150*time.Millisecond, 0, m.Mark), send(message))
}

func around(sound []int16) []int16 {
	return tonetest.Join(tonetest.Silence(500*time.Millisecond), sound, tonetest.Silence(300*time.Millisecond))
}

// one expects exactly one caller, at the place of its message.
func one(t *testing.T, name string, events []tone.Event, want callerid.Message) tone.Event {
	t.Helper()
	got := of(events, tone.CallerID)
	if len(got) != 1 {
		t.Errorf("%s: %d callers named, want 1", name, len(got))
		return tone.Event{}
	}
	if m := got[0].Caller; m != want {
		t.Errorf("%s: number %q name %q %v, want %q %q %v", name, m.Number.Reveal(), m.Name.Reveal(), m, want.Number.Reveal(), want.Name.Reveal(), want)
	}
	return got[0]
}

// TestACallerNamedByMinimodemIsReadOnce is also the trap of the two standards: each of spandsp's receivers decodes both
// modulations, so a line with both would name every caller twice.
func TestACallerNamedByMinimodemIsReadOnce(t *testing.T) {
	for form, m := range messages() {
		for name, modulation := range map[string]tonetest.Modulation{"V.23": tonetest.V23(), "Bell 202": tonetest.Bell202()} {
			full := minimodem(t, tonetest.Checksummed(m.raw), modulation)
			for _, country := range []string{"GB", "US"} {
				for _, level := range []float64{-10, -18, -27, -36} {
					for _, noise := range []float64{0, 20} {
						sound := around(scale(full, level))
						if noise > 0 {
							tonetest.Noise(sound, level-noise, 7)
						}
						name := fmt.Sprintf("%s by %s in %s at %v dBFS, noise %v dB below", form, name, country, level, noise)
						cfg := tone.Defaults()
						cfg.Country = country
						e := one(t, name, hear(detector(t, cfg), sound), m.want)
						if end := line.Position(len(sound)) - line.In(300*time.Millisecond); off(e.To, end) > 2*line.FrameSamples || e.To-e.From > line.RateHz {
							t.Errorf("%s: told from %d to %d, it ended at %d", name, e.From, e.To, end)
						}
					}
				}
			}
		}
	}
}

func TestACallerWithAWrongChecksumIsNotTold(t *testing.T) {
	for form, m := range messages() {
		for _, modulation := range []tonetest.Modulation{tonetest.V23(), tonetest.Bell202()} {
			good := tonetest.Checksummed(m.raw)
			for at := range good { // each byte once
				bad := bytes.Clone(good)
				bad[at] ^= 0x04
				sound := tonetest.FSKRaw(bad, modulation, -15)
				if got := of(hear(detector(t, tone.Defaults()), around(sound)), tone.CallerID); len(got) != 0 {
					t.Errorf("%s with byte %d changed names a caller", form, at)
				}
			}
		}
	}
}

// TestABritishCallIsToldBeforeItRings is SIN 227: the line is reversed, two tones wake the telephone, the message comes, then
// the bell rings.
func TestABritishCallIsToldBeforeItRings(t *testing.T) {
	m := messages()["BT"]
	for _, wake := range []bool{false, true} {
		sound := tonetest.Silence(400 * time.Millisecond)
		if wake { // DT-AS: without it, the reversal alone has woken the telephone
			sound = tonetest.Join(sound, tonetest.Sines(100*time.Millisecond, -18, 2130, 2750), tonetest.Silence(50*time.Millisecond))
		}
		message := tonetest.FSK(m.raw, tonetest.V23(), -20)
		ring := tonetest.Sines(3*time.Second, -3, 25) // what a tap hears of the bell
		sound = tonetest.Join(sound, message, tonetest.Silence(200*time.Millisecond), ring)
		d := detector(t, tone.Defaults())
		d.BeforeRing(true)
		events := hear(d, sound)
		e := one(t, fmt.Sprintf("wake %v", wake), events, m.want)
		if e.To > line.Position(len(sound)-len(ring)) || len(events) != 1 {
			t.Errorf("wake %v: told at %v, with %d events in all", wake, e.To.Duration(), len(events))
		}
	}
}

func TestACallerBetweenTwoRingsIsTold(t *testing.T) {
	m := messages()["MDMF"]
	ring := tonetest.Sines(2*time.Second, -3, 20)
	sound := tonetest.Join(ring, tonetest.Silence(600*time.Millisecond), tonetest.FSK(m.raw, tonetest.Bell202(), -25), tonetest.Silence(time.Second), ring)
	one(t, "between rings", hear(detector(t, tone.Config{Country: "US", CallerID: true}), sound), m.want)
}

// TestTrapKeypadCallerIDOnlyBeforeTheFirstRing: the keypad form is what everybody makes who ends a number with # or C.
func TestTrapKeypadCallerIDOnlyBeforeTheFirstRing(t *testing.T) {
	sound, _ := tonetest.DTMF("A0701234567C", 70*time.Millisecond, 70*time.Millisecond, -15)
	dialled, _ := tonetest.DTMF("01632960018#", 90*time.Millisecond, 90*time.Millisecond, -15)
	cfg := tone.Config{Country: "SE", Digits: true, CallerID: true}

	d := detector(t, cfg)
	d.BeforeRing(true)
	events := hear(d, around(sound))
	e := one(t, "before the ring", events, callerid.Message{Number: "0701234567"})
	if len(events) != 1 || off(e.From, line.In(500*time.Millisecond)) > tone.DigitSlack {
		t.Errorf("before the ring: %d events, caller from %v", len(events), e.From.Duration())
	}
	d.BeforeRing(false) // it rings
	events = hear(d, around(dialled))
	if keys(events) != "01632960018#" || len(of(events, tone.CallerID)) != 0 {
		t.Errorf("after the ring: dialled digits are %q, %d callers named", keys(events), len(of(events, tone.CallerID)))
	}
	if events = hear(d, around(sound)); len(of(events, tone.CallerID)) != 0 {
		t.Errorf("after the ring: %d callers named", len(of(events, tone.CallerID)))
	}
	d.BeforeRing(true)
	half, _ := tonetest.DTMF("A0701", 70*time.Millisecond, 70*time.Millisecond, -15)
	events = hear(d, tonetest.Join(half, tonetest.Silence(4*time.Second), sound, tonetest.Silence(200*time.Millisecond)))
	one(t, "after one that broke off", events, callerid.Message{Number: "0701234567"})
}

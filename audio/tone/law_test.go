package tone_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"linekeep/audio/pcm"
	"linekeep/audio/tone"
	"linekeep/audio/tone/tonetest"
)

func through(samples []int16, encode func(int16) byte, decode func(byte) int16) []int16 {
	out := make([]int16, len(samples))
	for i, s := range samples {
		out[i] = decode(encode(s))
	}
	return out
}

// TestALineOfG711IsHeardAsWell sends keys, a caller and tones of the UK through both laws, quiet ones too: the laws' steps are
// coarse there.
func TestALineOfG711IsHeardAsWell(t *testing.T) {
	laws := map[string]func([]int16) []int16{
		"A-law":  func(s []int16) []int16 { return through(s, pcm.EncodeALaw, pcm.DecodeALaw) },
		"mu-law": func(s []int16) []int16 { return through(s, pcm.EncodeMuLaw, pcm.DecodeMuLaw) },
	}
	for name, law := range laws {
		for _, level := range []float64{-6, -20, -36, -45} {
			sound, _ := tonetest.DTMF(pad, 60*time.Millisecond, 60*time.Millisecond, level)
			if got := keys(hear(detector(t, tone.Defaults()), law(around(sound)))); got != pad {
				t.Errorf("%s, %v dBFS: keys %q", name, level, got)
			}
		}
		for _, level := range []float64{-10, -36} {
			m := messages()["BT"]
			one(t, fmt.Sprint(name, level), hear(detector(t, tone.Defaults()), law(around(tonetest.FSK(m.raw, tonetest.V23(), level)))), m.want)
			for _, p := range exchangeTones() {
				if p.country == "GB" || p.country == "DE" {
					known(t, fmt.Sprintf("%s: %s %s at %v dBFS", name, p.country, p.name, level), p,
						law(tonetest.Join(tonetest.Silence(lead), tonetest.Cadence(p.cadence, p.length(), level), tonetest.Silence(7*time.Second))))
				}
			}
		}
	}
}

// TestKeysWithinTheLimitsOfQ24AreFound: frequencies off by 1.5 %, and the two tones of a key unequal by what lines do to them.
func TestKeysWithinTheLimitsOfQ24AreFound(t *testing.T) {
	rows, columns := [...]float64{697, 770, 852, 941}, [...]float64{1209, 1336, 1477, 1633}
	for _, off := range []float64{-1.5, 0, 1.5} {
		for _, twist := range []float64{-2, 0, 6} { // dB that the low tone is stronger by
			var sound []int16
			for i := range pad {
				low := tonetest.Sines(60*time.Millisecond, -20+twist, rows[i/4]*(1+off/100))
				sound = append(sound, tonetest.Mix(low, tonetest.Sines(60*time.Millisecond, -20, columns[i%4]*(1+off/100)))...)
				sound = append(sound, tonetest.Silence(60*time.Millisecond)...)
			}
			if got := keys(hear(detector(t, tone.Defaults()), around(sound))); got != pad {
				t.Errorf("%v %% off, low tone %+v dB: keys %q", off, twist, got)
			}
		}
	}
}

// TestAKeyTooShortOrOfOneToneIsNone: a click of 18 ms, a tone alone, two that are no key.
func TestAKeyTooShortOrOfOneToneIsNone(t *testing.T) {
	short, _ := tonetest.DTMF(strings.Repeat(pad, 4), 18*time.Millisecond, 57*time.Millisecond, -15)
	if got := keys(hear(detector(t, tone.Defaults()), around(short))); got != "" {
		t.Errorf("keys of 18 ms: %q", got)
	}
	one := tonetest.Join(tonetest.Sines(time.Second, -15, 697), tonetest.Sines(time.Second, -15, 1209), tonetest.Sines(time.Second, -15, 440, 1000))
	if got := keys(hear(detector(t, tone.Defaults()), around(one))); got != "" {
		t.Errorf("single tones: %q", got)
	}
}

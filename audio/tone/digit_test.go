package tone_test

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"linekeep/audio/tone"
	"linekeep/audio/tone/tonetest"
	"linekeep/drivers/line"
)

const pad = "123A456B789C*0#D"

func TestEveryKeyIsFoundWhereItLies(t *testing.T) {
	for _, length := range []time.Duration{40, 50, 73, 100, 250, 2000} {
		for shift := 0; shift < 240; shift += 17 { // the receiver's blocks begin anywhere in a key
			sound, places := tonetest.DTMF(pad, length*time.Millisecond, 61*time.Millisecond, -13)
			sound = append(make([]int16, 400+shift), append(sound, make([]int16, 800)...)...)
			events := hear(detector(t, tone.Defaults()), sound)
			got, began := of(events, tone.Digit), of(events, tone.DigitBegan)
			if keys(events) != pad || len(began) != len(pad) {
				t.Fatalf("%d ms, shift %d: %q, %d begun", length, shift, keys(events), len(began))
			}
			for i, p := range places {
				from, to := p.From+line.Position(400+shift), p.To+line.Position(400+shift)
				if off(got[i].From, from) > tone.DigitSlack || off(got[i].To, to) > tone.DigitSlack || began[i].From != got[i].From {
					t.Errorf("%d ms, shift %d: key %d lies in %d..%d, told %d..%d", length, shift, i, from, to, got[i].From, got[i].To)
				}
				if began[i].To > from+600 && length > 75 {
					t.Errorf("%d ms: key %d that began at %d was known at %d", length, i, from, began[i].To)
				}
			}
		}
	}
}

func off(a, b line.Position) line.Position { return max(a-b, b-a) }

func TestAKeyPressedDuringDialToneIsFound(t *testing.T) {
	for _, country := range tone.Countries() {
		sound, _ := tonetest.DTMF("0123456789", 80*time.Millisecond, 80*time.Millisecond, -13)
		dial := map[string]string{"GB": "350+440", "US": "350+440", "FR": "440", "AT": "420"}[country]
		if dial == "" {
			dial = "425"
		}
		mixed := tonetest.Mix(sound, tonetest.Cadence(dial, 3*time.Second, -16))
		if got := keys(hear(detector(t, tone.Config{Country: country, Digits: true}), mixed)); got != "0123456789" {
			t.Errorf("%s: %q is found of ten digits over dial tone", country, got)
		}
	}
}

var multimonDigit = regexp.MustCompile(`(?m)^DTMF: (.)$`)

// multimon is what multimon-ng, which shares no code with us, finds in 8 kHz sound.
func multimon(t *testing.T, samples []int16) string {
	t.Helper()
	fast := writeRaw(t, samples) + ".22050.raw"
	in := strings.TrimSuffix(fast, ".22050.raw")
	args := []string{"-t", "raw", "-r", "8000", "-e", "signed", "-b", "16", "-c", "1", in, "-t", "raw", "-r", "22050", "-e", "signed", "-b", "16", "-c", "1", fast}
	if out, err := exec.Command(tool(t, "sox"), append([]string{"-D", "-V1"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("sox: %v %s", err, out)
	}
	out, err := exec.Command(tool(t, "multimon-ng"), "-q", "-a", "DTMF", "-t", "raw", fast).Output()
	if err != nil {
		t.Fatalf("multimon-ng: %v", err)
	}
	var s strings.Builder
	for _, m := range multimonDigit.FindAllSubmatch(out, -1) {
		s.Write(m[1])
	}
	return s.String()
}

// TestDigitsAreFoundAsMultimonFindsThem goes down with level, length and signal to noise as far as a telephone line does: wherever
// multimon-ng finds all sixteen keys, so do we, to -57 dBFS, 40 ms (ITU-T Q.24 asks for no less) and 8 dB of noise distance.
// Further down multimon-ng goes on, to 22 ms and 2 dB: it asks not how much of the power lies in the two tones.
func TestDigitsAreFoundAsMultimonFindsThem(t *testing.T) {
	levels, lengths, noises := []float64{-6, -24, -40, -57}, []int{100, 60, 45, 40}, []float64{0, 15, 10, 8}
	both, ours, theirs := 0, 0, 0
	for _, level := range levels {
		for _, ms := range lengths {
			for i, snr := range noises {
				on := time.Duration(ms) * time.Millisecond
				sound, _ := tonetest.DTMF(pad, on, on, level)
				sound = tonetest.Join(tonetest.Silence(100*time.Millisecond), sound, tonetest.Silence(100*time.Millisecond))
				if snr > 0 {
					tonetest.Noise(sound, level+3-snr, uint64(i))
				}
				name := fmt.Sprintf("%v dBFS, %d ms, noise %v dB below", level, ms, snr)
				our, their := keys(hear(detector(t, tone.Defaults()), sound)), multimon(t, sound)
				switch {
				case our == pad && their == pad:
					both++
				case our == pad:
					ours++
				case their == pad:
					theirs++
					t.Errorf("%s: multimon-ng finds all keys, we %q", name, our)
				}
			}
		}
	}
	t.Logf("of %d sounds both find all keys in %d, only we in %d, only multimon-ng in %d", len(levels)*len(lengths)*len(noises), both, ours, theirs)
	if both < 20 {
		t.Errorf("both find all keys of %d sounds only: nothing was compared", both)
	}
}

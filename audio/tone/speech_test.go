package tone_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linekeep/audio/tone"
	"linekeep/audio/tone/tonetest"
	"linekeep/drivers/line"
)

// voices is where Debian's asterisk-core-sounds-*-wav keep their recordings; the first is in every test's way, the others are
// heard with LONG.
const voices = "/usr/share/asterisk/sounds"

// speech is all that one voice says, the files in the order of their names, 200 ms apart.
func speech(t testing.TB, voice string) []int16 {
	t.Helper()
	var out []int16
	err := filepath.WalkDir(filepath.Join(voices, voice), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".wav") || strings.Contains(path, "beep") || strings.Contains(path, "/silence/") {
			return err // beeps are no speech
		}
		out = append(append(out, readWAV(t, path)...), tonetest.Silence(200*time.Millisecond)...)
		return nil
	})
	if err != nil || len(out) == 0 {
		t.Fatalf("speech of %s: %v", voice, err)
	}
	return out
}

// TestNoEventIsHeardInRealSpeech plays the whole of one voice, some 25 minutes, and with LONG three voices, more than an hour;
// at the level it was recorded, and once more 24 dB below, as a distant party is. Every country's tones are listened for; in the
// short form those of most countries at the first level only.
func TestNoEventIsHeardInRealSpeech(t *testing.T) {
	who := []string{"en_US_f_Allison"}
	if long() {
		who = append(who, "fr_CA_f_June", "es_MX_f_Allison")
	}
	total := time.Duration(0)
	for _, voice := range who {
		sound := speech(t, voice)
		total += line.Samples(len(sound)).Duration()
		for _, dB := range []float64{0, -24} {
			quiet := scale(sound, dB)
			for _, country := range tone.Countries() {
				cfg := tone.Config{Country: country, Progress: true}
				if country == "GB" || country == "US" || long() {
					cfg = tone.Config{Country: country, Digits: true, CallerID: true, Progress: true}
				} else if dB != 0 {
					continue
				}
				for _, e := range hear(detector(t, cfg), quiet) {
					t.Errorf("%s, %v dB, %s: %v %v key %q at %v to %v", voice, dB, country, e.Kind, e.Tone, e.Digit.Reveal(), e.From.Duration(), e.To.Duration())
				}
			}
		}
	}
	t.Logf("%v of speech", total.Round(time.Second))
	if total < 20*time.Minute {
		t.Errorf("only %v of speech was played", total)
	}
}

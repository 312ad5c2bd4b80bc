package tone_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"linekeep/audio/tone"
	"linekeep/audio/tone/tonetest"
	"linekeep/drivers/line"
)

// exchanges are the tones of each country as a PBX that is not ours plays them (Asterisk's indications.conf, which names the
// ITU's list; Ireland from the list itself): typed for this test, not taken from what it tests.
const exchanges = `
GB dial 350+440 | ringing 400+450/400,0/200,400+450/400,0/2000 | busy 400/375,0/375 | congestion 400/400,0/350,400/225,0/525 | unobtainable 400 | information 950/330,0/15,1400/330,0/15,1800/330,0/1000
IE dial 425 | ringing 400+450/400,0/200,400+450/400,0/2000 | busy 425/500,0/500 | information 950/330,1400/330,1800/330,0/1000
DE dial 425 | ringing 425/1000,0/4000 | busy 425/480,0/480 | congestion 425/240,0/240 | information 950/330,1400/330,1800/330,0/1000
FR dial 440 | ringing 440/1500,0/3500 | busy 440/500,0/500 | congestion 440/250,0/250 | information 950/330,1400/330,1800/330,0/1000
ES dial 425 | ringing 425/1500,0/3000 | busy 425/200,0/200 | congestion 425/200,0/200,425/200,0/200,425/200,0/600
IT dial 425/200,0/200,425/600,0/1000 | ringing 425/1000,0/4000 | busy 425/500,0/500 | congestion 425/200,0/200 | information 950/330,1400/330,1800/330,0/1000
NL dial 425 | ringing 425/1000,0/4000 | busy 425/500,0/500 | congestion 425/250,0/250 | information 950/330,1400/330,1800/330,0/1000
US dial 350+440 | ringing 440+480/2000,0/4000 | busy 480+620/500,0/500 | congestion 480+620/250,0/250 | information 950/330,1400/330,1800/330,0/1000
AT dial 420 | ringing 420/1000,0/5000 | busy 420/400,0/400 | congestion 420/200,0/200 | information 950/330,1450/330,1850/330,0/1000
BE dial 425 | ringing 425/1000,0/3000 | busy 425/500,0/500 | congestion 425/167,0/167 | information 900/330,1400/330,1800/330,0/1000
CH dial 425 | ringing 425/1000,0/4000 | busy 425/500,0/500 | congestion 425/200,0/200 | information 950/330,1400/330,1800/330,0/1000
CZ dial 425/330,0/330,425/660,0/660 | ringing 425/1000,0/4000 | busy 425/330,0/330 | congestion 425/165,0/165 | information 950/330,0/30,1400/330,0/30,1800/330,0/1000
DK dial 425 | ringing 425/1000,0/4000 | busy 425/500,0/500 | congestion 425/200,0/200 | information 950/330,1400/330,1800/330,0/1000
FI dial 425 | ringing 425/1000,0/4000 | busy 425/300,0/300 | congestion 425/200,0/200
NO dial 425 | ringing 425/1000,0/4000 | busy 425/500,0/500 | congestion 425/200,0/200 | information 950/330,1400/330,1800/330,0/1000
PL dial 425 | ringing 425/1000,0/4000 | busy 425/500,0/500 | information 950/330,1400/330,1800/330,0/1000
PT dial 425 | ringing 425/1000,0/5000 | busy 425/500,0/500 | congestion 425/200,0/200 | information 950/330,1400/330,1800/330,0/1000
SE dial 425 | ringing 425/1000,0/5000 | busy 425/250,0/250 | congestion 425/250,0/750 | information 950/332,0/24,1400/332,0/24,1800/332,0/2024`

type played struct{ country, name, cadence string }

func exchangeTones() []played {
	var all []played
	for row := range strings.SplitSeq(strings.TrimSpace(exchanges), "\n") {
		country, tones, _ := strings.Cut(row, " ")
		for part := range strings.SplitSeq(tones, " | ") {
			name, cadence, _ := strings.Cut(part, " ")
			all = append(all, played{country, name, cadence})
		}
	}
	return all
}

// length is long enough for a tone to be known by: an information tone once, the others for some twelve seconds of whole cadences.
func (p played) length() time.Duration {
	if p.name == "information" {
		return 1100 * time.Millisecond
	}
	period := time.Duration(0) // a burst that is cut short is not the end of a tone
	for part := range strings.SplitSeq(p.cadence, ",") {
		if _, ms, ok := strings.Cut(part, "/"); ok {
			d, err := time.ParseDuration(ms + "ms")
			if err != nil {
				panic(err)
			}
			period += d
		}
	}
	if period == 0 {
		return 12 * time.Second
	}
	return max(12*time.Second/period, 2) * period
}

const lead = 730 * time.Millisecond

// TestEveryToneOfEveryCountryIsKnown plays each at several levels, in noise, off pitch and out of time: it is told once and for
// what it is, with its place, and nothing else is.
func TestEveryToneOfEveryCountryIsKnown(t *testing.T) {
	rows := map[string]bool{}
	for _, p := range exchangeTones() {
		rows[p.country] = true
		for _, level := range []float64{-9, -36} {
			for _, noise := range []float64{0, 15} {
				sound := tonetest.Join(tonetest.Silence(lead), tonetest.Cadence(p.cadence, p.length(), level), tonetest.Silence(7*time.Second))
				if noise > 0 {
					tonetest.Noise(sound, level-noise, 3)
				}
				known(t, fmt.Sprintf("%s %s at %v dBFS, noise %v dB below", p.country, p.name, level, noise), p, sound)
			}
		}
	}
	for _, country := range tone.Countries() {
		if !rows[country] || tone.Source(country) == "" {
			t.Errorf("%s has no row in this test, or no source", country)
		}
	}
	t.Logf("%d countries", len(rows))
}

func known(t *testing.T, name string, p played, sound []int16) {
	t.Helper()
	events := hear(detector(t, tone.Config{Country: p.country, Digits: true, CallerID: true, Progress: true}), sound)
	if len(events) != 2 || events[0].Kind != tone.ToneBegan || events[1].Kind != tone.ToneEnded ||
		events[0].Tone.String() != p.name || events[1].Tone != events[0].Tone {
		var told []string
		for _, e := range events {
			told = append(told, fmt.Sprint(e.Kind, " ", e.Tone, " ", e.From.Duration(), "-", e.To.Duration()))
		}
		t.Errorf("%s: told %v", name, told)
		return
	}
	from := line.In(lead)
	to := lastBurst(sound)
	const slack = 3 * 128 // blocks of 16 ms
	if off(events[0].From, from) > slack || events[1].From != events[0].From || off(events[1].To, to) > slack {
		t.Errorf("%s: lies in %v to %v, told %v to %v", name, from.Duration(), to.Duration(), events[0].From.Duration(), events[1].To.Duration())
	}
}

// lastBurst is where the last loud sample is, by 10 ms.
func lastBurst(sound []int16) line.Position {
	loud := func(s []int16) (sum float64) {
		for _, v := range s {
			sum += float64(v) * float64(v)
		}
		return sum
	}
	top := 0.0
	for i := 0; i+80 <= len(sound); i += 80 {
		top = max(top, loud(sound[i:i+80]))
	}
	for i := len(sound) / 80 * 80; i >= 80; i -= 80 {
		if loud(sound[i-80:i]) > top/5 {
			return line.Position(i)
		}
	}
	return 0
}

func TestAToneOffPitchAndOutOfTimeIsStillKnown(t *testing.T) {
	for _, p := range exchangeTones() {
		for _, by := range []float64{-0.02, 0.02} {
			if p.name == "information" {
				by /= 2 // its highest tone is 1800 Hz, and a receiver follows 25 Hz
			}
			var parts []string
			for part := range strings.SplitSeq(p.cadence, ",") {
				pitch, ms, timed := strings.Cut(part, "/")
				var hz []string
				for f := range strings.SplitSeq(pitch, "+") {
					var n float64
					fmt.Sscan(f, &n)
					hz = append(hz, fmt.Sprint(n*(1+by)))
				}
				s := strings.Join(hz, "+")
				if timed {
					var n float64
					fmt.Sscan(ms, &n)
					s += fmt.Sprintf("/%.0f", n*(1+3*by)) // up to 6 %
				}
				parts = append(parts, s)
			}
			q := played{p.country, p.name, strings.Join(parts, ",")}
			sound := tonetest.Join(tonetest.Silence(lead), tonetest.Cadence(q.cadence, q.length(), -18), tonetest.Silence(7*time.Second))
			known(t, fmt.Sprintf("%s %s with all off by %v", p.country, p.name, by), q, sound)
		}
	}
}

// TestTheTonesThatSoxMakesAreKnown has the sound of the UK's tones from another's hand.
func TestTheTonesThatSoxMakesAreKnown(t *testing.T) {
	for _, p := range exchangeTones() {
		if p.country != "GB" {
			continue
		}
		known(t, "sox: GB "+p.name, p, tonetest.Join(tonetest.Silence(lead), sox(t, p), tonetest.Silence(7*time.Second)))
	}
}

func sox(t *testing.T, p played) []int16 {
	t.Helper()
	dir := t.TempDir()
	var parts []string
	for i, part := range strings.Split(p.cadence, ",") {
		pitch, ms, timed := strings.Cut(part, "/")
		seconds := p.length().Seconds()
		if timed {
			fmt.Sscan(ms, &seconds)
			seconds /= 1000
		}
		args := []string{"-V1", "-D", "-n", "-r", "8000", "-b", "16", "-c", "1", filepath.Join(dir, fmt.Sprintf("%d.wav", i)), "synth", fmt.Sprint(seconds)}
		for k, f := range strings.Split(pitch, "+") {
			if k > 0 {
				args = append(args, "synth", "sine", "mix", f)
			} else {
				args = append(args, "sine", f)
			}
		}
		args = append(args, "gain", "-12")
		if pitch == "0" {
			args = append(args[:len(args)-4], "sine", "1000", "gain", "-140")
		}
		if out, err := exec.Command(tool(t, "sox"), args...).CombinedOutput(); err != nil {
			t.Fatalf("sox %v: %v %s", args, err, out)
		}
		parts = append(parts, filepath.Join(dir, fmt.Sprintf("%d.wav", i)))
	}
	all := filepath.Join(dir, "all.wav")
	if out, err := exec.Command(tool(t, "sox"), append(append([]string{"-V1", "-D"}, parts...), all)...).CombinedOutput(); err != nil {
		t.Fatalf("sox: %v %s", err, out)
	}
	if _, err := os.Stat(all); err != nil {
		t.Fatal(err)
	}
	once := readWAV(t, all)
	var sound []int16
	for line.Samples(len(sound)) < line.In(p.length()) {
		sound = append(sound, once...)
	}
	return sound[:line.In(p.length())]
}

// TestACallFromDialToneToAnAnswer is what a line of the UK sounds like: dial tone, keys, ringing, speech, an end.
func TestACallFromDialToneToAnAnswer(t *testing.T) {
	digits, _ := tonetest.DTMF("01632960018", 80*time.Millisecond, 80*time.Millisecond, -12)
	ringing := tonetest.Cadence("400+450/400,0/200,400+450/400,0/2000", 7*time.Second, -20)
	voice := speech(t, "en_US_f_Allison")[:30*line.RateHz]
	sound := tonetest.Join(tonetest.Cadence("350+440", 2*time.Second, -18), digits, tonetest.Silence(time.Second), ringing, voice,
		tonetest.Cadence("400", 4*time.Second, -20))
	var told []string
	for _, e := range of(hear(detector(t, tone.Defaults()), sound), tone.ToneBegan, tone.ToneEnded, tone.Digit, tone.CallerID) {
		if e.Kind == tone.Digit {
			told = append(told, string(e.Digit.Reveal()))
		} else {
			told = append(told, e.Kind.String()+" "+e.Tone.String())
		}
	}
	want := "tone began dial,tone ended dial,0,1,6,3,2,9,6,0,0,1,8,tone began ringing,tone ended ringing,tone began unobtainable"
	if got := strings.Join(told, ","); got != want {
		t.Errorf("told %s\nwant %s", got, want)
	}
}

package linesim_test

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/linesim"
	"linekeep/drivers/line/linetest"
)

// speech is where Debian's asterisk-core-sounds-en-wav keeps its recordings: 8 kHz, mono, one voice.
const speech = "/usr/share/asterisk/sounds/en_US_f_Allison"

// demo is the site that make run shows.
const demo = "../../../firmware/testdata/demo"

const busy = `
line "Busy" channels=2 law=alaw signals=digital noise=-60 hum=-55
idle 300ms..600ms
call in number=02079460018 extension=21
  ring 1
  answer
  say remote low
  talk high low gain=-3
  keys 12#
hangup
lose 250ms after=100ms
unplug 700ms after=1s
idle 2s
loop`

const quiet = `
line "Quiet" channels=1
click
idle 1s
call out number=+441632960001
  ring 1
  answer
  say office high
  say remote low
  pause 1s
hangup`

func tones(t testing.TB, scripts ...*linesim.Script) *linesim.Sounds {
	t.Helper()
	sounds, err := linesim.LoadSounds(fstest.MapFS{
		"low.wav":  {Data: wav(sine(300, 8000))},
		"high.wav": {Data: wav(sine(1700, 8000))},
	}, scripts...)
	if err != nil {
		t.Fatal(err)
	}
	return sounds
}

func sine(hertz float64, n int) []int16 {
	s := make([]int16, n)
	for i := range s {
		s[i] = int16(9000 * math.Sin(2*math.Pi*hertz*float64(i)/line.RateHz))
	}
	return s
}

func wav(samples []int16) []byte {
	b := append([]byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"), 0x40, 0x1f, 0, 0, 0x80, 0x3e, 0, 0, 2, 0, 16, 0)
	b = append(b, "LIST\x03\x00\x00\x00abc\x00data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(2*len(samples)))
	for _, s := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	return b
}

func parse(t testing.TB, text string) *linesim.Script {
	t.Helper()
	script, err := linesim.Parse("test.txt", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return script
}

func source(t testing.TB, seed uint64, texts ...string) *linesim.Source {
	t.Helper()
	return sourceOf(t, seed, parseAll(t, texts...))
}

func parseAll(t testing.TB, texts ...string) []*linesim.Script {
	t.Helper()
	var scripts []*linesim.Script
	for _, text := range texts {
		scripts = append(scripts, parse(t, text))
	}
	return scripts
}

func sourceOf(t testing.TB, seed uint64, scripts []*linesim.Script) *linesim.Source {
	t.Helper()
	s, err := linesim.New(linesim.Config{Scripts: scripts, Sounds: tones(t, scripts...), Seed: seed, Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheContract(t *testing.T) {
	linetest.RunVirtual(t, func(t *testing.T) linetest.Rig {
		s := source(t, 1, quiet+"\nidle 10m\n", busy)
		return linetest.Rig{Source: s, Unplug: s.Unplug, Replug: s.Replug}
	})
}

func TestTheContractOnALineWithSignals(t *testing.T) {
	linetest.RunVirtual(t, func(t *testing.T) linetest.Rig {
		const calm = "line \"Calm\" signals=digital\nidle 500ms\ncall in\nring 2\nanswer\npause 1m\nhangup\nidle 1m\nloop"
		s := source(t, 1, calm)
		return linetest.Rig{Source: s, Signals: true, Unplug: s.Unplug, Replug: s.Replug}
	})
}

// listen reads line 0 every pace for d of virtual time.
func listen(t *testing.T, s *linesim.Source, d, pace time.Duration, each func(line.Frame)) []line.Event {
	t.Helper()
	var told []line.Event
	l := s.Lines()[0]
	frames, events := make([]line.Frame, 8), make([]line.Event, 8)
	running(t, s, func() {
		for passed := time.Duration(0); passed <= d; passed += pace {
			for {
				n, err := l.Read(frames)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range frames[:n] {
					each(f)
				}
				if n < len(frames) {
					break
				}
			}
			n, err := l.ReadEvents(events)
			if err != nil {
				t.Fatal(err)
			}
			told = append(told, events[:n]...)
			<-time.After(pace) // virtual
		}
	})
	return told
}

func TestEverySampleIsThatOfTheScript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(t, 7, busy)
		truth := s.Truth(0)
		heard, lost := line.Samples(0), map[line.Cause]line.Samples{}
		var want [line.FrameSamples]int16
		events := listen(t, s, 60*time.Second, 60*time.Millisecond, func(f line.Frame) {
			lost[f.Cause] += f.Lost
			heard += line.Samples(f.Len)
			for channel := range 2 {
				truth.Channel(channel, f.Start, want[:f.Len])
				if got := f.Samples[channel]; got != want && f.Len > 0 {
					t.Fatalf("channel %d at %d differs from the script", channel, f.Start)
				}
			}
		})
		if heard < 45*line.RateHz || lost[line.CauseGone] < 4*line.RateHz || lost[line.CauseOverrun] < line.RateHz || lost[line.CauseReader] != 0 {
			t.Errorf("heard %v, lost %v", heard.Duration(), lost)
		}
		wantEvents(t, events)
	})
}

func wantEvents(t *testing.T, events []line.Event) {
	t.Helper()
	want := []line.Kind{line.Seized, line.Numbered, line.Numbered, line.Ringing, line.Answered, line.Digit, line.Digit, line.Digit,
		line.Released, line.Down, line.Up, line.Seized}
	if len(events) < len(want) {
		t.Fatalf("%d events", len(events))
	}
	for i, kind := range want {
		if events[i].Kind != kind {
			t.Errorf("event %d is %v, want %v", i, events[i].Kind, kind)
		}
	}
	if events[1].Number != "21" || events[1].Side != line.Office || events[2].Number != "02079460018" || events[2].Side != line.Remote {
		t.Errorf("numbers %v and %v", events[1], events[2])
	}
}

func TestTheSameSeedSaysTheSame(t *testing.T) {
	var one, same, other [3][line.RateHz]int16
	for second := range one {
		at := line.Position(second*20) * line.RateHz
		source(t, 3, busy).Truth(0).Channel(0, at, one[second][:])
		source(t, 4, busy).Truth(0).Channel(0, at, other[second][:])
	}
	truth := source(t, 3, busy).Truth(0)
	for second := len(one) - 1; second >= 0; second-- { // backwards, and in odd pieces
		at := line.Position(second*20) * line.RateHz
		truth.Channel(0, at, same[second][:1234])
		truth.Channel(0, at+1234, same[second][1234:])
	}
	if one != same {
		t.Error("the same seed gave other samples")
	}
	if one == other {
		t.Error("another seed gave the same samples")
	}
}

func TestTheTruthKnowsTheCalls(t *testing.T) {
	truth := source(t, 1, busy).Truth(0)
	for _, round := range []int{0, 5, 2} {
		calls := truth.Calls(round)
		if len(calls) != 1 || calls[0].Number != "02079460018" || calls[0].Direction != line.Incoming || !calls[0].Answered {
			t.Fatalf("round %d: %+v", round, calls)
		}
		said := make([]int16, line.RateHz)
		truth.Voice(line.Remote, calls[0].AnsweredAt, said)
		for i, want := range sine(300, line.RateHz) {
			if said[i] != want {
				t.Fatalf("round %d: sample %d of the remote side is %d, want %d", round, i, said[i], want)
			}
		}
		truth.Voice(line.Office, calls[0].AnsweredAt, said)
		if slices.Max(said) != 0 || slices.Min(said) != 0 {
			t.Errorf("round %d: the office speaks too", round)
		}
	}
	once := source(t, 1, quiet).Truth(0)
	if got := once.Calls(0); len(got) != 1 || once.Calls(1) != nil {
		t.Errorf("a script without a loop has the calls %v", got)
	}
}

func TestNoiseAndHumHaveTheirLevel(t *testing.T) {
	for text, want := range map[string]float64{
		`line "a" noise=-66`:         -66,
		`line "a" noise=-30`:         -30,
		`line "a" noise=-90 hum=-40`: -40,
	} {
		samples := make([]int16, line.RateHz)
		source(t, 1, text+"\nidle 1s").Truth(0).Channel(1, 100, samples)
		squares := 0.0
		for _, s := range samples {
			squares += float64(s) * float64(s)
		}
		if got := 10 * math.Log10(squares/line.RateHz/(32768*32768)); math.Abs(got-want) > 0.5 {
			t.Errorf("%s: %.1f dBFS", text, got)
		}
	}
}

func TestTheDemoSiteIsSmallAndWhole(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(demo, "*.txt"))
	if err != nil || len(files) != 4 {
		t.Fatalf("the demo site has the scripts %v: %v", files, err)
	}
	var scripts []*linesim.Script
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		script, err := linesim.Parse(file, text)
		if err != nil {
			t.Fatal(err)
		}
		scripts = append(scripts, script)
	}
	sounds, err := linesim.LoadSounds(os.DirFS(speech), scripts...)
	if err != nil {
		t.Fatal(err)
	}
	if mib := sounds.Bytes() >> 20; mib >= 20 {
		t.Errorf("%d MiB of sound", mib)
	}
	s, err := linesim.New(linesim.Config{Scripts: scripts, Sounds: sounds, Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	soonest := line.Position(math.MaxInt64)
	for i := range files {
		truth := s.Truth(i)
		for round := range 3 {
			calls := truth.Calls(round)
			if len(calls) == 0 {
				t.Errorf("%s: no call in round %d", files[i], round)
			}
			for _, c := range calls {
				soonest = min(soonest, c.To)
				if length := (c.To - c.From).Duration(); length > 75*time.Second || length < 5*time.Second {
					t.Errorf("%s: a call of %v", files[i], length)
				}
			}
		}
	}
	if soonest.Duration() > 40*time.Second {
		t.Errorf("the first call is over after %v", soonest.Duration())
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	script := parse(t, "line \"a\"\ncall in\nsay office nowhere/found\nsay remote low\nhangup")
	_, err := linesim.LoadSounds(fstest.MapFS{"low.wav": {Data: []byte("RIFF....WAVEjunk")}}, script)
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := linesim.New(linesim.Config{Scripts: []*linesim.Script{script}, Sounds: tones(t), Clock: time.Now}); err == nil {
		t.Error("a source without its recordings was made")
	}
	if _, err := linesim.New(linesim.Config{}); err == nil {
		t.Error("a source of nothing was made")
	}
}

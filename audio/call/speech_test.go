package call_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"linekeep/audio/call"
	"linekeep/audio/pcm"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/drivers/line/linesim"
)

// speech is where Debian's asterisk-core-sounds-en-wav keeps its recordings.
const speech = "/usr/share/asterisk/sounds/en_US_f_Allison"

// horizon is how much of each line is played: some rounds of each script, or with LONG an hour.
func horizon() time.Duration {
	if os.Getenv("LONG") != "" {
		return time.Hour
	}
	return 8 * time.Minute
}

// TestEveryCallOfTheDemoSiteIsFoundOnce plays each demo line to a machine and compares the recordings
// with what the script said: one for each call, nothing for anything else, and no word missing.
func TestEveryCallOfTheDemoSiteIsFoundOnce(t *testing.T) {
	files, err := filepath.Glob("../../firmware/testdata/demo/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no demo scripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := open(t, file)
				got, counts := listen(t, source)
				want := calls(source)
				if len(got) < len(want) || len(got) > len(want)+1 {
					t.Fatalf("%d recordings of %d calls", len(got), len(want))
				}
				for i, w := range want {
					compare(t, i, got[i], w, source.Lines()[0].Info())
				}
				if counts.Seen < uint64(len(want)) || counts.Began < counts.Ended || counts.EventsLost != 0 {
					t.Errorf("counts %+v of %d calls", counts, len(want))
				}
			})
		})
	}
}

func open(t *testing.T, file string) *linesim.Source {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	script, err := linesim.Parse(file, text)
	if err != nil {
		t.Fatal(err)
	}
	sounds, err := linesim.LoadSounds(os.DirFS(speech), script)
	if err != nil {
		t.Fatal(err)
	}
	source, err := linesim.New(linesim.Config{Scripts: []*linesim.Script{script}, Sounds: sounds, Seed: 5, Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// calls are those that a recording can be made of, up to the horizon.
func calls(source *linesim.Source) []linesim.Call {
	var all []linesim.Call
	truth := source.Truth(0)
	signals := source.Lines()[0].Info().Signals
	for round := 0; ; round++ {
		for _, c := range truth.Calls(round) {
			switch {
			case c.To > line.In(horizon()-10*time.Second):
				return all
			case signals && c.Direction == line.Incoming && c.Answered:
				all = append(all, c)
			case !signals || c.Direction != line.Incoming || c.Extension != "": // a digital line is seized by a call that nobody takes, too
				all = append(all, c)
			}
		}
	}
}

type recording struct {
	from, to line.Position
	begin    call.Transition
	end      call.Transition
}

// listen does what the pipeline does, without its sound: events first, then frames, 60 ms at a time.
func listen(t *testing.T, source *linesim.Source) ([]recording, call.Counts) {
	t.Helper()
	l := source.Lines()[0]
	machine, err := call.New(call.Defaults(), l.Info())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1) // one: Run returns once
	go func() { ended <- source.Run(ctx) }()
	var all []recording
	frames, events := make([]line.Frame, 16), make([]line.Event, line.EventQueue)
	out := make([]call.Transition, 0, 4)
	for passed := time.Duration(0); passed < horizon(); passed += 3 * line.FramePeriod {
		<-time.After(3 * line.FramePeriod) // virtual
		n, m := read(t, l, frames, events)
		for _, e := range events[:m] {
			machine.Event(e)
		}
		for i := range frames[:n] {
			out = machine.Frame(heard(&frames[i], l.Info()), out[:0])
			all = keep(all, out)
		}
	}
	all = keep(all, machine.Stop(nil))
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	return all, machine.Counts()
}

func read(t *testing.T, l line.Line, frames []line.Frame, events []line.Event) (n, m int) {
	t.Helper()
	n, err := l.Read(frames)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = l.ReadEvents(events); err != nil {
		t.Fatal(err)
	}
	return n, m
}

func heard(f *line.Frame, info line.Info) call.Heard {
	h := call.Heard{Start: f.Start, Lost: f.Lost, Len: line.Samples(f.Len)}
	for channel := range info.Channels {
		samples := f.Samples[channel][:f.Len]
		pcm.Expand(info.Law, samples)
		h.Level[channel] = pcm.Measure(samples).RMS
	}
	return h
}

func keep(all []recording, out []call.Transition) []recording {
	for _, tr := range out {
		if tr.Kind == call.Begin {
			all = append(all, recording{from: tr.At, begin: tr})
		} else {
			all[len(all)-1].to, all[len(all)-1].end = tr.At, tr
		}
	}
	return all
}

func compare(t *testing.T, i int, got recording, want linesim.Call, info line.Info) {
	t.Helper()
	from, to := want.From, want.To
	if info.Signals && want.Extension == "" && want.Direction == line.Incoming {
		from = want.AnsweredAt // an analogue line that only rings is not seized
	}
	longest := to + line.In(call.Defaults().Hold) + line.RateHz
	if got.from > from || got.from < from-line.In(1200*time.Millisecond) || got.to < to-line.RateHz/4 || got.to > longest {
		t.Errorf("call %d from %v to %v is the recording from %v to %v", i, from.Duration(), to.Duration(), got.from.Duration(), got.to.Duration())
	}
	trigger, reason := segment.BySound, segment.EndSilence
	if info.Signals {
		trigger, reason = segment.BySignal, segment.EndSignal
	}
	givenUp := info.Signals && want.Direction == line.Incoming && !want.Answered
	if got.begin.Trigger != trigger || got.end.Reason != reason || got.end.Call.Silent != givenUp {
		t.Errorf("call %d: begun by %d, ended by %d, silent %v", i, got.begin.Trigger, got.end.Reason, got.end.Call.Silent)
	}
	facts := got.end.Call
	if info.Signals && (facts.Number != want.Number && want.Direction != line.Internal || facts.Extension != want.Extension && info.Law == line.ALaw) {
		t.Errorf("call %d: number %q extension %q", i, facts.Number.Reveal(), facts.Extension.Reveal())
	}
	if info.Signals && info.Law == line.ALaw && (facts.Direction != want.Direction || facts.Answered != want.Answered) {
		t.Errorf("call %d: direction %v answered %v", i, facts.Direction, facts.Answered)
	}
}

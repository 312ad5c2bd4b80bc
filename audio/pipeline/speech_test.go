//go:build cgo

package pipeline_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"linekeep/audio/call"
	"linekeep/audio/opus"
	"linekeep/audio/pipeline"
	"linekeep/audio/render"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/drivers/line/linesim"
)

const (
	speech = "/usr/share/asterisk/sounds/en_US_f_Allison" // Debian's asterisk-core-sounds-en-wav

	talk = `line "reception" channels=2 law=alaw signals=none noise=-66
idle 3s
call in number=02079460123
answer
say office vm-intro
say remote demo-thanks
lose 730ms after=2s
say remote conf-adminmenu
talk vm-options demo-congrats
hangup
idle 10s
`
)

// plain is a recording as a vault keeps it before sealing: plaintexts of segments.
type plain struct {
	opening  segment.Opening
	closing  segment.Closing
	segments map[segment.Party][][]byte
	gaps     []segment.Gap
}

type plainSink struct {
	t     *testing.T
	calls []*plain
	byID  map[segment.Call]*plain
}

func (s *plainSink) Commit(_ context.Context, g *segment.Group) error {
	for _, o := range g.Openings {
		p := &plain{opening: o, segments: make(map[segment.Party][][]byte)}
		s.calls, s.byID[o.Call] = append(s.calls, p), p
	}
	for i := range g.Segments {
		seg := &g.Segments[i]
		p := s.byID[seg.Call]
		p.segments[seg.Party] = append(p.segments[seg.Party], segment.Append(nil, seg))
		if seg.Party == segment.Office {
			p.gaps = append(p.gaps, seg.Gaps...)
		}
	}
	for _, c := range g.Closings {
		s.byID[c.Call].closing = c
	}
	return nil
}

func (p *plain) track(party segment.Party) render.Track {
	return render.Track{Party: party, Segments: func(yield func(segment.Segment, error) bool) {
		for _, b := range p.segments[party] {
			if !yield(segment.Decode(b)) {
				return
			}
		}
	}}
}

// record plays a script on a simulated line, in the time of a bubble, and gives what the pipeline made of it.
func record(t *testing.T, text string, lookback time.Duration, during func(*pipeline.Pipeline, func(time.Duration))) (*plainSink, *linesim.Truth) {
	t.Helper()
	script, err := linesim.Parse("talk", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	sounds, err := linesim.LoadSounds(os.DirFS(speech), script)
	if err != nil {
		t.Fatal(err)
	}
	sink := &plainSink{t: t, byID: make(map[segment.Call]*plain)}
	var truth *linesim.Truth
	synctest.Test(t, func(t *testing.T) {
		source, err := linesim.New(linesim.Config{Scripts: []*linesim.Script{script}, Sounds: sounds, Seed: 7, Clock: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		truth = source.Truth(0)
		p, err := pipeline.New(pipeline.Config{NewEncoder: encoder}, []pipeline.LineConfig{{
			ID: "reception", Class: "standard", Line: source.Lines()[0], Call: call.Defaults(), Lookback: lookback,
		}}, sink, time.Now, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		errs := make(chan error, 2)
		go func() { errs <- source.Run(ctx) }()
		synctest.Wait()
		go func() { errs <- p.Run(ctx) }()
		wait := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		during(p, wait)
		stop()
		for range 2 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
	return sink, truth
}

func encoder() (pipeline.Encoder, error) { return opus.NewEncoder(opus.Defaults()) }
func decoder() (render.Decoder, error)   { return opus.NewDecoder() }

func TestARecordedCallSoundsLikeEachOfItsParties(t *testing.T) {
	sink, truth := record(t, talk, 0, func(_ *pipeline.Pipeline, wait func(time.Duration)) { wait(90 * time.Second) })
	if len(sink.calls) != 1 {
		t.Fatalf("%d recordings, expected 1", len(sink.calls))
	}
	c := sink.calls[0]
	length := c.closing.Length
	tracks := []render.Track{c.track(segment.Office), c.track(segment.Caller)}
	var wav bytes.Buffer
	if err := render.WAV(&wav, length, decoder, tracks); err != nil {
		t.Fatal(err)
	}
	var stereo bytes.Buffer
	if err := render.Ogg(&stereo, length, tracks); err != nil {
		t.Fatal(err)
	}
	begin := line.In(c.opening.Start.Sub(synctestEpoch))
	fromOgg := ffmpeg(t, stereo.Bytes(), 2)
	if len(fromOgg) != 2*int(length) {
		t.Errorf("ffmpeg decodes %d samples, the recording has %d", len(fromOgg)/2, length)
	}
	if len(c.gaps) != 1 || c.gaps[0].Len > line.In(730*time.Millisecond) || c.gaps[0].Cause != segment.Cause(line.CauseOverrun) {
		t.Fatalf("gaps %v, expected the 730 ms the driver lost", c.gaps)
	}
	gap := c.gaps[0]
	voices := [2][]float64{voice(truth, line.Office, begin, length), voice(truth, line.Remote, begin, length)}
	for name, file := range map[string]struct {
		samples []int16
		before  int // how far sound may lie beside its place: a player's resampler is not exact to the sample,
		after   int // and after a gap an Ogg file is not either, see render.Ogg
	}{"WAV": {samples(wav.Bytes()[44:]), 0, 0}, "Ogg": {fromOgg, 1, 41}} {
		for i := range 2 {
			side := channel(file.samples, 2, i)
			compare(t, fmt.Sprint(name, " before the gap, party ", i), file.before, voices[i][:gap.At], voices[1-i][:gap.At], side[:gap.At])
			after := gap.At + gap.Len
			compare(t, fmt.Sprint(name, " after the gap, party ", i), file.after, voices[i][after:], voices[1-i][after:], side[after:])
		}
	}
}

// compare checks that a side has its own voice, where it belongs, and not the other.
func compare(t *testing.T, name string, slack int, own, other, side []float64) {
	t.Helper()
	if c, lag := bestLag(own, side, 80); c < 0.9 || lag > slack || -lag > slack {
		t.Errorf("%s: correlates %.3f at a lag of %d samples, expected 0.9 within %d", name, c, lag, slack)
	}
	if c, _ := bestLag(other, side, 80); c > 0.1 {
		t.Errorf("%s: correlates %.3f with the other", name, c)
	}
}

func TestPausedSpeechIsInNoPacketNotEvenThatBeforeThePause(t *testing.T) {
	const lookback = 2 * time.Second
	var from, to time.Duration
	sink, truth := record(t, talk, lookback, func(p *pipeline.Pipeline, wait func(time.Duration)) {
		wait(8 * time.Second)
		p.Pause("reception")
		wait(3 * time.Second)
		p.Resume("reception")
		wait(80 * time.Second)
	})
	from, to = 6*time.Second, 11*time.Second
	c := sink.calls[0]
	length := c.closing.Length
	begin := line.In(c.opening.Start.Sub(synctestEpoch))
	var wav bytes.Buffer
	if err := render.WAV(&wav, length, decoder, []render.Track{c.track(segment.Office), c.track(segment.Caller)}); err != nil {
		t.Fatal(err)
	}
	said := voice(truth, line.Office, begin, length)
	heard := samples(wav.Bytes()[44:])
	energy, truthEnergy := 0.0, 0.0
	for at := line.In(from) - begin; at < line.In(to)-begin; at++ {
		energy += math.Abs(float64(heard[2*at])) + math.Abs(float64(heard[2*at+1]))
		truthEnergy += math.Abs(said[at])
	}
	if truthEnergy < 1e6 {
		t.Fatalf("nothing was said in the pause (%.0f): the test shows nothing", truthEnergy)
	}
	if energy != 0 {
		t.Errorf("the paused stretch sounds: %.0f", energy)
	}
}

// synctestEpoch is when the time of every bubble begins (testing/synctest).
var synctestEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func voice(truth *linesim.Truth, side line.Side, from line.Position, n line.Samples) []float64 {
	pcm := make([]int16, n)
	truth.Voice(side, from, pcm)
	return channel(pcm, 1, 0)
}

func samples(b []byte) []int16 {
	out := make([]int16, len(b)/2)
	for i := range out {
		out[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return out
}

func channel(pcm []int16, of, n int) []float64 {
	out := make([]float64, len(pcm)/of)
	for i := range out {
		out[i] = float64(pcm[i*of+n])
	}
	return out
}

// bestLag is the best correlation of y with x for shifts of y up to reach samples either way, in the first 30 s.
func bestLag(x, y []float64, reach int) (best float64, lag int) {
	n := min(len(x), len(y), 30*line.RateHz)
	for shift := -reach; shift <= reach; shift += 4 {
		if c := correlate(x[:n], y[:n], shift); c > best {
			best, lag = c, shift
		}
	}
	for shift := lag - 3; shift <= lag+3; shift++ {
		if c := correlate(x[:n], y[:n], shift); c > best {
			best, lag = c, shift
		}
	}
	return best, lag
}

func correlate(x, y []float64, shift int) float64 {
	x, y = x[max(0, -shift):], y[max(0, shift):]
	n := min(len(x), len(y))
	var xy, xx, yy float64
	for i := range n {
		xy, xx, yy = xy+x[i]*y[i], xx+x[i]*x[i], yy+y[i]*y[i]
	}
	if xx == 0 || yy == 0 {
		return 0
	}
	return xy / math.Sqrt(xx*yy)
}

// ffmpeg decodes a file to 8 kHz and fails the test for the smallest complaint, of opusinfo too.
func ffmpeg(t *testing.T, file []byte, channels int) []int16 {
	t.Helper()
	path := filepath.Join(t.TempDir(), "call.ogg")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := exec.CommandContext(t.Context(), "opusinfo", path).CombinedOutput()
	if err != nil || strings.Contains(string(info), "WARNING") || strings.Contains(string(info), "ERROR") {
		t.Errorf("opusinfo: %v\n%s", err, info)
	}
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "warning", "-i", path, "-ar", "8000", "-ac", fmt.Sprint(channels), "-f", "s16le", "-")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	pcm, err := cmd.Output()
	if err != nil || complaint.Len() > 0 {
		t.Errorf("ffmpeg: %v\n%s", err, &complaint)
	}
	return samples(pcm)
}

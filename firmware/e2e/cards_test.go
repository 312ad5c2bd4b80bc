//go:build cgo

package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"linekeep/audio/call"
	"linekeep/audio/opus"
	"linekeep/audio/pipeline"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
	"linekeep/drivers/line/alsa"
	"linekeep/drivers/line/alsa/alsatest"
)

// hearing is an encoder that keeps what it is given.
type hearing struct {
	*opus.Encoder
	pcm []int16
}

func (h *hearing) Encode(pcm []int16, packet []byte) (int, error) {
	h.pcm = append(h.pcm, pcm...)
	return h.Encoder.Encode(pcm, packet)
}

// forget is a sink that always has room.
type forget struct{ sound line.Samples }

func (f *forget) Commit(_ context.Context, g *segment.Group) error {
	for i := range g.Segments {
		f.sound += line.Samples(g.Segments[i].Packets()) * line.FrameSamples
	}
	return nil
}

func TestEverySampleOfSixteenCardsReachesTheEncoderAsItWas(t *testing.T) {
	// A machine that stands still for longer than a card's buffer of 640 ms loses sound whatever we do, and says so.
	const runs = 3
	for n := 1; n <= runs; n++ {
		if sixteen(t, time.Duration(rounds(10, 60))*time.Second) {
			return
		}
		t.Logf("run %d of %d: the machine stood still", n, runs)
	}
	t.Error("sound was lost in every run")
}

// sixteen records sixteen cards for so long, and says whether nothing was lost. If so, every sample must be right.
func sixteen(t *testing.T, long time.Duration) (whole bool) {
	t.Helper()
	const cards, channels = 16, 2
	b := alsatest.New(t)
	var devices []alsa.Device
	var sounds []alsatest.Sound
	for i := range cards {
		sound := alsatest.Sound{Device: i, Channels: channels, Frames: 61 * line.RateHz}
		name := fmt.Sprintf("tap%d", i)
		b.Add(alsatest.Device{Name: name, File: sound.Write(t, 16), Channels: channels})
		sounds = append(sounds, sound)
		devices = append(devices, alsa.Device{Name: name, Lines: [][]int{{0, 1}}})
	}
	b.Start()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	source, err := alsa.New(alsa.Config{Devices: devices}, log)
	if err != nil {
		t.Fatal(err)
	}
	var ears []*hearing
	cfg := pipeline.Config{NewEncoder: func() (pipeline.Encoder, error) {
		enc, err := opus.NewEncoder(opus.Defaults())
		h := &hearing{Encoder: enc, pcm: make([]int16, 0, (long+5*time.Second)*line.RateHz/time.Second)}
		ears = append(ears, h)
		return h, err
	}}
	var lines []pipeline.LineConfig
	for i, l := range source.Lines() {
		lines = append(lines, pipeline.LineConfig{ID: fmt.Sprint("card", i), Class: "standard", Line: l, Call: call.Defaults()})
	}
	sink := &forget{}
	p, err := pipeline.New(cfg, lines, sink, time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	record(t, source, p, long)
	for _, st := range p.Status(nil) {
		for cause, lost := range st.Lost {
			if lost > 0 {
				t.Logf("%s: %v lost, %v", st.ID, lost.Duration(), segment.Cause(cause))
				return false
			}
		}
	}
	var heard int
	for i, e := range ears {
		e.pcm = withoutTail(t, e.pcm)
		heard += len(e.pcm)
		compare(t, sounds[i/channels], i%channels, e.pcm, long)
	}
	if int(sink.sound) != heard {
		t.Errorf("%d samples reached the encoders, %d the sink", heard, sink.sound)
	}
	return true
}

// record runs the cards and the pipeline for so long.
func record(t *testing.T, source *alsa.Source, p *pipeline.Pipeline, long time.Duration) {
	t.Helper()
	hear, silence := context.WithCancel(t.Context())
	rec, stop := context.WithCancel(t.Context())
	heard, recorded := make(chan error, 1), make(chan error, 1) // one each: Run returns once
	go func() { recorded <- p.Run(rec) }()
	go func() { heard <- source.Run(hear) }()
	<-time.After(long)
	silence()
	if err := <-heard; err != nil {
		t.Errorf("cards: %v", err)
	}
	stop()
	if err := <-recorded; err != nil {
		t.Errorf("pipeline: %v", err)
	}
}

// withoutTail takes off the silence that gets the encoder's last samples out of it (segment.Tail).
func withoutTail(t *testing.T, pcm []int16) []int16 {
	t.Helper()
	n := max(0, len(pcm)-line.FrameSamples)
	for _, v := range pcm[n:] {
		if v != 0 {
			t.Error("the recording does not end with the tail")
			break
		}
	}
	return pcm[:n]
}

// compare says that pcm is the sound, from near its start, without a sample more or less.
func compare(t *testing.T, s alsatest.Sound, channel int, pcm []int16, long time.Duration) {
	t.Helper()
	const least = 32
	if len(pcm) < int((long-2*time.Second)*line.RateHz/time.Second) {
		t.Errorf("device %d channel %d: only %d samples of %v", s.Device, channel, len(pcm), long)
		return
	}
	place, ok := s.Find(channel, pcm[:least], 0, line.RateHz)
	if !ok {
		t.Errorf("device %d channel %d: what it heard first is not what was there", s.Device, channel)
		return
	}
	for k, v := range pcm {
		if v != s.At(channel, place+int64(k)) {
			t.Errorf("device %d channel %d: differs from sample %d on", s.Device, channel, k)
			return
		}
	}
}

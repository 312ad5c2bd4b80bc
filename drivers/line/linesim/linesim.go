// Package linesim plays scripts of calls from real recorded speech on simulated lines.
//
// Stage: [line] -> call -> encode -> seal -> store -> search -> release.
//
//	In:    one Script for each line, Sounds, and a clock
//	Out:   line.Source; and Truth, what was really said, to compare a recording with
//	Owner: no goroutine: Read works out what has come since the last one. Run only waits
//	Full:  the ring of a line is counted, not kept: past line.RingFrames unread frames the newest are dropped and told
//
// The same script, recordings and seed give the same samples at the same places, always. Nothing is drawn from a clock
// but how much of it has passed.
//
// # Scripts
//
// A script is text, one statement in a row. A word that begins with # begins a comment. Times are written as 500ms,
// 2s, 1m30s, or as 2s..5s for one of them, drawn anew in each round of a loop.
//
//	line "NAME" [channels=2] [law=s16] [signals=none] [noise=-66] [hum=-50]     the first statement, once
//	     channels 1 (both parties mixed) or 2 (office, remote); law s16, alaw or mulaw; noise and hum in dBFS RMS;
//	     signals none (found by sound), hook (an analogue card: rings, off-hook, digits) or digital (ISDN)
//	idle TIME                            nobody uses the line
//	call in|out|internal [number=N|withheld] [extension=N]
//	     begins a call; N is the other end's number, or the office's extension. An outgoing call that is not
//	     digital is dialled with tones
//	  ring COUNT                         rings, of 3 s each; who calls hears the UK's ringing tone
//	  answer                             both sides are through
//	  say office|remote CLIP [gain=-6]   plays CLIP.wav of the folder of sounds; gain in dB
//	  talk CLIP CLIP [gain=-6]           the office's and the remote side's at once
//	  pause TIME                         nobody says anything
//	  keys 123#                          the office presses keys
//	  hangup                             ends the call
//	click                                3 ms of knocking, in a call or outside
//	lose TIME [after=TIME]               the driver loses sound from here on, or after a while; the script goes on
//	unplug TIME [after=TIME]             the same, by pulling the plug: Down, loss, Up
//	loop                                 the last statement: begin again, for ever
package linesim

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"linekeep/drivers/line"
)

// Config is what a simulator is made of.
type Config struct {
	Scripts []*Script // one for each line
	Sounds  *Sounds   // what LoadSounds read for these scripts
	Seed    uint64    // draws the times, and the noise
	Clock   func() time.Time
}

// Source is a simulated piece of hardware with a line for each script.
type Source struct {
	lines []*simLine
	clock func() time.Time
	ran   atomic.Bool
}

var errRanBefore = errors.New("linesim: Run a second time")

// New makes a source. It hears nothing before Run.
func New(cfg Config) (*Source, error) {
	if len(cfg.Scripts) == 0 || cfg.Sounds == nil || cfg.Clock == nil {
		return nil, errors.New("make simulated lines: scripts, sounds and a clock are needed")
	}
	s := &Source{clock: cfg.Clock}
	for i, script := range cfg.Scripts {
		for _, clip := range script.Clips() {
			if cfg.Sounds.clips[clip] == nil {
				return nil, fmt.Errorf("make the simulated line %q: the recording %q was not loaded", script.name, clip)
			}
		}
		s.lines = append(s.lines, newLine(script, cfg.Sounds, mix(cfg.Seed+uint64(i)), cfg.Clock))
	}
	return s, nil
}

// Lines are the lines in the order of their scripts.
func (s *Source) Lines() []line.Line {
	lines := make([]line.Line, len(s.lines))
	for i, l := range s.lines {
		lines[i] = l
	}
	return lines
}

// Run lets time pass on the lines until ctx ends. It does no work.
func (s *Source) Run(ctx context.Context) error {
	if !s.ran.CompareAndSwap(false, true) {
		return errRanBefore
	}
	begin := s.clock()
	for _, l := range s.lines {
		l.start(begin)
	}
	<-ctx.Done()
	end := s.clock()
	for _, l := range s.lines {
		l.stop(end)
	}
	return nil
}

// Unplug pulls the plug of all lines at this moment, whatever their scripts say, until Replug.
func (s *Source) Unplug() { s.plug(false) }

// Replug puts it back in.
func (s *Source) Replug() { s.plug(true) }

func (s *Source) plug(in bool) {
	now := s.clock()
	for _, l := range s.lines {
		l.plug(in, now)
	}
}

// Truth says what is really on line number i, at any place, for as many rounds as anybody asks for.
func (s *Source) Truth(i int) *Truth {
	of := s.lines[i].sound
	return &Truth{p: newPlayer(of.script, of.sounds, of.seed)}
}

// Truth is what a line really said. It is not safe for concurrent use.
type Truth struct{ p *player }

// Calls are the calls of one round of the script; round 0 is the first.
func (t *Truth) Calls(round int) []Call {
	if round < t.p.round {
		t.p.seek(0)
		t.p.round = 0
	}
	for t.p.script.loops && t.p.round < round {
		t.p.next()
	}
	if t.p.round != round {
		return nil
	}
	return append([]Call(nil), t.p.plan.calls...)
}

// Voice puts into dst what one party alone says from a place on: linear, without noise, before any law.
func (t *Truth) Voice(side line.Side, from line.Position, dst []int16) {
	clear(dst)
	t.p.voice(side, from, dst)
}

// Channel puts into dst exactly what a channel of the line gives from a place on, were nothing lost.
func (t *Truth) Channel(channel int, from line.Position, dst []int16) {
	t.p.channel(channel, from, dst)
}

package dahdi

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"linekeep/drivers/line"
	"linekeep/drivers/line/linetest"
)

// ear listens to a line in virtual time and compares it with what is really on the circuit.
type ear struct {
	linetest.Timeline
	t       *testing.T
	l       line.Line
	sources [2]int
	place   [2]int64 // in the sources' sound, of what comes next; -1 before the first
	breaks  []brk
	start   time.Time
}

// brk is a place where the sound does not go on as it was on the circuit.
type brk struct {
	at     line.Position // told
	told   line.Samples
	really [2]int64 // missing in each direction
}

// hearing runs a source in a bubble for as long as script takes, reading all its lines as the pipeline does.
func hearing(t *testing.T, open func(t *testing.T) (*model, *Source, [][2]int), script func(m *model)) (ears []*ear, m *model, s *Source) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var sources [][2]int
		m, s, sources = open(t)
		ears = nil
		for i, l := range s.Lines() {
			ears = append(ears, &ear{t: t, l: l, sources: sources[i], place: [2]int64{-1, -1}, start: m.born})
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		go func() { ended <- s.Run(ctx) }()
		done := make(chan struct{})
		go func() {
			script(m)
			cancel()
			close(done)
		}()
		for open := true; open; {
			time.Sleep(3 * line.FramePeriod) // of virtual time
			open = false
			for _, e := range ears {
				open = e.read() || open
			}
		}
		<-done
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return ears, m, s
}

// read takes what has come, and says whether more may.
func (e *ear) read() bool {
	frames, events := make([]line.Frame, 16), make([]line.Event, line.EventQueue)
	for {
		n, err := e.l.Read(frames)
		if errors.Is(err, line.ErrGone) {
			if k, err := e.l.ReadEvents(events); err == nil {
				e.Timeline.Events = append(e.Timeline.Events, events[:k]...)
			}
			return false
		}
		for i := range frames[:n] {
			e.frame(&frames[i])
		}
		k, err := e.l.ReadEvents(events)
		if err == nil {
			err = e.TakeEvents(events[:k])
		}
		if err != nil && !errors.Is(err, line.ErrGone) {
			e.t.Errorf("%s: %v", e.l.Info().Name, err)
		}
		if n < len(frames) {
			return true
		}
	}
}

func (e *ear) frame(f *line.Frame) {
	before := e.End
	if err := e.Take([]line.Frame{*f}); err != nil {
		e.t.Errorf("%s: %v", e.l.Info().Name, err)
	}
	if f.Len == 0 {
		if n := len(e.breaks); n > 0 && e.breaks[n-1].really == [2]int64{} && e.breaks[n-1].at+e.breaks[n-1].told == before {
			e.breaks[n-1].told += f.Lost
		} else {
			e.breaks = append(e.breaks, brk{at: before, told: f.Lost})
		}
		return
	}
	told := f.Lost
	if n := len(e.breaks); n > 0 && e.breaks[n-1].really == [2]int64{} && e.breaks[n-1].at+e.breaks[n-1].told == before {
		told += e.breaks[n-1].told
		e.breaks = e.breaks[:n-1]
	}
	var really [2]int64
	for c := range e.l.Info().Channels {
		really[c] = e.follow(c, f, int64(told))
	}
	if really != [2]int64{} || told > 0 {
		e.breaks = append(e.breaks, brk{at: f.Start - told, told: told, really: really})
	}
}

// follow finds a frame in the sound of its source, and says how much is missing before it.
func (e *ear) follow(c int, f *line.Frame, told int64) int64 {
	from, last := e.place[c]+told, e.place[c]
	if last < 0 {
		from, last = told, 0
	}
	for off := range int64(3 * line.RateHz) {
		for _, at := range [2]int64{from + off, from - off} {
			if at >= last && e.matches(c, f, at) {
				first := e.place[c] < 0
				e.place[c] = at + line.FrameSamples
				if first {
					return 0
				}
				return at - last
			}
		}
	}
	e.t.Errorf("%s: side %d at %d is not what its source %d sent near %d", e.l.Info().Name, c, f.Start, e.sources[c], from)
	e.place[c] = from + line.FrameSamples
	return told
}

func (e *ear) matches(c int, f *line.Frame, at int64) bool {
	for i := range int64(line.FrameSamples) {
		if f.Samples[c][i] != int16(code(e.sources[c], at+i)) {
			return false
		}
	}
	return true
}

// true says where on the line's timeline the circuit's moment is, by the sound around it.
func (e *ear) truth(at time.Time) line.Position {
	return e.End - line.Position(e.place[0]-int64(line.In(at.Sub(e.start))))
}

func (e *ear) kinds() (all []line.Kind) {
	for _, x := range e.Events {
		all = append(all, x.Kind)
	}
	return all
}

func sleep(d time.Duration) { time.Sleep(d) } // of virtual time

// Package pipeline carries sound from the lines to the vault: it finds the calls, encodes each party, and hands
// everything over in groups.
//
// Stage: line -> [call -> encode] -> seal -> store -> search -> release.
//
//	In:    line.Frame and line.Event of every line, polled together
//	Out:   segment.Group to a Sink, one at most every segment.Tick, each track without a hole or an overlap
//	Owner: Run starts and stops every goroutine of this package: one that polls and cuts, workers that help it,
//	       one that commits
//	Full:  capture never waits for the vault. When queueGroups wait, the newest group is dropped, counted and
//	       marked as a gap; when a line has more than its share of a group, its sound waits in its driver's
//	       ring, and what that loses is marked by the driver
//
// Everything stands on the recording's own timeline, in samples: for every track, 160 for each packet and the
// lengths of the gaps are together the length of the recording, whatever was lost on the way, and where.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"linekeep/audio/call"
	"linekeep/audio/rule"
	"linekeep/audio/segment"
	"linekeep/drivers/line"
)

const (
	// pollsPerTick is how many polls make a segment.Tick. Each takes three frames of a line, for levels and calls;
	// the last encodes what all have brought, just before the cut. Measured: encoding at each poll takes 12 % more
	// CPU for the same packets, and waking for each frame twice as much.
	pollsPerTick = 8
	pollEvery    = segment.Tick / pollsPerTick
	// queueGroups is how many groups may wait for the vault: 4 s, four times the longest fdatasync seen on a
	// busy card or disk. It is memory, and sound that a power cut takes, so not more.
	queueGroups = 8
	// maxLookback bounds the sound of a line held back for a pause that may come: it is lost in a power cut.
	maxLookback = 10 * time.Second
)

// Sink takes the groups. *store.Store does.
type Sink interface {
	// Commit returns nil when everything in g is stored, and an error when nothing of it counts. Openings are
	// handed over once and kept by the sink, even when it fails; closings that failed come again. An error may
	// have a method Cause() segment.Cause that says what the gap is called; otherwise it is segment.CauseStore.
	// What g holds is the pipeline's again when Commit returns.
	Commit(ctx context.Context, g *segment.Group) error
}

// Encoder encodes one party track; *opus.Encoder does.
type Encoder interface {
	// Encode puts 160 samples into packet and says how many bytes it took.
	Encode(pcm []int16, packet []byte) (int, error)
	// Reset forgets all sound before.
	Reset() error
}

// Config says how the pipeline works.
type Config struct {
	// NewEncoder makes the encoder of one channel. All are made by New: a call never fails to begin for want of one.
	NewEncoder func() (Encoder, error)
	// Workers is how many goroutines encode at once; 0 is one for each CPU.
	Workers int
}

// Validate reports every fault of c.
func (c Config) Validate() error {
	var errs []error
	if c.NewEncoder == nil {
		errs = append(errs, errors.New("no way to make an encoder"))
	}
	if c.Workers < 0 || c.Workers > 256 {
		errs = append(errs, fmt.Errorf("workers: %d is not between 0 and 256", c.Workers))
	}
	return errors.Join(errs...)
}

// LineConfig is one line to be recorded.
type LineConfig struct {
	ID       string // of the line in the configuration
	Class    string // retention class of its recordings
	Line     line.Line
	Call     call.Config
	Rule     rule.Rule     // which of its calls are recorded
	Lookback time.Duration // how far behind the line the encoder runs, so that Pause can cut what was already heard
	PauseFor time.Duration // how long Pause lasts unless it is ended before; 0 is DefaultPause
}

// Pipeline records a fixed set of lines. It runs once.
type Pipeline struct {
	lanes []*lane
	clock func() time.Time
	log   *slog.Logger
	ran   atomic.Bool

	crew *crew
	batches
	owed      owed // of groups that did not fit into the queue
	committer *committer

	dropped  trouble
	refused  trouble // by the encoder
	reported time.Time
}

// New makes a pipeline with everything it needs to record all lines at once. Nothing runs until Run.
func New(cfg Config, lines []LineConfig, sink Sink, clock func() time.Time, log *slog.Logger) (*Pipeline, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("pipeline settings: %w", err)
	}
	p := &Pipeline{clock: clock, log: log}
	channels := 0
	for i, lc := range lines {
		if p.lane(lc.ID) != nil {
			return nil, fmt.Errorf("line %q: its id stands twice", lc.ID)
		}
		l, err := newLane(lc, cfg.NewEncoder, &p.refused)
		if err != nil {
			return nil, fmt.Errorf("line %q: %w", lc.ID, err)
		}
		l.index, l.lanes = uint64(i), uint64(len(lines))
		p.lanes = append(p.lanes, l)
		channels += l.info.Channels
	}
	if cfg.Workers == 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	p.crew = newCrew(cfg.Workers, p.lanes)
	p.batches = newBatches(len(lines), channels)
	p.committer = &committer{sink: sink, clock: clock, lost: p.countLost}
	return p, nil
}

// Record has the call that is up on a line recorded from now on, where it is not yet: on a line that is recorded on demand. It says
// whether there is such a line, and whether a call is up on it. An excluded number is not recorded whoever asks.
func (p *Pipeline) Record(id string) (there, up bool) {
	l := p.lane(id)
	if l == nil {
		return false, false
	}
	var s LineStatus
	if l.board.read(&s); s.State != StateCall && s.State != StatePaused {
		return true, false
	}
	l.asked.Store(true)
	return true, true
}

func (p *Pipeline) lane(id string) *lane {
	i := slices.IndexFunc(p.lanes, func(l *lane) bool { return l.id == id })
	if i < 0 {
		return nil
	}
	return p.lanes[i]
}

// Package health says how the box is: whether it records, what is wrong and since when, whether today's calls add up.
//
//	In:    the pipeline's status, the vault's status and heartbeat, and the word that a recording was filed
//	Out:   api.Status, made anew for each asking; alarms raised and cleared, in the log once each
//	Owner: Run has two goroutines, one that looks and one that waits for the disk; Status may be asked from any
//	Full:  keeps a few hundred bytes for each line; calls that ended and wait to be filed are counted one by one
//
// It says "recording" only when frames were captured and the vault's last heartbeat came back: never because a
// process is alive.
package health

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"linekeep/audio/pipeline"
	"linekeep/drivers/line"
	"linekeep/ui/api"
	"linekeep/vault"
	"linekeep/vault/keys"
	"linekeep/vault/secret"
)

const (
	// beatEvery is how often the vault must prove that it stores; beatWithin is how old the last proof may be. A disk
	// that spins up takes 5 s or more, and is no fault.
	beatEvery  = 10 * time.Second
	beatWithin = 2*beatEvery + 5*time.Second
	// lookEvery is how often Run looks: an alarm is told within a second or two of its cause.
	lookEvery = time.Second
	// stuckAfter is how long a line that is not down may give no frame before that is a fault: a driver tells the
	// loss of a device within 100 ms, so this is silence of a driver, not of a line.
	stuckAfter = 2 * time.Second
	// lossyFor is how long a loss on a line is told after its last lost sample: long enough to be seen by somebody who
	// looks up when the lamp changes.
	lossyFor = time.Minute
	// fileWithin is how long after its end a call may be on its way into the catalogue before it counts as missed.
	fileWithin = 2 * time.Minute
	// lowHours is the room, in hours of calls as they come, below which somebody must make more: two weeks of an office
	// whose lines are busy for four hours a day.
	lowHours = 40
)

// Config says what the box is.
type Config struct {
	Site, Box, Version string
	Lines              []Line
	Custody            string         // the printed fingerprint of the custody key; empty where none is known
	Memory             func() Memory  // how well what is in memory is kept; nil where nobody knows
	Rescue             string         // fingerprint of the rescue page's certificate
	Place              *time.Location // whose midnight ends a day of totals
}

// Memory is how well the keys in memory are kept there.
type Memory struct {
	Keys     secret.Status
	Swaps    []string // where memory is swapped to
	SwapsErr error    // why that is not known
	Dumpable error    // why others can make a copy of it; nil: they cannot
}

// Line is what people call a line, by its id.
type Line struct {
	ID, Label string
}

// Lines tells how the lines are; *pipeline.Pipeline does.
type Lines interface {
	Status(dst []pipeline.LineStatus) []pipeline.LineStatus
}

// Vault tells how the vault is, and proves that it can still store; *vault.Vault does.
type Vault interface {
	Status() vault.Status
	// Heartbeat writes something and reads it back from the disk.
	Heartbeat(ctx context.Context) error
}

// Health watches the box.
type Health struct {
	conf    Config
	lines   Lines
	vault   Vault
	clock   func() time.Time
	log     *slog.Logger
	started time.Time

	mu      sync.Mutex
	days    map[string]*tally
	since   map[string]time.Time // of each alarm that is up, by its code and line
	losses  map[string]loss
	counted map[keys.ID]bool // filed today
	day     time.Time        // midnight that began the totals
	beat    time.Time        // of the last good heartbeat; when we began, before the first
	beaten  bool             // there was a good one, and the last one was
	sound   time.Duration    // length of the recordings filed since we began
	bytes   int64            // and what they take
}

// loss is how much a line has lost, and when last.
type loss struct {
	total line.Samples
	last  time.Time
}

// New watches what it is given. It starts nothing; see Run.
func New(conf Config, lines Lines, vault Vault, clock func() time.Time, log *slog.Logger) *Health {
	if conf.Place == nil {
		conf.Place = time.Local
	}
	now := clock()
	h := &Health{conf: conf, lines: lines, vault: vault, clock: clock, log: log, started: now,
		days: map[string]*tally{}, since: map[string]time.Time{}, losses: map[string]loss{}, counted: map[keys.ID]bool{}, beat: now, day: midnight(now, conf.Place)}
	for _, l := range conf.Lines {
		h.days[l.ID] = &tally{}
	}
	return h
}

// Run looks once a second until ctx ends, so that alarms are in the log though nobody asks and a day ends at midnight,
// and has the vault prove itself every ten.
func (h *Health) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return every(ctx, lookEvery, func() { h.look(ctx) }) })
	g.Go(func() error {
		h.prove(ctx) // before the first look, where the disk is quick: a start is no alarm
		return every(ctx, beatEvery, func() { h.prove(ctx) })
	})
	return g.Wait()
}

// every does something now and then at its pace, until ctx ends.
func every(ctx context.Context, pace time.Duration, do func()) error {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			do()
		}
	}
}

// prove has the vault store something. A disk that hangs holds up this goroutine alone; the age of the last good beat
// then tells.
func (h *Health) prove(ctx context.Context) {
	err := h.vault.Heartbeat(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.beat, h.beaten = h.clock(), true
		return
	}
	if ctx.Err() == nil && h.beaten {
		h.log.LogAttrs(ctx, slog.LevelError, "the vault does not store", slog.Any("err", err))
	}
	h.beaten = false
}

// Status is how the box is now.
func (h *Health) Status(ctx context.Context) api.Status { return h.look(ctx) }

// look takes everything in, once, and tells the log what alarms came and went.
func (h *Health) look(ctx context.Context) api.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.facts()
	st := api.Status{Now: f.now, Box: h.conf.Box, Site: h.conf.Site, Version: h.conf.Version, Started: h.started, Store: f.store(),
		Custody: f.vault.Custody, Rescue: h.conf.Rescue}
	st.Alarms = h.alarms(ctx, f)
	for i := range f.lines {
		l := f.lines[i].shown()
		st.Lines = append(st.Lines, l)
		st.Today = sum(st.Today, l.Today)
	}
	st.Recording, st.Sentence = f.answer(st)
	return st
}

// Today is where the day of totals began, at midnight.
func (h *Health) Today() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.day
}

// Filed counts a recording that is now in the catalogue, once. At the start it is told of all that were filed today.
func (h *Health) Filed(f Filed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.counted[f.ID] { // the vault files again what it is not sure to have filed
		return
	}
	h.counted[f.ID] = true
	h.sound += f.Length
	h.bytes += f.Bytes
	if d := h.days[f.Line]; d != nil { // a line taken out of the settings can still have recordings to be closed at start
		d.file(f, f.Start.Before(h.started))
	}
}

// Filed says what was filed.
type Filed struct {
	ID        keys.ID
	Line      string
	Gaps      bool      // some of it is missing, and the recording says where and why
	Start     time.Time // before this run of the box began, it is none of this run's calls
	Continues bool      // goes on from another recording of the same call
	Length    time.Duration
	Bytes     int64
}

func midnight(t time.Time, place *time.Location) time.Time {
	y, m, d := t.In(place).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, place)
}

func sum(a, b api.Totals) api.Totals {
	return api.Totals{Seen: a.Seen + b.Seen, Recorded: a.Recorded + b.Recorded, Gaps: a.Gaps + b.Gaps, Missed: a.Missed + b.Missed, Now: a.Now + b.Now}
}

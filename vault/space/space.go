// Package space keeps the disk from running full under the vault.
//
// Stage: line -> call -> encode -> seal -> [store] -> search -> release.
//
//	In:    the free space of the file system that holds the vault, asked of the kernel at each use
//	Out:   State for health, Room for whoever is about to write, Calls for whoever is about to begin a call
//	Owner: Run polls; everything else answers on the caller's goroutine; nothing else is started
//	Full:  new calls are refused below StopCalls, every write below StopAll; both come back by themselves
//
// Why a guard and not the error of the write: Badger maps sparse files, and a page fault that finds no block
// is SIGBUS, which ends the process (measured on a 120 MB ext4; reopening while full dies again). So the
// vault stops well before, and a ballast file holds the blocks that closing in good order will need.
package space

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// ErrFull reports that a write was refused because the disk is, or would be, too full to write safely.
var ErrFull = errors.New("space: disk full")

// ErrLow reports that no new call may begin; those that are up go on.
var ErrLow = errors.New("space: disk nearly full")

// State is how much room there is, in the words of health.
type State uint8

// The states, from good to bad.
const (
	OK   State = iota // room for everything
	Low               // calls that are up go on, no new call begins
	Full              // nothing is written any more
)

func (s State) String() string {
	switch s {
	case OK:
		return "ok"
	case Low:
		return "low"
	case Full:
		return "full"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// hysteresis is how far above its threshold, as a part of it, free space must rise before a state is left
// again: without it, each removed temporary file would raise and clear the alarm.
const hysteresis = 8

// fewestFiles is the number of free inodes below which the disk counts as full: creating a file fails like
// a missing block, and opening a month's folder creates about ten.
const fewestFiles = 128

// Status is what health shows.
type Status struct {
	State   State
	Free    Bytes
	Total   Bytes
	Ballast Bytes     // blocks held back for closing in good order; 0 when they had to be given up
	Since   time.Time // when State began
	Alarm   string    // empty when all is well; a whole sentence that says what is lost
}

// Guard watches one file system.
type Guard struct {
	cfg  Config
	dir  string
	log  *slog.Logger
	disk disk

	mu     sync.Mutex
	status Status
}

// New makes the guard of the file system that dir lies on. It writes nothing; Start does.
func New(cfg Config, dir string, log *slog.Logger) (*Guard, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Guard{cfg: cfg, dir: dir, log: log, disk: kernel{dir: dir}}, nil
}

// Start looks at the disk for the first time, before anything of the vault is opened. Below StopCalls it gives
// the ballast's blocks back, so that what the last run left can be opened and put in order; otherwise it makes
// the ballast. Being full is no error of Start: the vault must open to play what it holds.
func (g *Guard) Start(ctx context.Context) error {
	st, err := g.look(ctx)
	if err != nil {
		return err
	}
	if st.State == OK {
		return g.fillBallast(ctx)
	}
	return g.Release(ctx)
}

// Run looks at the disk every Poll until ctx ends, and makes the ballast again once there is room.
func (g *Guard) Run(ctx context.Context) error {
	tick := time.NewTicker(g.cfg.Poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		st, err := g.look(ctx)
		if err != nil {
			g.log.ErrorContext(ctx, "free space unknown", slog.Any("err", err))
			continue
		}
		if st.State == OK && st.Ballast < g.cfg.Ballast {
			if err := g.fillBallast(ctx); err != nil {
				g.log.ErrorContext(ctx, "ballast not made", slog.Any("err", err))
			}
		}
	}
}

// Status is the last look. It never blocks on the disk.
func (g *Guard) Status() Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.status
}

// Room says whether need bytes may be written now and leave StopAll free. It asks the kernel each time (one
// statfs, about a microsecond): a poll once a second is too old when something else fills the disk.
func (g *Guard) Room(need int64) error {
	free, _, err := g.disk.free()
	if err != nil {
		return fmt.Errorf("asking for free space: %w", err)
	}
	if free-Bytes(need) >= g.cfg.StopAll {
		return nil
	}
	return fmt.Errorf("%w: %v free, %v wanted, %v kept back: %s", ErrFull, free, Bytes(need), g.cfg.StopAll, lostFull)
}

// Calls says whether a new call may begin.
func (g *Guard) Calls() error {
	st := g.Status()
	if st.State == OK {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrLow, st.Alarm)
}

// What is lost, in the words the console, mail and errors share.
const (
	lostLow  = "new calls are not recorded until space is made; calls that are up go on"
	lostFull = "nothing more is stored until space is made; what is stored already stays"
)

// look asks the kernel and moves the state.
func (g *Guard) look(ctx context.Context) (Status, error) {
	free, total, err := g.disk.free()
	if err != nil {
		return Status{}, fmt.Errorf("asking for free space: %w", err)
	}
	ballast, err := g.disk.ballast()
	if err != nil {
		return Status{}, err
	}
	g.mu.Lock()
	old := g.status
	now := Status{State: g.next(old.State, free), Free: free, Total: total, Ballast: ballast, Since: old.Since}
	if now.State != old.State || old.Since.IsZero() {
		now.Since = time.Now()
	}
	now.Alarm = alarm(now.State, free)
	g.status = now
	g.mu.Unlock()
	if now.State != old.State {
		g.log.WarnContext(ctx, "disk space changed", slog.String("state", now.State.String()),
			slog.Int64("free", int64(free)), slog.String("alarm", now.Alarm))
	}
	return now, nil
}

// next is the state at free bytes, coming from old.
func (g *Guard) next(old State, free Bytes) State {
	all, calls := g.cfg.StopAll, g.cfg.StopCalls
	if old == Full {
		all += all / hysteresis
	}
	if old >= Low {
		calls += calls / hysteresis
	}
	switch {
	case free < all:
		return Full
	case free < calls:
		return Low
	}
	return OK
}

func alarm(s State, free Bytes) string {
	switch s {
	case Low:
		return fmt.Sprintf("The disk is nearly full (%v free): %s.", free, lostLow)
	case Full:
		return fmt.Sprintf("The disk is full (%v free): %s.", free, lostFull)
	}
	return ""
}

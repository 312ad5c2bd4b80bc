// Package scrub reads the whole vault again every month, a share each night, before anybody needs what is in it.
//
//	In:    a check of one share of the recordings; a place for a few hundred bytes of progress
//	Out:   how far it came this month, when the whole was last read, and what was found
//	Owner: Run has one goroutine of its caller's, and one check at a time; Status and Now may be called from several
//	Full:  it reads at most Rate bytes a second, and writes its progress once a share
//
// A month has Shares shares; by the night of the n-th at least n of them are read. So nights in which the box was off are
// made up for, and by the 28th everything was read, in any month.
package scrub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"linekeep/vault/check"
)

const (
	// Shares is how many parts a month's pass has: as many as the shortest month has nights.
	Shares = 28
	// Hour is when a night's share begins, by the clock on the wall: before what is due is erased, at three.
	Hour = 1
	// Rate is how fast sound is read: a tenth of what a slow disk gives, so that the recorder never waits. A terabyte takes
	// some eighteen hours of a month.
	Rate = 15 << 20
	// period is how often Run looks whether a share is due.
	period = time.Minute
	// mostFindings bounds what is kept of a pass: whoever has more changes the disk and asks for a check.
	mostFindings = 100
)

// Store is where the progress is kept.
type Store interface {
	Load(name string) ([]byte, error)
	Save(name string, value []byte) error
}

// Config says what a Runner does.
type Config struct {
	// Check reads one share of the recordings at the pace it is given.
	Check func(ctx context.Context, share check.Share, pace func(context.Context, int64) error) (check.Report, error)
	Store Store
	Clock func() time.Time // its location is the office's
	Log   *slog.Logger
}

// Validate reports what is missing.
func (c Config) Validate() error {
	if c.Check == nil || c.Store == nil || c.Clock == nil || c.Log == nil {
		return errors.New("scrub: Config needs Check, Store, Clock and Log")
	}
	return nil
}

// Status is how it stands.
type Status struct {
	Month    string    // of the pass, such as 2026-11
	Done     int       // shares of Shares that were read in it
	Running  bool      // a share is being read
	Hurry    bool      // somebody asked for the rest of the pass now
	Whole    time.Time // when the whole was last read; zero: never
	Calls    int       // recordings read in this pass
	Bytes    int64     // of sound
	Findings []check.Finding
	More     int    // findings that are not listed
	Trouble  string // why the last share could not be read

	earlier []check.Finding // of the pass before, of what this one has not come to
}

// Runner reads.
type Runner struct {
	cfg  Config
	wake chan struct{} // one pending word is enough

	mu     sync.Mutex
	status Status
}

// New makes a runner that goes on where an earlier one left off. A progress that cannot be read begins anew: then more is
// read than had to be.
func New(ctx context.Context, cfg Config) (*Runner, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := &Runner{cfg: cfg, wake: make(chan struct{}, 1)}
	r.status = load(ctx, cfg)
	return r, nil
}

// Status never waits for a share.
func (r *Runner) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status.clone()
	for _, f := range s.earlier {
		if !slices.Contains(s.Findings, f) {
			s.Findings = append(s.Findings, f)
		}
	}
	return s
}

// Now has the rest of the pass read at once; where this month's is done already, another one.
func (r *Runner) Now() {
	r.mu.Lock()
	if r.status.Done >= Shares {
		r.status = r.status.anew(monthOf(r.cfg.Clock()))
	}
	r.status.Hurry = true
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run reads what is due until ctx ends. Nothing it meets ends it before.
func (r *Runner) Run(ctx context.Context) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		// Not at once after a start: whoever moves recordings has months to open for writing, and a reader would be in the way.
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-r.wake:
		}
		for r.due() && ctx.Err() == nil {
			if !r.share(ctx) {
				break
			}
		}
	}
}

// due says whether a share is to be read now. With a new month a new pass begins.
func (r *Runner) due() bool {
	now := r.cfg.Clock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if month := monthOf(now); r.status.Month != month {
		r.status = r.status.anew(month)
	}
	night := now.Day() // the n-th night begins on the n-th
	if now.Hour() < Hour {
		night--
	}
	return r.status.Done < Shares && (r.status.Hurry || r.status.Done < night)
}

// share reads the next one. It is counted when it was read to its end; what is found meanwhile is kept in any case.
func (r *Runner) share(ctx context.Context) bool {
	r.mu.Lock()
	r.status.Running = true
	number := r.status.Done
	r.mu.Unlock()
	report, err := r.cfg.Check(ctx, check.Share{Number: number, Of: Shares}, pacer())
	r.mu.Lock()
	r.status.Running, r.status.Trouble = false, ""
	r.status.note(report)
	if err == nil {
		share := check.Share{Number: number, Of: Shares}
		r.status.earlier = slices.DeleteFunc(r.status.earlier, func(f check.Finding) bool { return share.Covers(f.What) })
	}
	if err != nil {
		r.status.Trouble = err.Error()
	} else if r.status.Done++; r.status.Done == Shares {
		r.status.Whole, r.status.Hurry = r.cfg.Clock(), false
	}
	now := r.status.clone()
	r.mu.Unlock()
	if ctx.Err() != nil {
		return false // it is read again from its beginning
	}
	if err != nil {
		r.cfg.Log.ErrorContext(ctx, "a share of the vault could not be read again", slog.Any("err", err))
	}
	for _, f := range report.Findings {
		r.cfg.Log.ErrorContext(ctx, "reading the vault again", slog.String("found", f.String()))
	}
	if serr := save(r.cfg.Store, now); serr != nil {
		r.cfg.Log.ErrorContext(ctx, "how far the vault was read is not kept; it is read again after a start", slog.Any("err", serr))
	}
	return err == nil
}

// pacer keeps a reader to Rate. It goes by the monotonic clock: no setting of the other one makes it wait. A stretch that was
// slower earns no burst afterwards: the count begins anew.
func pacer() func(context.Context, int64) error {
	began, read := time.Now(), int64(0)
	return func(ctx context.Context, n int64) error {
		read += n
		ahead := time.Duration(float64(read)/Rate*float64(time.Second)) - time.Since(began)
		if ahead <= 0 {
			began, read = time.Now(), 0
			return ctx.Err()
		}
		wait := time.NewTimer(ahead)
		defer wait.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wait.C:
			return nil
		}
	}
}

// Words is the pass in a line.
func (s Status) Words() string {
	return fmt.Sprintf("%d of %d shares of %s", s.Done, Shares, s.Month)
}

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
	"strings"
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
	// Longest is how long the vault may not have been read whole before a person is told. Between two whole readings lie 31 days at
	// the most where every night is read; a fortnight more is a box that was off for a while, or a disk that is slow. Damage
	// that is found later than that may be older than the newest archive, from which it could be put right.
	Longest = 45 * 24 * time.Hour
	// period is how often Run looks whether a share is due.
	period = time.Minute
	// commonLasts is how long one reading of what all shares need serves: what was recorded after it is not looked at before the next.
	commonLasts = 12 * time.Hour
	// mostFindings bounds what is kept of a pass: whoever has more changes the disk and asks for a check.
	mostFindings = 100
)

// Store is where the progress is kept.
type Store interface {
	Load(name string) ([]byte, error)
	Save(name string, value []byte) error
}

// Reader reads one share of the recordings after the other, at the pace it is given.
type Reader interface {
	Read(ctx context.Context, share check.Share, pace check.Pace) (check.Report, error)
}

// Config says what a Runner does.
type Config struct {
	// Begin reads what is the same for all of the shares that are due.
	Begin func(ctx context.Context, due ...check.Share) (Reader, error)
	Store Store
	Clock func() time.Time // its location is the office's
	Log   *slog.Logger
}

// Validate reports what is missing.
func (c Config) Validate() error {
	if c.Begin == nil || c.Store == nil || c.Clock == nil || c.Log == nil {
		return errors.New("scrub: Config needs Begin, Store, Clock and Log")
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
	Since    time.Time // when reading began at all
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
	r.first(ctx)
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
		for ctx.Err() == nil {
			if month, due := r.due(); len(due) == 0 || !r.night(ctx, month, due) {
				break
			}
		}
	}
}

// first takes note of when a vault was there to be read for the first time.
func (r *Runner) first(ctx context.Context) {
	r.mu.Lock()
	if !r.status.Since.IsZero() {
		r.mu.Unlock()
		return
	}
	r.status.Since = r.cfg.Clock()
	now := r.status.clone()
	r.mu.Unlock()
	r.keep(ctx, now)
}

func (r *Runner) keep(ctx context.Context, now Status) {
	if err := save(r.cfg.Store, now); err != nil {
		r.cfg.Log.ErrorContext(ctx, "how far the vault was read is not kept; it is read again after a start", slog.Any("err", err))
	}
}

// due are the shares to be read now, and of which month's pass. With a new month a new pass begins.
func (r *Runner) due() (month string, due []check.Share) {
	now := r.cfg.Clock()
	month = monthOf(now)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.status.Month != month {
		r.status = r.status.anew(month)
	}
	night := now.Day() // the n-th night begins on the n-th
	if now.Hour() < Hour {
		night--
	}
	if r.status.Hurry {
		night = Shares
	}
	for n := r.status.Done; n < min(night, Shares); n++ {
		due = append(due, check.Share{Number: n, Of: Shares})
	}
	return month, due
}

// night reads shares, and what they have in common once before them. It says whether all went well.
func (r *Runner) night(ctx context.Context, month string, due []check.Share) bool {
	r.mu.Lock()
	r.status.Running = true
	r.mu.Unlock()
	began := time.Now()
	reader, err := r.cfg.Begin(ctx, due...)
	if err != nil {
		r.read(ctx, due[0], check.Report{}, err)
		return false
	}
	for i, share := range due {
		// In another month another pass has begun, which wants the common part, too.
		if now, left := r.due(); i > 0 && (now != month || len(left) == 0 || left[0] != share || time.Since(began) > commonLasts) {
			return true
		}
		if !r.share(ctx, reader, share) {
			return false
		}
	}
	return true
}

func (r *Runner) share(ctx context.Context, reader Reader, share check.Share) bool {
	r.mu.Lock()
	r.status.Running = true
	r.mu.Unlock()
	report, err := reader.Read(ctx, share, pacer())
	return r.read(ctx, share, report, err)
}

// read takes note of a share. It is counted when it was read to its end; what is found meanwhile is kept in any case.
func (r *Runner) read(ctx context.Context, share check.Share, report check.Report, err error) bool {
	r.mu.Lock()
	r.status.Running, r.status.Trouble = false, ""
	r.status.note(report)
	if err == nil {
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
	r.keep(ctx, now)
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

// Late says whether the vault was not read whole for longer than Longest, and since when it was not.
func (s Status) Late(now time.Time) (bool, time.Time) {
	last := s.Since
	if s.Whole.After(last) {
		last = s.Whole
	}
	return !last.IsZero() && now.Sub(last) > Longest, last
}

// Damaged names recordings with a finding, at most limit of them, and counts the rest; other is how many findings are of none.
func (s Status) Damaged(limit int) (ids []string, rest, other int) {
	var all []string
	for _, f := range s.Findings {
		if id, ok := strings.CutPrefix(f.What, "recording "); ok {
			all = append(all, id)
		} else {
			other++
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	named := min(limit, len(all))
	return all[:named], len(all) - named, other
}

// Words is the pass in a line.
func (s Status) Words() string {
	return fmt.Sprintf("%d of %d shares of %s", s.Done, Shares, s.Month)
}

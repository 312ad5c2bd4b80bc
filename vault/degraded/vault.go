package degraded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"linekeep/audio/segment"
	"linekeep/vault/audit/entry"
	"linekeep/vault/catalog"
	"linekeep/vault/clear"
	"linekeep/vault/degraded/story"
	"linekeep/vault/journal"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/lock"
	"linekeep/vault/recording"
	"linekeep/vault/settings"
	"linekeep/vault/space"
	"linekeep/vault/store"
)

// The folders of a vault, main or degraded.
const (
	keysDir     = "keys"
	journalDir  = "journal"
	settingsDir = "settings"
)

const (
	// preparePeriod is how often keys are made ahead; they are due three days ahead.
	preparePeriod = time.Hour
	// keepPeriod is how often what is refused again and again is brought to the disk.
	keepPeriod = time.Minute
)

// Config says beside which vault, and what it keeps.
type Config struct {
	Dir     string // the main vault's
	Classes []string
	Space   space.Config
	Clock   func() time.Time
	Filed   func(recording.Manifest) // of each recording that has its manifest; may be nil
	Log     *slog.Logger
}

// Vault is a vault that only takes recordings in. It knows nothing of what was recorded before, and nothing in it can be
// found or heard until it is merged.
type Vault struct {
	cfg     Config
	clear   clear.File
	path    string
	lock    *os.File
	guard   *space.Guard
	keys    *keys.Keys
	journal *journal.Journal
	months  *library.Months
	store   *store.Store
	story   *story.Book
	last    journal.Replay // of one that is merged: how it ended

	mu    sync.Mutex
	beats bool // the last heartbeat came back
	since time.Time
}

// Open begins a vault beside the one in cfg.Dir, which does not open because of why. Errors: clear.ErrMissing, clear.ErrAltered.
func Open(ctx context.Context, cfg Config, why error) (*Vault, error) {
	d := &Vault{cfg: cfg}
	if err := d.begin(ctx, why); err != nil {
		return nil, errors.Join(fmt.Errorf("record beside the vault in %s, which is locked: %w", cfg.Dir, err), d.release())
	}
	return d, nil
}

func (d *Vault) begin(ctx context.Context, why error) error {
	file, findings, err := clear.Read(filepath.Join(d.cfg.Dir, keysDir))
	if err != nil {
		return err
	}
	for _, f := range findings {
		d.cfg.Log.WarnContext(ctx, "clear file mended", slog.Any("err", f))
	}
	d.clear = file
	n, err := Begin(d.cfg.Dir)
	if err != nil {
		return err
	}
	d.path = Path(d.cfg.Dir, n)
	if d.lock, err = lock.Take(d.path); err != nil {
		return err
	}
	// The main vault's guard and ballast serve: it is the same disk.
	if d.guard, err = space.New(d.cfg.Space, d.cfg.Dir, d.cfg.Log); err != nil {
		return err
	}
	if err = d.guard.Start(ctx); err != nil {
		return err
	}
	kc := d.keysConfig()
	kc.VaultID, kc.FirstShard = file.VaultID, firstShard()
	if err := clear.Write(kc.Dir, file); err != nil { // before the root: the merge must know whose keys these were
		return err
	}
	if d.keys, err = keys.Create(ctx, kc, Record(file.VaultID, file.Spare)); err != nil {
		return err
	}
	if err := d.keys.Prepare(ctx, d.cfg.Classes, d.cfg.Clock()); err != nil {
		return err
	}
	kept, err := d.settings()
	if err == nil {
		d.story, err = story.Begin(kept, d.cfg.Clock, why, d.cfg.Log)
	}
	if err != nil {
		return err
	}
	return d.open(ctx)
}

// settings is where it keeps what the main vault's log is to be told.
func (d *Vault) settings() (*settings.Folder, error) {
	return settings.Open(filepath.Join(d.path, settingsDir), d.keys.VaultID(), d.keys.Outer("settings"))
}

// Refused takes note of what somebody was refused while the main vault is locked: its log is told when it opens.
func (d *Vault) Refused(ctx context.Context, who entry.Kind, act, why string) {
	d.story.Refused(context.WithoutCancel(ctx), who, act, why)
}

func (d *Vault) keysConfig() keys.Config {
	return keys.Config{Dir: filepath.Join(d.path, keysDir), Clock: d.cfg.Clock, NoBackup: true}
}

// firstShard is somewhere in the upper half of all numbers, so that the shards of a degraded vault are nobody else's: two
// vaults of 100 shards each meet with a chance of 1 in 10 million, and then the merge says so.
func firstShard() uint32 { return keys.FirstDegraded + rand.Uint32N(1<<31-1<<20) }

// open opens what stands on the keys: for a vault that begins, or for one that is to be merged.
func (d *Vault) open(ctx context.Context) (err error) {
	var replay *journal.Replay
	if d.journal, replay, err = journal.Open(journal.Config{Dir: filepath.Join(d.path, journalDir), VaultID: d.keys.VaultID(),
		Key: d.keys.Outer("journal"), Room: d.guard.Room, Log: d.cfg.Log}); err != nil {
		return err
	}
	d.last = *replay
	d.months = library.NewMonths(library.MonthsConfig{Dir: d.path, Key: d.keys.Folder, Move: d.guard.Room, Clock: d.cfg.Clock, Log: d.cfg.Log})
	d.store, err = store.New(ctx, store.Config{Keys: d.keys, Public: d.clear.Custody, Custody: d.clear.Number, Journal: d.journal, Guard: d.guard,
		Months: d.months, Filer: nopFiler{}, Filed: d.cfg.Filed, Clock: d.cfg.Clock, Log: d.cfg.Log}, replay)
	return err
}

// nopFiler is where a degraded vault files: its rows are its manifests, and come into the catalogue with the merge.
type nopFiler struct{}

func (nopFiler) File(context.Context, ...catalog.Row) error { return nil }

// Commit stores a group; see store.Commit.
func (d *Vault) Commit(ctx context.Context, g *segment.Group) error { return d.store.Commit(ctx, g) }

// Run moves, watches the disk and makes keys ahead, until ctx ends.
func (d *Vault) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.store.Run(ctx) })
	g.Go(func() error { return d.guard.Run(ctx) })
	g.Go(func() error { return d.prepare(ctx) })
	return g.Wait()
}

func (d *Vault) prepare(ctx context.Context) error {
	hourly, minutely := time.NewTicker(preparePeriod), time.NewTicker(keepPeriod)
	defer hourly.Stop()
	defer minutely.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-minutely.C:
			d.story.Keep(ctx)
		case <-hourly.C:
			if err := d.keys.Prepare(ctx, d.cfg.Classes, d.cfg.Clock()); err != nil {
				d.cfg.Log.ErrorContext(ctx, "keys for coming recordings not made", slog.Any("err", err))
			}
		}
	}
}

// Heartbeat proves that the disk stores: nil = something was written and read back.
func (d *Vault) Heartbeat(ctx context.Context) error {
	err := d.store.Heartbeat(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	if ok := err == nil; d.beats != ok || d.since.IsZero() {
		d.beats, d.since = ok, d.cfg.Clock()
	}
	return err
}

// State is how a degraded vault stands.
type State struct {
	Store    store.Status
	Answers  bool // the last heartbeat came back
	Since    time.Time
	Space    space.Status
	Findings []error
	Custody  string // fingerprint of the key that its calls are under
}

// State gives the present state. It never waits for the disk.
func (d *Vault) State() State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return State{Store: d.store.Status(), Answers: d.beats, Since: d.since, Space: d.guard.Status(), Findings: d.store.Findings(),
		Custody: d.clear.Custody.Fingerprint()}
}

// Stopped are the recordings that the stop ended while their calls went on.
func (d *Vault) Stopped() []store.Cut { return d.store.Stopped() }

// Close ends the vault in order. Run must have returned.
func (d *Vault) Close(ctx context.Context) error {
	var err error
	if d.guard.Status().State != space.OK {
		err = d.guard.Release(ctx)
	}
	d.story.End(ctx)
	return errors.Join(err, d.store.Close(ctx), d.release())
}

func (d *Vault) release() error {
	var errs []error
	if d.months != nil {
		errs = append(errs, d.months.Close())
	}
	if d.journal != nil {
		errs = append(errs, d.journal.Close())
	}
	if d.keys != nil {
		errs = append(errs, d.keys.Close())
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	d.lock = nil // closed twice it would be an error
	return errors.Join(errs...)
}

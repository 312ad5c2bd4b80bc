// Package vault keeps recordings: it takes what the pipeline heard, keeps it so that nobody can listen without the
// recovery code, finds it again, and proves that it is what it was.
//
// Stage: line -> call -> encode -> [seal -> store -> search] -> release.
//
//	In:    segment.Group from audio/pipeline; a recovery code from whoever wants to hear
//	Out:   nil from Commit = stored; rows from Find; sound from Play; what is wrong from Check
//	Owner: Run starts and stops every goroutine, but those of Badger, which live from Open to Close
//	Full:  new calls are refused on a nearly full disk, groups on a full one; nothing stored is touched
//
// It only joins: keys (root, shards), custody (who may hear), journal and store (what was said), catalog (what can
// be found), space (the disk). A vault can be open in one process at a time.
package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"linekeep/audio/segment"
	"linekeep/drivers/tpm"
	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/catalog"
	"linekeep/vault/catalog/number"
	"linekeep/vault/clear"
	"linekeep/vault/custody"
	"linekeep/vault/custody/holding"
	"linekeep/vault/custody/office"
	"linekeep/vault/eraser"
	"linekeep/vault/folder"
	"linekeep/vault/journal"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/lock"
	"linekeep/vault/mend"
	"linekeep/vault/past"
	"linekeep/vault/recording"
	"linekeep/vault/retention"
	"linekeep/vault/rewrap"
	"linekeep/vault/scrub"
	"linekeep/vault/settings"
	"linekeep/vault/space"
	"linekeep/vault/store"
)

var (
	// ErrLocked reports that another process has the vault open.
	ErrLocked = lock.ErrTaken
	// ErrExists reports that Create found a vault there already.
	ErrExists = errors.New("vault: there is one already")
	// ErrNotFiled reports a recording that is up, or whose last seconds are still being moved.
	ErrNotFiled = store.ErrNotFiled
	// ErrNotThere reports an id under which the vault holds nothing.
	ErrNotThere = library.ErrNotThere
	// ErrWrongCode reports a recovery code that does not open this vault.
	ErrWrongCode = custody.ErrWrongCode
)

const (
	keysDir     = "keys"
	journalDir  = "journal"
	catalogDir  = "catalog"
	erasuresDir = "erasures"
	ballastName = "ballast"

	// PreparePeriod is how often the vault sees to it that next month's keys exist: they are due three days ahead.
	PreparePeriod = time.Hour
	// TrimPeriod is how often the catalogue's folder is made to give memory back.
	TrimPeriod = time.Minute
)

// What the vault key's derivations are called.
const (
	outerJournal = "journal"
	outerErasure = "erasure"
)

// Config says where a vault is and what it keeps.
type Config struct {
	Dir     string       // the folder called vault below the data folder
	Classes []string     // retention classes in use; each has its own months
	Space   space.Config // when the disk counts as full
	Clock   func() time.Time
	Numbers number.Rules // how telephone numbers are written where the box stands
	// NoBackup keeps no key backup on the box: then nobody can undo an erasure with an older copy of the disk, and a chip that
	// dies takes the recordings with it.
	NoBackup bool
	// Filed is told of each recording once it can be found; may be nil.
	Filed func(recording.Manifest)

	Version                     string        // of the program, for the audit log
	Box                         string        // the box's name, which no password may be
	SeveralRoles                bool          // one person may have several roles: the site says so
	SessionIdle, SessionLongest time.Duration // when a session ends; zero for the defaults of custody/office
	Retention                   Retention     // how long each class is kept
	// Excluded says whether a call is of a number that is never recorded, for calls recorded while the vault was locked and
	// nobody could look into that list: the merge leaves them out. May be nil.
	Excluded func(catalog.Row) bool

	blockRows int // loose rows that become a block of the catalogue, where a test wants many; zero for its default
}

// Defaults is the configuration of a vault in dir with one retention class.
func Defaults(dir string) Config {
	return Config{Dir: dir, Classes: []string{"standard"}, Space: space.Defaults(), Clock: time.Now, Numbers: number.Defaults()}
}

// Validate names every fault.
func (c Config) Validate() error {
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("vault: Dir is empty"))
	}
	if len(c.Classes) == 0 {
		errs = append(errs, errors.New("vault: Classes is empty"))
	}
	for _, class := range c.Classes {
		errs = append(errs, keys.ValidClass(class))
	}
	if c.Clock == nil {
		errs = append(errs, errors.New("vault: Clock is missing"))
	}
	return errors.Join(append(errs, c.Space.Validate(), c.Numbers.Validate())...)
}

// Vault is an open vault.
type Vault struct {
	cfg       Config
	log       *slog.Logger
	lock      *os.File
	guard     *space.Guard
	keys      *keys.Keys
	ring      *custody.Ring
	office    *office.Office // nil where its people cannot be read
	rewrap    *rewrap.Runner
	signed    chan struct{} // somebody who holds the custody key signed in; one pending word is enough
	journal   *journal.Journal
	months    *library.Months
	store     *store.Store
	library   *library.Library
	rows      *folder.Folder // of the catalogue
	past      *past.Past     // the audit log, and the register
	catalog   *catalog.Catalog
	eraser    *eraser.Eraser
	retention *retention.Keeper
	step      func(string) // told before each step of a month's going, by tests alone
	mender    *mend.Mender
	scrub     *scrub.Runner
	settings  *settings.Folder
	// outdated: the journal is older than the catalogue, so its marks are old too.
	outdated bool

	mu    sync.Mutex
	beat  beat
	found []error
}

// Create makes a new vault in cfg.Dir, which must not hold one. Until it is handed over, what it records can be heard by the
// box itself. Errors: ErrExists, and those of tpm.Sealer.
func Create(ctx context.Context, cfg Config, chip tpm.Sealer) (err error) {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("make the vault's folder: %w", err)
	}
	held, err := lock.Take(cfg.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	dir := filepath.Join(cfg.Dir, keysDir)
	if Exists(cfg.Dir) {
		return fmt.Errorf("%w: %s", ErrExists, cfg.Dir)
	}
	k, err := keys.Create(ctx, keys.Config{Dir: dir, Clock: cfg.Clock, NoBackup: cfg.NoBackup}, chip)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	ring, err := custody.Load(dir, k.VaultID(), k.Outer(custody.Outer))
	if err != nil {
		return err
	}
	if err := office.Create(ctx, officeConfig(cfg, k, ring)); err != nil {
		return err
	}
	if err := k.Prepare(ctx, cfg.Classes, cfg.Clock()); err != nil {
		return err
	}
	// From the first day on the box can record beside a vault that does not open.
	inClear, err := makeClear(cfg.Classes, k, ring)
	if err != nil {
		return err
	}
	if err := clear.Write(dir, inClear); err != nil {
		return err
	}
	j, _, err := journal.Open(journal.Config{Dir: filepath.Join(cfg.Dir, journalDir), VaultID: k.VaultID(), Key: k.Outer(outerJournal)})
	if err != nil {
		return err
	}
	// An empty journal is from now on a lost one, never a new one.
	first := journal.Group{At: cfg.Clock(), Clean: true, Marks: k.Marks()}
	return errors.Join(j.Append(first, nil), j.Close())
}

// Exists says whether a vault was made in dir, or at least begun.
func Exists(dir string) bool {
	entries, err := os.ReadDir(filepath.Join(dir, keysDir))
	return err == nil && len(entries) > 0
}

// Open opens the vault in cfg.Dir for recording. What the last run left undone, because of a power cut or
// otherwise, Run finishes. Errors: ErrLocked, keys.ErrNoVault, and those of tpm.Sealer.
func Open(ctx context.Context, cfg Config, chip tpm.Chip, log *slog.Logger) (*Vault, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	v := &Vault{cfg: cfg, log: log, signed: make(chan struct{}, 1), mender: mend.New()}
	if err := v.open(ctx, chip); err != nil {
		return nil, errors.Join(fmt.Errorf("open the vault in %s: %w", cfg.Dir, err), v.release())
	}
	return v, nil
}

func (v *Vault) open(ctx context.Context, chip tpm.Chip) (err error) {
	if v.lock, err = lock.Take(v.cfg.Dir); err != nil {
		return err
	}
	if v.guard, err = space.New(v.cfg.Space, v.cfg.Dir, v.log); err != nil {
		return err
	}
	if err = v.guard.Start(ctx); err != nil {
		return err
	}
	if err = v.openKeys(ctx, chip); err != nil {
		return err
	}
	if err = v.openCustody(ctx, chip); err != nil {
		return err
	}
	replay, err := v.openJournal(ctx)
	if err != nil {
		return err
	}
	if v.eraser, err = eraser.Open(v.eraserConfig()); err != nil {
		return err
	}
	if err = v.openCatalog(ctx, replay); err != nil {
		return err
	}
	marks := replay.Marks()
	if len(replay.Damages) > 0 || v.outdated {
		marks = nil // what was handed out is not known for sure: new shards are begun, and no slot is used twice
	}
	if err = v.keys.Resume(marks, replay.Clean); err != nil {
		return err
	}
	if err = v.keys.Prepare(ctx, v.cfg.Classes, v.cfg.Clock()); err != nil {
		v.log.ErrorContext(ctx, "keys for coming recordings not made", slog.Any("err", err)) // there may be slots left
	}
	v.months = library.NewMonths(library.MonthsConfig{Dir: v.cfg.Dir, Key: v.keys.Folder, Move: v.moveRoom, Clock: v.cfg.Clock, Log: v.log})
	v.library = &library.Library{Keys: v.keys, Months: v.months, Hidden: v.eraser.Hides}
	v.eraser.Join(eraser.Parts{Catalog: v.catalog, Library: v.library})
	v.eraser.Replay(ctx)
	now, err := holding.Current(v.keys, v.ring)
	if err != nil {
		return err
	}
	v.sayClear(ctx)
	v.store, err = store.New(ctx, store.Config{Keys: v.keys, Public: now.Key, Custody: now.Number, Journal: v.journal, Guard: v.guard,
		Months: v.months, Filer: v.catalog, Counters: v.counters, Filed: v.cfg.Filed, Closed: v.closed, Clock: v.cfg.Clock, Log: v.log}, replay)
	v.eraser.Join(eraser.Parts{Catalog: v.catalog, Library: v.library, Store: v.store})
	v.openRewrap()
	if err != nil {
		return err
	}
	if err = errors.Join(v.openRetention(ctx), v.openScrub(ctx)); err != nil {
		return err
	}
	return v.past.Started(ctx, past.Start{Version: v.cfg.Version, Clean: replay.Clean, CutOff: replay.CutOff(), Torn: replay.Torn, Damage: len(replay.Damages)})
}

func (v *Vault) openKeys(ctx context.Context, chip tpm.Sealer) (err error) {
	dir := filepath.Join(v.cfg.Dir, keysDir)
	v.keys, err = keys.Open(ctx, keys.Config{Dir: dir, Clock: v.cfg.Clock, NoBackup: v.cfg.NoBackup}, chip)
	return err
}

// moveRoom keeps room for the journal: what waits to be moved waits there, so it must be the last to be refused.
func (v *Vault) moveRoom(need int64) error {
	reserve := (v.cfg.Space.StopCalls - v.cfg.Space.StopAll) / 2
	return v.guard.Room(need + int64(reserve))
}

// Commit stores a group; see store.Commit.
func (v *Vault) Commit(ctx context.Context, g *segment.Group) error { return v.store.Commit(ctx, g) }

// Continue joins what begins here soon to recordings that a stop of a Degraded vault ended in mid-call.
func (v *Vault) Continue(cuts []store.Cut) { v.store.Continue(cuts) }

// Stopped are the recordings that the stop ended while their calls went on.
func (v *Vault) Stopped() []store.Cut { return v.store.Stopped() }

// Run moves, files, watches the disk and makes keys ahead, until ctx ends. Stop whoever calls Commit first: Run
// then moves what is left, and Close leaves a whole vault.
func (v *Vault) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return v.store.Run(ctx) })
	g.Go(func() error { return v.guard.Run(ctx) })
	g.Go(func() error { return v.prepare(ctx) })
	g.Go(func() error { return v.rewraps(ctx) })
	g.Go(func() error { return v.mender.Run(ctx, v.mending()) })
	g.Go(func() error { return v.eraser.Run(ctx) })
	g.Go(func() error { return v.retention.Run(ctx) })
	g.Go(func() error { return v.scrub.Run(ctx) })
	g.Go(func() error { return v.home().Run(ctx) })
	g.Go(func() error { return v.past.Run(ctx) })
	return g.Wait()
}

// prepare makes keys ahead of time and keeps the catalogue small. A failure is no reason to stop recording: there
// are slots left for a while.
func (v *Vault) prepare(ctx context.Context) error {
	hourly, minutely := time.NewTicker(PreparePeriod), time.NewTicker(TrimPeriod)
	defer hourly.Stop()
	defer minutely.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-minutely.C:
			if v.office != nil {
				if err := v.office.Sweep(ctx); err != nil {
					v.log.ErrorContext(ctx, "what is over is still in the book of people", slog.Any("err", err))
				}
			}
			if err := v.rows.Trim(ctx); err != nil {
				v.log.ErrorContext(ctx, "catalogue not tidied", slog.Any("err", err))
			}
		case <-hourly.C:
			if err := v.keys.Prepare(ctx, v.cfg.Classes, v.cfg.Clock()); err != nil {
				v.log.ErrorContext(ctx, "keys for coming recordings not made", slog.Any("err", err))
			}
		}
	}
}

// Close closes the vault. Run must have returned. On a full disk the ballast makes room for closing in good order.
func (v *Vault) Close(ctx context.Context) error {
	var err error
	if v.guard.Status().State != space.OK {
		err = v.guard.Release(ctx)
	}
	return errors.Join(err, v.past.Box(ctx, audit.Act{What: entry.BoxStop}), v.store.Close(ctx), v.release())
}

// release closes whatever is open, from the right of the data's way to the left.
func (v *Vault) release() error {
	var errs []error
	if v.retention != nil {
		errs = append(errs, v.retention.Close())
	}
	if v.office != nil {
		v.office.Close()
	}
	if v.months != nil {
		errs = append(errs, v.months.Close())
	}
	if v.rows != nil {
		errs = append(errs, v.rows.Close())
	}
	if v.past != nil {
		errs = append(errs, v.past.Close())
	}
	if v.journal != nil {
		errs = append(errs, v.journal.Close())
	}
	if v.keys != nil {
		errs = append(errs, v.keys.Close())
	}
	if v.lock != nil {
		errs = append(errs, v.lock.Close())
	}
	return errors.Join(errs...)
}

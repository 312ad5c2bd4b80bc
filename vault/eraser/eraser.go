// Package eraser carries orders to erase out: at once while the chip's counter may move, else within the hour or by
// night, and again after whatever got in the way.
//
//	In:    orders, by the ids of recordings
//	Out:   certificates; what is hidden from everybody from the order on
//	Owner: Run has one goroutine of its caller's; orders may come from several, and take turns
//	Full:  an order that finds no room on the disk is refused whole; one that was taken stands until it is done
//
// Each step can be done twice with the same result, so a power cut anywhere costs nothing but the doing again.
package eraser

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"linekeep/vault/catalog"
	"linekeep/vault/erasure"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/store"
)

// ErrWaits reports an order to erase that stands and is carried out later: its calls are refused to everybody
// from now on, also after a power cut. What it waits for is wrapped beside it.
var ErrWaits = errors.New("eraser: ordered, and not erased yet")

// ErrNotThere reports an id under which the vault holds nothing.
var ErrNotThere = library.ErrNotThere

// errBudget is why an urgent order waits although nothing is wrong.
var errBudget = errors.New("the chip's counter has moved as often as it may today: it is done within the hour")

// Config is what an eraser needs from its beginning.
type Config struct {
	Keys   *keys.Keys
	List   erasure.Config
	Blocks string // the class of the catalogue's slots
	Mend   func() // has the catalogue completed: a block that could not be read went whole
	// Done is told of each order that was carried out; nil where nobody wants to know.
	Done func(ctx context.Context, c erasure.Certificate)
	// Committed is told that keys are gone for good, of recordings or of anything else; nil where nobody wants to know.
	Committed func(ctx context.Context)
	Clock     func() time.Time
	Log       *slog.Logger
}

// Parts are what it erases from, once they are open.
type Parts struct {
	Catalog *catalog.Catalog
	Library *library.Library
	Store   *store.Store
}

// Eraser carries orders to erase out.
type Eraser struct {
	cfg   Config
	parts Parts
	list  *erasure.List
	turn  sync.Mutex    // one order, or one commit, at a time
	wake  chan struct{} // one pending word is enough: whoever wakes looks at everything

	mu      sync.Mutex // guards what follows
	hidden  map[keys.ID]bool
	left    map[keys.ID]bool // doomed, and both copies of their shard are bad: tried again by night, or after a start
	again   []keys.ID        // erased before, and there again: this is an older copy of the vault
	failed  error            // why the last attempt did not succeed
	since   time.Time        // of the first that did not
	hurry   bool             // somebody waits for the budget
	night   time.Time        // the last night that was seen to
	remnant []keys.ID        // erased recordings whose noise still stands in a month's folder
	thin    map[keys.Month]bool
}

// Open opens the list. From here on what it says is hidden; nothing is carried out before Join.
func Open(cfg Config) (*Eraser, error) { return open(cfg, erasure.Open) }

// Inspect opens the list of a vault that is only looked at.
func Inspect(cfg Config) (*Eraser, error) { return open(cfg, erasure.Inspect) }

func open(cfg Config, list func(erasure.Config) (*erasure.List, error)) (*Eraser, error) {
	l, err := list(cfg.List)
	if err != nil {
		return nil, err
	}
	e := &Eraser{cfg: cfg, list: l, wake: make(chan struct{}, 1), night: lastNight(cfg.Clock()), thin: make(map[keys.Month]bool)}
	e.hide()
	return e, nil
}

// Join gives it what it erases from.
func (e *Eraser) Join(p Parts) { e.parts = p }

// List is the list of what was erased.
func (e *Eraser) List() *erasure.List { return e.list }

// Alone runs f while nothing is erased, and then looks anew at what is hidden.
func (e *Eraser) Alone(f func() error) error {
	e.turn.Lock()
	defer e.turn.Unlock()
	defer e.hide()
	return f()
}

// Erase erases recordings for good: when it gives certificates, no key of theirs is in any root that the chip opens, and
// no row in the catalogue. An order for one that was ordered before joins that order. A call that is up goes on being
// written under a key that only memory has: nothing of it can be read from now on, nor once it has ended.
// Errors: ErrNotThere, and nothing was ordered; ErrWaits, and the order stands.
func (e *Eraser) Erase(ctx context.Context, why erasure.Why, ids ...keys.ID) ([]erasure.Certificate, error) {
	e.turn.Lock()
	defer e.turn.Unlock()
	done, given, err := e.order(ctx, erasure.Pending{Given: e.cfg.Clock(), Why: why, Urgent: true}, ids)
	if err != nil || len(given) == 0 {
		return done, err
	}
	if !e.mayCommit() {
		return done, errors.Join(e.doomOrders(ctx), fmt.Errorf("%w: %w", ErrWaits, errBudget))
	}
	made, err := e.carryOut(ctx)
	e.judge(ctx, err)
	for _, c := range made {
		if slices.ContainsFunc(given, c.Entry.Ordered.Equal) {
			done = append(done, c)
		}
	}
	if err != nil {
		return done, fmt.Errorf("%w: %w", ErrWaits, err)
	}
	return done, nil
}

// Later orders recordings to be erased with the next commit, by three in the morning at the latest. They are refused
// at once. Errors: ErrNotThere, and nothing was ordered; ErrWaits where the order stands but is not in the root yet.
func (e *Eraser) Later(ctx context.Context, why erasure.Why, ids ...keys.ID) error {
	e.turn.Lock()
	defer e.turn.Unlock()
	_, _, err := e.order(ctx, erasure.Pending{Given: e.cfg.Clock(), Why: why}, ids)
	if err != nil {
		return err
	}
	return e.doomOrders(ctx)
}

// Certificate is that of a recording's erasure. Errors: ErrNotThere, also for one that is not erased.
func (e *Eraser) Certificate(id keys.ID) (erasure.Certificate, error) {
	c, err := e.list.Find(id)
	if errors.Is(err, erasure.ErrNone) {
		err = fmt.Errorf("%w: %w", ErrNotThere, err)
	}
	return c, err
}

// Commit erases now whatever is ordered, also what others have doomed: accounts, grants, wraps. Once the day's
// budget is used it is done within the hour, by Run. Errors: ErrWaits; the orders stand.
func (e *Eraser) Commit(ctx context.Context) error {
	e.turn.Lock()
	defer e.turn.Unlock()
	if !e.mayCommit() {
		e.mu.Lock()
		e.hurry = true
		e.mu.Unlock()
		return fmt.Errorf("%w: %w", ErrWaits, errBudget)
	}
	_, err := e.carryOut(ctx)
	e.judge(ctx, err)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrWaits, err)
	}
	return nil
}

// Drop erases all slots of months but those that they keep, with whatever else is ordered, in one commit. Errors: ErrWaits, and
// nothing was dropped.
func (e *Eraser) Drop(ctx context.Context, months ...keys.MonthDrop) error {
	e.turn.Lock()
	defer e.turn.Unlock()
	_, err := e.carryOut(ctx, months...)
	e.judge(ctx, err)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrWaits, err)
	}
	return nil
}

// mayCommit says whether the day's budget lasts, or the last commit was long ago.
func (e *Eraser) mayCommit() bool {
	due := e.cfg.Keys.Due()
	return !e.cfg.Clock().Before(due)
}

// order takes an order for those of ids that have none yet, and hides them. It gives the certificates of those erased
// before, and the orders that the others are in.
func (e *Eraser) order(ctx context.Context, p erasure.Pending, ids []keys.ID) (done []erasure.Certificate, given []time.Time, err error) {
	orders := e.list.Orders()
	rows := e.parts.Catalog.Have(ids...)
	for _, id := range distinct(ids) {
		if i := slices.IndexFunc(orders, func(o erasure.Pending) bool { return slices.Contains(o.Calls, id) }); i >= 0 {
			given = append(given, orders[i].Given)
			continue
		}
		if e.erased(id) {
			c, err := e.Certificate(id)
			if err != nil {
				return nil, nil, err
			}
			done = append(done, c)
			continue
		}
		if !rows[id] || e.parts.Library.Gone(id) {
			if err := e.recorded(ctx, id); err != nil {
				return nil, nil, err
			}
		}
		p.Calls = append(p.Calls, id)
	}
	if p.Urgent {
		for _, g := range given {
			if err := e.list.Hasten(g); err != nil {
				return nil, nil, err
			}
		}
	}
	if len(p.Calls) == 0 {
		return done, given, nil
	}
	p.Blocks = e.parts.Catalog.Holding(p.Calls...)
	if p, err = e.list.Take(p); err != nil {
		return nil, nil, err
	}
	e.hide()
	e.cfg.Log.InfoContext(ctx, "erasure ordered", slog.String("why", p.Why.String()), slog.Int("calls", len(p.Calls)))
	return done, append(given, p.Given), nil
}

func distinct(ids []keys.ID) []keys.ID {
	seen := make(map[keys.ID]bool, len(ids))
	return slices.DeleteFunc(slices.Clone(ids), func(id keys.ID) bool {
		twice := seen[id]
		seen[id] = true
		return twice
	})
}

// recorded says whether there is such a recording, in whatever state, though it has no row.
func (e *Eraser) recorded(ctx context.Context, id keys.ID) error {
	if shard, err := e.cfg.Keys.Shard(id.Shard); err != nil || !e.isRecording(shard) || e.parts.Library.Gone(id) {
		return fmt.Errorf("%w: %s", ErrNotThere, id)
	}
	if e.parts.Store.Unfiled(id) {
		return nil
	}
	r, err := e.parts.Library.Open(ctx, id)
	switch {
	case err == nil:
		r.Close()
	case errors.Is(err, ErrNotThere):
		return err
	}
	return nil // what is damaged can be erased, too
}

// isRecording tells the shards of recordings from those of the vault's own things.
func (e *Eraser) isRecording(s keys.ShardInfo) bool {
	return s.Class != e.cfg.Blocks && s.Class != keys.Office
}

// doomOrders puts every order into the root, so that whoever asks the keys is refused, too.
func (e *Eraser) doomOrders(ctx context.Context) error {
	err := e.cfg.Keys.Doom(ctx, e.standing(e.ordered())...)
	e.hide()
	if err != nil {
		e.judge(ctx, err)
		return fmt.Errorf("%w: %w", ErrWaits, err)
	}
	return nil
}

// ordered are the recordings of all orders, and those that must go again.
func (e *Eraser) ordered() []keys.ID {
	e.mu.Lock()
	all := slices.Clone(e.again)
	e.mu.Unlock()
	for _, o := range e.list.Orders() {
		all = append(all, o.Calls...)
	}
	return all
}

// standing gives those of ids whose slots are not erased.
func (e *Eraser) standing(ids []keys.ID) []keys.ID {
	return slices.DeleteFunc(slices.Clone(ids), e.erased)
}

func (e *Eraser) erased(id keys.ID) bool {
	slot, err := e.cfg.Keys.Slot(id)
	if err == nil {
		slot.Wipe()
	}
	return errors.Is(err, keys.ErrNoSlot)
}

// hide makes anew what is refused: all that is ordered.
func (e *Eraser) hide() {
	hidden := make(map[keys.ID]bool)
	for _, id := range e.ordered() {
		hidden[id] = true
	}
	for _, id := range e.cfg.Keys.AllDoomed() {
		hidden[id] = true
	}
	e.mu.Lock()
	e.hidden = hidden
	e.mu.Unlock()
}

// Hidden is for the catalogue, which asks once for each query.
func (e *Eraser) Hidden() map[keys.ID]bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.hidden
}

// Hides says whether a recording is ordered to be erased.
func (e *Eraser) Hides(id keys.ID) bool { return e.Hidden()[id] }

// Replay finds recordings that were erased and are there again, because an older copy of the vault was put in
// place on another chip. They go before anything else is done with this vault; where the chip is in the way, they stay
// hidden until they can.
func (e *Eraser) Replay(ctx context.Context) {
	var again []keys.ID
	err := e.list.Walk(func(c erasure.Certificate, err error) error {
		if err == nil { // what cannot be read is among the findings
			again = append(again, e.standing(c.Entry.Calls)...)
		}
		return ctx.Err()
	})
	if err != nil || len(again) == 0 {
		return
	}
	e.cfg.Log.WarnContext(ctx, "an older copy of the vault: what was erased since is erased again", slog.Int("calls", len(again)))
	e.mu.Lock()
	e.again = again
	e.mu.Unlock()
	e.hide()
	_, err = e.carryOut(ctx)
	e.judge(ctx, err)
}

// Status is how erasure stands.
type Status struct {
	Waiting int       // orders that are not carried out yet
	Failed  error     // why the last attempt did not succeed; nil when it did
	Since   time.Time // of the first attempt in a row that did not
	Wear    keys.Wear
	Backup  keys.BackupState
}

// Status gives the present state.
func (e *Eraser) Status() Status {
	s := Status{Waiting: len(e.list.Orders()), Wear: e.cfg.Keys.Wear(), Backup: e.cfg.Keys.Backup()}
	e.mu.Lock()
	defer e.mu.Unlock()
	s.Failed, s.Since = e.failed, e.since
	return s
}

// judge keeps whether the last attempt succeeded, and has the log say so once.
func (e *Eraser) judge(ctx context.Context, err error) {
	e.mu.Lock()
	first := err != nil && e.failed == nil
	if first {
		e.since = e.cfg.Clock()
	}
	e.failed = err
	e.mu.Unlock()
	if first {
		e.cfg.Log.ErrorContext(ctx, "what was ordered to be erased is not erased yet", slog.Any("err", err))
	}
}

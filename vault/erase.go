package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"linekeep/vault/erasure"
	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
)

// ErrErasureWaits reports an order to erase that stands and is carried out later: its calls are refused to everybody
// from now on, also after a power cut. What it waits for is wrapped beside it.
var ErrErasureWaits = errors.New("vault: ordered, and not erased yet")

// errBudget is why an urgent order waits although nothing is wrong.
var errBudget = errors.New("the chip's counter has moved as often as it may today: it is done within the hour")

// eraser carries orders to erase out.
type eraser struct {
	list *erasure.List
	turn sync.Mutex    // one order, or one commit, at a time
	wake chan struct{} // one pending word is enough: whoever wakes looks at everything

	mu      sync.Mutex // guards what follows
	hidden  map[keys.ID]bool
	again   []keys.ID // erased before, and there again: this is an older copy of the vault
	failed  error     // why the last attempt did not succeed
	since   time.Time // of the first that did not
	hurry   bool      // somebody waits for the budget
	night   time.Time // the last night that was seen to
	remnant []keys.ID // erased recordings whose noise still stands in a month's folder
	thin    map[keys.Month]bool
}

// openErasures opens the list. From here on what it says is hidden.
func (v *Vault) openErasures(inspect bool) (err error) {
	open := erasure.Open
	if inspect {
		open = erasure.Inspect
	}
	v.eraser.list, err = open(v.erasures())
	if err != nil {
		return err
	}
	v.eraser.wake = make(chan struct{}, 1)
	v.eraser.night = lastNight(v.cfg.Clock())
	v.eraser.thin = make(map[keys.Month]bool)
	v.hide()
	return nil
}

// Erase erases recordings for good: when it gives certificates, no key of theirs is in any root that the chip opens, and
// no row in the catalogue. An order for one that was ordered before joins that order. A call that is up goes on being
// written under a key that only memory has: nothing of it can be read from now on, nor once it has ended.
// Errors: ErrNotThere, and nothing was ordered; ErrErasureWaits, and the order stands.
func (v *Vault) Erase(ctx context.Context, why erasure.Why, ids ...keys.ID) ([]erasure.Certificate, error) {
	v.eraser.turn.Lock()
	defer v.eraser.turn.Unlock()
	done, given, err := v.order(ctx, erasure.Pending{Given: v.cfg.Clock(), Why: why, Urgent: true}, ids)
	if err != nil || len(given) == 0 {
		return done, err
	}
	if !v.mayCommit() {
		return done, errors.Join(v.doomOrders(ctx), fmt.Errorf("%w: %w", ErrErasureWaits, errBudget))
	}
	made, err := v.carryOut(ctx)
	v.judge(ctx, err)
	for _, c := range made {
		if slices.ContainsFunc(given, c.Entry.Ordered.Equal) {
			done = append(done, c)
		}
	}
	if err != nil {
		return done, fmt.Errorf("%w: %w", ErrErasureWaits, err)
	}
	return done, nil
}

// EraseLater orders recordings to be erased with the next commit, by three in the morning at the latest. They are refused
// at once. Errors: ErrNotThere, and nothing was ordered; ErrErasureWaits where the order stands but is not in the root yet.
func (v *Vault) EraseLater(ctx context.Context, why erasure.Why, ids ...keys.ID) error {
	v.eraser.turn.Lock()
	defer v.eraser.turn.Unlock()
	_, _, err := v.order(ctx, erasure.Pending{Given: v.cfg.Clock(), Why: why}, ids)
	if err != nil {
		return err
	}
	return v.doomOrders(ctx)
}

// Certificate is that of a recording's erasure. Errors: ErrNotThere, also for one that is not erased.
func (v *Vault) Certificate(id keys.ID) (erasure.Certificate, error) {
	c, err := v.eraser.list.Find(id)
	if errors.Is(err, erasure.ErrNone) {
		err = fmt.Errorf("%w: %w", ErrNotThere, err)
	}
	return c, err
}

// CommitErasures erases now whatever is ordered, also what others have doomed: accounts, grants, wraps. Once the day's
// budget is used it is done within the hour, by Run. Errors: ErrErasureWaits; the orders stand.
func (v *Vault) CommitErasures(ctx context.Context) error {
	v.eraser.turn.Lock()
	defer v.eraser.turn.Unlock()
	if !v.mayCommit() {
		v.eraser.mu.Lock()
		v.eraser.hurry = true
		v.eraser.mu.Unlock()
		return fmt.Errorf("%w: %w", ErrErasureWaits, errBudget)
	}
	_, err := v.carryOut(ctx)
	v.judge(ctx, err)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrErasureWaits, err)
	}
	return nil
}

// mayCommit says whether the day's budget lasts, or the last commit was long ago.
func (v *Vault) mayCommit() bool {
	due := v.keys.Due()
	return !v.cfg.Clock().Before(due)
}

// order takes an order for those of ids that have none yet, and hides them. It gives the certificates of those erased
// before, and the orders that the others are in.
func (v *Vault) order(ctx context.Context, p erasure.Pending, ids []keys.ID) (done []erasure.Certificate, given []time.Time, err error) {
	orders := v.eraser.list.Orders()
	rows := v.catalog.Have(ids...)
	for _, id := range distinct(ids) {
		if i := slices.IndexFunc(orders, func(o erasure.Pending) bool { return slices.Contains(o.Calls, id) }); i >= 0 {
			given = append(given, orders[i].Given)
			continue
		}
		if v.erased(id) {
			c, err := v.Certificate(id)
			if err != nil {
				return nil, nil, err
			}
			done = append(done, c)
			continue
		}
		if !rows[id] || v.library.Gone(id) {
			if err := v.recorded(ctx, id); err != nil {
				return nil, nil, err
			}
		}
		p.Calls = append(p.Calls, id)
	}
	if p.Urgent {
		for _, g := range given {
			if err := v.eraser.list.Hasten(g); err != nil {
				return nil, nil, err
			}
		}
	}
	if len(p.Calls) == 0 {
		return done, given, nil
	}
	p.Blocks = v.catalog.Holding(p.Calls...)
	if p, err = v.eraser.list.Take(p); err != nil {
		return nil, nil, err
	}
	v.hide()
	v.log.InfoContext(ctx, "erasure ordered", slog.String("why", p.Why.String()), slog.Int("calls", len(p.Calls)))
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
func (v *Vault) recorded(ctx context.Context, id keys.ID) error {
	if shard, err := v.keys.Shard(id.Shard); err != nil || !isRecording(shard) || v.library.Gone(id) {
		return fmt.Errorf("%w: %s", ErrNotThere, id)
	}
	if v.store.Unfiled(id) {
		return nil
	}
	r, err := v.library.Open(ctx, id)
	switch {
	case err == nil:
		r.Close()
	case errors.Is(err, ErrNotThere):
		return err
	}
	return nil // what is damaged can be erased, too
}

// isRecording tells the shards of recordings from those of the vault's own things.
func isRecording(s keys.ShardInfo) bool { return s.Class != catalogDir && s.Class != keys.Office }

// doomOrders puts every order into the root, so that whoever asks the keys is refused, too.
func (v *Vault) doomOrders(ctx context.Context) error {
	err := v.keys.Doom(ctx, v.standing(v.ordered())...)
	v.hide()
	if err != nil {
		v.judge(ctx, err)
		return fmt.Errorf("%w: %w", ErrErasureWaits, err)
	}
	return nil
}

// ordered are the recordings of all orders, and those that must go again.
func (v *Vault) ordered() []keys.ID {
	v.eraser.mu.Lock()
	all := slices.Clone(v.eraser.again)
	v.eraser.mu.Unlock()
	for _, o := range v.eraser.list.Orders() {
		all = append(all, o.Calls...)
	}
	return all
}

// standing gives those of ids whose slots are not erased.
func (v *Vault) standing(ids []keys.ID) []keys.ID {
	return slices.DeleteFunc(slices.Clone(ids), v.erased)
}

func (v *Vault) erased(id keys.ID) bool {
	slot, err := v.keys.Slot(id)
	if err == nil {
		slot.Wipe()
	}
	return errors.Is(err, keys.ErrNoSlot)
}

// hide makes anew what is refused: all that is ordered.
func (v *Vault) hide() {
	hidden := make(map[keys.ID]bool)
	for _, id := range v.ordered() {
		hidden[id] = true
	}
	for _, id := range v.keys.AllDoomed() {
		hidden[id] = true
	}
	v.eraser.mu.Lock()
	v.eraser.hidden = hidden
	v.eraser.mu.Unlock()
}

// hiddenIDs is for the catalogue, which asks once for each query.
func (v *Vault) hiddenIDs() map[keys.ID]bool {
	v.eraser.mu.Lock()
	defer v.eraser.mu.Unlock()
	return v.eraser.hidden
}

func (v *Vault) hides(id keys.ID) bool { return v.hiddenIDs()[id] }

// replayErasures finds recordings that were erased and are there again, because an older copy of the vault was put in
// place on another chip. They go before anything else is done with this vault; where the chip is in the way, they stay
// hidden until they can.
func (v *Vault) replayErasures(ctx context.Context) {
	var again []keys.ID
	err := v.eraser.list.Walk(func(c erasure.Certificate, err error) error {
		if err == nil { // what cannot be read is among the findings
			again = append(again, v.standing(c.Entry.Calls)...)
		}
		return ctx.Err()
	})
	if err != nil || len(again) == 0 {
		return
	}
	v.log.WarnContext(ctx, "an older copy of the vault: what was erased since is erased again", slog.Int("calls", len(again)))
	v.eraser.mu.Lock()
	v.eraser.again = again
	v.eraser.mu.Unlock()
	v.hide()
	_, err = v.carryOut(ctx)
	v.judge(ctx, err)
}

// Erasing is how erasure stands.
type Erasing struct {
	Waiting int       // orders that are not carried out yet
	Failed  error     // why the last attempt did not succeed; nil when it did
	Since   time.Time // of the first attempt in a row that did not
	Wear    keys.Wear
	Backup  keys.BackupState
}

func (v *Vault) erasingStatus() Erasing {
	s := Erasing{Waiting: len(v.eraser.list.Orders()), Wear: v.keys.Wear(), Backup: v.keys.Backup()}
	v.eraser.mu.Lock()
	defer v.eraser.mu.Unlock()
	s.Failed, s.Since = v.eraser.failed, v.eraser.since
	return s
}

// judge keeps whether the last attempt succeeded, and has the log say so once.
func (v *Vault) judge(ctx context.Context, err error) {
	e := &v.eraser
	e.mu.Lock()
	first := err != nil && e.failed == nil
	if first {
		e.since = v.cfg.Clock()
	}
	e.failed = err
	e.mu.Unlock()
	if first {
		v.log.ErrorContext(ctx, "what was ordered to be erased is not erased yet", slog.Any("err", err))
	}
}

func (v *Vault) erasures() erasure.Config {
	return erasure.Config{Dir: filepath.Join(v.cfg.Dir, erasuresDir), VaultID: v.keys.VaultID(), Key: v.keys.Outer(outerErasure),
		FS: pair.Disk{}, Clock: v.cfg.Clock}
}

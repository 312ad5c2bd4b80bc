package eraser

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"linekeep/vault/erasure"
	"linekeep/vault/keys"
)

const (
	// erasePeriod is how often Run looks whether something is due.
	erasePeriod = time.Minute
	// eraseHour is when what can wait is erased, by the clock on the wall: nobody asks for anything then.
	eraseHour = 3
)

// Run carries out what the last run left, and then whatever becomes due, until ctx ends.
func (e *Eraser) Run(ctx context.Context) error {
	tick := time.NewTicker(erasePeriod)
	defer tick.Stop()
	for {
		e.Pass(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-e.wake:
		}
	}
}

// Pass carries out what is due, and tidies up after what was.
func (e *Eraser) Pass(ctx context.Context) {
	if now := e.cfg.Clock(); e.eraseDue(now) {
		e.turn.Lock()
		_, err := e.carryOut(ctx)
		if err == nil || errors.Is(err, errLeft) { // what is left is tried again by night: each try moves the chip's counter
			e.mu.Lock()
			e.night, e.hurry = lastNight(now), false
			e.mu.Unlock()
		}
		if ctx.Err() == nil {
			e.judge(ctx, err)
		}
		e.turn.Unlock()
	}
	e.sweep(ctx)
}

// lastNight is the newest three o'clock in the morning.
func lastNight(now time.Time) time.Time {
	night := time.Date(now.Year(), now.Month(), now.Day(), eraseHour, 0, 0, 0, now.Location())
	if night.After(now) {
		night = night.AddDate(0, 0, -1)
	}
	return night
}

// eraseDue says whether anything must be carried out now.
func (e *Eraser) eraseDue(now time.Time) bool {
	night := lastNight(now)
	orders := e.list.Orders()
	may := e.mayCommit()
	e.mu.Lock()
	left := func(id keys.ID) bool { return e.left[id] }
	again, hurry, seen := slices.ContainsFunc(e.again, func(id keys.ID) bool { return !left(id) }), e.hurry, e.night
	orders = slices.DeleteFunc(slices.Clone(orders), func(o erasure.Pending) bool { return slices.ContainsFunc(o.Calls, left) })
	e.mu.Unlock()
	if seen.After(now) { // the wall clock was put back since: what was ordered must not wait until it comes there again
		seen = time.Time{}
	}
	switch {
	case again || e.cfg.Keys.Unfinished():
		return true
	case hurry && may:
		return true
	case night.After(seen) && (len(orders) > 0 || len(e.cfg.Keys.AllDoomed()) > 0): // those that are left are still doomed
		return true
	}
	return slices.ContainsFunc(orders, func(o erasure.Pending) bool {
		// One whose slots are gone already only lacks its certificate.
		return o.Urgent && may || o.Given.Before(night) || !slices.ContainsFunc(o.Calls, func(id keys.ID) bool { return !e.erased(id) })
	})
}

// carryOut erases everything that is ordered, in one epoch. Each step can be done twice with the same result, so after
// a power cut anywhere it is done again: the order stands in the list and in the root; the blocks of the catalogue are written
// anew without the rows; the keys are committed, with those of the old blocks; the chip certifies each order; and
// only then is an order struck out. The caller holds turn.
func (e *Eraser) carryOut(ctx context.Context, drops ...keys.MonthDrop) ([]erasure.Certificate, error) {
	if err := e.removeRows(ctx); err != nil {
		return nil, err
	}
	months := e.thinMonths()
	done, err := e.cfg.Keys.Commit(ctx, keys.Change{Months: slices.Concat(months, drops)})
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	for _, m := range months {
		e.thin[m.Month] = true
	}
	e.again = slices.DeleteFunc(e.again, func(id keys.ID) bool { return !slices.Contains(done.Left, id) })
	e.left = make(map[keys.ID]bool)
	for _, id := range done.Left {
		e.left[id] = true
	}
	e.mu.Unlock()
	made, err := e.certify(ctx, done)
	if e.cfg.Committed != nil {
		e.cfg.Committed(ctx)
	}
	e.hide()
	e.cfg.Log.InfoContext(ctx, "erased", slog.Uint64("epoch", done.Epoch), slog.Int("orders", len(made)), slog.Int("slots", len(done.Erased)),
		slog.Int64("bytes", done.Bytes))
	if len(made) > 0 {
		select {
		case e.wake <- struct{}{}: // there is something to sweep
		default:
		}
	}
	return made, err
}

// removeRows dooms what is ordered, with the blocks that hold its rows, and writes those blocks anew without.
func (e *Eraser) removeRows(ctx context.Context) error {
	calls := e.callsToErase()
	doomed := append(e.ordered(), e.deadBlocks()...)
	if len(calls) > 0 {
		doomed = append(doomed, e.parts.Catalog.Holding(calls...)...)
	}
	if err := e.cfg.Keys.Doom(ctx, e.standing(doomed)...); err != nil {
		return fmt.Errorf("order the keys to be erased: %w", err)
	}
	e.hide()
	if len(calls) == 0 {
		return nil
	}
	removed, err := e.parts.Catalog.Remove(ctx, calls...)
	if removed.Damaged > 0 {
		e.cfg.Mend()
	}
	if err != nil {
		return err
	}
	// A block that was made since Holding was asked was not doomed yet.
	if err := e.cfg.Keys.Doom(ctx, e.standing(removed.Retired)...); err != nil {
		return fmt.Errorf("order the keys of the catalogue's old blocks to be erased: %w", err)
	}
	return nil
}

// callsToErase are all recordings whose rows must go: ordered, or doomed by an order that is lost.
func (e *Eraser) callsToErase() []keys.ID {
	calls := e.ordered()
	for _, id := range e.cfg.Keys.AllDoomed() {
		if shard, err := e.cfg.Keys.Shard(id.Shard); err == nil && e.isRecording(shard) {
			calls = append(calls, id)
		}
	}
	return distinct(calls)
}

// errLeft reports keys that cannot be erased because both copies of their shard are damaged.
var errLeft = errors.New("the file of their keys is damaged in both copies, so they cannot be taken out of it")

// certify makes entries of the list of all orders whose keys are gone.
func (e *Eraser) certify(ctx context.Context, done keys.Committed) ([]erasure.Certificate, error) {
	var made []erasure.Certificate
	var errs []error
	for _, o := range e.list.Orders() {
		if slices.ContainsFunc(done.Left, func(id keys.ID) bool { return slices.Contains(o.Calls, id) }) {
			errs = append(errs, fmt.Errorf("erase %d recordings: %w", len(o.Calls), errLeft))
			continue
		}
		c, err := e.list.Done(ctx, o, done.Epoch, e.cfg.Keys.Chip(), e.cfg.Keys.Certify)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		made = append(made, c)
		if e.cfg.Done != nil {
			e.cfg.Done(ctx, c)
		}
		e.mu.Lock()
		e.remnant = append(e.remnant, o.Calls...)
		e.mu.Unlock()
	}
	return made, errors.Join(errs...)
}

// deadBlocks are slots of the catalogue's class that were handed out and are no block's any more: of blocks that were
// replaced, or that a power cut kept from being made. The disk may still have what was sealed under them, in
// which any row can be, so they go with every commit.
func (e *Eraser) deadBlocks() []keys.ID {
	marks := e.cfg.Keys.Marks()
	live := e.liveBlocks() // after the marks: a block that is being made meanwhile is among them
	var dead []keys.ID
	for _, m := range marks {
		if shard, err := e.cfg.Keys.Shard(m.Shard); err != nil || shard.Class != e.cfg.Blocks {
			continue
		}
		for slot := range m.Next {
			if id := (keys.ID{Shard: m.Shard, Slot: slot}); !live[id] {
				dead = append(dead, id)
			}
		}
	}
	return dead
}

func (e *Eraser) liveBlocks() map[keys.ID]bool {
	live := make(map[keys.ID]bool)
	for _, id := range e.parts.Catalog.Blocks() {
		live[id] = true
	}
	return live
}

// thinMonths are the catalogue's months that no block is made in any more, once each: all slots go but those of the
// blocks there are. Which of them were handed out is not known any more.
func (e *Eraser) thinMonths() []keys.MonthDrop {
	now := keys.MonthOf(e.cfg.Clock())
	writing := make(map[keys.Month]bool)
	for _, m := range e.cfg.Keys.Marks() {
		if shard, err := e.cfg.Keys.Shard(m.Shard); err == nil && shard.Class == e.cfg.Blocks {
			writing[shard.Month] = true
		}
	}
	drops := make(map[keys.Month]*keys.MonthDrop)
	blocks := e.parts.Catalog.Blocks()
	for _, shard := range e.cfg.Keys.Shards() {
		e.mu.Lock()
		thin := e.thin[shard.Month]
		e.mu.Unlock()
		if shard.Class != e.cfg.Blocks || shard.Month >= now || writing[shard.Month] || thin {
			continue
		}
		if drops[shard.Month] == nil {
			drops[shard.Month] = &keys.MonthDrop{Class: e.cfg.Blocks, Month: shard.Month}
		}
		for _, id := range blocks {
			if id.Shard == shard.Number {
				drops[shard.Month].Keep = append(drops[shard.Month].Keep, id)
			}
		}
	}
	return e.worthIt(drops)
}

// worthIt leaves out the months that are thin already.
func (e *Eraser) worthIt(drops map[keys.Month]*keys.MonthDrop) []keys.MonthDrop {
	var all []keys.MonthDrop
	for _, shard := range e.cfg.Keys.Shards() {
		d := drops[shard.Month]
		if shard.Class != e.cfg.Blocks || d == nil {
			continue
		}
		for slot := range shard.Slots {
			id := keys.ID{Shard: shard.Number, Slot: slot}
			if !slices.Contains(d.Keep, id) && !e.erased(id) {
				all = append(all, *d)
				delete(drops, shard.Month)
				break
			}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for month := range drops {
		e.thin[month] = true
	}
	return all
}

// sweep deletes what the months' folders still hold of erased recordings. It is noise, so this is housekeeping: what
// cannot be done now is tried again, and forgotten at the next start.
func (e *Eraser) sweep(ctx context.Context) {
	e.mu.Lock()
	ids := e.remnant
	e.remnant = nil
	e.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	left, err := e.parts.Store.Discard(ctx, ids...)
	if err != nil && ctx.Err() == nil {
		e.cfg.Log.WarnContext(ctx, "noise of erased recordings not removed", slog.Any("err", err))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.remnant = append(left, e.remnant...)
}

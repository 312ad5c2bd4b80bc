package vault

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

// erase carries out what the last run left, and then whatever becomes due, until ctx ends.
func (v *Vault) erase(ctx context.Context) error {
	tick := time.NewTicker(erasePeriod)
	defer tick.Stop()
	for {
		v.erasePass(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-v.eraser.wake:
		}
	}
}

// erasePass carries out what is due, and tidies up after what was.
func (v *Vault) erasePass(ctx context.Context) {
	if now := v.cfg.Clock(); v.eraseDue(now) {
		v.eraser.turn.Lock()
		_, err := v.carryOut(ctx)
		if err == nil {
			v.eraser.mu.Lock()
			v.eraser.night, v.eraser.hurry = lastNight(now), false
			v.eraser.mu.Unlock()
		}
		if ctx.Err() == nil {
			v.judge(ctx, err)
		}
		v.eraser.turn.Unlock()
	}
	v.sweep(ctx)
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
func (v *Vault) eraseDue(now time.Time) bool {
	night := lastNight(now)
	orders := v.eraser.list.Orders()
	may := v.mayCommit()
	v.eraser.mu.Lock()
	again, hurry, seen := len(v.eraser.again) > 0, v.eraser.hurry, v.eraser.night
	v.eraser.mu.Unlock()
	switch {
	case again || v.keys.Unfinished():
		return true
	case hurry && may:
		return true
	case night.After(seen) && (len(orders) > 0 || len(v.keys.AllDoomed()) > 0):
		return true
	}
	return slices.ContainsFunc(orders, func(o erasure.Pending) bool {
		// One whose slots are gone already only lacks its certificate.
		return o.Urgent && may || o.Given.Before(night) || !slices.ContainsFunc(o.Calls, func(id keys.ID) bool { return !v.erased(id) })
	})
}

// carryOut erases everything that is ordered, in one epoch. Each step can be done twice with the same result, so after
// a power cut anywhere it is done again: the order stands in the list and in the root; the blocks of the catalogue are written
// anew without the rows; the keys are committed, with those of the old blocks; the chip certifies each order; and
// only then is an order struck out. The caller holds turn.
func (v *Vault) carryOut(ctx context.Context) ([]erasure.Certificate, error) {
	if err := v.removeRows(ctx); err != nil {
		return nil, err
	}
	months := v.thinMonths()
	done, err := v.keys.Commit(ctx, keys.Change{Months: months})
	if err != nil {
		return nil, err
	}
	v.eraser.mu.Lock()
	for _, m := range months {
		v.eraser.thin[m.Month] = true
	}
	v.eraser.again = slices.DeleteFunc(v.eraser.again, func(id keys.ID) bool { return !slices.Contains(done.Left, id) })
	v.eraser.mu.Unlock()
	made, err := v.certify(ctx, done)
	v.hide()
	v.log.InfoContext(ctx, "erased", slog.Uint64("epoch", done.Epoch), slog.Int("orders", len(made)), slog.Int("slots", len(done.Erased)),
		slog.Int64("bytes", done.Bytes))
	select {
	case v.eraser.wake <- struct{}{}: // there is something to sweep
	default:
	}
	return made, err
}

// removeRows dooms what is ordered, with the blocks that hold its rows, and writes those blocks anew without.
func (v *Vault) removeRows(ctx context.Context) error {
	calls := v.callsToErase()
	doomed := append(v.ordered(), v.deadBlocks()...)
	if len(calls) > 0 {
		doomed = append(doomed, v.catalog.Holding(calls...)...)
	}
	if err := v.keys.Doom(ctx, v.standing(doomed)...); err != nil {
		return fmt.Errorf("order the keys to be erased: %w", err)
	}
	v.hide()
	if len(calls) == 0 {
		return nil
	}
	removed, err := v.catalog.Remove(ctx, calls...)
	if removed.Damaged > 0 {
		v.mendSoon()
	}
	if err != nil {
		return err
	}
	// A block that was made since Holding was asked was not doomed yet.
	if err := v.keys.Doom(ctx, v.standing(removed.Retired)...); err != nil {
		return fmt.Errorf("order the keys of the catalogue's old blocks to be erased: %w", err)
	}
	return nil
}

// callsToErase are all recordings whose rows must go: ordered, or doomed by an order that is lost.
func (v *Vault) callsToErase() []keys.ID {
	calls := v.ordered()
	for _, id := range v.keys.AllDoomed() {
		if shard, err := v.keys.Shard(id.Shard); err == nil && isRecording(shard) {
			calls = append(calls, id)
		}
	}
	return distinct(calls)
}

// errLeft reports keys that cannot be erased because both copies of their shard are damaged.
var errLeft = errors.New("the file of their keys is damaged in both copies, so they cannot be taken out of it")

// certify makes entries of the list of all orders whose keys are gone.
func (v *Vault) certify(ctx context.Context, done keys.Committed) ([]erasure.Certificate, error) {
	var made []erasure.Certificate
	var errs []error
	for _, o := range v.eraser.list.Orders() {
		if slices.ContainsFunc(done.Left, func(id keys.ID) bool { return slices.Contains(o.Calls, id) }) {
			errs = append(errs, fmt.Errorf("erase %d recordings: %w", len(o.Calls), errLeft))
			continue
		}
		c, err := v.eraser.list.Done(ctx, o, done.Epoch, v.keys.Chip(), v.keys.Certify)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		made = append(made, c)
		v.eraser.mu.Lock()
		v.eraser.remnant = append(v.eraser.remnant, o.Calls...)
		v.eraser.mu.Unlock()
	}
	return made, errors.Join(errs...)
}

// deadBlocks are slots of the catalogue's class that were handed out and are no block's any more: of blocks that were
// replaced, or that a power cut kept from being made. The disk may still have what was sealed under them, in
// which any row can be, so they go with every commit.
func (v *Vault) deadBlocks() []keys.ID {
	marks := v.keys.Marks()
	live := v.liveBlocks() // after the marks: a block that is being made meanwhile is among them
	var dead []keys.ID
	for _, m := range marks {
		if shard, err := v.keys.Shard(m.Shard); err != nil || shard.Class != catalogDir {
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

func (v *Vault) liveBlocks() map[keys.ID]bool {
	live := make(map[keys.ID]bool)
	for _, id := range v.catalog.Blocks() {
		live[id] = true
	}
	return live
}

// thinMonths are the catalogue's months that no block is made in any more, once each: all slots go but those of the
// blocks there are. Which of them were handed out is not known any more.
func (v *Vault) thinMonths() []keys.MonthDrop {
	now := keys.MonthOf(v.cfg.Clock())
	writing := make(map[keys.Month]bool)
	for _, m := range v.keys.Marks() {
		if shard, err := v.keys.Shard(m.Shard); err == nil && shard.Class == catalogDir {
			writing[shard.Month] = true
		}
	}
	drops := make(map[keys.Month]*keys.MonthDrop)
	blocks := v.catalog.Blocks()
	for _, shard := range v.keys.Shards() {
		v.eraser.mu.Lock()
		thin := v.eraser.thin[shard.Month]
		v.eraser.mu.Unlock()
		if shard.Class != catalogDir || shard.Month >= now || writing[shard.Month] || thin {
			continue
		}
		if drops[shard.Month] == nil {
			drops[shard.Month] = &keys.MonthDrop{Class: catalogDir, Month: shard.Month}
		}
		for _, id := range blocks {
			if id.Shard == shard.Number {
				drops[shard.Month].Keep = append(drops[shard.Month].Keep, id)
			}
		}
	}
	return v.worthIt(drops)
}

// worthIt leaves out the months that are thin already.
func (v *Vault) worthIt(drops map[keys.Month]*keys.MonthDrop) []keys.MonthDrop {
	var all []keys.MonthDrop
	for _, shard := range v.keys.Shards() {
		d := drops[shard.Month]
		if shard.Class != catalogDir || d == nil {
			continue
		}
		for slot := range shard.Slots {
			id := keys.ID{Shard: shard.Number, Slot: slot}
			if !slices.Contains(d.Keep, id) && !v.erased(id) {
				all = append(all, *d)
				delete(drops, shard.Month)
				break
			}
		}
	}
	v.eraser.mu.Lock()
	defer v.eraser.mu.Unlock()
	for month := range drops {
		v.eraser.thin[month] = true
	}
	return all
}

// sweep deletes what the months' folders still hold of erased recordings. It is noise, so this is housekeeping: what
// cannot be done now is tried again, and forgotten at the next start.
func (v *Vault) sweep(ctx context.Context) {
	v.eraser.mu.Lock()
	ids := v.eraser.remnant
	v.eraser.remnant = nil
	v.eraser.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	left, err := v.store.Discard(ctx, ids...)
	if err != nil && ctx.Err() == nil {
		v.log.WarnContext(ctx, "noise of erased recordings not removed", slog.Any("err", err))
	}
	v.eraser.mu.Lock()
	defer v.eraser.mu.Unlock()
	v.eraser.remnant = append(left, v.eraser.remnant...)
}

// mendSoon has the catalogue completed from the manifests: a block that could not be read went whole.
func (v *Vault) mendSoon() {
	select {
	case v.remend <- struct{}{}:
	default: // one word is waiting already
	}
}

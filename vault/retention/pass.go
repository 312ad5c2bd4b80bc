package retention

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/retention/hold"
)

const (
	// tickPeriod is how often the clock is looked at: a jump of the wall clock is noticed within that.
	tickPeriod = 10 * time.Second
	// passHour and passMinute are when a pass is made: just before what waits is erased, so that little time lies between.
	passHour, passMinute = 2, 45
	// missed is when a pass is made at any hour: a box that is off by night, or whose wall clock went back, must not wait for ever.
	missed = 25 * time.Hour
	// settled is how long the box is up before such a pass: a start has other things to do.
	settled = 10 * time.Minute
)

// Run makes a pass each night, and keeps the clock, until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(tickPeriod)
	defer tick.Stop()
	if err := k.Look(ctx); err != nil && ctx.Err() == nil {
		k.cfg.Log.ErrorContext(ctx, "nothing expires for now", slog.Any("err", err))
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := k.Tick(); err != nil {
			k.cfg.Log.ErrorContext(ctx, "the retention clock cannot be written down", slog.Any("err", err))
		}
		if !k.passDue() {
			continue
		}
		if err := k.Pass(ctx); err != nil && ctx.Err() == nil {
			level := slog.LevelError
			if errors.Is(err, folder.ErrBusy) { // somebody listens in a month that is to go: it goes the next night, and Status says so
				level = slog.LevelWarn
			}
			k.cfg.Log.Log(ctx, level, "retention did not get on", slog.Any("err", err))
		}
	}
}

// Tick has the clock notice what the wall clock did. Run does so every few seconds. An error means that it could not be
// written down; the clock goes on.
func (k *Keeper) Tick() error { return k.clock.Tick() }

// passDue says whether a pass is due, and takes it as made: one that fails is told, and made again the next night.
func (k *Keeper) passDue() bool {
	night := lastNight(k.cfg.Wall().In(k.cfg.Place))
	late := k.clock.Now().Sub(k.clock.Passed()) >= missed && k.cfg.Up()-k.began >= settled
	if !night.After(k.night) && !late {
		return false
	}
	k.night = night
	return true
}

func lastNight(now time.Time) time.Time {
	night := time.Date(now.Year(), now.Month(), now.Day(), passHour, passMinute, 0, 0, now.Location())
	if night.After(now) {
		night = night.AddDate(0, 0, -1)
	}
	return night
}

// plan is what was found out about all recordings.
type plan struct {
	now      time.Time
	kept     map[keys.ID]bool // held or frozen
	frozen   map[keys.ID]bool
	verdicts map[keys.ID]Verdict
	due      []keys.ID
	rowless  []keys.ID // due, and found in a month's folder only
	status   Status
	whole    bool  // all were looked at
	partial  error // some recordings could not be listed
}

// Look finds out what is due, and changes nothing.
func (k *Keeper) Look(ctx context.Context) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	p, err := k.look(ctx)
	k.tell(p, err)
	return err
}

// Pass lets go what is due, unless that would be more than half of what there is. It stops where it is not known what must be kept.
func (k *Keeper) Pass(ctx context.Context) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	return k.pass(ctx, "")
}

// Consent lets a pass go on that waits because it would take more than half. Token is that of Status.Blocked, so that nobody
// consents to anything else than was shown. Errors: ErrNothingAsked.
func (k *Keeper) Consent(ctx context.Context, token, by string) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	p, err := k.look(ctx)
	k.tell(p, err)
	if err != nil {
		return err
	}
	if p.status.Blocked == nil || token == "" || p.status.Blocked.Token != token {
		return fmt.Errorf("%w: look at the status again", ErrNothingAsked)
	}
	if err := k.audit(ctx, Act{Deed: Consent, What: "purge of more than half consented to", By: by, Calls: p.due, Reason: token}); err != nil {
		return err
	}
	if err := k.pass(ctx, token); err != nil {
		return err
	}
	if k.Status().Blocked != nil { // a hold ended in between, and more is due now
		return fmt.Errorf("%w: look at the status again", ErrNothingAsked)
	}
	return nil
}

func (k *Keeper) pass(ctx context.Context, token string) error {
	err := k.prepare(ctx)
	var p *plan
	if err == nil {
		p, err = k.look(ctx)
	}
	if err != nil {
		k.tell(p, err)
		return err
	}
	if b := p.status.Blocked; b == nil || b.Token == token {
		p.status.Blocked = nil
		if err = k.order(ctx, p.due); err == nil {
			err = errors.Join(k.months(ctx, p), k.order(ctx, p.rowless))
		}
	} else {
		k.cfg.Log.WarnContext(ctx, "more than half of the recordings would expire at once: somebody must consent", slog.Int("calls", b.Recordings))
	}
	err = errors.Join(err, k.holds.Forget(ctx, k.cfg.Store.Gone), k.clock.Pass())
	k.tell(p, err)
	return err
}

// prepare ends what has reached its end, and notes what is kept, before and after.
func (k *Keeper) prepare(ctx context.Context) error {
	if k.graces.lost {
		if err := k.graceAll(ctx); err != nil {
			return err
		}
	}
	for _, end := range []bool{false, true} {
		if end {
			err := k.holds.EndDue(ctx)
			k.show()
			if err != nil {
				return err
			}
		}
		kept, _, err := k.keptNow(ctx)
		if err != nil {
			return err
		}
		if err := k.graces.regard(kept, k.clock.Now(), k.cfg.Store.Gone); err != nil {
			return err
		}
	}
	return nil
}

// keptNow is what holds, restrictions and cases keep. Errors: ErrUnsafe.
func (k *Keeper) keptNow(ctx context.Context) (kept, frozen map[keys.ID]bool, err error) {
	if k.holds.Lost() {
		return nil, nil, fmt.Errorf("%w: holds cannot be read", ErrUnsafe)
	}
	kept, _ = k.holds.Held()
	if k.cfg.Cases != nil {
		if frozen, err = k.cfg.Cases.Frozen(ctx); err != nil {
			return nil, nil, fmt.Errorf("%w: the cases cannot be read: %w", ErrUnsafe, err)
		}
	}
	maps.Copy(kept, frozen)
	return kept, frozen, nil
}

// graceAll gives everything a grace from now on: which recordings had one cannot be read. After a week all is as it was.
func (k *Keeper) graceAll(ctx context.Context) error {
	all, err := k.cfg.Store.Recordings(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsafe, err)
	}
	ids := make([]keys.ID, len(all))
	for i := range all {
		ids[i] = all[i].ID
	}
	if err := k.graces.free(ids, k.clock.Now()); err != nil {
		return err
	}
	k.graces.lost = false
	return nil
}

// look decides about every recording.
func (k *Keeper) look(ctx context.Context) (*plan, error) {
	p := &plan{now: k.clock.Now(), verdicts: make(map[keys.ID]Verdict)}
	var err error
	if p.kept, p.frozen, err = k.keptNow(ctx); err != nil {
		return p, err
	}
	all, err := k.cfg.Store.Recordings(ctx)
	if ctx.Err() != nil {
		return p, ctx.Err()
	}
	p.partial = err
	var bytes, dueBytes int64
	for _, r := range all {
		v, known := k.judge(p, r)
		if bytes += r.Bytes; !known {
			p.status.Unclassed++
			continue
		}
		p.status.Counts[v]++
		if v == Due {
			p.due = append(p.due, r.ID)
			dueBytes += r.Bytes
		}
	}
	p.status.Recordings, p.whole = len(all), true
	if 2*len(p.due) > len(all) || 2*dueBytes > bytes {
		p.status.Blocked = &Blocked{Recordings: len(p.due), Of: len(all), Bytes: dueBytes, OfBytes: bytes, Token: token(p.due)}
	}
	return p, nil
}

// judge decides about one recording; known is false where nobody says how long its class is kept.
func (k *Keeper) judge(p *plan, r Recording) (v Verdict, known bool) {
	m, known := k.cfg.Periods[r.Class]
	if !known {
		return Young, false
	}
	expires := m.Expires(r.Start, k.cfg.Place)
	v = k.cfg.decide(Facts{Expires: expires, Reached: k.clock.Of(r.ID, r.Start), Held: p.kept[r.ID] && !p.frozen[r.ID], Frozen: p.frozen[r.ID],
		Freed: k.graces.freed[r.ID], Now: p.now})
	if v == Young && (p.status.Next.IsZero() || expires.Before(p.status.Next)) {
		p.status.Next = expires
	}
	p.verdicts[r.ID] = v
	return v, true
}

// token names what is due.
func token(ids []keys.ID) string {
	h := sha256.New()
	for _, id := range slices.SortedFunc(slices.Values(ids), compareIDs) {
		h.Write(id.Append(nil))
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

func (k *Keeper) order(ctx context.Context, due []keys.ID) error {
	for ids := range slices.Chunk(due, hold.MaxCalls) {
		if err := k.audit(ctx, Act{Deed: Expire, What: "expired", Calls: ids}); err != nil {
			return err
		}
		if err := k.cfg.Store.Order(ctx, ids...); err != nil {
			return fmt.Errorf("order %d expired recordings to be erased: %w", len(ids), err)
		}
	}
	if len(due) > 0 {
		k.cfg.Log.InfoContext(ctx, "recordings have expired", slog.Int("calls", len(due)))
	}
	return nil
}

// months drops those of which nothing is left but what must stay.
func (k *Keeper) months(ctx context.Context, p *plan) error {
	if p.partial != nil {
		return fmt.Errorf("no month is dropped while recordings cannot be listed: %w", p.partial)
	}
	folders, err := k.cfg.Store.Folders(ctx)
	if err != nil {
		return err
	}
	left := p.left()
	var errs []error
	for _, f := range folders {
		if f.Busy || slices.ContainsFunc(f.Shard, func(n uint32) bool { return left[n] > 0 && (f.Kept || left[n] == stays) }) {
			continue // no need to open it
		}
		stay, whole, err := k.survivors(ctx, p, f)
		if err == nil && whole {
			err = k.cfg.Store.Drop(ctx, f, stay)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("drop %s: %w", f.Name, err))
			p.status.Stuck++
			continue
		}
		if whole {
			k.cfg.Log.InfoContext(ctx, "month dropped", slog.String("folder", f.Name), slog.Int("kept", len(stay)))
		}
	}
	return errors.Join(errs...)
}

// What a shard has in it.
const (
	survives = 1 // nothing but what may be carried elsewhere
	stays    = 2 // something whose date has not come, or that is not erased yet
)

// left says what each shard has in it, as far as there are rows.
func (p *plan) left() map[uint32]int {
	left := make(map[uint32]int)
	for id, v := range p.verdicts {
		what := survives
		if v == Young || v == Due {
			what = stays
		}
		left[id.Shard] = max(left[id.Shard], what)
	}
	return left
}

// survivors gives what must stay of a month; whole says that nothing else is left in it.
func (k *Keeper) survivors(ctx context.Context, p *plan, f Folder) (stay []keys.ID, whole bool, err error) {
	live, err := f.Live(ctx)
	if err != nil {
		return nil, false, err
	}
	whole = true
	for _, r := range live {
		v, known := p.verdicts[r.ID]
		if !known { // it has no row: the catalogue lost it, or it is ordered and not erased yet
			if r.Start.IsZero() {
				r.Start = lastOf(f.Month)
			}
			if v, known = k.judge(p, r); known && v == Due {
				p.rowless = append(p.rowless, r.ID)
			}
		}
		stay = append(stay, r.ID)
		whole = whole && !f.Kept && known && v != Young && v != Due
	}
	return stay, whole, nil
}

// lastOf is the last moment of a month.
func lastOf(m keys.Month) time.Time {
	t, err := time.Parse("2006-01", string(m.Next()))
	if err != nil {
		return time.Unix(1<<40, 0) // unreachable for a month that is Valid: never expires
	}
	return t.Add(-time.Nanosecond)
}

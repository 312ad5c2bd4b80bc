// Package retention lets recordings go when they have been kept for as long as the office may keep them, and not before.
//
// Stage: line -> call -> encode -> seal -> [store] -> search -> release.
//
//	In:    the recordings there are; holds, restrictions, open cases; the retention clock
//	Out:   orders to erase; months that are dropped, with what must stay carried to calls/kept
//	Owner: Run has one goroutine of its caller's; orders about holds may come from several, and take turns
//	Full:  a month whose survivors find no room stays where it is, and Status says so; it frees room when it goes
//
// Each night a pass decides about every recording (Decide). What is due is ordered to be erased. When nothing of a month
// is left but what must stay, that is copied, compared, and the month's folder is removed: Badger gives no room back in any
// other way (vault.md, 1c). A pass that would take more than half of what there is asks first. Where holds, cases or the
// catalogue cannot be read, nothing expires: that costs room, and the other way would cost evidence.
package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"linekeep/vault/keys"
	"linekeep/vault/register/ledger"
	"linekeep/vault/retention/clock"
	"linekeep/vault/retention/hold"
	"linekeep/vault/retention/note"
)

var (
	// ErrNothingAsked reports a word of consent where nothing waits for one, or something else than was shown.
	ErrNothingAsked = errors.New("retention: this is not what waits for consent")
	// ErrUnsafe reports that it is not known what must be kept, so nothing expires.
	ErrUnsafe = errors.New("retention: it is not known what must be kept, so nothing expires")
)

// Recording is what is known of one for this purpose.
type Recording struct {
	ID    keys.ID
	Class string
	Start time.Time // zero where nobody knows: then that of the last moment of its month counts
	Bytes int64
}

// Folder is a month's folder.
type Folder struct {
	Name  string
	Month keys.Month
	Kept  bool     // what was carried there from months that are dropped
	Busy  bool     // something in it is not filed yet
	Shard []uint32 // where the slots of what is in it stand
	// Live are the recordings in it whose slots are not erased. It opens the folder.
	Live func(ctx context.Context) ([]Recording, error)
}

// Store is where the recordings are.
type Store interface {
	// Recordings are all that are filed and not ordered to be erased. An error with some means that there may be more.
	Recordings(ctx context.Context) ([]Recording, error)
	// There reports recordings that are not there, or ordered to be erased, as an error.
	There(ctx context.Context, ids ...keys.ID) error
	// Gone says that a recording's slot is erased.
	Gone(id keys.ID) bool
	// Order orders recordings to be erased: nil = a power cut does not forget it.
	Order(ctx context.Context, ids ...keys.ID) error
	// Folders are those of months gone by, and those of what was kept of them.
	Folders(ctx context.Context) ([]Folder, error)
	// Drop carries the recordings in stay to where they can be kept, erases every other slot of the month, and removes the folder.
	// It can be done again after a power cut anywhere in it.
	Drop(ctx context.Context, f Folder, stay []keys.ID) error
}

// Cases is the register of cases.
type Cases interface {
	// Frozen are the recordings that open cases match. An error means that nobody knows, and nothing expires.
	Frozen(ctx context.Context) (map[keys.ID]bool, error)
}

// Deed is what an act does.
type Deed uint8

// The acts that the audit log has before they happen.
const (
	HoldSet Deed = iota + 1
	HoldEnd      // also by itself, and when its words are forgotten: What says which
	RestrictionSet
	RestrictionEnd
	Expire    // recordings are ordered to be erased
	Consent   // to a purge of more than half
	Vouch     // for the wall clock
	HoldWrite // one is written anew: with the clock, or because it came out of a note
)

// Act is what the audit log has before it happens.
type Act struct {
	Deed   Deed
	What   string // in words
	By     string // a name; empty where nobody ordered it
	Reason string
	Calls  []keys.ID
	Hold   keys.ID // whose slot seals By and Reason; zero where it is about none
}

// Register is where holds are kept: vault/register/ledger, with the audit log.
type Register interface {
	hold.Register
	// Commit makes changes, all or none: nil = they are on the disk, and the act is in the audit log.
	Commit(ctx context.Context, a Act, changes ...ledger.Change) error
}

// Config says what a Keeper works on.
type Config struct {
	Periods  map[string]Months // for each class
	Place    *time.Location    // the office's calendar
	Store    Store
	Cases    Cases // nil where there is no register
	Slots    hold.Slots
	Register Register
	Note     note.Config
	Wall     func() time.Time
	Up       func() time.Duration
	Marks    func() clock.Marks
	Newest   func() time.Time
	// Audit writes into the audit log; an error keeps the act from happening. Nil where there is no log.
	Audit func(ctx context.Context, a Act) error
	Log   *slog.Logger

	// decide is Decide; tests plant mistakes here.
	decide func(Facts) Verdict
}

// Validate names every fault.
func (c Config) Validate() error {
	var errs []error
	if c.Place == nil || c.Store == nil || c.Slots == nil || c.Register == nil || c.Wall == nil || c.Up == nil || c.Log == nil {
		errs = append(errs, errors.New("retention: Config lacks a part"))
	}
	for class, m := range c.Periods {
		if err := m.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("class %s: %w", class, err))
		}
	}
	return errors.Join(errs...)
}

// Keeper keeps recordings for as long as they must be kept.
type Keeper struct {
	cfg    Config
	clock  *clock.Clock
	holds  *hold.Book
	graces *graces
	night  time.Time // the last one that was seen to; Run's
	began  time.Duration

	turn sync.Mutex // one pass, or one order, at a time; before mu

	mu     sync.Mutex
	hidden map[keys.ID]bool
	status Status
}

// Open opens the clock, the holds and the graces. What of them is damaged is a finding.
func Open(ctx context.Context, cfg Config) (*Keeper, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.decide == nil {
		cfg.decide = Decide
	}
	k := &Keeper{cfg: cfg, night: lastNight(cfg.Wall().In(cfg.Place)), began: cfg.Up()}
	var err error
	k.clock, err = clock.Open(clock.Config{Note: cfg.Note, Wall: cfg.Wall, Up: cfg.Up, Marks: cfg.Marks, Newest: cfg.Newest})
	if err != nil {
		return nil, err
	}
	if k.holds, err = hold.Open(ctx, hold.Config{Register: cfg.Register, Commit: k.commitHold, Note: cfg.Note, Slots: cfg.Slots, Wall: cfg.Wall, Now: k.clock.Now}); err != nil {
		return nil, err
	}
	if k.graces, err = openGraces(cfg.Note); err != nil {
		return nil, err
	}
	_, k.hidden = k.holds.Held()
	return k, nil
}

// commitHold says what the audit log is to have of a change of a hold.
func (k *Keeper) commitHold(ctx context.Context, a hold.Act, changes ...ledger.Change) error {
	by := a.Hold.By
	if !a.Hold.Ended.IsZero() {
		by = a.Hold.EndBy
	}
	deed := HoldEnd
	switch a.What {
	case hold.Set:
		deed = HoldSet
	case hold.Shifted, hold.Moved:
		return k.cfg.Register.Commit(ctx, Act{Deed: HoldWrite, What: a.What, Calls: a.Hold.Calls, Hold: a.Hold.ID}, changes...)
	}
	if a.Hold.Kind == hold.Restrict {
		deed += RestrictionSet - HoldSet
	}
	return k.cfg.Register.Commit(ctx, Act{Deed: deed, What: a.What, By: by, Calls: a.Hold.Calls, Reason: a.Hold.Reason, Hold: a.Hold.ID}, changes...)
}

// Close writes the clock a last time. Run must have returned.
func (k *Keeper) Close() error { return k.clock.Close() }

// Findings are what was found altered or lost when it was opened.
func (k *Keeper) Findings() []error {
	return slices.Concat(k.clock.Findings(), k.holds.Findings(), k.graces.findings)
}

// Restricted are the recordings that nobody finds or plays. It is never changed in place.
func (k *Keeper) Restricted() map[keys.ID]bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.hidden
}

// Holds gives all holds and restrictions.
func (k *Keeper) Holds() []hold.Hold { return k.holds.List() }

// Held says whether a hold or a restriction is on any of the recordings.
func (k *Keeper) Held(ids ...keys.ID) bool {
	held, _ := k.holds.Held()
	return slices.ContainsFunc(ids, func(id keys.ID) bool { return held[id] })
}

// Hold puts a hold or a restriction into force. Errors: those of Store.There, hold.ErrBad.
func (k *Keeper) Hold(ctx context.Context, h hold.Hold) (hold.Hold, error) {
	k.turn.Lock()
	defer k.turn.Unlock()
	if err := k.cfg.Store.There(ctx, h.Calls...); err != nil {
		return h, fmt.Errorf("set a %s: %w", h.Kind, err)
	}
	h, err := k.holds.Set(ctx, h)
	if err == nil {
		k.show()
		err = k.graces.guard(h.Calls)
	}
	return h, err
}

// EndHold ends a hold or a restriction. Recordings whose date is past stay for Grace. Errors: hold.ErrNone.
func (k *Keeper) EndHold(ctx context.Context, id keys.ID, by string) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	for _, h := range k.holds.List() {
		if h.ID == id { // the grace first: a power cut between the two makes it longer, not shorter
			if err := k.graces.free(h.Calls, k.clock.Now()); err != nil {
				return err
			}
		}
	}
	_, err := k.holds.End(ctx, id, by)
	k.show()
	return err
}

// Thaw is for the register, before it closes a case: what the case froze stays for Grace from now on, whether a pass has
// seen it frozen or not.
func (k *Keeper) Thaw(_ context.Context, ids ...keys.ID) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	return k.graces.free(ids, k.clock.Now())
}

// show makes anew what is hidden.
func (k *Keeper) show() {
	_, hidden := k.holds.Held()
	k.mu.Lock()
	k.hidden = hidden
	k.mu.Unlock()
}

// Trust has a Controller vouch for the wall clock, where the retention clock is behind it.
func (k *Keeper) Trust(ctx context.Context, by string) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	ahead := k.clock.Behind()
	if ahead <= clock.Tolerance {
		return fmt.Errorf("%w: the retention clock is not behind", ErrNothingAsked)
	}
	if err := k.audit(ctx, Act{Deed: Vouch, What: "wall clock vouched for", By: by, Reason: ahead.Round(time.Minute).String()}); err != nil {
		return err
	}
	// First: a power cut between them makes graces and holds longer, not shorter.
	if err := errors.Join(k.graces.shift(ahead), k.holds.Shift(ctx, ahead)); err != nil {
		return err
	}
	return k.clock.Trust()
}

func (k *Keeper) audit(ctx context.Context, a Act) error {
	if k.cfg.Audit == nil {
		return nil
	}
	if err := k.cfg.Audit(ctx, a); err != nil {
		return fmt.Errorf("%s: it is not in the audit log, so it does not happen: %w", a.What, err)
	}
	return nil
}

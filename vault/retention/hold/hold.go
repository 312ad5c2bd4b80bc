// Package hold keeps what stops recordings from expiring because somebody said so: holds, and the marking called restriction.
//
//	In:    what somebody orders, with their reason
//	Out:   which recordings are held and which are hidden, also after a power cut
//	Owner: the caller; no goroutine. Methods may be called from several
//	Full:  maxHolds at once; an order that finds no room is refused, and nothing has changed
//
// Each has a slot of class office: its reason and the name of who ordered it are sealed under that, and die with it.
// Each change is a transaction of the register, whose hash stands in the audit log: what that does not have does not hold, and a
// list of holds that was put back, or cut, is told. Until it is whole nothing expires. FORMAT.md sections "Register" and "Retention"
// have the bytes.
package hold

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"linekeep/vault/erasure"
	"linekeep/vault/keys"
	"linekeep/vault/register/ledger"
	"linekeep/vault/retention/note"
)

var (
	// ErrNone reports an id of no hold that is in force.
	ErrNone = errors.New("hold: no such hold is in force")
	// ErrBad reports an order that lacks something.
	ErrBad = errors.New("hold: not a whole order")
	// ErrRolledBack reports a list of holds that is older than the register, or a register that is not whole.
	ErrRolledBack = errors.New("hold: rolled back, or not whole")
)

const (
	maxHolds = 10_000
	// MaxCalls is the most recordings of one hold: those of one order to erase.
	MaxCalls = erasure.MaxIDs
	maxText  = 2000
)

// Kind is what a mark does.
type Kind uint8

// The kinds there are.
const (
	Keep     Kind = 1 // a hold: the recordings do not expire
	Restrict Kind = 2 // a restriction: they do not expire, and nobody finds or plays them
)

func (k Kind) String() string {
	if k == Restrict {
		return "restriction"
	}
	return "hold"
}

// Hold is one mark, on a fixed list of recordings: criteria were resolved when it was made, so that what it holds never
// changes unseen.
type Hold struct {
	ID     keys.ID // of its slot
	Kind   Kind
	Reason string
	By     string    // who ordered it
	Since  time.Time // by the clock on the wall
	Made   time.Time // by the retention clock
	Until  time.Time // when it ends by itself; zero for never
	Ended  time.Time // zero while it is in force
	EndBy  string    // who ended it; empty where it ended by itself
	Calls  []keys.ID
}

// over says whether it has reached its own end: as much time as it was to last has surely passed. So a wall clock that jumps
// ends no hold, and keeps none for ever.
func (h *Hold) over(now time.Time) bool {
	return !h.Until.IsZero() && now.Sub(h.Made) >= h.Until.Sub(h.Since)
}

func (h *Hold) valid() error {
	switch {
	case h.Kind != Keep && h.Kind != Restrict:
		return fmt.Errorf("%w: it is neither a hold nor a restriction", ErrBad)
	case h.Reason == "" || h.By == "":
		return fmt.Errorf("%w: it needs a reason and a name", ErrBad)
	case len(h.Reason) > maxText || len(h.By) > maxText:
		return fmt.Errorf("%w: its reason is too long", ErrBad)
	case len(h.Calls) == 0 || len(h.Calls) > MaxCalls:
		return fmt.Errorf("%w: %d recordings, 1 to %d", ErrBad, len(h.Calls), MaxCalls)
	case !h.Until.IsZero() && !h.Until.After(h.Since):
		return fmt.Errorf("%w: it would end before it begins", ErrBad)
	}
	return nil
}

// Slots is what is asked of vault/keys.
type Slots interface {
	Next(ctx context.Context, class string, at time.Time) (keys.Slot, error)
	Slot(id keys.ID) (keys.Slot, error)
	Doom(ctx context.Context, ids ...keys.ID) error
}

// Act is a change that the audit log has before it holds. Details are sealed under the slot there.
type Act struct {
	What string // one of those below
	Hold Hold   // its slot seals what is told of it
}

// What an Act does.
const (
	Set       = "set"
	Ended     = "ended"
	EndedSelf = "ended by itself"
	Forgotten = "forgotten"
	Shifted   = "moved with the retention clock"
	Moved     = "moved into the register"
)

// Register is vault/register/ledger.
type Register interface {
	Walk(kind string, visit func(key, value []byte, err error) error) error
	Findings() []error
}

// Config is what a book of holds needs.
type Config struct {
	Register Register
	// Commit makes changes of the register, all or none: nil = they are on the disk, and the act is in the audit log.
	Commit func(ctx context.Context, a Act, changes ...ledger.Change) error
	Slots  Slots
	Note   note.Config // where vaults of an earlier version have their holds
	Wall   func() time.Time
	Now    func() time.Time // the retention clock
}

// Book is all holds.
type Book struct {
	cfg Config

	mu       sync.Mutex
	all      []Hold // never changed in place
	findings []error
	lost     bool
}

// Open reads the holds. What cannot be read is a finding; while there is one, Lost says so, and nobody may let anything expire.
func Open(ctx context.Context, cfg Config) (*Book, error) {
	if cfg.Register == nil || cfg.Commit == nil || cfg.Slots == nil || cfg.Wall == nil || cfg.Now == nil {
		return nil, errors.New("hold: Config needs Register, Commit, Slots, Wall and Now")
	}
	b := &Book{cfg: cfg}
	if err := b.read(); err != nil {
		return nil, fmt.Errorf("open the holds: %w", err)
	}
	if err := b.moveIn(ctx); err != nil {
		return nil, fmt.Errorf("move the holds into the register: %w", err)
	}
	return b, nil
}

// Lost says that holds may be missing: then nothing may expire.
func (b *Book) Lost() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lost
}

// Findings are what was found altered or lost.
func (b *Book) Findings() []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.findings)
}

// List gives all holds, those that ended included, as long as any of their recordings is there.
func (b *Book) List() []Hold {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.all)
}

// Set puts a hold into force: nil = it is on the disk. The recordings must be there; the caller has looked. ID, Since, Made
// and what tells of its end are filled in. Errors: ErrBad, those of the audit log and of the disk.
func (b *Book) Set(ctx context.Context, h Hold) (Hold, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h.Since, h.Made = b.cfg.Wall().UTC().Round(0), b.cfg.Now().UTC()
	h.Ended, h.EndBy, h.Calls = time.Time{}, "", slices.Clone(h.Calls)
	if err := h.valid(); err != nil {
		return h, err
	}
	if len(b.all) >= maxHolds {
		return h, fmt.Errorf("%w: there are %d holds already", ErrBad, maxHolds)
	}
	slot, err := b.cfg.Slots.Next(ctx, keys.Office, h.Since)
	if err != nil {
		return h, fmt.Errorf("set a %s: %w", h.Kind, err)
	}
	defer slot.Wipe()
	h.ID = slot.ID
	if err := b.commit(ctx, Set, &h); err != nil {
		return h, err
	}
	b.all = append(slices.Clone(b.all), h)
	return h, nil
}

// End ends a hold: nil = it is on the disk. It gives the hold as it was. Errors: ErrNone, ErrBad.
func (b *Book) End(ctx context.Context, id keys.ID, by string) (Hold, error) {
	if by == "" || len(by) > maxText {
		return Hold{}, fmt.Errorf("%w: it needs the name of who ends it", ErrBad)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.all, func(h Hold) bool { return h.ID == id && h.Ended.IsZero() })
	if i < 0 {
		return Hold{}, fmt.Errorf("%w: %s", ErrNone, id)
	}
	return b.all[i], b.end(ctx, i, Ended, by)
}

// EndDue ends the holds that have reached their own end.
func (b *Book) EndDue(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.cfg.Now()
	for i := range b.all {
		if h := &b.all[i]; h.Ended.IsZero() && h.over(now) {
			if err := b.end(ctx, i, EndedSelf, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// Shift moves when holds were made, with the retention clock. Only those that end by themselves ask for that.
func (b *Book) Shift(ctx context.Context, by time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.all {
		if b.all[i].Until.IsZero() || !b.all[i].Ended.IsZero() {
			continue
		}
		h := b.all[i]
		h.Made = h.Made.Add(by)
		if err := b.commit(ctx, Shifted, &h); err != nil {
			return err
		}
		b.all = slices.Clone(b.all)
		b.all[i] = h
	}
	return nil
}

// end ends the hold at i. mu is held.
func (b *Book) end(ctx context.Context, i int, what, by string) error {
	all := slices.Clone(b.all)
	h := &all[i]
	h.Ended, h.EndBy = b.cfg.Wall().UTC().Round(0), by
	if err := b.commit(ctx, what, h); err != nil {
		return err
	}
	b.all = all
	return nil
}

// Forget takes out holds that have ended and of whose recordings none is there any more, and dooms their slots: the words of
// somebody's reason need no longer be kept. Gone says which recordings are there no more.
func (b *Book) Forget(ctx context.Context, gone func(keys.ID) bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, h := range b.all {
		if h.Ended.IsZero() || slices.ContainsFunc(h.Calls, func(id keys.ID) bool { return !gone(id) }) {
			continue
		}
		if err := b.cfg.Commit(ctx, Act{What: Forgotten, Hold: h}, ledger.Change{Kind: kindHold, Key: h.ID.Append(nil), Slot: h.ID}); err != nil {
			return fmt.Errorf("forget %s %s, which is over: %w", h.Kind, h.ID, err)
		}
		b.all = slices.DeleteFunc(slices.Clone(b.all), func(other Hold) bool { return other.ID == h.ID })
		if err := b.cfg.Slots.Doom(ctx, h.ID); err != nil {
			return fmt.Errorf("forget the reason of %s %s, which is over: %w", h.Kind, h.ID, err)
		}
	}
	return nil
}

// commit writes a hold into the register as it is to be from now on.
func (b *Book) commit(ctx context.Context, what string, h *Hold) error {
	if err := b.cfg.Commit(ctx, Act{What: what, Hold: *h}, h.change()); err != nil {
		return fmt.Errorf("%s %s: %s: it is not in the register and the audit log, so it does not happen: %w", h.Kind, h.ID, what, err)
	}
	return nil
}

// Held are the recordings under any hold or restriction in force, and Hidden those under a restriction.
func (b *Book) Held() (held, hidden map[keys.ID]bool) {
	held, hidden = make(map[keys.ID]bool), make(map[keys.ID]bool)
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.all {
		h := &b.all[i]
		if !h.Ended.IsZero() {
			continue
		}
		for _, id := range h.Calls {
			held[id] = true
			if h.Kind == Restrict {
				hidden[id] = true
			}
		}
	}
	return held, hidden
}

// Package rewrap brings recordings of an earlier custody key under the one in force, after a new recovery code.
//
//	In:    the months' folders; the custody keys, while somebody who holds them is signed in
//	Out:   a newer wrap beside each recording of an earlier key; word that nothing is under it any more
//	Owner: the caller's goroutine, one pass at a time
//	Full:  batchWraps wraps are made and stored at a time; a disk without room is tried again with the next pass
//
// It needs no memory of how far it came: what is done says so itself, so a pass that was cut short, by a sign-out or a power
// cut, goes on where it left off.
package rewrap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/library"
	"linekeep/vault/recording"
	"linekeep/vault/seal"
	"linekeep/vault/store"
)

const (
	// batchWraps is how many wraps go into one transaction: some 40 KB, and 60 ms of one core.
	batchWraps = 256
	// Patience is how long a pass may not get on before it counts as stalled.
	Patience = 24 * time.Hour
)

// ErrNobody reports that nobody who holds the keys is signed in, or not any more: that is no fault.
var ErrNobody = errors.New("rewrap: nobody who holds the custody key is signed in")

// Months is what is asked of the months' folders.
type Months interface {
	Names() ([]string, error)
	Use(ctx context.Context, name string, write bool) (f *folder.Folder, release func(), err error)
}

// Store is what keeps the wraps.
type Store interface {
	KeepRewraps(ctx context.Context, name string, all []store.Rewrapped) error
	Under(number uint32) bool
}

// Custody is what is asked of the custody keys.
type Custody interface {
	// Retired are the numbers of earlier keys that are still kept, and the one in force.
	Retired() (numbers []uint32, now uint32, err error)
	// Unwrapping lends what opens a recording's wrap under any of them. Errors, also of what is lent: ErrNobody.
	Unwrapping(do func(rewrap func(slot keys.Slot, number uint32, wrap []byte) ([]byte, error)) error) error
	// Drop forgets the earlier keys.
	Drop(ctx context.Context, numbers []uint32) error
}

// Config says what a Runner works on.
type Config struct {
	Keys    library.Keys
	Months  Months
	Store   Store
	Custody Custody
	Clock   func() time.Time
	// Elsewhere says whether recordings under a key before number may be somewhere else: in an archive, or in a vault that is
	// yet to be merged. Then the keys are kept. It may be nil.
	Elsewhere func(number uint32) bool
}

// Status is how far it came.
type Status struct {
	Left int // recordings still under an earlier key, as the last pass counted; with those that wait for a session
	Done int // since the start
	// Damaged are recordings that cannot be wrapped anew although somebody who holds the keys was there: the earlier key
	// is kept for them, and they keep it from being dropped. As the last pass with a session counted.
	Damaged int
	Since   time.Time // when it last got on, or found something to do
	Error   string    // why the last pass did not get on; empty when it did, or waits for a session
}

// Stalled says that there is something to do and nothing came of it for a day.
func (s Status) Stalled(now time.Time) bool { return s.Left > 0 && now.Sub(s.Since) > Patience }

// Runner brings recordings under the custody key in force.
type Runner struct {
	cfg Config

	mu     sync.Mutex
	status Status
}

// New makes a runner.
func New(cfg Config) *Runner { return &Runner{cfg: cfg} }

// Status never waits for a pass.
func (r *Runner) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// Pass does what there is to do, as far as it can now. Without earlier keys it does nothing. Errors: those of ctx; all
// others are in Status.
func (r *Runner) Pass(ctx context.Context) error {
	retired, now, err := r.cfg.Custody.Retired()
	if err != nil || len(retired) == 0 {
		r.damaged(0)
		r.note(0, 0, err)
		return nil
	}
	names, err := r.cfg.Months.Names()
	var all outcome
	errs := []error{err}
	for _, name := range names {
		o, err := r.month(ctx, name, now)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		all = all.and(o)
		errs = append(errs, err)
	}
	failed := errors.Join(errs...)
	r.note(all.left, 0, failed)
	if all.left == 0 { // somebody was there to the end: what is not done cannot be
		r.damaged(all.damaged)
	}
	whole := all.left == 0 && failed == nil
	if !whole || r.cfg.Store.Under(now) || r.cfg.Elsewhere != nil && r.cfg.Elsewhere(now) {
		return nil
	}
	if err := r.cfg.Custody.Drop(ctx, retired); err != nil {
		r.note(0, 0, err)
	}
	return nil
}

func (r *Runner) damaged(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Damaged = n
}

// outcome is what a pass leaves under earlier keys.
type outcome struct {
	left    int // for want of a session
	damaged int // for ever
}

func (o outcome) and(other outcome) outcome {
	return outcome{left: o.left + other.left, damaged: o.damaged + other.damaged}
}

// note keeps what became of something; left < 0 leaves the count as it is.
func (r *Runner) note(left, done int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at := r.cfg.Clock(); done > 0 || r.status.Left == 0 {
		r.status.Since = at
	}
	if left >= 0 {
		r.status.Left = left
	}
	r.status.Done += done
	r.status.Error = ""
	if err != nil {
		r.status.Error = err.Error()
	}
}

// todo is a recording under an earlier key.
type todo struct {
	id     keys.ID
	number uint32
	wrap   []byte
}

// month does what it can in one month's folder, and tells what it leaves.
func (r *Runner) month(ctx context.Context, name string, now uint32) (o outcome, err error) {
	all, err := r.find(ctx, name, now)
	if err != nil {
		return o, fmt.Errorf("look for recordings to wrap anew in %s: %w", name, err)
	}
	var broken error // what cannot be wrapped anew stays under its key, and keeps it from being dropped
	for len(all) > 0 {
		batch := all[:min(len(all), batchWraps)]
		made, bad, werr := r.wrap(batch, now)
		if len(made) > 0 {
			if err := r.cfg.Store.KeepRewraps(ctx, name, made); err != nil {
				return outcome{left: len(all)}, fmt.Errorf("keep new wraps in %s: %w", name, err)
			}
			r.note(-1, len(made), nil)
		}
		o.damaged += bad
		if nobody := errors.Is(werr, ErrNobody); nobody || ctx.Err() != nil {
			o.left = len(all) - len(made) - bad
			return o, broken
		}
		broken = errors.Join(broken, werr)
		all = all[len(batch):]
	}
	return o, broken
}

// wrap makes the wraps of a batch, and counts those that cannot be made. Errors: ErrNobody; what went wrong with single ones.
func (r *Runner) wrap(batch []todo, now uint32) (made []store.Rewrapped, bad int, err error) {
	nobody := r.cfg.Custody.Unwrapping(func(rewrap func(slot keys.Slot, number uint32, wrap []byte) ([]byte, error)) error {
		for _, t := range batch {
			slot, serr := r.cfg.Keys.Slot(t.id)
			if errors.Is(serr, keys.ErrNoSlot) {
				continue // erased meanwhile
			}
			if serr != nil {
				bad, err = bad+1, errors.Join(err, serr)
				continue
			}
			wrap, werr := rewrap(slot, t.number, t.wrap)
			slot.Wipe()
			if errors.Is(werr, ErrNobody) {
				return werr
			}
			if werr != nil {
				bad, err = bad+1, errors.Join(err, fmt.Errorf("recording %s: %w", t.id, werr))
				continue
			}
			made = append(made, store.Rewrapped{ID: t.id, Rewrap: recording.Rewrap{Custody: now, Wrap: wrap}})
		}
		return nil
	})
	return made, bad, errors.Join(err, nobody)
}

// find gives the recordings of a month that are under an earlier key.
func (r *Runner) find(ctx context.Context, name string, now uint32) (all []todo, err error) {
	f, release, err := r.cfg.Months.Use(ctx, name, false)
	if err != nil {
		return nil, err
	}
	defer release()
	vaultID := r.cfg.Keys.VaultID()
	err = f.Walk([]byte{byte(recording.AtWrap)}, func(key, body []byte, werr error) error {
		place, ok := recording.ParseKey(key)
		if !ok || werr != nil {
			return ctx.Err() // a check names it
		}
		t, err := r.look(f, vaultID, place.ID, body)
		if err == nil && t.number < now {
			all = append(all, t)
		}
		return ctx.Err()
	})
	return all, err
}

// look finds out under which key a recording is. An error means that nobody can hear it any more.
func (r *Runner) look(f *folder.Folder, vaultID [keys.VaultIDSize]byte, id keys.ID, body []byte) (t todo, err error) {
	slot, err := r.cfg.Keys.Slot(id)
	if err != nil {
		return t, err
	}
	defer slot.Wipe()
	meta := slot.Meta()
	defer meta.Wipe()
	opening, err := recording.Forms{VaultID: vaultID, ID: id, Meta: meta}.OpenOpening(body)
	if err != nil {
		return t, err
	}
	t = todo{id: id, number: opening.Custody}
	if t.wrap, _, err = recording.SplitOpening(body); err != nil || len(t.wrap) != seal.WrapSize {
		return t, errors.Join(err, recording.ErrForm)
	}
	value, err := f.Get(recording.RewrapKey(id))
	if errors.Is(err, folder.ErrMissing) {
		return t, nil
	}
	if err != nil {
		return t, err
	}
	later, err := recording.ParseRewrap(value)
	if err == nil && later.Custody > t.number {
		t.number, t.wrap = later.Custody, later.Wrap
	}
	return t, err
}

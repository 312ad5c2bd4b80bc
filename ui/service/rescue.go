package service

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"linekeep/vault"
	"linekeep/vault/custody"
	"linekeep/vault/secret"
)

// The errors of a rescue, beside ErrWrongCode and ErrNotAllowed.
var (
	// ErrNoButton reports that nobody stood at the box: its button was not pressed a moment ago.
	ErrNoButton = errors.New("service: the button on the box was not pressed")
	// ErrTooMany reports that codes come faster than a person types them. Waiting a minute helps.
	ErrTooMany = errors.New("service: too many codes in a short time")
)

const (
	// ButtonTime is how long the button's word holds: to walk from the box to a screen and type 40 characters.
	ButtonTime = 2 * time.Minute
	// codesAtOnce may be tried one after the other, and then one each codeEvery. A code has 190 bits and cannot be
	// guessed; what is bounded is the work of the chip and of the disk.
	codesAtOnce = 5
	codeEvery   = time.Minute
)

// Button is the one on the front of the box.
type Button interface {
	// PressedWithin says whether it was pressed at most d ago.
	PressedWithin(d time.Duration) bool
}

// Rescue opens a vault whose root does not open: with the recovery code, by somebody who stands at the box.
type Rescue struct {
	button Button
	open   func(context.Context, custody.Code) error
	clock  func() time.Time
	memory Memory

	mu    sync.Mutex // one code at a time; held over open
	left  int        // codes that may be tried now
	since time.Time  // left was last made more
}

// NewRescue makes a rescue whose open takes the code, and whose memory is told of each attempt that fails. A box without a button
// has a nil one: nobody can prove to stand there.
func NewRescue(button Button, open func(context.Context, custody.Code) error, clock func() time.Time, memory Memory) *Rescue {
	return &Rescue{button: button, open: open, clock: clock, memory: memory, left: codesAtOnce, since: clock()}
}

// HasButton says whether the box has one at all, Pressed whether it was pressed a moment ago.
func (r *Rescue) HasButton() bool { return r.button != nil }

// Pressed says whether somebody stood at the box a moment ago.
func (r *Rescue) Pressed() bool { return r.button != nil && r.button.PressedWithin(ButtonTime) }

// Recover opens the vault again: nil = it is open to whoever opens it next. The code is not kept; the caller wipes it.
// Errors: ErrNotAllowed, ErrNoButton, ErrTooMany, ErrWrongCode, and those of vault.Recover.
func (r *Rescue) Recover(ctx context.Context, who Caller, typed secret.Password) error {
	err := r.recover(ctx, who, typed)
	if err != nil {
		r.memory.Refused(ctx, kindOf(who), string(ActRecover), whyRefused(err))
	}
	return err
}

func (r *Rescue) recover(ctx context.Context, who Caller, typed secret.Password) error {
	if err := allowed(who, ActRecover); err != nil {
		return err
	}
	if !r.Pressed() {
		return ErrNoButton
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.take() {
		return ErrTooMany
	}
	code, err := readCode(typed)
	if err != nil { // it says which group is mistyped, and never what was typed
		return fmt.Errorf("%w: %w", ErrWrongCode, err)
	}
	defer code.Wipe()
	err = r.open(ctx, code)
	if errors.Is(err, vault.ErrWrongCode) {
		return fmt.Errorf("%w: it is not this box's, or it was replaced by a newer one", ErrWrongCode)
	}
	return err
}

// take uses up one of the codes that may be tried. mu is held.
func (r *Rescue) take() bool {
	now := r.clock()
	if more := int(now.Sub(r.since) / codeEvery); more > 0 {
		r.left = min(codesAtOnce, r.left+more)
		r.since = r.since.Add(time.Duration(more) * codeEvery)
	}
	if r.left == 0 {
		return false
	}
	r.left--
	return true
}

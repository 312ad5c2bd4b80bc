// Package custodytest stands in for vault/keys and the disk, where a test is about people.
//
//	In:    a test
//	Out:   slots by the real vault/keys, with orders to erase kept in memory; a disk whose power goes after some steps
//	Owner: plain values; no goroutine
//	Full:  the keys lie in the test's temporary folder
package custodytest

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"linekeep/drivers/tpm"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
)

// Clock is a clock that a test sets.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock shows a Monday morning.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)} }

// Time is what it shows.
func (c *Clock) Time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Pass lets time pass.
func (c *Clock) Pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Keys are a vault's keys, whose orders to erase hold in memory: Copy is what they would be after a power cut. They are
// real where it matters here, which is the slots.
type Keys struct {
	*keys.Keys
	mu     sync.Mutex
	state  state
	Disk   *Disk // what is written is a step of it, when set
	Epochs int
	// LoseWord has the next SwitchRecovery end undecided.
	LoseWord  bool
	undecided *envelope.Public
}

type state struct {
	commissioning keys.Key
	recovery      *envelope.Public
	doomed, gone  map[keys.ID]bool
}

// NewKeys makes keys on a chip.
func NewKeys(t testing.TB, chip tpm.Sealer, clock func() time.Time) *Keys {
	t.Helper()
	k, err := keys.Create(t.Context(), keys.Config{Dir: t.TempDir(), Clock: clock}, chip)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return &Keys{Keys: k, state: state{commissioning: keys.NewKey(), doomed: map[keys.ID]bool{}, gone: map[keys.ID]bool{}}}
}

// Copy has the same slots, and the orders that were given until now.
func (k *Keys) Copy() *Keys {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := &Keys{Keys: k.Keys, state: k.state}
	c.state.doomed, c.state.gone = maps.Clone(k.state.doomed), maps.Clone(k.state.gone)
	return c
}

// Slot refuses what is erased.
func (k *Keys) Slot(id keys.ID) (keys.Slot, error) {
	k.mu.Lock()
	gone := k.state.gone[id]
	k.mu.Unlock()
	if gone {
		return keys.Slot{}, fmt.Errorf("%w: %s", keys.ErrNoSlot, id)
	}
	return k.Keys.Slot(id)
}

// Doom orders to erase.
func (k *Keys) Doom(_ context.Context, ids ...keys.ID) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.Disk.Step(); err != nil {
		return err
	}
	for _, id := range ids {
		k.state.doomed[id] = true
	}
	return nil
}

// Doomed says what is ordered.
func (k *Keys) Doomed(id keys.ID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state.doomed[id]
}

// Erase is a commit.
func (k *Keys) Erase(context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.Disk.Step(); err != nil {
		return err
	}
	k.erase()
	return nil
}

// erase does what was ordered; mu is held.
func (k *Keys) erase() {
	for id := range k.state.doomed {
		k.state.gone[id] = true
	}
	clear(k.state.doomed)
	k.Epochs++
}

// Commissioning is there until EndCommissioning.
func (k *Keys) Commissioning() (keys.Key, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state.commissioning, !k.state.commissioning.IsZero()
}

// EndCommissioning is the commit of a hand-over: all of it, or nothing.
func (k *Keys) EndCommissioning(_ context.Context, p envelope.Public) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.Disk.Step(); err != nil {
		return err
	}
	k.state.recovery, k.state.commissioning = &p, keys.Key{}
	k.erase()
	return nil
}

// Recovery is there once it is set.
func (k *Keys) Recovery() (envelope.Public, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state.recovery == nil {
		return envelope.Public{}, false
	}
	return *k.state.recovery, true
}

// SwitchRecovery changes it, and erases what was ordered. With LoseWord it is not known whether it does until Finish.
func (k *Keys) SwitchRecovery(_ context.Context, p envelope.Public) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.Disk.Step(); err != nil {
		return err
	}
	if k.LoseWord {
		k.undecided = &p
		return keys.ErrUnfinished
	}
	k.state.recovery = &p
	k.erase()
	return nil
}

// Unfinished says that a word was lost, until Finish.
func (k *Keys) Unfinished() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.undecided != nil
}

// Finish says whether what was lost holds.
func (k *Keys) Finish(holds bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if holds {
		k.state.recovery = k.undecided
		k.erase()
	}
	k.undecided, k.LoseWord = nil, false
}

// Package holding is who has the custody key: which one is in force, to whom it is wrapped, and how it is opened.
//
//	In:    the book, the ring, and the key of an account or of a recovery code
//	Out:   the private halves of the custody keys, by number; wraps
//	Owner: plain functions; no goroutine
//	Full:  a wrap costs 0.1 ms; there is one for each holder and key
package holding

import (
	"fmt"
	"time"

	"linekeep/vault/custody"
	"linekeep/vault/custody/book"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
)

// Keys is what tells which custody key is in force.
type Keys interface {
	Commissioning() (keys.Key, bool)
	Recovery() (envelope.Public, bool)
}

// Current is the custody key that calls are to be under: before hand-over the commissioning key, then that of the recovery
// code which the root knows. So the root's word switches from one to the next, and nothing can stand between. It needs no
// book: a vault has to record although its people cannot be read.
func Current(k Keys, ring *custody.Ring) (custody.Public, error) {
	if _, ok := k.Commissioning(); ok {
		return ring.Get(custody.Commissioning)
	}
	recovery, ok := k.Recovery()
	if !ok {
		return custody.Public{}, fmt.Errorf("%w: the root names no recovery key", custody.ErrAltered)
	}
	all := ring.All()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Recovery == recovery.Bytes() {
			return all[i], nil
		}
	}
	return custody.Public{}, fmt.Errorf("%w: no custody key is that of the recovery code", custody.ErrAltered)
}

// Live says that a holding counts now.
func Live(h *book.Holding, number uint32, now time.Time) bool {
	return h.Number == number && (h.Until.IsZero() || now.Before(h.Until))
}

// Held says whether a person has the custody key, and whether by a delegation.
func Held(state book.State, person keys.ID, number uint32, now time.Time) (holds, delegated bool) {
	for _, h := range book.Of[*book.Holding](state, person) {
		if Live(h.Record, number, now) {
			holds, delegated = true, !h.Record.Until.IsZero()
		}
	}
	return holds, delegated
}

// Others counts who has it for good beside a person.
func Others(state book.State, person keys.ID, number uint32, now time.Time) (n int) {
	for _, p := range book.Entries[*book.Person](state) {
		if holds, delegated := Held(state, p.ID, number, now); holds && !delegated && p.ID != person {
			n++
		}
	}
	return n
}

// Open opens a holding, and with the custody key in it the retired ones. The caller wipes them.
func Open(ring *custody.Ring, vaultID [keys.VaultIDSize]byte, state book.State, to envelope.Private, h *book.Holding) (map[uint32]envelope.Private, error) {
	first, err := OpenOne(ring, vaultID, to, h.Number, h.Wrapped)
	if err != nil {
		return nil, err
	}
	all := map[uint32]envelope.Private{h.Number: first}
	for again := true; again; { // each may open another
		again = false
		for _, r := range book.Entries[*book.Retired](state) {
			under, ok := all[r.Record.Under]
			if _, have := all[r.Record.Number]; have || !ok {
				continue
			}
			older, err := OpenOne(ring, vaultID, under, r.Record.Number, r.Record.Wrapped)
			if err != nil {
				Wipe(all)
				return nil, err
			}
			all[r.Record.Number], again = older, true
		}
	}
	return all, nil
}

// OpenOne opens the wrapped private half of a custody key, and compares it with the public one.
func OpenOne(ring *custody.Ring, vaultID [keys.VaultIDSize]byte, to envelope.Private, number uint32, wrapped []byte) (envelope.Private, error) {
	public, err := ring.Get(number)
	if err != nil {
		return envelope.Private{}, err
	}
	key, err := to.Unwrap(public.Info(vaultID), wrapped)
	if err != nil {
		return envelope.Private{}, fmt.Errorf("open custody key %d: %w", number, err)
	}
	private, err := envelope.PrivateFrom(key)
	if err != nil {
		key.Wipe()
		return envelope.Private{}, err
	}
	if !public.Opens(private) {
		private.Wipe()
		return envelope.Private{}, fmt.Errorf("open custody key %d: it is not the private half of the one in force", number)
	}
	return private, nil
}

// Wipe wipes all of them.
func Wipe(all map[uint32]envelope.Private) {
	for _, p := range all {
		p.Wipe()
	}
}

// Add wraps a custody key to an account; the zero person stands for the recovery key.
func Add(tx *book.Tx, vaultID [keys.VaultIDSize]byte, person keys.ID, public custody.Public, private envelope.Private, to envelope.Public, until time.Time) error {
	wrapped, err := to.Wrap(public.Info(vaultID), private.Secret())
	if err != nil {
		return err
	}
	_, err = tx.Add(person, &book.Holding{Number: public.Number, Until: until, Wrapped: wrapped})
	return err
}

// AddAll wraps the next key to everybody who holds the one in force, for as long.
func AddAll(tx *book.Tx, vaultID [keys.VaultIDSize]byte, number uint32, next custody.Public, private envelope.Private, now time.Time) error {
	for _, h := range book.Entries[*book.Holding](tx.State) {
		credentials := book.Of[*book.Credential](tx.State, h.Owner)
		if !Live(h.Record, number, now) || len(credentials) == 0 {
			continue
		}
		to := credentials[len(credentials)-1].Record.Account
		if err := Add(tx, vaultID, h.Owner, next, private, to, h.Record.Until); err != nil {
			return err
		}
	}
	return nil
}

// Settle takes away every wrap that the custody key in force has left behind, or that was made for one which did not come.
func Settle(tx *book.Tx, number uint32) {
	for _, h := range book.Entries[*book.Holding](tx.State) {
		if h.Record.Number != number {
			tx.Drop(h.ID)
		}
	}
	for _, r := range book.Entries[*book.Retired](tx.State) {
		if r.Record.Number >= number || r.Record.Under > number {
			tx.Drop(r.ID)
		}
	}
}

package holding_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/custody"
	"linekeep/vault/custody/book"
	"linekeep/vault/custody/custodytest"
	"linekeep/vault/custody/holding"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
)

// ring is three custody keys, each retired by the next, and the account of somebody who holds the last.
type ring struct {
	t       *testing.T
	keys    *custodytest.Keys
	clock   *custodytest.Clock
	book    *book.Book
	ring    *custody.Ring
	account envelope.Private
	pairs   map[uint32]envelope.Private
	ann     keys.ID
}

func fresh(t *testing.T) envelope.Private {
	t.Helper()
	p, err := envelope.New()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newRing(t *testing.T) *ring {
	t.Helper()
	r := &ring{t: t, clock: custodytest.NewClock(), account: fresh(t), pairs: map[uint32]envelope.Private{}}
	r.keys = custodytest.NewKeys(t, tpmtest.NewMemory(), r.clock.Time)
	var err error
	if r.book, err = book.Create(t.Context(), book.Config{Dir: filepath.Join(t.TempDir(), "custody"), Class: keys.Office, Keys: r.keys, Clock: r.clock.Time, Files: pair.Disk{}}); err != nil {
		t.Fatal(err)
	}
	if r.ring, err = custody.Load(t.TempDir(), r.keys.VaultID(), r.keys.Outer(custody.Outer)); err != nil {
		t.Fatal(err)
	}
	for n := range uint32(3) {
		r.pairs[n+2] = fresh(t)
		recovery := fresh(t).Public()
		if err := r.ring.Add(custody.Public{Number: n + 2, Key: r.pairs[n+2].Public(), Recovery: recovery.Bytes()}); err != nil {
			t.Fatal(err)
		}
	}
	r.change(func(tx *book.Tx) error {
		var errs [3]error
		r.ann, errs[0] = tx.Add(keys.ID{}, &book.Person{Name: "Ann", Roles: book.Controller})
		_, errs[1] = tx.Add(r.ann, &book.Credential{Made: r.clock.Time(), Account: r.account.Public()})
		errs[2] = r.wrap(tx, r.ann, 4, time.Time{})
		return errors.Join(errs[:]...)
	})
	r.retire(3, 4)
	r.retire(2, 3)
	return r
}

func (r *ring) change(do func(tx *book.Tx) error) {
	r.t.Helper()
	if err := r.book.Change(r.t.Context(), do); err != nil {
		r.t.Fatal(err)
	}
}

func (r *ring) public(number uint32) custody.Public {
	r.t.Helper()
	p, err := r.ring.Get(number)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *ring) wrap(tx *book.Tx, person keys.ID, number uint32, until time.Time) error {
	return holding.Add(tx, r.keys.VaultID(), person, r.public(number), r.pairs[number], r.account.Public(), until)
}

// retire wraps an earlier key to a later one.
func (r *ring) retire(number, under uint32) {
	r.t.Helper()
	wrapped, err := r.pairs[under].Public().Wrap(r.public(number).Info(r.keys.VaultID()), r.pairs[number].Secret())
	if err != nil {
		r.t.Fatal(err)
	}
	r.change(func(tx *book.Tx) error {
		_, err := tx.Add(keys.ID{}, &book.Retired{Number: number, Under: under, Wrapped: wrapped})
		return err
	})
}

func (r *ring) holding() *book.Holding {
	r.t.Helper()
	all := book.Of[*book.Holding](r.book.Now(), r.ann)
	if len(all) != 1 {
		r.t.Fatalf("%d holdings", len(all))
	}
	return all[0].Record
}

func TestOneHoldingOpensTheKeyInForceAndAllRetiredOnes(t *testing.T) {
	r := newRing(t)
	all, err := holding.Open(r.ring, r.keys.VaultID(), r.book.Now(), r.account, r.holding())
	if err != nil || len(all) != 3 {
		t.Fatalf("%d keys, %v", len(all), err)
	}
	for number, p := range all {
		if p.Public().Bytes() != r.pairs[number].Public().Bytes() {
			t.Errorf("key %d is another one", number)
		}
	}
	holding.Wipe(all)
	if _, err := holding.Open(r.ring, r.keys.VaultID(), r.book.Now(), fresh(t), r.holding()); err == nil {
		t.Error("a stranger's account opens it")
	}
	moved := *r.holding()
	moved.Number = 3 // the wrap of one key in the place of another's
	if _, err := holding.Open(r.ring, r.keys.VaultID(), r.book.Now(), r.account, &moved); err == nil {
		t.Error("a wrap passes for another key's")
	}
}

func TestWhoHoldsTheKeyForGoodAndWhoForATime(t *testing.T) {
	r := newRing(t)
	now := r.clock.Time()
	var bob keys.ID
	r.change(func(tx *book.Tx) (err error) {
		if bob, err = tx.Add(keys.ID{}, &book.Person{Name: "Bob", Roles: book.Delegate}); err != nil {
			return err
		}
		return r.wrap(tx, bob, 4, now.Add(time.Hour))
	})
	state := r.book.Now()
	if holds, delegated := holding.Held(state, r.ann, 4, now); !holds || delegated {
		t.Errorf("Ann: %v, %v", holds, delegated)
	}
	if holds, delegated := holding.Held(state, bob, 4, now); !holds || !delegated {
		t.Errorf("Bob: %v, %v", holds, delegated)
	}
	if holds, _ := holding.Held(state, bob, 4, now.Add(time.Hour)); holds {
		t.Error("a delegation outlives its end")
	}
	if holds, _ := holding.Held(state, r.ann, 3, now); holds {
		t.Error("a wrap of one key counts for another")
	}
	if n := holding.Others(state, bob, 4, now); n != 1 {
		t.Errorf("%d hold it for good beside Bob", n)
	}
	if n := holding.Others(state, r.ann, 4, now); n != 0 {
		t.Errorf("%d hold it for good beside Ann: a delegation is not for good", n)
	}
}

func TestTheNextKeyGoesToWhoeverHoldsThisOneAndSettlingTakesTheRestAway(t *testing.T) {
	r := newRing(t)
	now := r.clock.Time()
	r.pairs[5] = fresh(t)
	next := custody.Public{Number: 5, Key: r.pairs[5].Public(), Recovery: fresh(t).Public().Bytes()}
	if err := r.ring.Add(next); err != nil {
		t.Fatal(err)
	}
	r.change(func(tx *book.Tx) error {
		unclaimed, err := tx.Add(keys.ID{}, &book.Person{Name: "Carl", Roles: book.Controller})
		if err == nil {
			err = r.wrap(tx, unclaimed, 4, time.Time{}) // whose account was reset: there is nothing to wrap to
		}
		return errors.Join(err, holding.AddAll(tx, r.keys.VaultID(), 4, next, r.pairs[5], now))
	})
	numbers := func() (all []uint32) {
		for _, h := range book.Entries[*book.Holding](r.book.Now()) {
			all = append(all, h.Record.Number)
		}
		return all
	}
	if got := numbers(); !slices.Equal(got, []uint32{4, 4, 5}) {
		t.Fatalf("holdings of %v", got)
	}
	r.change(func(tx *book.Tx) error { holding.Settle(tx, 5); return nil })
	if got := numbers(); !slices.Equal(got, []uint32{5}) {
		t.Errorf("after settling: holdings of %v", got)
	}
	if _, err := holding.Open(r.ring, r.keys.VaultID(), r.book.Now(), r.account, r.holding()); err != nil {
		t.Errorf("Open: %v", err)
	}
	if n := len(book.Entries[*book.Retired](r.book.Now())); n != 2 {
		t.Errorf("%d retired keys", n)
	}
	r.change(func(tx *book.Tx) error { holding.Settle(tx, 3); return nil }) // the next one did not come after all
	if n := len(book.Entries[*book.Retired](r.book.Now())); n != 1 {
		t.Errorf("%d retired keys are left of those before key 3", n)
	}
}

func TestTheRootsWordSaysWhichKeyIsInForce(t *testing.T) {
	r := newRing(t)
	if err := r.ring.Add(custody.Public{Number: custody.Commissioning, Key: fresh(t).Public()}); err != nil {
		t.Fatal(err)
	}
	if now, err := holding.Current(r.keys, r.ring); err != nil || now.Number != custody.Commissioning {
		t.Errorf("before hand-over: %+v, %v", now, err)
	}
	known := r.public(3).Recovery
	recovery, err := envelope.PublicFrom(known[:])
	if err != nil {
		t.Fatal(err)
	}
	if err := r.keys.EndCommissioning(t.Context(), recovery); err != nil {
		t.Fatal(err)
	}
	if now, err := holding.Current(r.keys, r.ring); err != nil || now.Number != 3 {
		t.Errorf("after it: %+v, %v", now, err)
	}
	if err := r.ring.Remove(3); err != nil {
		t.Fatal(err)
	}
	if _, err := holding.Current(r.keys, r.ring); !errors.Is(err, custody.ErrAltered) {
		t.Errorf("with its file gone: %v", err)
	}
}

package list_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/custody/book"
	"linekeep/vault/custody/custodytest"
	"linekeep/vault/custody/list"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
)

type register struct {
	t     *testing.T
	book  *book.Book
	clock *custodytest.Clock
}

func newRegister(t *testing.T) *register {
	t.Helper()
	clock := custodytest.NewClock()
	k := custodytest.NewKeys(t, tpmtest.NewMemory(), clock.Time)
	b, err := book.Create(t.Context(), book.Config{Dir: filepath.Join(t.TempDir(), "custody"), Class: keys.Office, Keys: k, Clock: clock.Time, Files: pair.Disk{}})
	if err != nil {
		t.Fatal(err)
	}
	return &register{t, b, clock}
}

func (r *register) change(do func(tx *book.Tx) error) {
	r.t.Helper()
	if err := r.book.Change(r.t.Context(), do); err != nil {
		r.t.Fatal(err)
	}
}

func (r *register) add(owner keys.ID, record book.Record) (id keys.ID) {
	r.t.Helper()
	r.change(func(tx *book.Tx) (err error) { id, err = tx.Add(owner, record); return err })
	return id
}

func (r *register) acknowledge(director, notice keys.ID) {
	r.t.Helper()
	r.change(func(tx *book.Tx) error { return list.Acknowledge(tx, director, notice) })
}

func TestPeopleAreListedWithHowTheyStand(t *testing.T) {
	r := newRegister(t)
	now := r.clock.Time()
	ann := r.add(keys.ID{}, &book.Person{Name: "Ann", Mail: "ann@example.org", Roles: book.Controller})
	bob := r.add(keys.ID{}, &book.Person{Name: "Bob", Roles: book.Delegate})
	cleo := r.add(keys.ID{}, &book.Person{Name: "Cleo", Roles: book.Staff, Left: now})
	r.add(ann, &book.Credential{Made: now, Account: custodyKey(t)})
	r.add(ann, &book.Holding{Number: 2, Wrapped: []byte("w")})
	r.add(ann, &book.Holding{Number: 1, Wrapped: []byte("of an earlier key")})
	r.add(bob, &book.Holding{Number: 2, Until: now.Add(time.Hour), Wrapped: []byte("w")})
	r.add(bob, &book.Invitation{Expires: now.Add(2 * time.Hour)})
	for after, holds := range map[time.Duration][]bool{0: {true, true, false}, time.Hour: {true, false, false}} {
		people := list.People(r.book.Now(), 2, now.Add(after))
		if len(people) != 3 {
			t.Fatalf("%d people", len(people))
		}
		for i, p := range people {
			if p.Holds != holds[i] {
				t.Errorf("%s after %v: holds the key: %v", p.Name, after, p.Holds)
			}
		}
		a, b, c := people[0], people[1], people[2]
		if a.ID != ann || a.Mail != "ann@example.org" || !a.Claimed || !a.Password.Equal(now) || b.ID != bob || b.Claimed ||
			!b.Invited.Equal(now.Add(2*time.Hour)) || !b.Until.Equal(now.Add(time.Hour)) || c.ID != cleo || !c.Left.Equal(now) {
			t.Errorf("%+v", people)
		}
	}
}

func TestANoticeIsShownUntilEveryDirectorOfTodayHasSeenIt(t *testing.T) {
	r := newRegister(t)
	dora := r.add(keys.ID{}, &book.Person{Name: "Dora", Roles: book.Director})
	emil := r.add(keys.ID{}, &book.Person{Name: "Emil", Roles: book.Director})
	fred := r.add(keys.ID{}, &book.Person{Name: "Fred", Roles: book.Staff})
	reset := r.add(fred, &book.Notice{What: book.NoticeReset, At: r.clock.Time(), By: dora})
	code := r.add(keys.ID{}, &book.Notice{What: book.NoticeCode, At: r.clock.Time()})
	told := list.Notices(r.book.Now(), emil)
	if len(told) != 2 || told[0].What != "account reset" || told[0].About != "Fred" || told[0].By != "Dora" || told[1].By != "the recovery code" {
		t.Errorf("told %+v", told)
	}
	r.acknowledge(dora, reset)
	r.acknowledge(dora, reset) // again is no harm
	if got := list.Notices(r.book.Now(), dora); len(got) != 1 || got[0].ID != code {
		t.Errorf("Dora is still told %+v", got)
	}
	if got := list.Unseen(r.book.Now()); !slices.Equal(got, []keys.ID{reset, code}) {
		t.Errorf("unseen %v", got)
	}
	r.acknowledge(emil, reset)
	if _, err := book.Get[*book.Notice](r.book.Now(), reset); !errors.Is(err, book.ErrNoEntry) {
		t.Errorf("seen by all, and still in the book: %v", err)
	}
	r.acknowledge(dora, code)
	r.change(func(tx *book.Tx) error {
		return tx.Set(emil, &book.Person{Name: "Emil", Roles: book.Director, Left: r.clock.Time()})
	})
	if got := list.Unseen(r.book.Now()); len(got) != 0 {
		t.Errorf("it waits for a Director who has left: %v", got)
	}
	if err := r.book.Change(t.Context(), func(tx *book.Tx) error { return list.Acknowledge(tx, dora, keys.ID{Shard: 9}) }); !errors.Is(err, book.ErrNoEntry) {
		t.Errorf("a notice that never was: %v", err)
	}
}

func custodyKey(t *testing.T) envelope.Public {
	t.Helper()
	p, err := envelope.New()
	if err != nil {
		t.Fatal(err)
	}
	return p.Public()
}

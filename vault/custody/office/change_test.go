package office

import (
	"errors"
	"testing"
	"time"

	"linekeep/vault/custody"
	"linekeep/vault/custody/book"
	"linekeep/vault/custody/password"
	"linekeep/vault/keys"
)

func TestAPasswordIsChangedWithEverythingUnderIt(t *testing.T) {
	r := newRig(t)
	id := r.record()
	s, other := r.ann.signIn(), r.ann.signIn()
	old := mustCredential(t, r, r.ann.id)
	oldSlots := r.slots(r.ann.id)
	was, fresh := r.ann.pass, "quite another pass phrase"
	if err := s.ChangePassword(t.Context(), typed(t, was), r.ann.totp(), typed(t, "short")); !errors.Is(err, password.ErrWeak) {
		t.Errorf("a weak one: %v", err)
	}
	if err := s.ChangePassword(t.Context(), typed(t, "not the old one"), r.ann.totp(), typed(t, fresh)); !errors.Is(err, ErrDenied) {
		t.Errorf("without the old one: %v", err)
	}
	if err := s.ChangePassword(t.Context(), typed(t, was), r.ann.totp(), typed(t, fresh)); err != nil {
		t.Fatalf("ChangePassword: %v", err)
	}
	if err := r.hears(s, id); err != nil {
		t.Errorf("the session after it: %v", err)
	}
	if err := r.hears(other, id); !errors.Is(err, ErrEnded) {
		t.Errorf("the other session: %v", err)
	}
	if _, err := r.SignIn(t.Context(), r.ann.attempt()); !errors.Is(err, ErrDenied) {
		t.Errorf("the old password: %v", err)
	}
	r.ann.pass = fresh
	r.open()
	if err := r.hears(r.ann.signIn(), id); err != nil {
		t.Errorf("with the new one: %v", err)
	}
	for _, slot := range oldSlots {
		if _, err := r.keys.Slot(slot); !errors.Is(err, keys.ErrNoSlot) {
			t.Errorf("slot %s of the old password stands", slot)
		}
	}
	if now := mustCredential(t, r, r.ann.id); string(now.Secret) == string(old.Secret) || now.Account.Bytes() == old.Account.Bytes() {
		t.Error("the account's keys are the old ones")
	}
}

// slots are those of a person's credential and holdings.
func (r *rig) slots(id keys.ID) (all []keys.ID) {
	for _, c := range book.Of[*book.Credential](r.book.Now(), id) {
		all = append(all, c.ID)
	}
	for _, h := range book.Of[*book.Holding](r.book.Now(), id) {
		all = append(all, h.ID)
	}
	return all
}

func TestALostPasswordIsResetByAnotherAndShownToAllDirectors(t *testing.T) {
	r := newRig(t)
	id := r.record()
	ann := r.ann.signIn()
	bob, dora := r.employ(ann, "Bob Controller", book.Controller), r.employ(ann, "Dora Director", book.Director)
	dan := r.employ(ann, "Dan Director", book.Director)
	if err := r.Admit(t.Context(), ann, bob.id); err != nil {
		t.Fatal(err)
	}
	bobs, doras := bob.signIn(), dora.signIn()
	acknowledgeAll(t, r, doras)
	acknowledgeAll(t, r, dan.signIn())
	if _, err := r.Reset(t.Context(), bobs, bob.id); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("one's own: %v", err)
	}
	old := r.slots(bob.id)
	slip, err := r.Reset(t.Context(), doras, bob.id)
	if err != nil {
		t.Fatalf("Reset: %v", err)
	}
	if err := r.hears(bobs, id); !errors.Is(err, ErrEnded) {
		t.Errorf("the session of the reset account: %v", err)
	}
	if _, err := r.SignIn(t.Context(), bob.attempt()); !errors.Is(err, ErrDenied) {
		t.Errorf("the old password: %v", err)
	}
	for _, slot := range old {
		if _, err := r.keys.Slot(slot); !errors.Is(err, keys.ErrNoSlot) {
			t.Errorf("slot %s of the old account stands", slot)
		}
	}
	bob.pass, bob.factor = "a pass phrase after the reset", NewFactor()
	if err := r.Claim(t.Context(), bob.claim(slip.Reveal())); err != nil {
		t.Fatalf("claim again: %v", err)
	}
	if err := r.Claim(t.Context(), bob.claim(slip.Reveal())); !errors.Is(err, ErrDenied) {
		t.Errorf("the slip a second time: %v", err)
	}
	if bobs = bob.signIn(); r.hears(bobs, id) == nil {
		t.Error("a reset account was given the custody key by itself")
	}
	for _, who := range []*human{dora, dan} {
		s := who.signIn()
		told, err := r.Notices(s)
		if err != nil || len(told) != 1 || told[0].About != bob.name || told[0].By != dora.name {
			t.Errorf("%s is told %+v, %v", who.name, told, err)
		}
		acknowledgeAll(t, r, s)
	}
	if st, err := r.Status(); err != nil || st.Notices != 0 || st.Unadmitted != 1 || st.Holders != 1 {
		t.Errorf("status %+v, %v", st, err)
	}
}

func acknowledgeAll(t *testing.T, r *rig, s *Session) {
	t.Helper()
	told, err := r.Notices(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range told {
		if err := r.Acknowledge(t.Context(), s, n.ID); err != nil {
			t.Error(err)
		}
	}
}

func TestTheLastHolderIsNotLostButByTheRecoveryCode(t *testing.T) {
	r := newRig(t)
	id := r.record()
	ann := r.ann.signIn()
	dora := r.employ(ann, "Dora Director", book.Director)
	if _, err := r.Reset(t.Context(), dora.signIn(), r.ann.id); !errors.Is(err, ErrLastHolder) {
		t.Errorf("Reset: %v", err)
	}
	bob := r.employ(ann, "Bob Controller", book.Controller)
	if err := r.Remove(t.Context(), bob.signIn(), r.ann.id); !errors.Is(err, ErrLastHolder) {
		t.Errorf("Remove: %v", err)
	}
	r.ann.pass, r.ann.factor = "a pass phrase after the loss", NewFactor()
	if err := r.ReclaimWithCode(t.Context(), custody.NewCode(), r.ann.claim("")); !errors.Is(err, custody.ErrWrongCode) {
		t.Errorf("another code: %v", err)
	}
	if err := r.ReclaimWithCode(t.Context(), r.code, r.ann.claim("")); err != nil {
		t.Fatalf("ReclaimWithCode: %v", err)
	}
	if err := r.hears(r.ann.signIn(), id); err != nil {
		t.Errorf("after it: %v", err)
	}
}

func TestARemovedPersonIsOutAndARemovedPersonsBookIsNoise(t *testing.T) {
	r := newRig(t)
	ann := r.ann.signIn()
	bob := r.employ(ann, "Bob Staff", book.Staff)
	bobs := bob.signIn()
	old := r.slots(bob.id)
	if err := r.Remove(t.Context(), ann, bob.id); err != nil {
		t.Fatal(err)
	}
	if _, _, err := bobs.Who(); !errors.Is(err, ErrEnded) {
		t.Errorf("his session: %v", err)
	}
	if _, err := r.SignIn(t.Context(), bob.attempt()); !errors.Is(err, ErrDenied) {
		t.Errorf("signs in: %v", err)
	}
	for _, slot := range old {
		if _, err := r.keys.Slot(slot); !errors.Is(err, keys.ErrNoSlot) {
			t.Errorf("slot %s stands", slot)
		}
	}
	if people, err := r.People(); err != nil || len(people) != 2 || people[1].Left.IsZero() || people[1].Name != bob.name {
		t.Errorf("the list: %+v, %v", people, err)
	}
	if err := r.Forget(t.Context(), ann, bob.id); err != nil {
		t.Fatal(err)
	}
	if _, err := r.keys.Slot(bob.id); !errors.Is(err, keys.ErrNoSlot) {
		t.Error("the forgotten person's slot stands")
	}
}

func TestADelegateHearsUntilTheEnd(t *testing.T) {
	r := newRig(t)
	id := r.record()
	ann := r.ann.signIn()
	del := r.employ(ann, "Del Delegate", book.Delegate)
	for _, until := range []time.Time{r.clock.Time(), r.clock.Time().Add(2 * LongestDelegation)} {
		if err := r.Delegate(t.Context(), ann, del.id, until); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("until %v: %v", until, err)
		}
	}
	if err := r.Delegate(t.Context(), ann, del.id, r.clock.Time().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	dels := del.signIn()
	if err := r.hears(dels, id); err != nil {
		t.Errorf("the delegate: %v", err)
	}
	if err := r.Delegate(t.Context(), dels, del.id, r.clock.Time().Add(day)); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("delegates further: %v", err)
	}
	if st, err := r.Status(); err != nil || st.Delegates != 1 || st.Holders != 1 {
		t.Errorf("status %+v, %v", st, err)
	}
	slots := r.slots(del.id)
	for range 7 { // in use all the time
		r.clock.Pass(10 * time.Minute)
		_, _ = r.Session(dels.Token) // it may have ended
	}
	if err := r.hears(dels, id); !errors.Is(err, ErrNoGrant) {
		t.Errorf("past the end, before any sweep: %v", err)
	}
	if err := r.hears(del.signIn(), id); !errors.Is(err, ErrNoGrant) {
		t.Errorf("signs in past the end: %v", err)
	}
	if err := r.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !r.keys.Doomed(slots[len(slots)-1]) {
		t.Error("the wrap is not ordered to be erased")
	}
}

func TestRolesAreGivenAndTaken(t *testing.T) {
	r := newRig(t)
	id := r.record()
	ann := r.ann.signIn()
	bob := r.employ(ann, "Bob Staff", book.Staff)
	if err := r.SetRoles(t.Context(), ann, r.ann.id, book.Director); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("one's own: %v", err)
	}
	if err := r.SetRoles(t.Context(), ann, bob.id, book.Controller|book.Director); !errors.Is(err, ErrBadPerson) {
		t.Errorf("several: %v", err)
	}
	if err := r.Admit(t.Context(), ann, bob.id); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("admit staff: %v", err)
	}
	if err := r.SetRoles(t.Context(), ann, bob.id, book.Controller); err != nil {
		t.Fatal(err)
	}
	if err := r.Admit(t.Context(), ann, bob.id); err != nil {
		t.Fatal(err)
	}
	bobs := bob.signIn()
	if err := r.hears(bobs, id); err != nil {
		t.Error(err)
	}
	wraps := r.slots(bob.id)
	if err := r.SetRoles(t.Context(), ann, bob.id, book.Staff); err != nil {
		t.Fatal(err)
	}
	if err := r.hears(bobs, id); !errors.Is(err, ErrEnded) {
		t.Errorf("after it was taken: %v", err)
	}
	if _, err := r.keys.Slot(wraps[len(wraps)-1]); !errors.Is(err, keys.ErrNoSlot) {
		t.Error("the wrap of the custody key stands")
	}
}

func TestWhatAPersonCannotBe(t *testing.T) {
	r := newRig(t)
	ann := r.ann.signIn()
	for what, n := range map[string]NewPerson{
		"no name":            {Roles: book.Staff, Boss: "a@b.c"},
		"the same name":      {Name: "ann controller", Roles: book.Staff, Boss: "a@b.c"},
		"no role":            {Name: "Bob", Boss: "a@b.c"},
		"two roles":          {Name: "Bob", Roles: book.Staff | book.Auditor, Boss: "a@b.c"},
		"no line manager":    {Name: "Bob", Roles: book.Staff},
		"a manager not here": {Name: "Bob", Roles: book.Staff, Manager: keys.ID{Shard: 9, Slot: 9}},
		"no mail address":    {Name: "Bob", Roles: book.Staff, Boss: "nonsense"},
		"a name of lines":    {Name: "Bob\nEve", Roles: book.Staff, Boss: "a@b.c"},
	} {
		if _, _, err := r.Add(t.Context(), ann, n); !errors.Is(err, ErrBadPerson) {
			t.Errorf("%s: %v", what, err)
		}
	}
	bob := r.employ(ann, "Bob Staff", book.Staff)
	if _, _, err := r.Add(t.Context(), bob.signIn(), NewPerson{Name: "Eve", Roles: book.Staff, Boss: "a@b.c"}); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("entered by staff: %v", err)
	}
}

func TestASlipExpiresAndIsReplaced(t *testing.T) {
	r := newRig(t)
	bob := r.human("Bob Staff")
	ann := r.ann.signIn()
	id, slip, err := r.Add(t.Context(), ann, NewPerson{Name: bob.name, Roles: book.Staff, Boss: "a@b.c"})
	if err != nil {
		t.Fatal(err)
	}
	weak := bob.claim(slip.Reveal())
	weak.Password = typed(t, "Bob Staff 1")
	if err := r.Claim(t.Context(), weak); !errors.Is(err, password.ErrWeak) {
		t.Errorf("a weak password: %v", err)
	}
	noProof := bob.claim(slip.Reveal())
	noProof.Proof = "000000"
	if err := r.Claim(t.Context(), noProof); !errors.Is(err, ErrDenied) {
		t.Errorf("without the new factor at hand: %v", err)
	}
	if err := r.Claim(t.Context(), bob.claim("0123-4567-89AB-CDEF")); !errors.Is(err, ErrDenied) {
		t.Errorf("another slip: %v", err)
	}
	r.clock.Pass(SlipLife)
	if err := r.Claim(t.Context(), bob.claim(slip.Reveal())); !errors.Is(err, ErrDenied) {
		t.Errorf("an old slip: %v", err)
	}
	if slip, err = r.Invite(t.Context(), r.ann.signIn(), id); err != nil {
		t.Fatal(err)
	}
	if err := r.Claim(t.Context(), bob.claim(slip.Reveal())); err != nil {
		t.Errorf("the new slip: %v", err)
	}
	if _, err := r.Invite(t.Context(), r.ann.signIn(), id); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("a slip for a claimed account: %v", err)
	}
}

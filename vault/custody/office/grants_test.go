package office

import (
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"linekeep/vault/custody"
	"linekeep/vault/custody/book"
	"linekeep/vault/keys"
)

// granted is Staff with a grant of some recordings, signed by a Director, fulfilled by Ann.
type granted struct {
	*rig
	staff, director *human
	ask             Ask
	id              keys.ID
	other           keys.ID // a recording that is not granted
}

func newGrant(t *testing.T) *granted {
	t.Helper()
	r := newRig(t)
	ann := r.ann.signIn()
	g := &granted{rig: r, staff: r.employ(ann, "Stan Staff", book.Staff), director: r.employ(ann, "Dora Director", book.Director)}
	ann.End()
	g.other = r.record()
	g.ask = Ask{Holder: g.staff.id, Acts: book.Hear, Until: r.clock.Time().Add(day), Recordings: []keys.ID{r.record(), r.record()}}
	s := g.director.signIn()
	signature, err := s.Sign(t.Context(), g.director.password(), g.director.totp(), r.Digest(g.ask))
	if err != nil {
		t.Fatalf("Sign: %v", err)
	}
	if g.id, err = r.Grant(t.Context(), g.ask, g.director.id, signature); err != nil {
		t.Fatalf("Grant: %v", err)
	}
	return g
}

func (g *granted) fulfil(t *testing.T) {
	t.Helper()
	ann := g.ann.signIn()
	defer ann.End()
	if n, err := g.Fulfil(t.Context(), ann, g.rig); err != nil || n != 1 {
		t.Fatalf("Fulfil: %d, %v", n, err)
	}
}

func TestAGrantWaitsForTheControllerAndOpensJustItsRecordings(t *testing.T) {
	g := newGrant(t)
	s := g.staff.signIn()
	if st, err := g.Status(); err != nil || st.Waiting != 1 {
		t.Errorf("status %+v, %v", st, err)
	}
	if err := g.hears(s, g.ask.Recordings[0]); !errors.Is(err, ErrNoGrant) {
		t.Errorf("before the Controller came: %v", err)
	}
	if _, err := g.Fulfil(t.Context(), s, g.rig); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("fulfilled by staff: %v", err)
	}
	g.fulfil(t)
	for _, id := range g.ask.Recordings {
		if err := g.hears(s, id); err != nil {
			t.Errorf("granted: %v", err)
		}
	}
	if err := g.hears(s, g.other); !errors.Is(err, ErrNoGrant) {
		t.Errorf("not granted: %v", err)
	}
	if err := g.hears(g.director.signIn(), g.ask.Recordings[0]); !errors.Is(err, ErrNoGrant) {
		t.Errorf("the Director, who signed: %v", err)
	}
	g.open() // a restart
	if err := g.hears(g.staff.signIn(), g.ask.Recordings[1]); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

func TestAGrantEnds(t *testing.T) {
	g := newGrant(t)
	g.fulfil(t)
	s := g.staff.signIn()
	if err := g.EndGrant(t.Context(), s, g.id); err != nil {
		t.Fatal(err)
	}
	if err := g.hears(s, g.ask.Recordings[0]); !errors.Is(err, ErrNoGrant) {
		t.Errorf("after its end: %v", err)
	}
	if !g.keys.Doomed(g.id) {
		t.Error("it is not ordered to be erased")
	}

	g = newGrant(t)
	g.fulfil(t)
	g.clock.Pass(day)
	if err := g.hears(g.staff.signIn(), g.ask.Recordings[0]); !errors.Is(err, ErrNoGrant) {
		t.Errorf("past its time: %v", err)
	}
	if err := g.Sweep(t.Context()); err != nil || !g.keys.Doomed(g.id) {
		t.Errorf("not ordered to be erased: %v", err)
	}
}

func TestAGrantEndsWithItsRecordingAndItsHolder(t *testing.T) {
	g := newGrant(t)
	g.fulfil(t)
	s := g.staff.signIn()
	if err := errors.Join(g.keys.Doom(t.Context(), g.ask.Recordings[0]), g.keys.Erase(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := g.hears(s, g.ask.Recordings[0]); !errors.Is(err, keys.ErrNoSlot) {
		t.Errorf("an erased recording: %v", err)
	}
	if err := g.hears(s, g.ask.Recordings[1]); err != nil {
		t.Errorf("its neighbour: %v", err)
	}
	if _, err := g.Reset(t.Context(), g.ann.signIn(), g.staff.id); err != nil {
		t.Fatal(err)
	}
	if len(g.Grants(g.staff.id)) != 0 {
		t.Error("the grants of a reset account stand")
	}
}

func TestAGrantFollowsItsHoldersPassword(t *testing.T) {
	g := newGrant(t)
	g.fulfil(t)
	s := g.staff.signIn()
	was, fresh := g.staff.pass, "quite another pass phrase"
	if err := s.ChangePassword(t.Context(), typed(t, was), g.staff.totp(), typed(t, fresh)); err != nil {
		t.Fatal(err)
	}
	if err := g.hears(s, g.ask.Recordings[0]); err != nil {
		t.Errorf("the same session: %v", err)
	}
	g.staff.pass = fresh
	if err := g.hears(g.staff.signIn(), g.ask.Recordings[1]); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

func TestNoGrantWithoutTheSignatureOverIt(t *testing.T) {
	g := newGrant(t)
	s := g.director.signIn()
	sign := func(h *human, s *Session, digest [32]byte) []byte {
		t.Helper()
		signature, err := s.Sign(t.Context(), h.password(), h.totp(), digest)
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	good := sign(g.director, s, g.Digest(g.ask))
	key, err := x509.ParsePKIXPublicKey(mustCredential(t, g.rig, g.director.id).Signer)
	digest := g.Digest(g.ask)
	if err != nil || !ecdsa.VerifyASN1(key.(*ecdsa.PublicKey), digest[:], good) {
		t.Errorf("the signature is not that of the key in the book: %v", err)
	}
	for what, change := range map[string]func(a *Ask){
		"another holder":    func(a *Ask) { a.Holder = g.director.id },
		"more acts":         func(a *Ask) { a.Acts |= book.Export },
		"longer":            func(a *Ask) { a.Until = a.Until.Add(time.Second) },
		"another recording": func(a *Ask) { a.Recordings = []keys.ID{g.other, a.Recordings[1]} },
		"one more":          func(a *Ask) { a.Recordings = append(a.Recordings[:2:2], g.other) },
		"another request":   func(a *Ask) { a.Request[0]++ },
	} {
		ask := g.ask
		change(&ask)
		if _, err := g.Grant(t.Context(), ask, g.director.id, good); !errors.Is(err, ErrBadSignature) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := g.Grant(t.Context(), g.ask, g.ann.id, good); !errors.Is(err, ErrBadSignature) {
		t.Errorf("in another's name: %v", err)
	}
	if _, err := g.staff.signIn().Sign(t.Context(), g.staff.password(), g.staff.totp(), digest); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("signed by staff: %v", err)
	}
	if _, err := s.Sign(t.Context(), g.director.password(), "000000", digest); !errors.Is(err, ErrDenied) {
		t.Errorf("signed without a fresh code: %v", err)
	}
	if _, err := s.Sign(t.Context(), typed(t, "a wrong one of them"), g.director.totp(), digest); !errors.Is(err, ErrDenied) {
		t.Errorf("signed without the password: %v", err)
	}
	for what, ask := range map[string]Ask{
		"nothing": {Holder: g.staff.id, Until: g.ask.Until, Recordings: g.ask.Recordings},
		"over":    {Holder: g.staff.id, Acts: book.Hear, Until: g.clock.Time(), Recordings: g.ask.Recordings},
		"of none": {Holder: g.staff.id, Acts: book.Hear, Until: g.ask.Until},
	} {
		if _, err := g.Grant(t.Context(), ask, g.director.id, good); !errors.Is(err, ErrBadGrant) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestANewRecoveryCodeMakesANewCustodyKey(t *testing.T) {
	r := newRig(t)
	before := r.record()
	ann := r.ann.signIn()
	bob := r.employ(ann, "Bob Controller", book.Controller)
	if err := r.Admit(t.Context(), ann, bob.id); err != nil {
		t.Fatal(err)
	}
	bobs := bob.signIn()
	old := append(r.slots(bob.id), r.slots(r.ann.id)...)
	switched := custody.Public{}
	r.Office.cfg.Switched = func(p custody.Public) { switched = p }
	code, err := r.NewRecoveryCode(t.Context(), ann, r.ann.password(), r.ann.totp())
	if err != nil {
		t.Fatalf("NewRecoveryCode: %v", err)
	}
	after := r.record()
	if now, err := r.Current(); err != nil || now.Number != 3 || switched.Number != 3 {
		t.Errorf("custody key %d, %d told, %v", now.Number, switched.Number, err)
	}
	for who, s := range map[string]*Session{"Ann": ann, "Bob": bobs, "Bob anew": bob.signIn()} {
		for _, id := range []keys.ID{before, after} {
			if err := r.hears(s, id); err != nil {
				t.Errorf("%s: %v", who, err)
			}
		}
	}
	if _, err := r.Recover(r.code); !errors.Is(err, custody.ErrWrongCode) {
		t.Errorf("the old code: %v", err)
	}
	r.open()
	all, err := r.Recover(code)
	if err != nil || len(all) != 2 {
		t.Fatalf("the new code opens %d keys, %v", len(all), err)
	}
	gone := 0
	for _, slot := range old {
		if _, err := r.keys.Slot(slot); errors.Is(err, keys.ErrNoSlot) {
			gone++
		}
	}
	if gone != 2 { // both wraps of the earlier key; both credentials stand
		t.Errorf("%d of the old wraps are erased", gone)
	}
	if err := r.Drop(t.Context(), []uint32{2}); err != nil {
		t.Fatal(err)
	}
	if err := r.hears(r.ann.signIn(), before); err == nil {
		t.Error("a call under a key that was dropped opens")
	}
	if err := r.hears(r.ann.signIn(), after); err != nil {
		t.Error(err)
	}
}

func TestACommitOfUnknownOutcomeLeavesEverybodyTheirKey(t *testing.T) {
	for _, holds := range []bool{true, false} {
		r := newRig(t)
		before := r.record()
		ann := r.ann.signIn()
		r.keys.LoseWord = true
		if _, err := r.NewRecoveryCode(t.Context(), ann, r.ann.password(), r.ann.totp()); !errors.Is(err, keys.ErrUnfinished) {
			t.Fatalf("got %v", err)
		}
		if err := r.hears(ann, before); err != nil {
			t.Errorf("while it is not known: %v", err)
		}
		r.keys.Finish(holds)
		if err := r.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		after := r.record()
		for _, s := range []*Session{ann, r.ann.signIn()} {
			if err := errors.Join(r.hears(s, before), r.hears(s, after)); err != nil {
				t.Errorf("once it is known that it holds, %v: %v", holds, err)
			}
		}
		if st, err := r.Status(); err != nil || (st.Number == 3) != holds || len(r.cfg.Ring.All()) != 1+len(st.Retired) {
			t.Errorf("holds %v: %+v, %v", holds, st, err)
		}
	}
}

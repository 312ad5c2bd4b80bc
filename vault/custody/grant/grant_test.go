package grant_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/custody/book"
	"linekeep/vault/custody/custodytest"
	"linekeep/vault/custody/grant"
	"linekeep/vault/envelope"
	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
	"linekeep/vault/seal"
)

// bureau is a book of people with a Director, and three recordings under a custody key.
type bureau struct {
	t        *testing.T
	book     *book.Book
	keys     *custodytest.Keys
	clock    *custodytest.Clock
	custody  envelope.Private
	account  envelope.Private // the holder's
	holder   keys.ID
	director keys.ID
	signer   *ecdsa.PrivateKey
	ids      []keys.ID
	wraps    map[keys.ID][]byte
}

func newBureau(t *testing.T) *bureau {
	t.Helper()
	b := &bureau{t: t, clock: custodytest.NewClock(), wraps: map[keys.ID][]byte{}}
	b.keys = custodytest.NewKeys(t, tpmtest.NewMemory(), b.clock.Time)
	var errs [5]error
	b.book, errs[0] = book.Create(t.Context(), book.Config{Dir: filepath.Join(t.TempDir(), "custody"), Class: keys.Office, Keys: b.keys, Clock: b.clock.Time, Files: pair.Disk{}})
	b.custody, errs[1] = envelope.New()
	b.account, errs[2] = envelope.New()
	b.signer, errs[3] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(b.signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	b.change(func(tx *book.Tx) error {
		var errs [3]error
		b.holder, errs[0] = tx.Add(keys.ID{}, &book.Person{Name: "Ann", Roles: book.Staff})
		b.director, errs[1] = tx.Add(keys.ID{}, &book.Person{Name: "Dora", Roles: book.Director})
		_, errs[2] = tx.Add(b.director, &book.Credential{Made: b.clock.Time(), Account: b.account.Public(), Signer: public})
		return errors.Join(errs[:]...)
	})
	for range 3 {
		slot, err := b.keys.Next(t.Context(), "standard", b.clock.Time())
		if err != nil {
			t.Fatal(err)
		}
		if b.wraps[slot.ID], err = seal.Wrap(b.keys.VaultID(), slot, b.custody.Public(), seal.NewDataKey()); err != nil {
			t.Fatal(err)
		}
		b.ids = append(b.ids, slot.ID)
	}
	return b
}

func (b *bureau) change(do func(tx *book.Tx) error) {
	b.t.Helper()
	if err := b.book.Change(b.t.Context(), do); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bureau) ask() grant.Ask {
	return grant.Ask{Holder: b.holder, Acts: book.Hear, Until: b.clock.Time().Add(time.Hour), Recordings: b.ids, Request: [32]byte{7}}
}

func (b *bureau) sign(digest [32]byte) []byte {
	b.t.Helper()
	signature, err := ecdsa.SignASN1(rand.Reader, b.signer, digest[:])
	if err != nil {
		b.t.Fatal(err)
	}
	return signature
}

// Wrapped implements grant.Calls.
func (b *bureau) Wrapped(_ context.Context, id keys.ID) (keys.Slot, uint32, []byte, error) {
	slot, err := b.keys.Slot(id)
	return slot, 1, b.wraps[id], err
}

func (b *bureau) unwrap(slot keys.Slot, _ uint32, wrap []byte) (seal.DataKey, error) {
	return seal.Unwrap(b.keys.VaultID(), slot, b.custody, wrap)
}

// give makes a grant as a Controller's session does, and gives its id.
func (b *bureau) give(a grant.Ask) keys.ID {
	b.t.Helper()
	var id keys.ID
	b.change(func(tx *book.Tx) (err error) {
		id, err = tx.Add(a.Holder, a.Record(b.clock.Time(), b.director, b.sign(a.Digest(b.keys.VaultID()))))
		return err
	})
	waiting, err := book.Get[*book.Grant](b.book.Now(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	made, gone, err := grant.Make(b.t.Context(), b.keys.VaultID(), waiting, b.account.Public(), b, b.unwrap)
	if err != nil || len(gone) > 0 {
		b.t.Fatalf("Make: %v, %v", gone, err)
	}
	b.change(func(tx *book.Tx) error { return tx.Set(id, made) })
	return id
}

func (b *bureau) open(account envelope.Private, id keys.ID, act book.Acts) error {
	b.t.Helper()
	slot, err := b.keys.Slot(id)
	if err != nil {
		return err
	}
	d, err := grant.Open(b.keys, b.book.Now(), b.holder, account, slot, act, b.clock.Time())
	if err == nil {
		d.Wipe()
	}
	return err
}

func TestP06_ASignatureIsOverEveryPartOfAGrant(t *testing.T) {
	b := newBureau(t)
	a := b.ask()
	digest := a.Digest(b.keys.VaultID())
	signature := b.sign(digest)
	if err := grant.Verify(b.book.Now(), b.director, digest, signature); err != nil {
		t.Fatalf("what was signed: %v", err)
	}
	for what, change := range map[string]func(a *grant.Ask){
		"holder":           func(a *grant.Ask) { a.Holder.Slot++ },
		"acts":             func(a *grant.Ask) { a.Acts |= book.Export },
		"until":            func(a *grant.Ask) { a.Until = a.Until.Add(time.Second) },
		"one recording":    func(a *grant.Ask) { a.Recordings = a.Recordings[:2] },
		"other recordings": func(a *grant.Ask) { a.Recordings = []keys.ID{a.Recordings[0], a.Recordings[1], {Shard: 9, Slot: 9}} },
		"request":          func(a *grant.Ask) { a.Request[31] = 1 },
	} {
		changed := a
		changed.Recordings = slices.Clone(a.Recordings)
		change(&changed)
		if err := grant.Verify(b.book.Now(), b.director, changed.Digest(b.keys.VaultID()), signature); !errors.Is(err, grant.ErrBadSignature) {
			t.Errorf("another %s: %v", what, err)
		}
	}
	other := b.keys.VaultID()
	other[0] ^= 1
	if a.Digest(other) == digest {
		t.Error("another vault has the same digest")
	}
	if err := grant.Verify(b.book.Now(), b.holder, digest, signature); !errors.Is(err, grant.ErrBadSignature) {
		t.Errorf("signed by staff: %v", err)
	}
	b.change(func(tx *book.Tx) error {
		return tx.Set(b.director, &book.Person{Name: "Dora", Roles: book.Director, Left: b.clock.Time()})
	})
	if err := grant.Verify(b.book.Now(), b.director, digest, signature); !errors.Is(err, grant.ErrBadSignature) {
		t.Errorf("signed by a Director who has left: %v", err)
	}
}

func TestWhatNobodyCouldMeanIsNotGranted(t *testing.T) {
	b := newBureau(t)
	for what, change := range map[string]func(a *grant.Ask){
		"nothing allowed":  func(a *grant.Ask) { a.Acts = 0 },
		"an unknown act":   func(a *grant.Ask) { a.Acts = 1 << 5 },
		"an end gone by":   func(a *grant.Ask) { a.Until = b.clock.Time() },
		"no recording":     func(a *grant.Ask) { a.Recordings = nil },
		"far too much":     func(a *grant.Ask) { a.Recordings = make([]keys.ID, grant.MostRecordings+1) },
		"all right (none)": nil,
	} {
		a := b.ask()
		if change == nil {
			if err := a.Valid(b.clock.Time()); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		change(&a)
		if err := a.Valid(b.clock.Time()); !errors.Is(err, grant.ErrBad) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestP06_AGrantOpensItsRecordingsForItsHolderItsActsAndItsTime(t *testing.T) {
	b := newBureau(t)
	a := b.ask()
	a.Recordings = b.ids[:2]
	b.give(a)
	stranger, err := envelope.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.open(b.account, b.ids[0], book.Hear); err != nil {
		t.Errorf("what was granted: %v", err)
	}
	if err := b.open(b.account, b.ids[0], book.Export); !errors.Is(err, grant.ErrNone) {
		t.Errorf("another act: %v", err)
	}
	if err := b.open(b.account, b.ids[2], book.Hear); !errors.Is(err, grant.ErrNone) {
		t.Errorf("another recording: %v", err)
	}
	if err := b.open(stranger, b.ids[0], book.Hear); err == nil {
		t.Error("another account opens it")
	}
	b.clock.Pass(time.Hour)
	if err := b.open(b.account, b.ids[0], book.Hear); !errors.Is(err, grant.ErrNone) {
		t.Errorf("when its time is over: %v", err)
	}
}

func TestAGrantMovesToANewAccountKeyWithoutWhatWasErased(t *testing.T) {
	b := newBureau(t)
	id := b.give(b.ask())
	if err := b.keys.Doom(t.Context(), b.ids[1]); err != nil {
		t.Fatal(err)
	}
	if err := b.keys.Erase(t.Context()); err != nil {
		t.Fatal(err)
	}
	next, err := envelope.New()
	if err != nil {
		t.Fatal(err)
	}
	before, err := book.Get[*book.Grant](b.book.Now(), id)
	if err != nil {
		t.Fatal(err)
	}
	moved, err := grant.Move(b.keys, before, b.account, next.Public())
	if err != nil || len(moved.Recordings) != 2 {
		t.Fatalf("Move: %+v, %v", moved, err)
	}
	b.change(func(tx *book.Tx) error { return tx.Set(id, moved) })
	if err := b.open(next, b.ids[2], book.Hear); err != nil {
		t.Errorf("with the new key: %v", err)
	}
	if err := b.open(b.account, b.ids[2], book.Hear); err == nil {
		t.Error("the old key opens what was moved")
	}
	if err := b.open(next, b.ids[1], book.Hear); !errors.Is(err, keys.ErrNoSlot) {
		t.Errorf("what was erased: %v", err)
	}
	a := b.ask()
	again := book.Found[*book.Grant]{ID: id, Owner: b.holder, Record: a.Record(b.clock.Time(), b.director, nil)}
	if _, gone, err := grant.Make(t.Context(), b.keys.VaultID(), again, next.Public(), b, b.unwrap); err != nil || !slices.Equal(gone, b.ids[1:2]) {
		t.Errorf("made anew: gone %v, %v", gone, err)
	}
}

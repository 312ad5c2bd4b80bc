package book

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/custody/custodytest"
	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
)

func newBook(t *testing.T) (*Book, Config, *custodytest.Keys) {
	t.Helper()
	clock := custodytest.NewClock()
	k := custodytest.NewKeys(t, tpmtest.NewMemory(), clock.Time)
	cfg := Config{Dir: filepath.Join(t.TempDir(), "custody"), Class: "office", Keys: k, Clock: clock.Time, Files: pair.Disk{}}
	b, err := Create(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	return b, cfg, k
}

func mustOpen(t *testing.T, cfg Config) *Book {
	t.Helper()
	b, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return b
}

func mustChange(t *testing.T, b *Book, do func(tx *Tx) error) {
	t.Helper()
	if err := b.Change(t.Context(), do); err != nil {
		t.Fatalf("Change: %v", err)
	}
}

// enter adds each example record, all of one owner.
func enter(t *testing.T, b *Book) (ids map[string]keys.ID) {
	t.Helper()
	ids = make(map[string]keys.ID)
	mustChange(t, b, func(tx *Tx) error {
		for name, r := range examples(t) {
			id, err := tx.Add(annID(), r)
			if err != nil {
				return err
			}
			ids[name] = id
		}
		return nil
	})
	return ids
}

func TestABookComesBackAsItWasWritten(t *testing.T) {
	b, cfg, _ := newBook(t)
	ids := enter(t, b)
	back := mustOpen(t, cfg)
	for name, r := range examples(t) {
		for _, e := range back.Now().entries {
			if e.ID == ids[name] && (!bytes.Equal(show(t, e.Record), show(t, r)) || e.Owner != annID()) {
				t.Errorf("%s came back as %+v", name, e)
			}
		}
	}
	if n := len(back.Now().entries); n != len(ids) {
		t.Errorf("%d entries of %d", n, len(ids))
	}
	if g, err := Get[*Grant](back.Now(), ids["grant"]); err != nil || g.Record.Waiting() {
		t.Errorf("Get: %v", err)
	}
	if _, err := Get[*Person](back.Now(), ids["grant"]); !errors.Is(err, ErrNoEntry) {
		t.Errorf("a grant as a person: %v", err)
	}
	if _, err := Create(t.Context(), cfg); !errors.Is(err, ErrExists) {
		t.Errorf("a second book: %v", err)
	}
}

func TestAChangeThatFailsHasNotHappened(t *testing.T) {
	b, cfg, k := newBook(t)
	ids := enter(t, b)
	wrong := errors.New("no")
	err := b.Change(t.Context(), func(tx *Tx) error {
		tx.Drop(ids["person"])
		return wrong
	})
	if !errors.Is(err, wrong) || len(b.Now().entries) != len(ids) || k.Doomed(ids["person"]) {
		t.Errorf("got %v, %d entries", err, len(b.Now().entries))
	}
	if err := b.Change(t.Context(), func(tx *Tx) error { return tx.Set(ids["person"], &Notice{}) }); !errors.Is(err, ErrNoEntry) {
		t.Errorf("a notice in a person's place: %v", err)
	}
	if n := len(mustOpen(t, cfg).Now().entries); n != len(ids) {
		t.Errorf("%d entries", n)
	}
}

func TestWhatLeavesIsOrderedToBeErasedAndTheOldBookWithIt(t *testing.T) {
	b, cfg, k := newBook(t)
	ids := enter(t, b)
	path := filepath.Join(cfg.Dir, fileName)
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	mustChange(t, b, func(tx *Tx) error { tx.Drop(ids["credential"], ids["holding"]); return nil })
	if !k.Doomed(ids["credential"]) || !k.Doomed(ids["holding"]) || k.Doomed(ids["person"]) {
		t.Error("not what left is ordered to be erased")
	}
	if n := len(mustOpen(t, cfg).Now().entries); n != len(ids)-2 {
		t.Errorf("%d entries", n)
	}
	if err := k.Erase(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, filepath.Join(cfg.Dir, "copy", fileName)} { // the disk is put back
		if err := os.WriteFile(p, old, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(t.Context(), cfg); !errors.Is(err, ErrRolledBack) {
		t.Errorf("an old book: %v", err)
	}
}

func TestAnOrderThatWasCutShortIsGivenAgain(t *testing.T) {
	b, cfg, k := newBook(t)
	ids := enter(t, b)
	disk := custodytest.NewDisk(0, custodytest.Before)
	k.Disk = disk
	err := b.Change(t.Context(), func(tx *Tx) error { tx.Drop(ids["credential"]); return nil })
	if !errors.Is(err, ErrNotErased) || k.Doomed(ids["credential"]) {
		t.Fatalf("got %v", err)
	}
	k.Disk = nil
	mustOpen(t, cfg)
	if !k.Doomed(ids["credential"]) {
		t.Error("not ordered at the next start")
	}
}

func TestEachAlteredByteOfABookIsFoundAndMended(t *testing.T) {
	b, cfg, _ := newBook(t)
	enter(t, b)
	paths := []string{filepath.Join(cfg.Dir, fileName), filepath.Join(cfg.Dir, "copy", fileName)}
	sound, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(sound); at += 1 + at/60 {
		path := paths[at%2]
		bad := bytes.Clone(sound)
		bad[at] ^= 1 << (at % 8)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		var f []error
		if at%3 == 0 {
			f = b.Verify()
			b.findings = nil
		} else {
			f = mustOpen(t, cfg).Findings()
		}
		if len(f) != 1 || !strings.Contains(f[0].Error(), path) {
			t.Fatalf("byte %d: findings %v", at, f)
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, sound) {
			t.Fatalf("byte %d: not mended, %v", at, err)
		}
	}
	for _, path := range paths {
		if err := os.WriteFile(path, sound[:len(sound)/2], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(t.Context(), cfg); !errors.Is(err, ErrAltered) {
		t.Errorf("both bad: %v", err)
	}
	if f := b.Verify(); len(f) == 0 {
		t.Error("both bad, and nothing found")
	}
}

func TestNothingOfABookIsInClear(t *testing.T) {
	b, cfg, _ := newBook(t)
	enter(t, b)
	file, err := os.ReadFile(filepath.Join(cfg.Dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"Ann", "example.com", "12345678901234567890", "blob", "signature"} {
		if bytes.Contains(file, []byte(secret)) {
			t.Errorf("%q is in it", secret)
		}
	}
}

func FuzzRecord(f *testing.F) {
	for _, r := range examples(f) {
		f.Add(byte(r.kind()), plain(f, r))
	}
	f.Fuzz(func(t *testing.T, k byte, b []byte) {
		r, err := parseRecord(kind(k), b)
		if err != nil {
			return
		}
		var c cryptobyte.Builder
		c.AddUint8(recordVersion)
		r.marshal(&c)
		if again, err := c.Bytes(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("a %s has two forms: %x, %v", r.kind(), again, err)
		}
	})
}

func FuzzBody(f *testing.F) {
	s := State{entries: []Entry{{ID: annID(), Record: &Notice{}, sealed: []byte("sealed")}}, leaving: []keys.ID{doraID()}}
	body, err := s.marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, body []byte) {
		raw, leaving, err := parseBody(body)
		if err != nil {
			return
		}
		s := State{leaving: leaving}
		for _, e := range raw {
			r := newRecord(e.kind)
			if r == nil {
				return // a kind of a later version
			}
			s.entries = append(s.entries, Entry{ID: e.id, Owner: e.owner, Record: r, sealed: e.sealed})
		}
		if again, err := s.marshal(); err != nil || !bytes.Equal(again, body) {
			t.Errorf("a book has two forms: %v", err)
		}
	})
}

package hold

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
	"linekeep/vault/retention/note"
	"linekeep/vault/seal"
	"linekeep/vault/vaulttest/vectors"
)

// shelf is a book of holds with all it needs.
type shelf struct {
	*Book
	t     *testing.T
	cfg   Config
	keys  *keys.Keys
	wall  time.Time
	acts  []string
	fails error
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{t: t, wall: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return s.wall }
	var err error
	if s.keys, err = keys.Create(t.Context(), keys.Config{Dir: filepath.Join(t.TempDir(), "keys"), Clock: clock}, tpmtest.NewMemory()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.keys.Close(); err != nil {
			t.Error(err)
		}
	})
	s.cfg = Config{Slots: s.keys, Wall: clock, Now: clock, Note: note.Config{Dir: t.TempDir(), VaultID: s.keys.VaultID(), Key: s.keys.Outer("retention"),
		FS: pair.Disk{}, Fresh: func() uint64 { return 1 << 40 }},
		Audit: func(_ context.Context, a Act) error {
			s.acts = append(s.acts, a.What)
			return s.fails
		}}
	s.open()
	return s
}

func (s *shelf) open() {
	s.t.Helper()
	var err error
	if s.Book, err = Open(s.cfg); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelf) set(h Hold) Hold {
	s.t.Helper()
	h, err := s.Set(s.t.Context(), h)
	if err != nil {
		s.t.Fatalf("Set: %v", err)
	}
	return h
}

var call = keys.ID{Shard: 7, Slot: 42}

func TestAHoldIsThereAfterARestartAndHoldsUntilItEnds(t *testing.T) {
	s := newShelf(t)
	keep := s.set(Hold{Kind: Keep, Reason: "invoice", By: "Ann", Calls: []keys.ID{call, {Shard: 7, Slot: 43}}})
	s.set(Hold{Kind: Restrict, Reason: "disputed", By: "Bob", Calls: []keys.ID{call}})
	for range 2 {
		held, hidden := s.Held()
		if len(held) != 2 || len(hidden) != 1 || !hidden[call] || len(s.List()) != 2 || s.Lost() || len(s.Findings()) > 0 {
			t.Errorf("held %v, hidden %v, findings %v", held, hidden, s.Findings())
		}
		s.open()
	}
	if _, err := s.End(t.Context(), keep.ID, "Ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.End(t.Context(), keep.ID, "Ann"); !errors.Is(err, ErrNone) {
		t.Errorf("ended twice: %v", err)
	}
	if held, _ := s.Held(); len(held) != 1 {
		t.Errorf("held %v", held)
	}
}

func TestAHoldEndsByItselfOnlyWhenSoMuchTimeHasPassed(t *testing.T) {
	s := newShelf(t)
	now := s.wall
	s.cfg.Now = func() time.Time { return now }
	s.open()
	s.set(Hold{Kind: Keep, Reason: "invoice", By: "Ann", Until: s.wall.AddDate(0, 0, 30), Calls: []keys.ID{call}})
	ended := func() bool {
		if err := s.EndDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		held, _ := s.Held()
		return len(held) == 0
	}
	s.wall = s.wall.AddDate(10, 0, 0)
	if ended() {
		t.Error("a jump of the wall clock ended it")
	}
	if now = now.AddDate(0, 0, 29); ended() {
		t.Error("it ended a day early")
	}
	if now = now.AddDate(0, 0, 1); !ended() {
		t.Error("it did not end")
	}
}

func TestWhatTheAuditLogRefusesDoesNotHappen(t *testing.T) {
	s := newShelf(t)
	h := s.set(Hold{Kind: Restrict, Reason: "disputed", By: "Ann", Calls: []keys.ID{call}})
	s.fails = errors.New("the log is full")
	if _, err := s.Set(t.Context(), Hold{Kind: Keep, Reason: "x", By: "Ann", Calls: []keys.ID{{Shard: 9}}}); !errors.Is(err, s.fails) {
		t.Errorf("Set: %v", err)
	}
	if _, err := s.End(t.Context(), h.ID, "Ann"); !errors.Is(err, s.fails) {
		t.Errorf("End: %v", err)
	}
	for range 2 {
		if held, hidden := s.Held(); len(held) != 1 || !hidden[call] {
			t.Errorf("held %v", held)
		}
		s.open()
	}
	if !slices.Equal(s.acts, []string{Set, Set, Ended}) {
		t.Errorf("acts: %v", s.acts)
	}
}

func TestHalfAnOrderIsRefused(t *testing.T) {
	s := newShelf(t)
	for _, h := range []Hold{{Kind: Keep, By: "Ann", Calls: []keys.ID{call}}, {Kind: Keep, Reason: "x", Calls: []keys.ID{call}}, {Kind: Keep, Reason: "x", By: "Ann"},
		{Reason: "x", By: "Ann", Calls: []keys.ID{call}}, {Kind: Keep, Reason: strings.Repeat("x", 3000), By: "Ann", Calls: []keys.ID{call}},
		{Kind: Keep, Reason: "x", By: "Ann", Calls: []keys.ID{call}, Until: s.wall.Add(-time.Hour)}} {
		if _, err := s.Set(t.Context(), h); !errors.Is(err, ErrBad) {
			t.Errorf("%+v: %v", h, err)
		}
	}
}

// TestTheReasonDiesWithItsRecordings, and with its slot.
func TestTheReasonDiesWithItsRecordings(t *testing.T) {
	s := newShelf(t)
	h := s.set(Hold{Kind: Keep, Reason: "invoice", By: "Ann", Calls: []keys.ID{call}})
	gone := func(keys.ID) bool { return true }
	if err := s.Forget(t.Context(), gone); err != nil || len(s.List()) != 1 {
		t.Errorf("one in force is forgotten: %v", err)
	}
	if _, err := s.End(t.Context(), h.ID, "Ann"); err != nil {
		t.Fatal(err)
	}
	if err := s.Forget(t.Context(), gone); err != nil || len(s.List()) != 0 || !s.keys.Doomed(h.ID) {
		t.Errorf("not forgotten: %v, %v", s.List(), err)
	}
}

// TestWhatCannotBeReadLetsNothingExpire, and is not thrown away.
func TestWhatCannotBeReadLetsNothingExpire(t *testing.T) {
	s := newShelf(t)
	h := s.set(Hold{Kind: Keep, Reason: "invoice", By: "Ann", Calls: []keys.ID{call}})
	if err := s.keys.Doom(t.Context(), h.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.keys.Commit(t.Context(), keys.Change{}); err != nil {
		t.Fatal(err)
	}
	s.open()
	if !s.Lost() || len(s.Findings()) != 1 || len(s.unread) != 1 {
		t.Errorf("lost %v, findings %v", s.Lost(), s.Findings())
	}
	s.set(Hold{Kind: Keep, Reason: "another", By: "Ann", Calls: []keys.ID{call}})
	s.open()
	if len(s.unread) != 1 || len(s.List()) != 1 {
		t.Errorf("%d unread, %d read", len(s.unread), len(s.List()))
	}
}

func TestTheVectorIsAHold(t *testing.T) {
	v := vectors.Read(t, "retention")
	plain := v.Bytes(t, "hold body")
	h, err := parse(plain)
	if err != nil || h.Reason != "invoice" || h.By != "Ann" || !slices.Equal(h.Calls, []keys.ID{call}) || !bytes.Equal(h.bytes(), plain) {
		t.Fatalf("parse: %+v, %v", h, err)
	}
	file := v.Bytes(t, "holds")
	head := 6 + 2 + 16 + 1 + len("holds") + 8
	records, err := split(file[head : len(file)-32])
	if err != nil || len(records) != 1 {
		t.Fatalf("split: %v, %v", records, err)
	}
	meta, err := keys.KeyFrom(vectors.Read(t, "common").Bytes(t, "vault key"))
	if err != nil {
		t.Fatal(err)
	}
	vaultID := vectors.Read(t, "common").Bytes(t, "vault id")
	opened, err := seal.OpenBox(meta, records[0].boxed, []byte(labelHold), vaultID, records[0].id.Append(nil))
	if err != nil || !bytes.Equal(opened, plain) {
		t.Errorf("OpenBox: %x, %v", opened, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(vectors.Read(f, "retention").Bytes(f, "hold body"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if h, err := parse(data); err == nil && !bytes.Equal(h.bytes(), data) {
			t.Errorf("%x has a second form", data)
		}
		_, _ = split(data) // it must only not fall over
	})
}

package hold

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/crypto/cryptobyte"

	"linekeep/drivers/tpm/tpmtest"
	"linekeep/vault/audit"
	"linekeep/vault/audit/entry"
	"linekeep/vault/folder"
	"linekeep/vault/keys"
	"linekeep/vault/keys/pair"
	"linekeep/vault/register/ledger"
	"linekeep/vault/retention/note"
	"linekeep/vault/seal"
	"linekeep/vault/vaulttest/vectors"
)

// shelf is a book of holds with all it needs: keys, a register on real Badger, an audit log.
type shelf struct {
	*Book
	t        *testing.T
	cfg      Config
	dir      string
	keys     *keys.Keys
	log      *audit.Log
	folder   *folder.Folder
	register *ledger.Ledger
	wall     time.Time
	acts     []string
	fails    error
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{t: t, dir: t.TempDir(), wall: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return s.wall }
	var err error
	if s.keys, err = keys.Create(t.Context(), keys.Config{Dir: filepath.Join(s.dir, "keys"), Clock: clock}, tpmtest.NewMemory()); err != nil {
		t.Fatal(err)
	}
	s.cfg = Config{Slots: s.keys, Wall: clock, Now: clock, Note: note.Config{Dir: filepath.Join(s.dir, "retention"), VaultID: s.keys.VaultID(), Key: s.keys.Outer("retention"),
		FS: pair.Disk{}, Fresh: func() uint64 { return 1 << 40 }},
		Commit: func(ctx context.Context, a Act, changes ...ledger.Change) error {
			s.acts = append(s.acts, a.What)
			if s.fails != nil {
				return s.fails
			}
			return s.register.Commit(ctx, audit.Act{What: entry.HoldSet}, changes...)
		}}
	quiet := slog.New(slog.DiscardHandler)
	if s.log, err = audit.Open(t.Context(), audit.Config{Dir: filepath.Join(s.dir, "audit"), Keys: s.keys, Clock: clock, Log: quiet}); err != nil {
		t.Fatal(err)
	}
	s.records()
	s.open()
	t.Cleanup(func() {
		if err := errors.Join(s.folder.Close(), s.log.Close(), s.keys.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// records opens the register's folder.
func (s *shelf) records() {
	s.t.Helper()
	var err error
	o := folder.Options{Name: "register", Path: filepath.Join(s.dir, "register"), Key: s.keys.Folder("register"), Rows: true, Log: slog.New(slog.DiscardHandler)}
	if s.folder, err = folder.Open(s.t.Context(), o); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelf) open() {
	s.t.Helper()
	var err error
	if s.register, err = ledger.Open(ledger.Config{Folder: s.folder, Keys: s.keys, Log: s.log, Clock: s.cfg.Wall}); err != nil {
		s.t.Fatal(err)
	}
	s.cfg.Register = s.register
	if s.Book, err = Open(s.t.Context(), s.cfg); err != nil {
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
	if !s.Lost() || len(s.Findings()) != 1 {
		t.Errorf("lost %v, findings %v", s.Lost(), s.Findings())
	}
	s.set(Hold{Kind: Keep, Reason: "another", By: "Ann", Calls: []keys.ID{call}})
	s.open()
	if !s.Lost() || len(s.Findings()) != 1 || len(s.List()) != 1 {
		t.Errorf("lost %v, findings %v, %d read", s.Lost(), s.Findings(), len(s.List()))
	}
}

// oldNote writes holds as vaults of an earlier version have them.
func (s *shelf) oldNote(all ...Hold) {
	s.t.Helper()
	out := cryptobyte.NewBuilder(nil)
	out.AddUint8(bookVersion)
	out.AddUint32(uint32(len(all)))
	for i := range all {
		slot, err := s.keys.Next(s.t.Context(), keys.Office, s.wall)
		if err != nil {
			s.t.Fatal(err)
		}
		all[i].ID, all[i].Since, all[i].Made = slot.ID, s.wall, s.wall
		meta := slot.Meta()
		boxed := seal.Box(meta, all[i].bytes(), []byte(labelHold), s.cfg.Note.VaultID[:], slot.ID.Append(nil))
		meta.Wipe()
		slot.Wipe()
		out.AddBytes(all[i].ID.Append(nil))
		out.AddUint32(uint32(len(boxed)))
		out.AddBytes(boxed)
	}
	n, _, err := note.Open(s.cfg.Note, noteName)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := n.Write(out.BytesOrPanic()); err != nil {
		s.t.Fatal(err)
	}
}

// TestHoldsOfAnOldVaultMoveIntoTheRegister, also where the power goes on the way; and the old list counts no more.
func TestHoldsOfAnOldVaultMoveIntoTheRegister(t *testing.T) {
	s := newShelf(t)
	old := []Hold{{Kind: Keep, Reason: "invoice", By: "Ann", Calls: []keys.ID{call}}, {Kind: Restrict, Reason: "disputed", By: "Bob", Calls: []keys.ID{{Shard: 8}}}}
	s.oldNote(old...)
	if err := os.CopyFS(filepath.Join(s.dir, "before"), os.DirFS(s.cfg.Note.Dir)); err != nil {
		t.Fatal(err)
	}
	cuts, whole := 0, s.cfg.Commit
	s.cfg.Commit = func(ctx context.Context, a Act, changes ...ledger.Change) error {
		if cuts++; cuts == 2 {
			return errors.New("the power goes")
		}
		return whole(ctx, a, changes...)
	}
	if _, err := Open(t.Context(), s.cfg); err == nil || cuts != 2 {
		t.Fatalf("Open: %v after %d transactions", err, cuts)
	}
	s.cfg.Commit = whole
	for range 2 {
		s.open()
		if diff := cmp.Diff(old, s.List(), cmpopts.SortSlices(func(a, b Hold) bool { return a.Reason < b.Reason }), cmpopts.EquateEmpty()); diff != "" || s.Lost() || len(s.Findings()) > 0 {
			t.Errorf("lost %v, findings %v: %s", s.Lost(), s.Findings(), diff)
		}
	}
	if n := s.register.Newest(); n != 3 {
		t.Errorf("%d transactions, want those of two holds and the word that all are there", n)
	}
	if _, err := s.End(t.Context(), s.List()[0].ID, "Ann"); err != nil {
		t.Fatal(err)
	}
	held, _ := s.Held()
	if err := os.RemoveAll(s.cfg.Note.Dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(s.cfg.Note.Dir, os.DirFS(filepath.Join(s.dir, "before"))); err != nil {
		t.Fatal(err)
	}
	s.open()
	again, _ := s.Held()
	if err := errors.Join(s.Findings()...); !errors.Is(err, ErrRolledBack) || s.Lost() || !maps.Equal(held, again) {
		t.Errorf("the old list put back: %v, lost %v, held %v, want %v", err, s.Lost(), again, held)
	}
}

// TestP17_AnOlderListOfHoldsIsTold: a copy of the register of before the last hold is put in place. Nothing expires then.
func TestP17_AnOlderListOfHoldsIsTold(t *testing.T) {
	for name, last := range map[string]func(s *shelf, h Hold) error{
		"a hold set": func(s *shelf, _ Hold) error {
			s.set(Hold{Kind: Keep, Reason: "another", By: "Ann", Calls: []keys.ID{call}})
			return nil
		},
		"a restriction set": func(s *shelf, _ Hold) error {
			s.set(Hold{Kind: Restrict, Reason: "x", By: "Ann", Calls: []keys.ID{call}})
			return nil
		},
		"a hold that ended": func(s *shelf, h Hold) error { _, err := s.End(s.t.Context(), h.ID, "Ann"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			h := s.set(Hold{Kind: Keep, Reason: "invoice", By: "Ann", Calls: []keys.ID{call}})
			now, before := filepath.Join(s.dir, "register"), filepath.Join(s.dir, "before")
			err := s.folder.Close()
			if err == nil {
				err = os.CopyFS(before, os.DirFS(now))
			}
			if err != nil {
				t.Fatal(err)
			}
			s.records()
			s.open()
			if err := errors.Join(last(s, h), s.folder.Close(), os.RemoveAll(now), os.Rename(before, now)); err != nil {
				t.Fatal(err)
			}
			s.records()
			s.open()
			if err := errors.Join(s.Findings()...); !errors.Is(err, ErrRolledBack) || !errors.Is(err, ledger.ErrRolledBack) || !s.Lost() {
				t.Errorf("%v; lost %v", err, s.Lost())
			}
			if held, _ := s.Held(); !held[call] {
				t.Error("what can be read of it does not hold")
			}
		})
	}
}

// TestAHoldOnAsManyRecordingsAsOneOrderToErase is one transaction.
func TestAHoldOnAsManyRecordingsAsOneOrderToErase(t *testing.T) {
	s := newShelf(t)
	ids := make([]keys.ID, MaxCalls)
	for i := range ids {
		ids[i] = keys.ID{Shard: 7, Slot: uint32(i)}
	}
	s.set(Hold{Kind: Keep, Reason: "all of it", By: "Ann", Calls: ids})
	s.open()
	if held, _ := s.Held(); len(held) != MaxCalls || s.Lost() {
		t.Errorf("%d held, findings %v", len(held), s.Findings())
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
